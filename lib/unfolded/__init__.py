"""Unfolded recurrent networks: iterative solvers, networks based on them, and their bounds."""

__version__ = "0.1.0"
