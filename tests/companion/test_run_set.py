"""Paired differences: coverage of the intervals, and cells compared with equal settings."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from companion import run_set, statistics
from companion.claims.decision import committed_runs
from companion.run_set import RunSet, epochs_to
from companion.statistics import Difference, decibel, holm, paired_difference
from unfolded.errors import ConfigError
from unfolded.runs.config import RunConfig
from unfolded.runs.records import METRICS, Record


def noisy(gain, seeds=3, sequences=200, seed=0):
    """Return errors of two networks, the first better by ``gain`` dB on the average."""
    random = np.random.default_rng(seed)
    common = random.normal(20, 3, (1, sequences)) + random.normal(0, 0.2, (seeds, 1))
    first = common + gain + random.normal(0, 0.5, (seeds, sequences))
    return [255**2 / 10 ** (psnr / 10) for psnr in (first, common)]


def test_the_mean_is_over_decibels_of_sequences():
    ours, theirs = noisy(1.0)
    assert paired_difference(ours, theirs).mean == pytest.approx(
        (decibel(ours) - decibel(theirs)).mean()
    )
    assert decibel([255.0**2, 255.0**2 / 100]).tolist() == [0, 20]


def test_intervals_have_the_nominal_coverage():
    gaps = [paired_difference(*noisy(0.1, seeds=1, seed=seed), draws=400) for seed in range(200)]
    coverage = np.mean([gap.low <= 0.1 <= gap.high for gap in gaps])
    assert 0.9 <= coverage <= 0.99


def test_intervals_over_three_different_seeds_have_the_nominal_coverage():
    random, count = np.random.default_rng(3), 0
    for seed in range(200):
        ours, theirs = noisy(0.1, seed=seed)
        luck = 10 ** (random.normal(0, 0.3, (3, 1)) / 10)
        gap = paired_difference(ours / luck, theirs, draws=400)
        count += gap.low <= 0.1 <= gap.high
    assert 0.9 <= count / 200 <= 0.99


def test_pairing_detects_a_difference_much_smaller_than_the_spread_of_sequences():
    # Sequences differ by 3 dB, the networks by a tenth.
    ours, theirs = noisy(0.1)
    gap = paired_difference(ours, theirs)
    assert gap.verdict == "ahead" and gap.high - gap.low < 0.2
    assert paired_difference(theirs, ours).verdict == "behind"
    assert paired_difference(*noisy(0.0)).verdict == "undecided"
    assert Difference(np.nan, np.nan, np.nan, 1, 2).verdict == "undecided"
    assert (gap.seeds, gap.sequences) == (3, 200)


def test_swapping_changes_the_sign_and_repetition_changes_nothing():
    ours, theirs = noisy(0.3)
    gap, swap = paired_difference(ours, theirs), paired_difference(theirs, ours)
    assert [gap.mean, gap.low, gap.high] == pytest.approx([-swap.mean, -swap.high, -swap.low])
    assert gap == paired_difference(ours, theirs)


def test_the_interval_of_one_seed_is_over_sequences_and_of_one_sequence_over_seeds():
    ours, theirs = noisy(0.3)
    gap = paired_difference(ours[:1], theirs[:1])
    assert gap.low < gap.mean < gap.high
    gap = paired_difference(ours[:1, :1], theirs[:1, :1])
    assert gap.low == gap.high == pytest.approx(gap.mean)
    gap = paired_difference(ours[:, :1], theirs[:, :1])
    leads = decibel(ours[:, 0]) - decibel(theirs[:, 0])
    assert [gap.low, gap.high] == pytest.approx(statistics.interval(leads))


def test_pooled_errors_have_one_psnr():
    ours, theirs = np.array([[1.0, 3.0]] * 2), np.array([[1.0, 1.0], [1.0, 7.0]])
    leads = 10 * np.log10([1 / 2, 4 / 2])
    gap = paired_difference(ours, theirs, pooled=True)
    assert gap.mean == pytest.approx(leads.mean())
    assert gap.low <= statistics.interval(leads)[0] and gap.high >= statistics.interval(leads)[1]
    assert paired_difference(ours, theirs).mean == pytest.approx(
        10 * np.log10([1, 1 / 3, 1, 7 / 3]).mean()
    )
    # The sequence with the largest error decides, not the majority of sequences.
    ours, theirs = np.full((1, 9), 2.0), np.full((1, 9), 1.0)
    theirs[0, 0] = 100.0
    pooled = paired_difference(ours, theirs, pooled=True)
    assert paired_difference(ours, theirs).mean < 0 < pooled.mean


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_p_value_is_below_5_percent_if_the_interval_excludes_the_null(seeds):
    agree = []
    for seed in range(40):
        gap = paired_difference(*noisy(0.1, seeds=seeds, seed=seed), null=0.05)
        agree.append((gap.p < 0.05) == (not gap.low <= 0.05 <= gap.high))
    assert np.mean(agree) > 0.95, "up to the granularity of the draws"


def test_the_p_value_is_that_of_the_seeds_if_their_spread_dominates():
    luck = 10 ** (np.array([[0.1], [-0.2], [0.4]]) / 10)
    _, theirs = noisy(0.0, sequences=1000)
    gap = paired_difference(theirs / luck, theirs)
    expected = stats.ttest_1samp(10 * np.log10(luck[:, 0]), 0).pvalue
    assert gap.p == pytest.approx(expected) and gap.p > 0.05
    assert paired_difference(theirs, theirs).p == 1.0
    # A constant lead of all seeds and sequences is limited by the number of draws alone.
    assert paired_difference(theirs / 2, theirs).p == pytest.approx(2 / 5001)


@pytest.mark.parametrize(
    "shapes", [((1, 3), (1, 4)), ((3,), (3,)), ((2, 3), (1, 3)), ((1, 0),) * 2]
)
def test_unpaired_errors_are_rejected(shapes):
    with pytest.raises(ConfigError, match="two arrays"):
        paired_difference(*(np.ones(shape) for shape in shapes))


def test_holm_rejects_step_by_step():
    # The example of Holm (1979) in its usual form: four tests at 5 %.
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []
    adjusted = holm([0.02, np.nan, 0.01])
    assert adjusted[[0, 2]].tolist() == [0.02, 0.02] and np.isnan(adjusted[1])


def test_holm_controls_the_family_wise_error_between_single_tests_and_bonferroni():
    random = np.random.default_rng(0)
    families = random.uniform(size=(4000, 10))
    assert np.mean([(holm(family) <= 0.05).any() for family in families]) <= 0.056
    for family in families[:20] ** 3:
        adjusted, order = holm(family), np.argsort(family)
        assert (adjusted >= family).all() and (adjusted <= np.minimum(1, 10 * family)).all()
        assert (np.diff(adjusted[order]) >= 0).all()


BASE = RunConfig(profile="paper", source="mnist", hidden=64)


def run(model, **fields):
    return dataclasses.replace(BASE, model=model, depth=None, **fields)


def record(model, mse, **fields):
    config = run(model, **fields)
    curves = {"validation_mse": [3.0, 2.0]}
    errors = [mse, 2 * mse, 3 * mse]
    scores = dict.fromkeys(METRICS, 1.0)
    return Record(config.as_dict(), config.hash, "done", scores, curves, errors)


def test_cells_are_compared_with_their_own_seed_and_settings():
    evidence = RunSet.of([
        record("reweighted-rnn", 10.0), record("reweighted-rnn", 1.0, seed=1),
        record("gru", 100.0), record("gru", 1000.0, cs_rate=0.3), record("gru", 7.0, seed=5),
    ])  # fmt: skip
    gap = evidence.difference(run("reweighted-rnn"), run("gru", seed=9))
    assert (gap.mean, gap.seeds, gap.sequences) == (pytest.approx(10.0), 1, 3)
    for competitor in (run("gru", cs_rate=0.4), run("gru", hidden=9), run("lstm")):
        assert evidence.difference(run("reweighted-rnn"), competitor) is None


def test_a_table_of_leads_contains_every_pair_of_every_cell():
    evidence = RunSet.of([record("reweighted-rnn", 1.0), record("lstm", 2.0)])
    table = run_set.compare_with_all(evidence, 1, BASE)
    assert len(table) == 5 * 8
    ran = table[table["verdict"] != "not run"]
    assert ran[["value", "other", "verdict"]].to_numpy().tolist() == [[0.2, "lstm", "ahead"]]
    assert table.loc[ran.index, "mean"].item() == pytest.approx(10 * np.log10(2))


def test_answers_are_means_over_seeds_or_the_reason_for_their_absence():
    failed = Record(run("lstm").as_dict(), run("lstm").hash, "failed")
    done = [record("gru", 1.0), record("gru", 1.0, seed=1), record("srnn", 1.0)]
    for entry in done:
        entry.metrics["psnr_authors"] = 25.0
    evidence = RunSet.of([*done, record("fastrnn", 1.0), failed])
    models = ("gru", "srnn", "fastrnn", "lstm", "indrnn")
    table = run_set.answers(evidence, {"usual": [run(model) for model in models]})
    values = "25.00 ± 0.00", "25.00", "1.00 (did not train)", "diverged", "not run"
    assert table.loc["usual"].to_dict() == dict(zip(models, values, strict=True))


def test_an_answer_states_the_number_of_included_seeds():
    failed = Record(run("gru", seed=2).as_dict(), run("gru", seed=2).hash, "failed")
    evidence = RunSet.of([record("gru", 2.0), record("gru", 2.0, seed=1), failed])
    assert evidence.diverged(run("gru")) == (2,) and evidence.excluded(run("gru")) == 1
    assert evidence.trained.diverged(run("gru")) == (2,)
    assert evidence.seeds_without_result(run("gru")) == {"did not train": 2, "diverged": 1}
    for entry in evidence.runs.index:
        evidence.runs.loc[entry, "psnr_authors"] = 25.0
    table = run_set.answers(evidence, {"usual": [run("gru")]})
    assert table.at["usual", "gru"] == "25.00 ± 0.00 (2 of 3 seeds)"


def test_leads_are_those_of_pairs_with_runs():
    evidence = RunSet.of([record(model, 4.0) for model in ("gru", "srnn", "reweighted-rnn")])
    leads = run_set.leads(evidence, map(run, ("gru", "srnn", "lstm", "reweighted-rnn")))
    assert leads[["other", "mean"]].to_numpy().tolist() == [["gru", 0.0], ["srnn", 0.0]]


def test_the_curve_of_a_configuration_is_that_of_its_first_seed():
    evidence = RunSet.of([record("gru", 1.0, seed=2), record("gru", 1.0, seed=1)])
    assert evidence.curve(run("gru", seed=7)) is evidence.curves[run("gru", seed=1).hash]
    assert evidence.curve(run("lstm")) is None
    assert not RunSet.of([Record(run("gru").as_dict(), "x", "failed")]).errors
    curve = pd.DataFrame({"validation_mse": [5.0, 3.0, 4.0, 1.0]})
    assert [epochs_to(curve, level) for level in (6, 3, 1, 0.5)] == [1, 2, 4, np.inf]


def test_committed_evidence_has_an_error_for_each_test_sequence_and_the_recorded_mean():
    evidence = committed_runs()
    runs = evidence.runs.set_index("config_hash")
    for name, errors in evidence.errors.items():
        assert len(errors) == {"paper": 1_000, "short": 1_000}[runs.at[name, "profile"]]
        assert errors.mean() == pytest.approx(runs.at[name, "test_mse"], rel=1e-5)
        assert len(evidence.curves[name]) == runs.at[name, "epochs"]


def test_the_best_initialisation_is_selected_only_on_validation_data():
    def trained(lambda1, lambda2, validation, mse):
        config = run("l1-l1-rnn", lambda1=lambda1, lambda2=lambda2)
        curves = {"train_mse": [9.0, 9.0], "validation_mse": [validation + 1, validation]}
        return dataclasses.replace(record("l1-l1-rnn", mse), config=config.as_dict(),
                                   config_hash=config.hash, curves=curves)  # fmt: skip

    evidence = RunSet.of([trained(1.0, 0.01, 5.0, 1.0), trained(0.003, 0.02, 4.0, 50.0)])
    best = evidence.best_start(run("l1-l1-rnn"))
    assert (best.lambda1, best.lambda2) == (0.003, 0.02)
    assert evidence.validation(best) == 4.0 and np.isinf(evidence.validation(run("gru")))
    for base in (run("sista-rnn"), run("gru")):
        assert evidence.best_start(base) == base
    without = RunSet.of([trained(0.003, 0.0, 4.0, 1.0)])
    best = without.best_start(run("l1-l1-rnn", lambda2=0.0))
    assert (best.lambda1, best.lambda2) == (0.003, 0.0)


def test_runs_that_return_the_mean_frame_did_not_train():
    failed = dataclasses.replace(record("fastrnn", 1424.0), metrics=dict.fromkeys(METRICS, 16.65))
    good = dataclasses.replace(record("gru", 10.0), metrics=dict.fromkeys(METRICS, 16.75))
    evidence = RunSet.of([failed, good])
    assert evidence.trained.runs["model"].tolist() == ["gru"]
    assert evidence.difference(run("gru"), run("fastrnn"))
    assert evidence.trained.difference(run("gru"), run("fastrnn")) is None
