"""Train GLOW-Prox for inpainting and store its test results in data/results/.

    python -m companion inpainting                  small flows on 16×16 digits
    python -m companion inpainting --system glow    a multi-scale Glow on 32×32 MNIST

The second needs the weights of `python -m companion glow`; its trainings continue after their last
checkpoint.
"""

import functools
from collections.abc import Sequence
from dataclasses import asdict, replace

from companion import result_store
from companion.build import options
from companion.studies.inpainting import glow_trials, inpainting_trials
from companion.studies.inpainting.inpainting_trials import SEEDS, STEPS, evaluation
from companion.studies.training_state import state_of
from unfolded.runs import records


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the trials that are not stored yet."""
    system = {"choices": ("small", "glow"), "default": "small", "help": "size of the flows"}
    chosen = options.parse(
        "inpainting", __doc__, arguments, seeds={"default": SEEDS}, system=system
    )
    is_glow = chosen.system == "glow"
    plan = glow_trials.PLAN if is_glow else inpainting_trials.PLAN
    changes = {} if is_glow else {"steps": STEPS}
    trials = [replace(t, seed=seed, **changes) for seed in chosen.seeds for t in plan]
    tasks = {result_store.key(asdict(trial)): functools.partial(_run, trial) for trial in trials}
    table = glow_trials.STORED if is_glow else inpainting_trials.STORED
    folder = records.store() / "inpainting"
    result_store.complete(table, tasks, "no trial is planned", folder=folder)
    return 0


def _run(trial: inpainting_trials.Trial | glow_trials.GlowTrial) -> tuple[str, dict]:
    key, provenance = result_store.key(asdict(trial)), result_store.origin()
    if isinstance(trial, glow_trials.GlowTrial):
        table = glow_trials.STORED
        trained = glow_trials.train(trial, state_of(records.store() / "inpainting" / key, key))
        glow_trials.store_pictures(trained)
    else:
        table, trained = inpainting_trials.STORED, inpainting_trials.train(trial)
    facts = provenance | {"seconds": round(trained.history.seconds.sum().item(), 1)}
    tests = evaluation(trained)
    psnr = tests.query("what == 'nothing'")["psnr"].iloc[-1]
    rows = [{"trial": key} | row | facts for row in tests.to_dict("records")]
    return f"{trial.name} seed {trial.seed}: {psnr:.2f} dB", {table: rows}
