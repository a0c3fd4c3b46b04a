"""The command line: train one network, sweep a table, collect the results."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields

from unfolded import data, grid, networks, records, results, training
from unfolded.config import PROFILES, PROTOCOLS, RunConfig
from unfolded.errors import TrainingError, UnfoldedError, complain
from unfolded.networks.positive import POSITIVITY
from unfolded.networks.reweighted import REWEIGHTING
from unfolded.together import TOGETHER

_HOW = ("device", "store", "again")

_EXAMPLES = """\
examples:
  python -m unfolded train --model l1-l1-rnn --profile smoke
      seconds: a check that everything works
  python -m unfolded train --model reweighted-rnn --source mnist --profile paper --hidden 256
      the paper's settings at width 256
  python -m unfolded sweep --table 1 --profile laptop
      every cell of Table 1 at a size that a laptop trains; Tables 2 and 3 grow to widths
      and depths that take hours without a GPU
  python -m unfolded sweep --table 1 --seed 0 1 2 3 4 --profile paper --device cuda
      the paper's settings with five seeds a cell, which a GPU trains side by side
  python -m unfolded grid --grid ablations --hidden 128
      list runs with the options that train each of them
  python -m unfolded tables
      list all runs; with --commit merge them into data/results/

Runs are kept in runs/ (or UNFOLDED_RUNS, or --store), one folder for each configuration. What
has finished is not trained again; what was interrupted goes on after the last epoch that was kept.
Data is looked for in the folder that UNFOLDED_DATA names, then downloaded; the source
"digits" needs neither.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on standard error and a non-zero exit."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except UnfoldedError as error:
        print(f"unfolded: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output has gone; Python must not try to flush to it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("memory|allocate", str(error)):
            raise
        do = "choose a smaller --hidden or --depth"
        print(f"unfolded: {complain('a run that fits', 'too little memory', do)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        do = "the same command (without --again) goes on after the last epoch that was kept"
        print(f"unfolded: interrupted; {do}", file=sys.stderr)
        return 130


def _train(options: argparse.Namespace) -> int:
    record = training.run(_config(options), **_how(options))
    print(_summary(record.row()))
    return 0


def _sweep(options: argparse.Namespace) -> int:
    failed, shelf = 0, {}
    runs = _runs(options)
    number = {run: k for k, run in enumerate(runs, 1)}
    on_gpu = training.resolve(options.device) != "cpu"
    for group in training.groups(runs, options.together if on_gpu else 1):
        for config in () if options.quiet else group:
            head = f"[{number[config]}/{len(runs)}] {config.model} {config.hash}"
            print(head, file=sys.stderr)
        for ended in training.run_together(group, shelf=shelf, **_how(options)):
            if isinstance(ended, TrainingError):
                failed += 1
                print(f"unfolded: {ended}", file=sys.stderr)
            else:
                print(_summary(ended.row()), flush=True)
    return 1 if failed else 0


def _runs(options: argparse.Namespace) -> list[RunConfig]:
    name = options.grid or f"table-{options.table}"
    seeds = [_config(options, seed=seed) for seed in dict.fromkeys(options.seed)]
    runs = [run for base in seeds for run in grid.named(name, base)]
    return [run for run in runs if run.model in (options.models or networks.names())]


def _grid(options: argparse.Namespace) -> int:
    for run in _runs(options):
        print(run.hash, shlex.join(run.arguments()))
    return 0


def _tables(options: argparse.Namespace) -> int:
    found = records.collect(options.store)
    for row in found.to_dict("records"):
        print(_summary(row))
    print(f"{len(found)} runs in {records.store(options.store)}")
    if options.commit and len(found):
        rows = results.commit_runs(found)
        results.commit_details(records.stored(options.store))
        print(f"{rows} runs in {results.RESULTS / 'runs.csv'}")
    return 0


def _how(options: argparse.Namespace) -> dict[str, object]:
    """Return what says how to run, and not what."""
    progress = not options.quiet
    return {"progress": progress} | {name: getattr(options, name) for name in _HOW}


def _summary(row: dict) -> str:
    what = "{model} rate={cs_rate} h={hidden} d={depth} seed={seed} {source} {protocol} {profile}"
    if row["status"] != "done":
        return f"{what.format(**row)}: {row['status']}: {row['reason']}"
    psnr = "PSNR authors {psnr_authors:.2f} frame {psnr_frame:.2f} global {psnr_global:.2f} dB"
    return f"{what}: {psnr}, {{seconds:.0f}} s".format(**row)


def _config(options: argparse.Namespace, **other) -> RunConfig:
    given = vars(options) | other
    known = {field.name for field in fields(RunConfig)}
    return RunConfig(**{name: value for name, value in given.items() if name in known})


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others; the usage is one --help away."""

    def error(self, message: str):
        self.exit(2, f"unfolded: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m unfolded",
        description="Train unfolded recurrent networks and collect their results.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    default = RunConfig()

    train = commands.add_parser("train", help="train one network and write its record")
    train.set_defaults(command=_train)
    train.add_argument("--model", choices=networks.names(), default=default.model)
    train.add_argument("--cs-rate", type=float, default=default.cs_rate, help="n/n0, default 0.2")
    train.add_argument("--hidden", type=int, help="h; default is the profile's")
    train.add_argument("--depth", type=int, help="d; default 3, for lstm 2")
    train.add_argument("--seed", type=int, default=default.seed)

    sweep = commands.add_parser("sweep", help="train every cell of a table or another grid")
    sweep.set_defaults(command=_sweep)
    listed = commands.add_parser("grid", help="list the runs of a grid: hash and train's options")
    listed.set_defaults(command=_grid)
    for command in (sweep, listed):
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("--table", type=int, choices=tuple(grid.VARIED), help="of the paper")
        which.add_argument("--grid", choices=tuple(grid.GRIDS), help="a set of runs by name")
        command.add_argument("--models", nargs="+", choices=networks.names(), help="default: all")
        several = {"type": int, "nargs": "+", "default": [default.seed], "help": "one or several"}
        command.add_argument("--seed", **several)
        command.add_argument("--hidden", type=int, help="h where it is not varied")
    side = f"on a GPU, so many seeds of a cell side by side; default {TOGETHER}"
    sweep.add_argument("--together", type=_positive, default=TOGETHER, metavar="K", help=side)

    for command in (train, sweep, listed):
        command.add_argument("--source", choices=data.SOURCES, default=default.source)
        command.add_argument("--reduction", choices=data.REDUCTIONS, default=default.reduction)
        command.add_argument("--protocol", choices=tuple(PROTOCOLS), default=default.protocol)
        command.add_argument("--profile", choices=tuple(PROFILES), default=default.profile)
        command.add_argument("--positivity", choices=POSITIVITY, default=default.positivity)
        command.add_argument("--lambda1", type=float, default=default.lambda1)
        command.add_argument("--lambda2", type=float, default=default.lambda2)
        what = "what reweighted-rnn trains of Z and g"
        command.add_argument(
            "--reweighting", choices=REWEIGHTING, default=default.reweighting, help=what
        )
    for command in (train, sweep):
        command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, auto (default)")
        command.add_argument("--again", action="store_true", help="train even if a record exists")
        command.add_argument("--quiet", action="store_true", help="show no progress")
    tables = commands.add_parser("tables", help="list the runs and collect them into one table")
    tables.set_defaults(command=_tables)
    tables.add_argument("--commit", action="store_true", help="merge into data/results/")
    for command in (train, sweep, tables):
        command.add_argument("--store", help="folder of the runs; default UNFOLDED_RUNS or runs/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
