"""Figures that move: each is one JavaScript module that serves notebooks and static pages alike."""

from unfolded.explorers.activation import ActivationExplorer, kinks, sliders

__all__ = ["ActivationExplorer", "kinks", "sliders"]
