"""Runs trained in one group equal separate runs, up to rounding, also after failures."""

import itertools

import pytest
import torch
from small_runs import interrupted, new_trainer, small

from unfolded import training
from unfolded.choices import POSITIVITY, UNFOLDED
from unfolded.errors import ConfigError, RecordError, TrainingError
from unfolded.runs import records
from unfolded.training import checkpoint, fitting
from unfolded.training.trainer import RunGroup, Trainer

STACKED = ["srnn", "indrnn", "fastrnn", "spectralrnn"]
PENALISED = {"norm_penalty": 20.0}
SEVERAL = ({}, {"seed": 1}, {"seed": 2, "lambda1": 0.5, "lambda2": 0.1}, {"learning_rate": 1e-3})


def double(job):
    job.network.double()
    job.train, job.validation = job.train.double(), job.validation.double()
    return job


def trained(jobs):
    """Train jobs as one group for two epochs; a list of one is a run alone."""
    group = RunGroup(jobs)
    for _ in range(2):
        for job, ended in zip(jobs, group.epoch(), strict=True):
            job.end_epoch(*ended)
    return jobs


def assert_equal(ours, theirs, rtol):
    """Curves and parameters agree, the latter relative to the largest of each."""
    for name in ("train_mse", "validation_mse"):
        assert ours.curves[name] == pytest.approx(theirs.curves[name], rel=rtol)
    assert ours.curves["learning_rate"] == theirs.curves["learning_rate"]
    for p, q in zip(ours.network.parameters(), theirs.network.parameters(), strict=True):
        assert p.stride() == q.stride()
        torch.testing.assert_close(p, q, rtol=rtol, atol=rtol * q.abs().max().item())


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        *itertools.product(UNFOLDED, [*({"positivity": form} for form in POSITIVITY), PENALISED]),
        *itertools.product(STACKED, [{}]),
    ],
)
def test_a_grouped_run_equals_the_separate_run_in_double_precision(model, fields):
    configs = [small(model, **fields, **changes) for changes in SEVERAL]
    beside = trained([double(new_trainer(config)) for config in configs])
    for job, config in zip(beside, configs, strict=True):
        (alone,) = trained([double(new_trainer(config))])
        assert_equal(job, alone, rtol=1e-10)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("model", UNFOLDED)
def test_one_grouped_step_equals_the_separate_step_in_single_precision(model, fast):
    rows = torch.arange(32 * len(SEVERAL)).view(-1, 32) % 40
    jobs, alone = ([new_trainer(small(model, **fields)) for fields in SEVERAL] for _ in range(2))
    for job in (*jobs, *alone):
        job.network.fast = fast
    RunGroup(jobs).steps(rows)
    for job, reference, batch in zip(jobs, alone, rows, strict=True):
        RunGroup([reference]).steps(batch)
        for p, q in zip(job.network.parameters(), reference.network.parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-5)


def test_grouped_runs_have_their_own_matrix_and_order_and_share_the_data():
    cache = {}
    first, second = (new_trainer(small(seed=seed), cache=cache) for seed in (0, 1))
    assert first.train is second.train and first.test is second.test
    assert not torch.equal(first.network.A, second.network.A)
    assert not torch.equal(first.order(), second.order())
    new_trainer(small(protocol="normalised"), cache=cache)
    assert len(cache) == 1


def ended(configs, store, **options):
    return training.fit(configs, store=store, progress=False, **options)


def test_grouped_runs_have_the_records_of_separate_runs(tmp_path):
    configs = [small(**fields) for fields in SEVERAL]
    results = ended(configs, tmp_path / "together")
    for config, record in zip(configs, results, strict=True):
        alone = training.run(config, store=tmp_path / "alone", progress=False)
        assert records.load(tmp_path / "together" / config.hash, config) == record
        assert record.provenance["together"] == len(SEVERAL) and "together" not in alone.provenance
        assert record.metrics == pytest.approx(alone.metrics, rel=1e-4)
        assert record.learned == pytest.approx(alone.learned, rel=1e-4)
        folders = [tmp_path / name / config.hash for name in ("together", "alone")]
        ours, theirs = ({path.name: path.stat().st_size for path in f.iterdir()} for f in folders)
        assert ours.keys() == theirs.keys()
        assert ours["weights.safetensors"] == theirs["weights.safetensors"]
    assert ended(configs, tmp_path / "together") == results


def test_runs_at_different_epochs_continue_in_one_group(tmp_path):
    configs = [small(seed=seed) for seed in range(3)]
    whole = ended(configs, tmp_path / "whole")
    sizes = []

    def after(trainer):
        sizes.append((trainer.folder / checkpoint.STATE).stat().st_size)

    def is_last(trainer):
        return trainer.config.seed == 1 and len(trainer.curves["train_mse"]) == 2

    with interrupted(is_last, after):
        with pytest.raises(KeyboardInterrupt):
            ended(configs, tmp_path / "cut")
        with pytest.raises(KeyboardInterrupt):
            training.run(small(seed=1), store=tmp_path / "alone", progress=False)
    # Each state contains one run of the group; only its curves grow.
    assert max(sizes) - min(sizes) < 0.01 * min(sizes)
    states = [
        checkpoint.load_state(records.folder_of(config, tmp_path / "cut"), config)
        for config in configs
    ]
    assert [len(state["curves"]["train_mse"]) for state in states] == [2, 2, 1]
    for record, expected in zip(ended(configs, tmp_path / "cut"), whole, strict=True):
        assert record.metrics == pytest.approx(expected.metrics, rel=1e-4)
        assert len(record.curves["train_mse"]) == 3


def test_a_state_saved_in_a_group_continues_in_a_separate_run(tmp_path):
    whole = training.run(small(), store=tmp_path / "whole", progress=False)
    with interrupted(), pytest.raises(KeyboardInterrupt):
        ended([small(), small(seed=1)], tmp_path / "cut")
    record = training.run(small(), store=tmp_path / "cut", progress=False)
    assert record.curves["train_mse"] == pytest.approx(whole.curves["train_mse"], rel=1e-4)
    assert record.metrics == pytest.approx(whole.metrics, rel=1e-4)


def test_a_failed_run_of_a_group_has_a_record_and_the_others_continue(tmp_path, monkeypatch):
    configs = [small(seed=seed) for seed in range(3)]
    whole = ended(configs, tmp_path / "whole")
    begin = Trainer.begin

    def wild(self, group_size):
        begin(self, group_size)
        if self.config.seed == 1:
            self.optimiser.param_groups[0]["lr"] = 1e30

    monkeypatch.setattr(Trainer, "begin", wild)
    first, failed, last = ended(configs, tmp_path / "cut")
    assert isinstance(failed, TrainingError)
    record = records.load(records.folder_of(configs[1], tmp_path / "cut"))
    assert record.status == "failed" and record.reason == str(failed)
    assert "in epoch 1, step 2" in record.reason
    for ours, theirs in ((first, whole[0]), (last, whole[2])):
        assert ours.metrics == pytest.approx(theirs.metrics, rel=1e-4)


def test_a_group_with_a_folder_in_use_does_not_start(tmp_path):
    configs = [small(seed=seed) for seed in range(2)]
    in_use = pytest.raises(RecordError, match="another process trains this run")
    with records.lock(records.folder_of(configs[1], tmp_path)), in_use:
        ended(configs, tmp_path)
    assert not list(tmp_path.glob("*/state.pt"))


def test_states_on_a_gpu_are_saved_first_and_then_every_half_minute(tmp_path, monkeypatch):
    job, clock, times = new_trainer(small(), tmp_path), [100.0], []
    monkeypatch.setattr(checkpoint, "save_state", lambda *_: times.append(clock[0]))
    monkeypatch.setattr("unfolded.training.trainer.time.monotonic", lambda: clock[0])
    job.device = "cuda"
    for clock[0] in (100.0, 101.0, 129.0, 131.0, 140.0):
        job.save()
    assert times == [100, 131]


def test_every_run_reports_its_epochs(tmp_path, capsys):
    configs = [small(seed=seed) for seed in range(2)]
    training.fit(configs, store=tmp_path, progress=True)
    lines = capsys.readouterr().err.splitlines()
    heads = [f"{c.model} {c.hash}  epoch {k}/3" for k in (1, 2, 3) for c in configs]
    assert sorted(line.partition("  train")[0] for line in lines) == sorted(heads)


def test_runs_of_equal_shape_are_grouped():
    seeds = [small(seed=seed) for seed in range(5)]
    rest = [small(hidden=7), small(cs_rate=0.3), small("sista-rnn"), small(protocol="normalised")]
    softplus, calm = small(positivity="softplus"), small(lambda2=0.3)
    groups = training.groups([*seeds, *rest, softplus, calm, seeds[0]], most=4)
    assert groups == [seeds[:4], [seeds[4], calm], *([config] for config in rest), [softplus]]
    assert training.groups([small("lstm", seed=seed) for seed in range(2)]) == [
        [small("lstm")],
        [small("lstm", seed=1)],
    ]


def test_all_runs_on_a_gpu_are_trained_in_groups_and_a_failure_stops_no_other(monkeypatch):
    seen = []

    def fit(group, *, device, cache, **options):
        seen.append((group, device, cache, options))
        return [TrainingError("wild") if config.seed == 3 else config.seed for config in group]

    monkeypatch.setattr(fitting, "resolve", lambda device: "cuda")
    monkeypatch.setattr(fitting, "fit", fit)
    configs = [small("gru"), *(small(seed=seed) for seed in (0, 1, 2)), small()]
    assert training.run_all(configs, device="cuda", together=2, again=True) == [0, 0, 1, 2, 0]
    assert [group for group, *_ in seen] == [[configs[0]], configs[1:3], [configs[3]]]
    expected = {"again": True, "store": None, "frames": None}
    assert all(rest[0] == "cuda" and rest[2] == expected for _, *rest in seen)
    assert len({id(cache) for _, _, cache, _ in seen}) == 1
    monkeypatch.setattr(records, "load", lambda folder, config: f"record of seed {config.seed}")
    wild, gru = small(seed=3), small("gru")
    assert training.run_all([wild, gru], device="cuda") == ["record of seed 3", 0]


@pytest.mark.parametrize("change", [PENALISED, {"depth": 1}, {"protocol": "normalised"}])
def test_runs_that_cannot_be_one_group_are_rejected(change):
    with pytest.raises(ConfigError, match=r"runs of one group; got .*; use training\.fit_all"):
        training.fit([small("l1-l1-rnn"), small("l1-l1-rnn", **change)])
    assert training.fit([]) == []
