"""Unfolded recurrent networks: the solvers, the networks made of them, and their bounds."""

__version__ = "0.1.0"
