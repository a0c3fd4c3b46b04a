"""Rules for the claims of related papers from stored runs, one rule per claim."""

from collections.abc import Callable, Mapping

import pandas as pd

from companion import claims
from companion.claims import sista_comparisons as comparisons
from companion.claims.decision import Comparison, Judgement, at_most_so_far, verdict
from companion.claims.success_counts import Case, count_successes
from companion.labels import minus, title
from companion.statistics import paired_difference
from companion.studies.descending import descending_results as descending
from companion.studies.descending.layer_constraints import MERITS
from companion.studies.inpainting import glow_trials, inpainting_trials
from companion.studies.lista import lista_runs
from companion.studies.lista.lista_training import EPSILON
from companion.studies.published_systems import PUBLISHED, agreements
from companion.studies.sista_images import image_analysis
from companion.studies.sista_images import image_results as columns

RIVALS = ("lstm", "srnn")
"""The black-box networks of the claims about SISTA-RNN."""
_SLACK = 0.02
"""Tolerance for the ratio of means, because training ends before the constraint is exact."""


def sista_trains_faster() -> Judgement:
    """Judge "SISTA-RNN trains faster" by updates and seconds to given errors, against each rival.

    With several seeds, the tests of all rivals, axes and levels are one family. With one seed there
    is no test: only the seconds to the levels of the first rival are counted, and nothing is
    refuted.
    """
    rivals = _pairs()
    if not rivals:
        return Judgement("not tested", "No trainings of equal length are stored.", ran=False)
    if min(len(pairs) for pairs in rivals.values()) >= 2:
        tests = [
            test for rival, pairs in rivals.items() for test in comparisons.speed(rival, pairs)
        ]
        return _as_published(verdict(tests), rivals)
    rival, pairs = next(iter(rivals.items()))
    names = comparisons.levels(dict(enumerate(pairs[0].curves)))
    gains = {name: comparisons.speed_gain(pairs[0], name, "seconds") for name in names}
    faster = [name for name, gain in gains.items() if gain > 0]
    text = f"Of {', '.join(names)} of the initial error SISTA-RNN reaches "
    text += f"{', '.join(faster) or 'none'} in fewer seconds than the {title(rival)}, "
    text += "with one seed."
    cases = [Case(name, [float(name in faster)]) for name in names]
    return _as_published(count_successes(cases, len(cases), "levels of the error", text), rivals)


def sista_is_better() -> Judgement:
    """Judge "SISTA-RNN recovers better", after equal updates and equal seconds, than each rival."""
    rivals = _pairs()
    if not rivals:
        return Judgement("not tested", "No trainings of equal length are stored.", ran=False)
    tests = [test for rival, pairs in rivals.items() for test in comparisons.quality(rival, pairs)]
    return _as_published(verdict(tests), rivals)


def _pairs() -> dict[str, list[comparisons.Pair]]:
    rivals = {rival: comparisons.pairs(rival) for rival in RIVALS}
    return {rival: pairs for rival, pairs in rivals.items() if pairs}


def _as_published(judgement: Judgement, rivals: Mapping[str, list[comparisons.Pair]]) -> Judgement:
    """Return a verdict, limited if trainings are shorter than the published ones or missing."""
    updates = min(pair.ours["updates"] for pairs in rivals.values() for pair in pairs)
    if updates >= columns.PUBLISHED and len(rivals) == len(RIVALS):
        return judgement
    text = f"The trainings have {updates:.0f} of the {columns.PUBLISHED:,} updates of the public "
    text += f"code; compared networks: {', '.join(title(rival) for rival in rivals)}."
    return _limited(judgement, text)


def _limited(judgement: Judgement, text: str) -> Judgement:
    """Return a verdict from less evidence than it needs: neither confirmed nor refuted."""
    judgement = at_most_so_far(judgement, text)
    return judgement._replace(word="not tested") if judgement.word == "refuted" else judgement


def sista_beats_its_algorithm() -> Judgement:
    """Judge "trained, it recovers better than the algorithm, even one that knows F".

    The network is selected on validation data, the algorithm by test PSNR, which favours it.
    """
    sista, _ = image_analysis.rivals(image_analysis.comparable())
    solver = columns.stored_rows(columns.ALGORITHMS).sort_values("psnr").iloc[-1]
    text = f"SISTA-RNN reaches {sista['psnr']:.2f} dB, the best of the algorithms "
    text += f"({solver['name']}) {solver['psnr']:.2f} dB, on the same test pictures; one seed."
    word = "confirmed so far" if sista["psnr"] > solver["psnr"] else "not tested"
    return Judgement(word, text, True, 1, 1, "comparison")


def plain_layers_climb() -> Judgement:
    """Judge "without constraints layers need not descend" by the networks of this book.

    One network suffices if one of its layers increases the mean objective. There is one trained
    network of each kind, because the seeds are those of later batches.
    """
    tests = descending.stored_rows()
    ratios = descending.in_the_mean(tests, "objective").xs("as it was", level="way").max(axis=1)
    largest = ratios.groupby("model").min()
    listing = "; ".join(f"{title(name)} {ratio:.2f}" for name, ratio in largest.items())
    text = "Mean objective after a layer over that before it, in the layer where this is largest: "
    text += f"{listing}. {_ONE_NETWORK}"
    increasing = int((largest > 1).sum())
    word = "confirmed so far" if increasing else "not tested"
    return Judgement(word, text, True, increasing, len(largest), "networks")


def constrained_layers_descend() -> Judgement:
    """Judge "under the constraints every layer descends", on average over test sequences.

    Trainings that diverged are included.
    """
    tests = descending.stored_rows(with_diverged=True)
    trials = descending.stored_rows(descending.TRIALS)
    required = 1 - trials.groupby("way")["epsilon"].first()
    excess = {
        merit: descending.in_the_mean(tests, merit).xs(merit, level="way") - required[merit]
        for merit in MERITS
    }
    worst = {merit: rows.max(axis=None) for merit, rows in excess.items()}
    seeds = {merit: rows.groupby("model").size().min() for merit, rows in excess.items()}
    listing = "; ".join(f"{merit} {value:+.3f}" for merit, value in worst.items())
    text = "Ratio of the mean merits after and before a layer, minus the 1 − ε that was required, "
    text += f"in the worst layer, network and seed on test sequences: {minus(listing)}. An excess "
    text += f"of up to {_SLACK:g} counts as none. {descending.describe_divergence(trials)}"
    cases = [Case(merit, [float(value <= _SLACK)] * seeds[merit]) for merit, value in worst.items()]
    return _limited(count_successes(cases, len(cases), "merits", text), _ONE_NETWORK)


def constrained_networks_are_robust() -> Judgement:
    """Judge "constrained networks bear disturbances better" by GLOW-Prox, over paired seeds.

    The system with a multi-scale Glow decides if all its trials are stored, otherwise the small
    one. The perturbations of a system are one family of tests. Networks for sequences do not
    decide, because the authors did not test them.
    """
    small = _disturbed(inpainting_trials.against_plain(inpainting_trials.stored_rows()))
    outcomes = descending.outcomes(descending.stored_rows())
    ours = _disturbed(pd.concat([descending.against(outcomes, merit) for merit in MERITS]))
    trials = glow_trials.stored_rows()
    flow, glow_text = small, "not run"
    if glow_trials.is_complete(trials):
        flow = _disturbed(glow_trials.against_plain(trials))
        glow_text = descending.in_words(flow)
    words = {(1, 0): "confirmed", (1, 1): "conditional", (0, 1): "refuted", (0, 0): "not tested"}
    word = words[flow["better"] > 0, flow["worse"] > 0]
    same = agreements("GLOW-Prox", glow_trials.settings())
    text = f"GLOW-Prox with a multi-scale Glow, constrained against plain: {glow_text}; it has in "
    text += f"common with the public code: {same}. With small flows: "
    text += f"{descending.in_words(small)}. Networks for sequences, which the authors did not "
    text += f"try: {descending.in_words(ours)}. Each is corrected by Holm's method for its number "
    text += "of disturbances."
    done = flow["better"], sum(flow.values()), "disturbances"
    return _limited(Judgement(word, text, True, *done), _GLOW_SIZE)


def constrained_lista_descends() -> Judgement:
    """Judge "at the published size every layer of constrained LISTA descends" on test signals."""
    tests = lista_runs.stored_rows(lista_runs.TESTS)
    if tests.empty:
        return Judgement("not tested", _NO_LISTA, ran=False)
    path = tests[tests["sigma"] == 0].pivot(
        index=["method", "seed"], columns="layer", values="distance"
    )
    worst = (path / path.shift(axis=1)).iloc[:, 1:].max(axis=1).groupby("method").agg(list)
    methods = [name for name in worst.index if "distance" in name]
    listing = "; ".join(f"{name} {max(ratios):.3f}" for name, ratios in worst.items())
    text = "Ratio of the mean distances after and before a layer, in the worst layer and seed: "
    text += f"{listing}. Required: {1 - EPSILON:g}."
    limit = 1 - EPSILON + _SLACK
    cases = [Case(name, [float(v <= limit) for v in worst[name]]) for name in methods]
    return _limited(count_successes(cases, len(LISTA_PAIRS), "trainings", text), _LISTA_LENGTH)


def constrained_lista_is_robust() -> Judgement:
    """Judge "constrained LISTA is more robust to layer noise" at each level of the public code.

    The lead at a level is that in the squared distance of the last layer, paired over test signals
    and seeds. All trainings and levels are one family of tests.
    """
    errors = lista_runs.stored_rows(lista_runs.ERRORS)
    if errors.empty:
        return Judgement("not tested", _NO_LISTA, ran=False)
    wide = errors.pivot(index=["method", "sigma", "seed"], columns="signal", values="error")
    tests = []
    for constrained, plain in LISTA_PAIRS.items():
        for sigma in (level for level in lista_runs.SIGMAS if level):
            ours, theirs = (
                wide[[row[:2] == (name, sigma) for row in wide.index]].droplevel([0, 1])
                for name in (constrained, plain)
            )
            seeds = ours.index.intersection(theirs.index)
            gap = paired_difference(ours.loc[seeds], theirs.loc[seeds]) if len(seeds) else None
            tests.append(Comparison(f"{constrained}, β = {sigma:g}", (), gap))
    return _limited(verdict(tests), _LISTA_LENGTH)


def _disturbed(cases: pd.DataFrame) -> dict[str, int]:
    """Return the verdicts under disturbances as counts, where all of them are one family."""
    disturbed = cases.query("what != 'nothing'").reset_index(drop=True)
    return descending.verdict_counts(descending.decided(disturbed))


LISTA_PAIRS = {
    "random: distance": "random: plain",
    "distance": "plain",
    "random: distance + noise": "random: plain + noise",
}
"""Constrained and unconstrained trainings of LISTA that differ in the constraint only."""
_ONE_NETWORK = "All trainings continue one network of each kind; a seed is an order of batches."
_GLOW_SIZE = "This GLOW-Prox is smaller than the published one, and its training is shorter."
_NO_LISTA = "No training of LISTA at the published size is stored."
_LISTA_LENGTH = (
    f"The trainings have {lista_runs.PLAN[1].steps:,} of the {PUBLISHED['LISTA']['steps']:,} steps "
    "of the public code."
)

RELATED_RULES: dict[str, Callable[[], Judgement]] = {
    "SISTA-RNN trains faster": sista_trains_faster,
    "SISTA-RNN is better": sista_is_better,
    "SISTA-RNN beats its algorithm": sista_beats_its_algorithm,
    "plain layers climb": plain_layers_climb,
    "held layers descend": constrained_layers_descend,
    "held networks are robust": constrained_networks_are_robust,
    "constrained LISTA descends": constrained_lista_descends,
    "constrained LISTA is robust": constrained_lista_is_robust,
}
"""The rules that judge claims of related papers from data/results/."""


def summary(page: str = "") -> pd.DataFrame:
    """Return the claims of related papers, or of a page, with verdicts, one row per claim."""
    selection = [claim for claim in claims.claims() if claim.neighbour and page in ("", claim.page)]
    sources = (
        columns.stored_rows(columns.RUNS),
        inpainting_trials.stored_rows(),
        *(table for table in [glow_trials.stored_rows()] if len(table)),
        descending.stored_rows(descending.TRIALS),
        *(table for table in [lista_runs.stored_rows()] if len(table)),
    )
    return claims.table(selection, *sources, rules=RELATED_RULES)
