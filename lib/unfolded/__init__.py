"""Unfolded recurrent networks: iterative solvers, networks based on them, and their bounds."""

__version__ = "0.1.0"
_PLACES = {"build": "networks", "save": "networks.storage", "load": "networks.storage"}
"""The public names of this module and their modules, which are imported at first use."""


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(__import__(f"unfolded.{_PLACES[name]}", fromlist=[name]), name)
