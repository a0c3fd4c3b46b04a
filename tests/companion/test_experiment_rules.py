"""The rules of the claims: synthetic records that confirm, refute, or leave each undecided."""

import dataclasses
import itertools

import numpy as np
import pytest

from companion.claims import decision, experiment_rules
from companion.claims.decision import Case, Comparison, combine, count_successes, decide
from companion.run_set import PRINTED, WIDE, RunSet
from unfolded import networks
from unfolded.runs import grid, parameter_count
from unfolded.runs.grid import STARTS, SUCCESSOR, UNFOLDED
from unfolded.runs.records import METRICS, Record

PAIRS = (STARTS["earlier code"], SUCCESSOR)
SEEDS = (0, 1, 2)


def run(model, mse, *, curve=(9.0, 4.0, 1.0), psnr=None, **fields):
    """One record: test errors around ``mse`` that scatter with the sequence and the seed."""
    one = dataclasses.replace(PRINTED, model=model, depth=None)
    one = dataclasses.replace(one, **fields)
    random = np.random.default_rng(one.seed)
    each = mse * np.linspace(0.9, 1.1, 50) * np.exp(random.normal(0, 0.001, 50))
    psnr = 10 * np.log10(255**2 / mse) if psnr is None else psnr
    curves = {"train_mse": list(curve), "validation_mse": list(curve)}
    scores = dict.fromkeys(METRICS, psnr)
    return Record(one.as_dict(), one.hash, "done", scores, curves, list(each))


def starts(model, mse, pairs=PAIRS, seeds=SEEDS, **fields):
    """Records of a configuration from each initialisation and with each seed."""
    for seed in seeds:
        for one, two in pairs if model in UNFOLDED else PAIRS[:1]:
            initial = {"lambda1": one, "lambda2": fields.get("lambda2", two)}
            yield run(model, mse, seed=seed, **{**fields, **initial})


def everyone(ours=10.0, others=20.0, **where):
    """Records of all networks of a row."""
    for model in networks.names():
        yield from starts(model, ours if model == "reweighted-rnn" else others, **where)


@pytest.fixture
def records(monkeypatch):
    """Let the rules judge these records instead of the committed ones."""

    def use(*found):
        evidence = RunSet.of(itertools.chain(*found))
        monkeypatch.setattr(decision, "committed_runs", lambda: evidence)

    return use


def judged(rule):
    return experiment_rules.RULES[rule]()


def word(rule):
    return judged(rule).word


@pytest.mark.parametrize("rule", experiment_rules.RULES)
def test_without_runs_nothing_is_tested(rule, records):
    records()
    found = judged(rule)
    assert (found.word, found.ran, found.share) == ("not tested", False, "")
    assert found.because.endswith(".")


# Tables -------------------------------------------------------------------------------------------

RATES = grid.VARIED[1][1]


def rates(*, among=RATES, hidden=1024, **errors):
    return itertools.chain(*(everyone(cs_rate=rate, hidden=hidden, **errors) for rate in among))


def test_best_at_every_rate(records):
    records(rates())
    assert word("best at every rate") == "confirmed"
    records(rates(among=RATES[:2]))
    found = judged("best at every rate")
    assert (found.word, found.share) == ("confirmed so far", "16 of 40 comparisons")
    assert "Tests: 16, corrected by Holm's method" in found.because
    records(rates(among=RATES[1:]), rates(among=RATES[:1], ours=30.0))
    found = judged("best at every rate")
    assert found.word == "conditional" and "behind in 8" in found.because
    records(rates(ours=30.0))
    assert word("best at every rate") == "refuted"


def test_at_the_smaller_width_alone_a_claim_is_confirmed_so_far_at_most(records):
    records(rates(hidden=256))
    found = judged("best at every rate")
    assert (found.word, found.share) == ("confirmed so far", "40 of 40 comparisons")
    assert "Nothing has run at h = 1024" in found.because
    records(rates(hidden=256, ours=30.0))
    assert word("best at every rate") == "refuted"
    records(rates(hidden=256, ours=30.0), rates())
    assert word("best at every rate") == "conditional"
    records(rates(hidden=256), rates())
    assert word("best at every rate") == "confirmed"


def test_one_seed_neither_confirms_nor_refutes(records):
    records(rates(seeds=(0,)))
    found = judged("best at every rate")
    assert (found.word, found.share) == ("confirmed so far", "40 of 40 comparisons")
    assert "Fewer than 3 seeds in 40" in found.because
    for fewer in ({"ours": 30.0}, {"among": RATES[1:]}):
        records(rates(seeds=(0,), **fewer), rates(seeds=(0,), among=RATES[:1], ours=30.0))
        assert word("best at every rate") == "not tested"


def test_one_initialisation_does_not_confirm(records):
    records(rates(pairs=PAIRS[1:]))
    found = judged("best at every rate")
    assert found.word == "confirmed so far"
    assert "Only one initialisation of λ has run: reweighted-RNN, ℓ1-ℓ1-RNN" in found.because


def test_a_verdict_that_hangs_on_the_initialisation_is_conditional(records):
    def widths(mse, pair):
        for h in grid.VARIED[2][1]:
            yield from starts("reweighted-rnn", mse, pairs=[pair], hidden=h, curve=(9.0, mse))
            for other in networks.names()[1:]:
                if other != "reweighted-rnn":
                    yield from starts(other, 20.0, pairs=[pair], hidden=h)

    records(widths(10.0, PAIRS[0]), widths(30.0, PAIRS[1]))
    found = judged("best at every width")
    assert found.word == "conditional"
    assert found.because.startswith("The verdict depends on the initialisation of λ.")


def test_a_run_that_did_not_train_is_excluded_and_named(records):
    trained = [one for one in rates() if one.config["model"] != "fastrnn"]
    failed = [
        run("fastrnn", 2000.0, psnr=16.6, cs_rate=rate, seed=s) for rate in RATES for s in SEEDS
    ]
    records(trained, failed)
    found = judged("best at every rate")
    assert (found.word, found.share) == ("confirmed so far", "35 of 40 comparisons")
    assert "Excluded: FastRNN at rate 0.1 (FastRNN did not train)" in found.because


def test_depth_counts_from_three_layers_on(records):
    def depths(each, **errors):
        return itertools.chain(*(everyone(depth=d, **errors) for d in each))

    records(depths((1, 2), ours=30.0), depths((3, 4, 5, 6)))
    assert word("best when deep") == "confirmed"
    assert word("IndRNN when shallow") == "confirmed"
    records(depths((1, 2)))
    assert word("IndRNN when shallow") == "refuted"


@pytest.mark.parametrize(
    ("errors", "verdict", "share"),
    [
        ((60, 50, 40, 30, 20, 10), "confirmed", ""),
        ((60, 50, 40), "confirmed so far", "2 of 5 steps"),
        ((60, 50, 55, 30, 20, 10), "conditional", ""),
        ((10, 20, 30), "refuted", ""),
        ((60, 60, 60), "refuted", ""),
        ((60, 50), "not tested", ""),
    ],
)
def test_gains_with_depth(errors, verdict, share, records):
    records(*(starts("reweighted-rnn", mse, depth=d) for d, mse in enumerate(errors, 1)))
    found = judged("gains with depth")
    assert (found.word, found.share) == (verdict, share)


def test_a_gain_within_what_seeds_change_is_undecided(records):
    found = [
        one
        for d, mse in enumerate((60, 59, 58), 1)
        for one in starts("reweighted-rnn", mse, depth=d)
    ]
    for one, factor in zip(found, itertools.cycle((0.8, 1.2, 1.0, 1.3, 0.9)), strict=False):
        one.sequence_mse[:] = np.multiply(one.sequence_mse, factor)
    records(found)
    assert word("gains with depth") == "not tested"


def test_two_layers_for_lstm(records):
    three = [run("lstm", 20.0, depth=3, seed=seed) for seed in SEEDS]
    for mse, verdict in ((10.0, "confirmed"), (30.0, "refuted"), (20.0, "refuted")):
        records(three, [run("lstm", mse, depth=2, seed=seed) for seed in SEEDS])
        assert word("two layers for LSTM") == verdict
    records(three[:1], [run("lstm", 10.0, depth=2)])
    assert word("two layers for LSTM") == "confirmed so far"
    records(three)
    assert word("two layers for LSTM") == "not tested"


# Learning curves ----------------------------------------------------------------------------------


def figure_3(ours, others, unfolded=None, **where):
    """Records of a row with these curves."""
    for model in networks.names():
        curve = unfolded if unfolded and model in UNFOLDED else others
        curve = ours if model == "reweighted-rnn" else curve
        yield from starts(model, 1.0, curve=curve, **where)


LOW, HIGH = (9.0, 1.0), (9.0, 2.0)


def test_lowest_error(records):
    every = [list(figure_3(LOW, HIGH, hidden=h)) for h in (128, 256, 1024)]
    records(*every)
    assert word("lowest error") == "confirmed"
    records(*every[:2])
    found = judged("lowest error")
    assert (found.word, found.share) == ("confirmed so far", "2 of 3 widths")
    records(figure_3(LOW, HIGH, hidden=256, seeds=(0,)))
    assert judged("lowest error").share == "1 of 3 widths"
    records(figure_3(HIGH, LOW, hidden=256))
    assert word("lowest error") == "refuted"
    records(figure_3(HIGH, LOW, hidden=256, seeds=(0,)))
    assert word("lowest error") == "not tested"
    records(every[0], figure_3(HIGH, LOW, hidden=256))
    assert word("lowest error") == "conditional"
    # The end counts, not the least on the way.
    records(figure_3((0.5, 3.0), HIGH, hidden=256))
    assert word("lowest error") == "refuted"
    records(one for one in every[1] if one.config["model"] != "gru")
    assert word("lowest error") == "not tested" and "GRU" in judged("lowest error").because


@pytest.mark.parametrize(
    ("ours", "unfolded", "stacked", "verdict"),
    [
        ((9, 1), (9, 4, 1), (9, 9, 9, 4, 1), "confirmed so far"),
        ((9, 4, 1), (9, 4, 1), (9, 9, 9, 4, 1), "conditional"),  # all faster, ours not alone
        ((9, 1), (9, 9, 9, 9, 9, 9, 1), (9, 9, 9, 1), "conditional"),  # ours alone
        ((9, 9, 9, 1), (9, 9, 9, 1), (9, 9, 9, 1), "refuted"),
        ((9, 8, 7), (9, 8, 7), (9, 5, 1), "refuted"),
        # Lower at the end and slower on the way: one level would call that faster.
        ((4, 4, 4, 0.5), (4, 4, 4, 0.5), (4, 1.5, 1.4, 1.3, 1.0), "refuted"),
    ],
)
def test_who_learns_faster(ours, unfolded, stacked, verdict, records):
    records(figure_3(ours, stacked, unfolded, hidden=256))
    assert word("unfolded learn faster") == verdict


# The generalisation gap ---------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "field"), [("gap by depth", "depth"), ("gap by width", "hidden")])
def test_gap_along_depth_and_width(rule, field, records):
    values = grid.VARIED[3 if field == "depth" else 2][1]

    def gapped(value, ratio, **more):
        return starts("reweighted-rnn", 4 * ratio, curve=(9.0, 4.0), **{field: value}, **more)

    records(*(gapped(value, 1.1) for value in values[::2]))
    found = judged(rule)
    assert (found.word, found.done, found.all) == ("confirmed so far", 3, 6)
    assert f" {values[0]}, 1.10 at" in found.because
    records(*(gapped(value, 1.1) for value in values))
    assert word(rule) == "confirmed"
    records(*(gapped(value, 1 + 0.1 * k) for k, value in enumerate(values)))
    assert word(rule) == "refuted"
    records(*(gapped(value, 1 + 0.01 * k) for k, value in enumerate(values)))
    assert word(rule) == "confirmed", "grown by less than the training error lags"
    records(*(gapped(value, 1 + 0.1 * k, seeds=(0,)) for k, value in enumerate(values)))
    assert word(rule) == "not tested", "one seed does not refute"
    records(*(gapped(value, 1.1) for value in values[:2]))
    assert word(rule) == "not tested"


# What is taken away -------------------------------------------------------------------------------

L1_L1 = dataclasses.replace(WIDE, model="l1-l1-rnn")
LESS = {
    "Z": {"reweighting": "Z"},
    "g": {"reweighting": "g"},
    "neither": {"model": "l1-l1-rnn"},
    "matched": {"model": "l1-l1-rnn", "hidden": parameter_count.matched(L1_L1).hidden},
}


def without(name, mse, **more):
    fields = {"model": "reweighted-rnn", "hidden": 256} | LESS[name]
    return starts(mse=mse, **fields, **more)


def test_reweighting_helps(records):
    ours = list(starts("reweighted-rnn", 10.0, hidden=256))
    for mse, verdict in ((20.0, "confirmed"), (10.0, "refuted"), (5.0, "refuted")):
        records(ours, *(without(name, mse) for name in LESS))
        assert word("reweighting helps") == verdict
    records(ours, *(without(name, 20.0) for name in list(LESS)[:3]))
    found = judged("reweighting helps")
    assert found.word == "not tested" and "A larger number of parameters can" in found.because
    records(
        ours, *(without(name, 20.0) for name in list(LESS)[:3]), without("matched", 260, psnr=24)
    )
    assert word("reweighting helps") == "not tested", "equal size on the linear plateau"
    records(ours, *(without(name, 20.0) for name in list(LESS)[2:]))
    found = judged("reweighting helps")
    assert (found.word, found.share) == ("confirmed so far", "2 of 4 comparisons")
    records(ours, *(without(name, 20.0, pairs=PAIRS[1:]) for name in LESS))
    assert word("reweighting helps") == "confirmed so far"
    first, second = (list(starts("reweighted-rnn", 10.0, pairs=[p], hidden=256)) for p in PAIRS)
    for one in first:
        one.curves["validation_mse"][-1] = 0.5
    records(first, second, *(without(name, 20.0, pairs=PAIRS[1:]) for name in LESS))
    found = judged("reweighting helps")
    assert found.word == "confirmed so far"
    # Ahead at equal width and not at equal size.
    records(ours, *(without(name, 20.0) for name in list(LESS)[:3]), without("matched", 10.0))
    assert word("reweighting helps") == "conditional"
    short = {"profile": "short", "hidden": 128}
    records(starts("reweighted-rnn", 10.0, **short), starts("l1-l1-rnn", 20.0, **short))
    assert word("reweighting helps") == "not tested", "short runs decide nothing"


def test_a_network_on_the_linear_plateau_is_excluded(records):
    on = {"psnr": 23.9}
    records(starts("reweighted-rnn", 10.0, hidden=256), without("neither", 260.0, **on))
    found = judged("reweighting helps")
    assert found.word == "not tested"
    assert "Excluded: over neither (ℓ1-ℓ1-RNN within 0.5 dB of the best linear" in found.because


def test_temporal_prior_by_the_solution(records):
    ours, off = list(starts("reweighted-rnn", 10.0, hidden=256)), {"hidden": 256, "lambda2": 0.0}
    for mse, verdict in ((12.0, "confirmed"), (10.0, "refuted"), (8.0, "refuted")):
        records(ours, starts("reweighted-rnn", mse, **off))
        assert word("temporal prior") == verdict
    # λ2 is worth something from one pair of initial λ only, and the other pair is the better one.
    first = starts("reweighted-rnn", 8.0, pairs=PAIRS[:1], hidden=256, curve=(9.0, 0.5))
    second = starts("reweighted-rnn", 10.0, pairs=PAIRS[1:], hidden=256)
    same = starts("reweighted-rnn", 8.0, pairs=PAIRS[:1], curve=(9.0, 0.5), **off)
    worse = starts("reweighted-rnn", 12.0, pairs=PAIRS[1:], **off)
    memory = starts("reweighted-rnn", 30.0, hidden=256, memory="off")
    records(first, second, same, worse, memory)
    found = judged("temporal prior")
    assert found.word == "conditional"
    assert "from 0.003, 0.02 λ2 is worth +0.79 dB" in found.because
    assert "memory (G) is worth +4.77 dB" in found.because


# The engine ---------------------------------------------------------------------------------------


def test_combined_words():
    def of(*words):
        each = {str(k): decision.Judgement(word, "So.") for k, word in enumerate(words)}
        return combine(each).word

    assert of("confirmed", "confirmed so far") == "confirmed so far"
    assert of("confirmed", "not tested") == "confirmed so far"
    open_ = decision.Judgement("not tested", "So.", contradicted=True)
    assert combine({"a": open_, "b": decision.Judgement("confirmed", "So.")}).word == "not tested"
    for other in ("refuted", "conditional"):
        assert of("confirmed", other) == of("not tested", other) == "conditional"


def test_cases_are_counted():
    assert count_successes([Case("a", [1, 1, 1])], 1, "x", "").word == "confirmed"
    assert count_successes([Case("a", [1, 1])], 1, "x", "").word == "confirmed so far"
    assert count_successes([Case("a", [1, 1, 0])], 1, "x", "").word == "conditional"
    assert count_successes([Case("a", [0.5] * 3)], 1, "x", "").word == "conditional"
    assert count_successes([Case("a", [0, 0, 0])], 1, "x", "").word == "refuted"
    assert count_successes([Case("a", [0])], 1, "x", "").word == "not tested"
    assert count_successes([Case("a", [1]), Case("b", [0])], 2, "x", "").word == "not tested"
    assert count_successes([Case("a", [1]), Case("b", [0] * 3)], 2, "x", "").word == "conditional"


def test_holm_turns_a_lead_that_a_single_test_would_accept(records):
    gap = decision.committed_runs().difference(PRINTED, PRINTED)
    assert gap is None
    one = decision.Difference(1.0, 0.1, 2.0, 3, 50, 0.03)
    gru = dataclasses.replace(PRINTED, model="gru")
    each = [Comparison(f"{k}", (gru, dataclasses.replace(gru, seed=k)), one) for k in range(2)]
    assert decide({"": each[:1]}, "tests").word == "confirmed"
    assert decide({"": each}, "tests").word == "not tested"
