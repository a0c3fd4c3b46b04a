"""The command line of the benchmarks: one table on standard output and one record per command."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence

from benchmarks import gpu, growth, inference, products, stacked, step, workload
from benchmarks.records import Record, record_path
from companion.build.options import Parser
from unfolded.errors import UnfoldedError, complain
from unfolded.runs.config import PROTOCOLS, RunConfig

_EXAMPLES = """\
examples, from the root of the repository:
  python -m benchmarks step
      minutes: a whole training step at h = 256 and 1024
  python -m benchmarks step --quick
      seconds: a check that everything works; do not use its times
  python -m benchmarks step --commit
      the same; the record is written to data/results/speed/, where the page "How fast" reads it
  python -m benchmarks step --commit --machine intel
      the same as a second record, step-intel.csv
  python -m benchmarks gpu --out FOLDER
      the same step on a CUDA device

Close all other programs: other load on the cores changes the measured times. A record is
speed/NAME.csv in the folder of runs (UNFOLDED_RUNS, or runs/), NAME.csv in --out, or
speed/NAME.csv in data/results/ with --commit.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on standard error and a non-zero exit."""
    options = _parser().parse_args(arguments)
    try:
        device = gpu.require() if options.name == "gpu" else "cpu"
        out = options.out or (os.environ.get("OUT") if options.name == "gpu" else None)
        ends = ["" if options.allocator == "kept" else options.allocator, options.machine]
        name = "-".join(filter(None, [options.name, *ends]))
        path = record_path(name, out, options.commit)
        with workload.conditions(options.threads, options.allocator):
            record = Record(path, device=device, allocator=options.allocator)
            options.command(record, options)
        record.show()
        return 0
    except UnfoldedError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" not in str(error):
            raise
        want, got = "a measurement that fits into memory", "a failed allocation"
        print(f"benchmarks: {complain(want, got, 'choose smaller sizes')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted; the rows measured so far are kept", file=sys.stderr)
        return 130


def _repetitions(options: argparse.Namespace) -> dict[str, int]:
    return {"rounds": 2, "warm": 1} if options.quick else {"rounds": options.rounds, "warm": 3}


def _step(record: Record, options: argparse.Namespace) -> None:
    hidden = [16] if options.quick else options.hidden
    step.measure(record, hidden=hidden, models=options.models, **_repetitions(options))


def _products(record: Record, options: argparse.Namespace) -> None:
    hidden = [64] if options.quick else options.hidden
    products.measure(record, hidden=hidden, models=options.models, **_repetitions(options))


def _growth(record: Record, options: argparse.Namespace) -> None:
    axes = growth.QUICK if options.quick else growth.VARIED
    growth.measure(record, model=options.model, varied=axes, **_repetitions(options))


def _inference(record: Record, options: argparse.Namespace) -> None:
    profile, batches = ("smoke", (1, 2)) if options.quick else ("laptop", (1, 32))
    base = RunConfig(profile=profile, protocol=options.protocol)
    inference.measure(record, base, batches=batches, **_repetitions(options))


def _gpu(record: Record, options: argparse.Namespace) -> None:
    hidden = [16] if options.quick else options.hidden
    gpu.measure(record, hidden=hidden, models=options.models, **_repetitions(options))


def _whole_number(minimum: int, maximum: int = 10**6) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            message = f"expected a whole number from {minimum} to {maximum}; got {text!r}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return number


def _word(text: str) -> str:
    if not re.fullmatch("[a-z0-9]+", text):
        message = f"expected lower-case letters and digits; got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return text


def _parser() -> argparse.ArgumentParser:
    about = "Measure the speed of the library, and write records."
    parser = Parser(prog="python -m benchmarks", description=about, epilog=_EXAMPLES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name")

    def command(name: str, run: Callable, rounds: int, text: str) -> argparse.ArgumentParser:
        subparser = commands.add_parser(name, help=text, description=text)
        subparser.set_defaults(command=run)
        subparser.add_argument(
            "--rounds", type=_whole_number(2), default=rounds, help=f"default {rounds}"
        )
        cores = os.cpu_count() or 1
        threads = {"type": _whole_number(1, cores), "default": min(2, cores)}
        subparser.add_argument("--threads", **threads, help="default 2, or 1 on one core")
        text = "whether freed memory is kept, default kept as in training"
        subparser.add_argument(
            "--allocator", choices=workload.ALLOCATORS, default="kept", help=text
        )
        subparser.add_argument("--quick", action="store_true", help="tiny sizes, as a test")
        text = "lower-case word at the end of the record's name, for another machine; default none"
        subparser.add_argument("--machine", type=_word, metavar="NAME", help=text)
        group = subparser.add_mutually_exclusive_group()
        group.add_argument("--out", help="folder of the record")
        group.add_argument("--commit", action="store_true", help="write data/results/speed/")
        return subparser

    step_parser = command(
        "step", _step, 15, "a training step against plain PyTorch, LSTM and its products"
    )
    products_parser = command("products", _products, 15, "the routines for the products of a step")
    growth_parser = command("growth", _growth, 7, "time and memory against T, d, h, batch and runs")
    growth_parser.add_argument("--model", choices=step.MODELS, default=step.MODELS[0])
    inference_parser = command(
        "inference", _inference, 15, "frames per second and PSNR, frame by frame"
    )
    inference_parser.add_argument("--protocol", choices=tuple(PROTOCOLS), default="normalised")
    gpu_parser = command(
        "gpu", _gpu, 30, "the step on CUDA: plain, compiled, captured, in parallel"
    )
    all_models = (*step.MODELS, *stacked.MODELS)
    sizes = [(subparser, all_models, all_models) for subparser in (step_parser, products_parser)]
    for subparser, choices, models in (*sizes, (gpu_parser, step.MODELS, step.MODELS[:1])):
        subparser.add_argument("--hidden", type=_whole_number(1), nargs="+", default=[256, 1024])
        subparser.add_argument("--models", choices=choices, nargs="+", default=models)
    return parser


if __name__ == "__main__":
    sys.exit(main())
