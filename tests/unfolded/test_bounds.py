"""The bounds as functions: limits, relations, monotonicity and invalid arguments."""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from companion.theory import fastrnn_bounds
from unfolded import bounds, networks
from unfolded.errors import ConfigError

SIZES = {"m": 8000, "n": 51, "h": 1024}
BOUNDS = {name: getattr(bounds, name) for name in bounds.__all__}
for form in (fastrnn_bounds.short_form, fastrnn_bounds.printed_form):
    BOUNDS |= {form.__name__: form, form.log.__name__: form.log}
PLAIN = [name for name in BOUNDS if not name.startswith("log_")]
# One admissible call of each: what is positional, then what is named.
CALLS = {
    "generalization_gap": ((0.1,), {"eta": 1.0, "delta": 0.05, "m": 8000}),
    "rademacher_reweighted": (([0.9, 1.2], [1.0, 0.5]), {**SIZES, "T": 20, "B_x": 1, "h0_inf": 1}),
    "rademacher_reweighted_one_layer": ((0.9, 1.0), {**SIZES, "T": 20, "B_x": 1.0}),
    "rademacher_step_reweighted": (([0.9, 1.2], [1.0, 0.5]), {**SIZES, "B_x": 1.0, "B_h": 1.0}),
    "rademacher_step_l1_l1": ((0.9, 1.2, 0.5), {"d": 3, **SIZES, "B_x": 1.0, "B_h": 1.0}),
    "rademacher_step_sista": ((0.9, 1.2, 0.5, 0.2), {"d": 3, **SIZES, "B_x": 1.0, "B_h": 1.0}),
    "rademacher_fastrnn": ((1.0, 1.0), {"a": 0.01, "m": 8000, "T": 20, "B": 1.0}),
    "short_form": ((1.0, 1.0), {"a": 0.01, "m": 8000, "T": 20, "B": 1.0}),
    "printed_form": ((1.0, 1.0), {"a": 0.0245, "m": 8000, "T": 20, "B": 1.0}),
    "rademacher_repaired": (
        ([0.9, 1.2], [1.0, 0.5]),
        {"gamma": 0.5, "m": 8000, "n": 51, "T": 20, "B_x": 1.0, "h0_inf": 1.0, "width": 0.1},
    ),
    "largest_code": (
        ([0.9, 1.2], [1.0, 0.5]),
        {"gamma": 0.5, "T": 20, "x_inf": 1.0, "h0_inf": 1.0},
    ),
    "gap_spectralrnn": (
        (9.0, 2.0, 2.0, 1.1, 1.5, 1.5),
        {**SIZES, "n_y": 10, "T": 20, "B": 1.0, "gamma": 0.1, "delta": 0.05},
    ),
}
norm = st.floats(1e-2, 1e2)
pairs = st.lists(st.tuples(norm, norm), min_size=1, max_size=6)


def call(name, *arguments, **changes):
    usual, options = CALLS[name.removeprefix("log_")]
    return BOUNDS[name](*(arguments or usual), **{**options, **changes})


def test_every_bound_has_a_test_case_and_a_log_form_with_the_same_signature():
    assert sorted(CALLS) == sorted(PLAIN)
    for name in PLAIN:
        plain, log = BOUNDS[name], BOUNDS[f"log_{name}"]
        if name != "generalization_gap":
            assert inspect.signature(plain) == inspect.signature(log)
            assert call(f"log_{name}") == pytest.approx(math.log(call(name)), rel=1e-12)
    log = call("log_generalization_gap", math.log(0.1))
    assert log == pytest.approx(math.log(call("generalization_gap")), rel=1e-12)


def test_fractions_at_norm_one_equal_the_number_of_terms():
    count = bounds.rademacher_reweighted([1.0], [1.0], **SIZES, T=7, B_x=1.0)
    unit = bounds.rademacher_reweighted([1e-30], [1.0], **SIZES, T=7, B_x=1.0)
    assert count / unit == pytest.approx(7)
    options = {"a": 1.0, "m": 4, "T": 7, "B": 1.0}
    assert bounds.rademacher_fastrnn(0.5, 1.0, **options) == pytest.approx(8)


@given(pairs, st.floats(0, 9), st.floats(0, 9))
def test_the_bound_of_one_step_equals_the_theorem_at_one_time_step(net, B_x, start):
    alpha, beta = zip(*net, strict=True)
    step = bounds.rademacher_step_reweighted(alpha, beta, **SIZES, B_x=B_x, B_h=start)
    whole = bounds.rademacher_reweighted(alpha, beta, **SIZES, T=1, B_x=B_x, h0_inf=start)
    assert step == whole


@given(norm, norm, norm, st.integers(1, 6))
def test_the_first_corollary_with_shared_layers_equals_the_second(alpha1, alpha2, beta1, d):
    options = {**SIZES, "B_x": 1.0, "B_h": 1.0}
    shared = bounds.rademacher_step_l1_l1(alpha1, alpha2, beta1, d=d, **options)
    alpha = [alpha1] + [alpha2] * (d - 1)
    assert shared == bounds.rademacher_step_reweighted(alpha, [beta1] * d, **options)
    unlinked = bounds.rademacher_step_sista(alpha1, alpha2, beta1, 1e-300, d=d, **options)
    assert unlinked == shared
    assert bounds.rademacher_step_sista(alpha1, alpha2, beta1, 1.0, d=d, **options) >= shared


def widened(arguments):
    """Return the arguments with one norm a little larger, for each norm."""
    for i, value in enumerate(arguments):
        many = isinstance(value, list)
        for l in range(len(value) if many else 1):
            more = [*value[:l], value[l] + 1e-3, *value[l + 1 :]] if many else value + 1e-3
            yield *arguments[:i], more, *arguments[i + 1 :]


RADEMACHER = [name for name in PLAIN if name.startswith(("rademacher_", "short", "printed"))]


@pytest.mark.parametrize("name", [name for name in RADEMACHER if "printed" not in name])
def test_a_larger_norm_size_or_input_increases_a_bound(name):
    arguments, options = CALLS[name]
    before = call(name)
    short = name == "short_form"
    for wider in widened(arguments):
        # The short form does not depend on α_F.
        assert call(name, *wider) >= before if short else call(name, *wider) > before
    for key in set(options) - {"m", "a"}:
        assert call(name, **{key: options[key] + 1}) > before, key
    assert call(name, m=4 * options["m"]) == pytest.approx(before / 2)


def test_bounds_accept_the_norms_of_a_network():
    norms = networks.build("reweighted-rnn", n0=16, n=5, hidden=9, depth=3, seed=0).norms().values()
    sizes = {"m": 100, "n": 5, "h": 9, "B_x": 1.0, "B_h": 1.0}
    lists = [z.detach().double().tolist() for z in norms]
    value = bounds.rademacher_step_reweighted(*lists, **sizes)
    for kind in (torch.as_tensor, np.asarray):
        assert value == bounds.rademacher_step_reweighted(*map(kind, lists), **sizes)
    assert 0 < value == bounds.rademacher_step_reweighted(*norms, **sizes) < math.inf


BAD = {
    "m": (0, -1, 2.5, math.nan, math.inf, "8", None),
    **{"T": (0, 1.5), "d": (0,), "n": (0, 0.5), "h": (-3,), "n_y": (0,), "eta": (-1.0,)},
    **{"B_x": (-1e-9, math.nan, math.inf, "1"), "B_h": (-1.0,), "B": (-1.0,)},
    **{"h0_inf": (-1.0, torch.ones(2)), "delta": (0.0, 1.0, -0.1, 2, math.nan)},
    **{"gamma": (-1.0, math.nan, math.inf, "1", None), "width": (-1.0, math.nan, math.inf, "1")},
    **{"x_inf": (-1.0, math.inf), "a": (0.0, -0.1, 1.1)},
}


@pytest.mark.parametrize("name", PLAIN)
def test_arguments_that_violate_an_assumption_are_rejected(name):
    arguments, options = CALLS[name]
    for key in options:
        for bad in BAD[key]:
            for form in (name, f"log_{name}"):
                with pytest.raises(ConfigError, match="expected"):
                    call(form, **{key: bad})
    zero_or_inf = () if name == "generalization_gap" else (0.0, math.inf)
    for i, value in enumerate(arguments):
        for bad in (-1.0, math.nan, "1", None, [], *zero_or_inf):
            for kind in (bad, [bad]) if isinstance(value, list) else (bad,):
                with pytest.raises(ConfigError, match="expected"):
                    call(name, *arguments[:i], kind, *arguments[i + 1 :])


def test_inconsistent_arguments_are_rejected():
    with pytest.raises(ConfigError, match="as many alphas as betas; got 2 and 1"):
        call("rademacher_reweighted", [0.9, 0.9], [1.0])
    with pytest.raises(ConfigError, match="one number"):
        call("rademacher_reweighted", torch.ones(2, 2), torch.ones(2, 2))
    with pytest.raises(ConfigError, match=r"a at most 0\.025"):
        call("short_form", a=0.03)
    with pytest.raises(ConfigError, match=r"a at most 0\.025"):
        call("printed_form", a=0.03)
    with pytest.raises(ConfigError, match=r"alpha_F above 1/2; got 0\.5"):
        call("printed_form", 0.5, 1.0)
    with pytest.raises(ConfigError, match="gamma above 0"):
        call("gap_spectralrnn", gamma=0.0)
    with pytest.raises(ConfigError, match="W_2 at most W_F"):
        call("gap_spectralrnn", 1.0, 2.0, 2.0, 1.1, 1.5, 1.5)
