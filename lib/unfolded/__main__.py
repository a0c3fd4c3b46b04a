"""The command line: train one network, train all runs of a table, collect the results."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields

from unfolded import training
from unfolded.data import own_frames
from unfolded.errors import RecordError, UnfoldedError, complain
from unfolded.options import parser
from unfolded.runs import named_grids, records, results_table
from unfolded.runs.config import RunConfig, other_defaults


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on standard error with a non-zero exit status."""
    options = parser().parse_args(arguments)
    try:
        options.frames, source = None, getattr(options, "source", "")
        if source.endswith((".npy", ".npz")):
            options.frames, options.source = source, own_frames.checked(source).name
        return COMMANDS[options.command](options)
    except UnfoldedError as error:
        print(f"unfolded: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The output pipe is closed; prevent Python from flushing to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("of memory|allocate", str(error)):
            raise
        do = "choose a smaller --hidden or --depth"
        print(f"unfolded: {complain('a run that fits', 'too little memory', do)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        do = "the same command (without --again) continues after the last stored epoch"
        print(f"unfolded: interrupted; {do}", file=sys.stderr)
        return 130


def _train(options: argparse.Namespace) -> int:
    print(_summary(training.run(_config(options), **_run_options(options)).row()))
    return 0


def _sweep(options: argparse.Namespace) -> int:
    failures, runs = 0, _runs(options)
    keywords = _run_options(options) | {"together": options.together, "jobs": options.jobs}
    for k, (_, outcome) in enumerate(training.fit_all(runs, **keywords), 1):
        if isinstance(outcome, UnfoldedError):
            failures += 1
            print(f"unfolded: {outcome}", file=sys.stderr)
        else:
            print(f"[{k}/{len(runs)}] {_summary(outcome.row())}", flush=True)
    return 1 if failures else 0


def _runs(options: argparse.Namespace) -> list[RunConfig]:
    name = options.grid or f"table-{options.table}"
    seeds = [_config(options, seed=seed) for seed in dict.fromkeys(options.seed)]
    return [run for base in seeds for run in named_grids.named(name, base, options.models)]


def _grid(options: argparse.Namespace) -> int:
    own_files = {options.source: options.frames or options.source}
    for run in _runs(options):
        print(run.hash, shlex.join(own_files.get(word, word) for word in run.arguments()))
    return 0


def _tables(options: argparse.Namespace) -> int:
    damaged, folder = [], records.store(options.store)
    if options.store and not folder.exists():
        raise RecordError(complain(f"a folder of runs at {folder}", "none", "correct --store"))
    run_records = records.stored(folder, damaged)
    for record in run_records:
        print(_summary(record.row()))
    for error in damaged:
        print(f"unfolded: {error}", file=sys.stderr)
    print(f"{len(run_records)} runs in {folder}")
    if options.commit and run_records:
        print(f"{results_table.merge(run_records)} runs in {results_table.RESULTS / 'runs.csv'}")
    return 1 if damaged else 0


def _run_options(options: argparse.Namespace) -> dict[str, object]:
    """Return the options that control how to run, without those that define the run."""
    names = ("device", "store", "again", "frames")
    return {"progress": not options.quiet} | {name: getattr(options, name) for name in names}


def _summary(row: dict) -> str:
    text = "{model} rate={cs_rate} h={hidden} d={depth} seed={seed} {source} {protocol} {profile}"
    defaults = other_defaults()
    text += "".join(f" {name}={row[name]}" for name in defaults if row[name] != defaults[name])
    if row["status"] != "done":
        return f"{text.format(**row)}: {row['status']}: {row['reason']}"
    psnr = "PSNR authors {psnr_authors:.2f} frame {psnr_frame:.2f} global {psnr_global:.2f} dB"
    return f"{text}: {psnr}, {{seconds:.0f}} s".format(**row)


def _config(options: argparse.Namespace, **overrides) -> RunConfig:
    values = vars(options) | overrides
    if getattr(options, "models", None):
        values["model"] = options.models[0]  # the base may have options of this model
    field_names = {field.name for field in fields(RunConfig)}
    return RunConfig(**{name: value for name, value in values.items() if name in field_names})


COMMANDS = {"train": _train, "sweep": _sweep, "grid": _grid, "tables": _tables}

if __name__ == "__main__":
    sys.exit(main())
