"""Common options of the commands, and a parser with one-line errors."""

import argparse
from collections.abc import Sequence

from unfolded.choices import SOURCES
from unfolded.runs.config import PROFILES

OPTIONS = {
    "store": {"help": "folder of the runs; default UNFOLDED_RUNS or runs/"},
    "source": {"choices": SOURCES, "default": "mnist", "help": "source of the frames"},
    "profile": {"choices": PROFILES, "default": "paper", "help": "size of the runs"},
    "hidden": {"type": int, "default": 256, "help": "width of the networks"},
    "seeds": {"type": int, "nargs": "+", "default": (0, 1, 2), "help": "seeds of the runs"},
    "epochs": {"type": int, "default": 40, "help": "number of epochs"},
}
"""The options that several commands may have."""


class Parser(argparse.ArgumentParser):
    """A parser with one-line errors; --help prints the usage."""

    def __init__(self, **settings):
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter} | settings)

    def error(self, message: str):
        """Exit with status 2 and one line on standard error."""
        self.exit(2, f"{self.prog.split()[2]}: {message}; see {self.prog} --help\n")


def parse(
    name: str, description: str, arguments: Sequence[str] | None, *names: str, **changes: dict
) -> argparse.Namespace:
    """Return the options of a command: those of :data:`OPTIONS` in ``names``, and ``changes``.

    ``changes``: option -> settings of ``add_argument`` that differ from :data:`OPTIONS`, or those
    of an option of this command alone.

    >>> parse("x", "", ["--seed", "1"], "source", seeds={"default": [0]})
    Namespace(source='mnist', seeds=[1])
    """
    parser = Parser(prog=f"python -m companion {name}", description=description)
    for option in dict.fromkeys([*names, *changes]):
        settings = OPTIONS.get(option, {}) | changes.get(option, {})
        default = settings.get("default")
        if default is not None:
            text = " ".join(map(str, default)) if isinstance(default, (tuple, list)) else default
            settings["help"] = "; ".join(filter(None, [settings.get("help"), f"default {text}"]))
        parser.add_argument(f"--{option}", **settings)
    return parser.parse_args(arguments)
