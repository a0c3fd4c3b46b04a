"""Figures that move: each is one JavaScript module that serves notebooks and static pages alike."""

from unfolded.explorers.activation import ActivationExplorer, sliders

__all__ = ["ActivationExplorer", "sliders"]
