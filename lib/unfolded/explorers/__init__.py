"""Figures that move: each is one JavaScript module that serves notebooks and static pages alike."""

from unfolded.explorers.activation import ActivationExplorer, kinks, sliders
from unfolded.explorers.bounds import BoundsExplorer

__all__ = ["ActivationExplorer", "BoundsExplorer", "kinks", "sliders"]
