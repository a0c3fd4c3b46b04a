"""The options of the command line and their help texts."""

import argparse

from unfolded import choices
from unfolded.errors import complain
from unfolded.runs import grid, named_grids
from unfolded.runs.config import CHOICES, RunConfig

EXAMPLES = """\
examples:
  python -m unfolded train --model l1-l1-rnn --profile smoke
      seconds: a check that everything works
  python -m unfolded train --model reweighted-rnn --source mnist --profile paper --hidden 256
      the paper's settings at width 256
  python -m unfolded sweep --table 1 --profile laptop
      every cell of Table 1 at a size that a laptop trains; Tables 2 and 3 take hours without a GPU
  python -m unfolded sweep --table 1 --seed 0 1 2 3 4 --profile paper --device cuda
      the paper's settings with five seeds a cell, which a GPU trains in parallel
  python -m unfolded grid --grid ablations --hidden 128
      list runs with the options that train each of them
  python -m unfolded tables
      list all runs; with --commit merge them into data/results/

Runs are stored in runs/ (or UNFOLDED_RUNS, or --store), one folder for each configuration.
Finished runs are not repeated; interrupted runs continue after the last stored epoch.
Data is read from the folder that UNFOLDED_DATA names, or else downloaded; the source
"digits" needs neither. --source FILE.npy (or .npz) trains on own frames of any size: one array
(N, T, H, W) or (N, T, n0), uint8, or floats from 0 to 255 or from 0 to 1, split 8:1:1 in order.
"""


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(complain("a whole number >= 1", text, "choose another"))
    return int(text)


_FIELDS = {
    **dict.fromkeys(("source", "reduction", "protocol", "profile", "positivity")),
    **dict.fromkeys(("lambda1", "lambda2")),
    "reweighting": "what reweighted-rnn trains of Z and g",
    "norm_penalty": "weight of the row norms of W_l in the loss; default 0, none",
    "schedule": "when the learning rate falls: as the paper says, or by PyTorch's defaults",
    "memory": "the unfolded networks' link to the previous frame: trained, or fixed at zero",
    "variant": "options of a stacked network: "
    + "; ".join(f"{model}: {', '.join(names)}" for model, names in choices.VARIANTS.items()),
    "learning_rate": "of the first epoch",
}
"""Fields of a configuration that are options of all commands that train, and their help."""


class _Sources(tuple):
    """The names of sources; each file of NumPy is a source, too."""

    def __contains__(self, name: str) -> bool:
        return super().__contains__(name) or name.endswith((".npy", ".npz"))


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line, like all others; --help prints the usage."""

    def error(self, message: str):
        self.exit(2, f"unfolded: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser, whose result has the name of the command as ``command``."""
    root = _Parser(
        prog="python -m unfolded",
        description="Train unfolded recurrent networks and collect their results.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    default = RunConfig()

    train = commands.add_parser("train", help="train one network and write its record")
    train.add_argument("--model", choices=choices.MODELS, default=default.model)
    train.add_argument("--cs-rate", type=float, default=default.cs_rate, help="n/n0, default 0.2")
    train.add_argument("--hidden", type=int, help="h; default is the profile's")
    train.add_argument("--depth", type=int, help="d; default 3, for lstm 2")
    train.add_argument("--seed", type=int, default=default.seed)

    sweep = commands.add_parser("sweep", help="train every cell of a table or another grid")
    listing = commands.add_parser("grid", help="list the runs of a grid: hash and train's options")
    for command in (sweep, listing):
        group = command.add_mutually_exclusive_group(required=True)
        group.add_argument("--table", type=int, choices=tuple(grid.VARIED), help="of the paper")
        group.add_argument("--grid", choices=tuple(named_grids.GRIDS), help="a set of runs by name")
        command.add_argument("--models", nargs="+", choices=choices.MODELS, help="default: paper's")
        option = {"type": int, "nargs": "+", "default": [default.seed], "help": "one or several"}
        command.add_argument("--seed", **option)
        command.add_argument("--hidden", type=int, help="h where it is not varied")
    text = "processes; default: one a core on the CPU, one on a GPU"
    sweep.add_argument("--jobs", type=_count, metavar="N", help=text)
    size, text = choices.GROUP_SIZE, "on a GPU, number of seeds of a cell in one group; default"
    sweep.add_argument("--together", type=_count, default=size, metavar="K", help=f"{text} {size}")

    for command in (train, sweep, listing):
        for name, text in _FIELDS.items():
            value, domain = getattr(default, name), tuple(CHOICES.get(name, ())) or None
            domain = _Sources((*domain, "FILE.npy")) if name == "source" else domain
            options = {"type": type(value), "default": value, "choices": domain, "help": text}
            command.add_argument(f"--{name.replace('_', '-')}", **options)
    for command in (train, sweep):
        command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, auto (default)")
        command.add_argument("--again", action="store_true", help="train even if a record exists")
        command.add_argument("--quiet", action="store_true", help="show no progress")
    tables = commands.add_parser("tables", help="list the runs and collect them into one table")
    tables.add_argument("--commit", action="store_true", help="merge into data/results/")
    for command in (train, sweep, tables):
        command.add_argument("--store", help="folder of the runs; default UNFOLDED_RUNS or runs/")
    return root
