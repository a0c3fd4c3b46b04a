"""The rules of the claims: synthetic records that confirm, refute, or leave each undecided."""

import functools
import itertools

import numpy as np
import pytest
from synthetic_runs import LESS, PAIRS, SEEDS, all_networks, replace_committed_runs, run, starts

from companion.claims import experiment_rules
from unfolded import networks
from unfolded.runs import grid
from unfolded.runs.grid import UNFOLDED


@pytest.fixture
def records(monkeypatch):
    return replace_committed_runs(monkeypatch)


@pytest.mark.parametrize("rule", experiment_rules.RULES)
def test_the_verdict_without_runs_is_not_tested(rule, records):
    records()
    judgement = experiment_rules.RULES[rule]()
    assert (judgement.word, judgement.ran, judgement.share) == ("not tested", False, "")
    assert judgement.because.endswith(".")


RATES = grid.VARIED[1][1]


def rates(*, among=RATES, hidden=1024, **errors):
    return itertools.chain(*(all_networks(cs_rate=rate, hidden=hidden, **errors) for rate in among))


def widths(mse, pair):
    hidden = grid.VARIED[2][1]
    where = {"pairs": [pair], "curve": (9.0, mse)}
    return itertools.chain(*(all_networks(mse, hidden=h, **where) for h in hidden))


def untrained():
    """Records of all rates in which FastRNN did not train."""
    yield from (record for record in rates() if record.config["model"] != "fastrnn")
    for rate, seed in itertools.product(RATES, SEEDS):
        yield run("fastrnn", 2000.0, psnr=16.6, cs_rate=rate, seed=seed)


def depths(values, **errors):
    return itertools.chain(*(all_networks(depth=d, **errors) for d in values))


def deeper(*errors):
    """Records of reweighted-RNN with these errors for one layer, two layers, and so on."""
    for d, mse in enumerate(errors, 1):
        yield from starts("reweighted-rnn", mse, depth=d)


def scattered():
    """Records whose gain with depth is smaller than what seeds change."""
    for record, factor in zip(deeper(60, 59, 58), itertools.cycle((0.8, 1.2, 1.0, 1.3, 0.9))):
        record.sequence_mse[:] = np.multiply(record.sequence_mse, factor)
        yield record


def lstm(mse, depth, seeds=SEEDS):
    return [run("lstm", mse, depth=depth, seed=seed) for seed in seeds]


ONE, HALF = {"seeds": (0,)}, RATES[:1]
RATE, DEEP, FIRST = "best at every rate", "gains with depth", "two layers for LSTM"
TABLES = [
    (RATE, lambda: [rates()], "confirmed"),
    (RATE, lambda: [rates(among=RATES[:2])], "confirmed so far: 16 of 40 comparisons",
     "Tests: 16, corrected by Holm's method"),
    (RATE, lambda: [rates(among=RATES[1:]), rates(among=HALF, ours=30.0)], "conditional",
     "behind in 8"),
    (RATE, lambda: [rates(ours=30.0)], "refuted"),
    # At the smaller width alone a claim is confirmed so far at most.
    (RATE, lambda: [rates(hidden=256)], "confirmed so far: 40 of 40 comparisons",
     "Nothing has run at h = 1024"),
    (RATE, lambda: [rates(hidden=256, ours=30.0)], "refuted"),
    (RATE, lambda: [rates(hidden=256, ours=30.0), rates()], "conditional"),
    (RATE, lambda: [rates(hidden=256), rates()], "confirmed"),
    # One seed neither confirms nor refutes, and one initialisation does not confirm.
    (RATE, lambda: [rates(**ONE)], "confirmed so far: 40 of 40 comparisons",
     "Fewer than 3 seeds in 40"),
    (RATE, lambda: [rates(**ONE, ours=30.0), rates(**ONE, among=HALF, ours=30.0)], "not tested"),
    (RATE, lambda: [rates(**ONE, among=RATES[1:]), rates(**ONE, among=HALF, ours=30.0)],
     "not tested"),
    (RATE, lambda: [rates(pairs=PAIRS[1:])], "confirmed so far: 40 of 40 comparisons",
     "Only one initialisation of λ has run: reweighted-RNN, ℓ1-ℓ1-RNN"),
    ("best at every width", lambda: [widths(10.0, PAIRS[0]), widths(30.0, PAIRS[1])],
     "conditional", "^The verdict depends on the initialisation of λ."),
    (RATE, lambda: [untrained()], "confirmed so far: 35 of 40 comparisons",
     "Excluded comparisons: FastRNN at rate 0.1 (FastRNN did not train)"),
    # Depth counts from three layers on.
    ("best when deep", lambda: [depths((1, 2), ours=30.0), depths((3, 4, 5, 6))], "confirmed"),
    ("IndRNN when shallow", lambda: [depths((1, 2), ours=30.0)], "confirmed"),
    ("IndRNN when shallow", lambda: [depths((1, 2))], "refuted"),
    (DEEP, lambda: [deeper(60, 50, 40, 30, 20, 10)], "confirmed"),
    (DEEP, lambda: [deeper(60, 50, 40)], "confirmed so far: 2 of 5 steps"),
    (DEEP, lambda: [deeper(60, 50, 55, 30, 20, 10)], "conditional"),
    (DEEP, lambda: [deeper(10, 20, 30)], "refuted"),
    (DEEP, lambda: [deeper(60, 60, 60)], "refuted"),
    (DEEP, lambda: [deeper(60, 50)], "not tested"),
    (DEEP, lambda: [scattered()], "not tested"),
    (FIRST, lambda: [lstm(20.0, 3), lstm(10.0, 2)], "confirmed"),
    (FIRST, lambda: [lstm(20.0, 3), lstm(30.0, 2)], "refuted"),
    (FIRST, lambda: [lstm(20.0, 3), lstm(20.0, 2)], "refuted"),
    (FIRST, lambda: [lstm(20.0, 3, [0]), lstm(10.0, 2, [0])],
     "confirmed so far: 1 of 1 comparison"),
    (FIRST, lambda: [lstm(20.0, 3)], "not tested"),
]  # fmt: skip
"""A rule, records, the verdict with its share, and parts of its reason (with ^: the beginning)."""

# Learning curves ----------------------------------------------------------------------------------


def figure_3(ours, competitors, unfolded=None, **where):
    """Records of a row with these curves."""
    for model in networks.names():
        curve = unfolded if unfolded and model in UNFOLDED else competitors
        curve = ours if model == "reweighted-rnn" else curve
        yield from starts(model, 1.0, curve=curve, **where)


LOW, HIGH = (9.0, 1.0), (9.0, 2.0)


def lower(*hidden, ours=LOW, competitors=HIGH, **where):
    return itertools.chain(*(figure_3(ours, competitors, hidden=h, **where) for h in hidden))


LOWEST = "lowest error"
CURVES = [
    (LOWEST, lambda: [lower(128, 256, 1024)], "confirmed"),
    (LOWEST, lambda: [lower(128, 256)], "confirmed so far: 2 of 3 widths"),
    (LOWEST, lambda: [lower(256, **ONE)], "confirmed so far: 1 of 3 widths"),
    (LOWEST, lambda: [lower(256, ours=HIGH, competitors=LOW)], "refuted"),
    (LOWEST, lambda: [lower(256, ours=HIGH, competitors=LOW, **ONE)], "not tested"),
    (LOWEST, lambda: [lower(128), lower(256, ours=HIGH, competitors=LOW)], "conditional"),
    # The end counts, not the least on the way.
    (LOWEST, lambda: [lower(256, ours=(0.5, 3.0))], "refuted"),
    (LOWEST, lambda: [(record for record in lower(256) if record.config["model"] != "gru")],
     "not tested", "GRU"),
    *(
        ("unfolded learn faster", functools.partial(lambda *curves: [figure_3(*curves, hidden=256)],
                                                    ours, stacked, unfolded), verdict)
        for ours, unfolded, stacked, verdict in (
            ((9, 1), (9, 4, 1), (9, 9, 9, 4, 1), "confirmed so far: 1 of 3 widths"),
            ((9, 4, 1), (9, 4, 1), (9, 9, 9, 4, 1), "conditional"),  # all faster, ours not alone
            ((9, 1), (9, 9, 9, 9, 9, 9, 1), (9, 9, 9, 1), "conditional"),  # ours alone
            ((9, 9, 9, 1), (9, 9, 9, 1), (9, 9, 9, 1), "refuted"),
            ((9, 8, 7), (9, 8, 7), (9, 5, 1), "refuted"),
            # Lower at the end and slower on the way: one level would call that faster.
            ((4, 4, 4, 0.5), (4, 4, 4, 0.5), (4, 1.5, 1.4, 1.3, 1.0), "refuted"),
        )
    ),
]  # fmt: skip

# The generalisation gap ---------------------------------------------------------------------------


def gapped(field, ratios, step=1, **more):
    values = grid.VARIED[3 if field == "depth" else 2][1][::step]
    for value, ratio in zip(values, ratios, strict=False):
        fields = {field: value} | more
        yield from starts("reweighted-rnn", 4 * ratio, curve=(9.0, 4.0), **fields)


def gaps(rule, field):
    def case(verdict, *phrases, ratios, **more):
        return rule, lambda: [gapped(field, ratios, **more)], verdict, *phrases

    first, unit = grid.VARIED[3 if field == "depth" else 2][1][0], {"depth": "depths"}
    rising, lagging = ([1 + step * k for k in range(6)] for step in (0.1, 0.01))
    share = f"confirmed so far: 3 of 6 {unit.get(field, 'widths')}"
    return [
        case(share, f" {first}, 1.10 at", ratios=[1.1] * 6, step=2),
        case("confirmed", ratios=[1.1] * 6),
        case("refuted", ratios=rising),
        case("confirmed", ratios=lagging),  # grown by less than the training error lags
        case("not tested", ratios=rising, **ONE),  # one seed does not refute
        case("not tested", ratios=[1.1] * 2),
    ]


OFF, SHORT_RUN = {"hidden": 256, "lambda2": 0.0}, {"profile": "short", "hidden": 128}


def whole(mse=10.0, **more):
    return starts("reweighted-rnn", mse, **{"hidden": 256} | more)


def without(names, mse, **more):
    for name in names:
        fields = {"model": "reweighted-rnn", "hidden": 256} | LESS[name]
        yield from starts(mse=mse, **fields, **more)


def one_better():
    """Records from both initialisations, of which the first has the lower validation error."""
    for record in whole():
        if (record.config["lambda1"], record.config["lambda2"]) == PAIRS[0]:
            record.curves["validation_mse"][-1] = 0.5
        yield record


HELPS, PRIOR, EQUAL = "reweighting helps", "temporal prior", list(LESS)[:3]
PARTS = [
    (HELPS, lambda: [whole(), without(LESS, 20.0)], "confirmed"),
    (HELPS, lambda: [whole(), without(LESS, 10.0)], "refuted"),
    (HELPS, lambda: [whole(), without(LESS, 5.0)], "refuted"),
    (HELPS, lambda: [whole(), without(EQUAL, 20.0)], "not tested",
     "so the number of parameters can explain a lead."),
    # The network of equal size is on the linear plateau.
    (HELPS, lambda: [whole(), without(EQUAL, 20.0), without(["matched"], 260, psnr=24)],
     "not tested"),
    (HELPS, lambda: [whole(), without(list(LESS)[2:], 20.0)],
     "confirmed so far: 2 of 4 comparisons"),
    (HELPS, lambda: [whole(), without(LESS, 20.0, pairs=PAIRS[1:])],
     "confirmed so far: 4 of 4 comparisons"),
    (HELPS, lambda: [one_better(), without(LESS, 20.0, pairs=PAIRS[1:])],
     "confirmed so far: 4 of 4 comparisons"),
    # Ahead at equal width and not at equal size.
    (HELPS, lambda: [whole(), without(EQUAL, 20.0), without(["matched"], 10.0)], "conditional"),
    # Short runs decide nothing.
    (HELPS, lambda: [whole(**SHORT_RUN), starts("l1-l1-rnn", 20.0, **SHORT_RUN)], "not tested"),
    (HELPS, lambda: [whole(), without(["neither"], 260.0, psnr=23.9)], "not tested",
     "Excluded comparisons: over neither (ℓ1-ℓ1-RNN within 0.5 dB of the best linear"),
    (PRIOR, lambda: [whole(), whole(12.0, **OFF)], "confirmed"),
    (PRIOR, lambda: [whole(), whole(10.0, **OFF)], "refuted"),
    (PRIOR, lambda: [whole(), whole(8.0, **OFF)], "refuted"),
    # λ2 is worth something from one pair of initial λ only, and the other pair is the better one.
    (PRIOR, lambda: [
        whole(8.0, pairs=PAIRS[:1], curve=(9.0, 0.5)), whole(pairs=PAIRS[1:]),
        whole(8.0, pairs=PAIRS[:1], curve=(9.0, 0.5), **OFF), whole(12.0, pairs=PAIRS[1:], **OFF),
        whole(30.0, memory="off")],
     "conditional", "from 0.003, 0.02 λ2 is worth +0.79 dB", "memory (G) is worth +4.77 dB"),
]  # fmt: skip
CASES = [*TABLES, *CURVES, *gaps("gap by depth", "depth"), *gaps("gap by width", "hidden"), *PARTS]


@pytest.mark.parametrize(("rule", "source", "verdict", "phrases"), [(*c[:3], c[3:]) for c in CASES])
def test_a_verdict_follows_from_the_records(rule, source, verdict, phrases, records):
    records(*source())
    judgement = experiment_rules.RULES[rule]()
    assert judgement.word + f": {judgement.share}" * bool(judgement.share) == verdict
    assert all(part in f"^{judgement.because}" for part in phrases)
