"""The command line of the companion: `python -m companion COMMAND`.

    execute [NAMES] [--force]    execute the stale notebooks, or those named
    html [--all]                 build the book from the executed notebooks
    pdf                          print the book into one document
    weights [--table cover]      copy trained networks at h = 256 to data/weights/
    linear-baseline              compute the mean frame and the linear reconstruction
    memory-value                 test stored runs with, without and with shuffled memory
    solutions                    evaluate activation and codes of trained networks
    protocol-replay              repeat the first iterations of the authors' logs
    sista-images                 train SISTA-RNN and its competitors on their own task
    lista                        train LISTA at the published size
    descending                   train networks for sequences under descending constraints
    glow                         train a multi-scale Glow by maximum likelihood
    inpainting [--system glow]   train GLOW-Prox for inpainting

Each command explains its options with --help. Results are merged into data/results/.
"""

import importlib
import sys
from collections.abc import Sequence

from unfolded.errors import UnfoldedError

COMMANDS = {
    "execute": "companion.build.execute",
    "html": "companion.build.html",
    "pdf": "companion.build.pdf",
    "weights": "companion.pretrained",
    "linear-baseline": "companion.reproduction.linear_baseline",
    "memory-value": "companion.reproduction.memory_evaluation",
    "solutions": "companion.reproduction.solution_analysis",
    "protocol-replay": "companion.reproduction.protocol_replay",
    "sista-images": "companion.studies.sista_images.image_runs",
    "lista": "companion.studies.lista.lista_runs",
    "descending": "companion.studies.descending.descending_runs",
    "glow": "companion.studies.inpainting.glow_runs",
    "inpainting": "companion.studies.inpainting.inpainting_runs",
}
"""The module that contains the function ``main`` of each command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on standard error and a non-zero exit status."""
    parameters = list(sys.argv[1:] if arguments is None else arguments)
    name = parameters[0] if parameters else ""
    if name in ("", "-h", "--help"):
        print(__doc__)
        return 0 if name else 2
    if name not in COMMANDS:
        print(f"companion: no command {name!r}; see python -m companion --help", file=sys.stderr)
        return 2
    try:
        return importlib.import_module(COMMANDS[name]).main(parameters[1:])
    except UnfoldedError as error:
        print(f"companion: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("companion: interrupted; the same command continues", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
