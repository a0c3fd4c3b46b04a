"""Figures that move: each is one JavaScript module that serves notebooks and static pages alike."""

from unfolded.explorers.activation import ActivationExplorer, kinks, sliders
from unfolded.explorers.bounds import BoundsExplorer
from unfolded.explorers.player import PlayerExplorer
from unfolded.explorers.stepper import StepperExplorer
from unfolded.explorers.units import UnitsExplorer

__all__ = [
    "ActivationExplorer",
    "BoundsExplorer",
    "PlayerExplorer",
    "StepperExplorer",
    "UnitsExplorer",
    "kinks",
    "sliders",
]
