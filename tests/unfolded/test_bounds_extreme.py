"""The bounds against fifty digits: random and extreme inputs, twelve digits agree.

The references are not closed forms. They follow the two numbers that the proofs follow through
layers and time, the weight of the input and that of the first state, step by step.
"""

import math
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf, workdps

from companion.theory import fastrnn_bounds
from unfolded import bounds

DIGITS = 1e-12
# Below this a float has fewer than twelve digits.
SMALLEST, LARGEST = mpf("1e-305"), mpf(sys.float_info.max)
norm = st.one_of(
    st.sampled_from([1.0, 1 + 2**-52, 1 - 2**-53, 1e-3, 10.0, 1e-300, 1e300]),
    st.floats(1e-2, 1e2),
    st.floats(0.999, 1.001),
)
size = st.one_of(st.integers(1, 4), st.integers(1, 10_000))
amount = st.one_of(st.sampled_from([0.0, 1e-300, 255.0, 1e300]), st.floats(0.0, 1e3))
time = st.integers(1, 40)


@st.composite
def networks(draw):
    depth = draw(st.integers(1, 8))
    return [draw(st.lists(norm, min_size=depth, max_size=depth)) for _ in range(2)]


def agree(name, arguments, options, exact):
    """Compare the plain and the log form with a number of fifty digits."""
    plain = getattr(bounds, name, None) or getattr(fastrnn_bounds, name)
    log = plain.log
    got, log_got = plain(*arguments, **options), log(*arguments, **options)
    assert type(got) is float and type(log_got) is float
    if exact == 0:
        assert got == 0 and log_got == -math.inf
        return
    assert abs(mpf(log_got) - mp.log(exact)) <= DIGITS * max(1, abs(mp.log(exact)))
    if exact > LARGEST * (1 + DIGITS):
        assert got == math.inf
    else:
        assert abs(mpf(got) - exact) <= DIGITS * exact + SMALLEST


def two_roots(layers, m, n, h, inputs, start):
    first = 2 * (4 * layers * mp.log(2) + mp.log(n) + mp.log(h)) / m
    return mp.sqrt(first) * mp.sqrt(inputs**2 + start**2)


def unrolled(alpha, beta, T, B_x, B_h):
    """Return the weights of the input and of the first state after T passes of the layers."""
    inputs, start = mpf(0), mpf(B_h)
    for _ in range(T):
        for a, b in zip(alpha, beta, strict=True):
            inputs, start = a * inputs + b * mpf(B_x), a * start
    return inputs, start


@given(networks(), size, size, size, time, amount, amount)
@example([[10.0] * 20, [10.0] * 20], 1, 51, 1024, 1000, 10.0, 10.0)
@example([[1.0] * 20, [1.0] * 20], 8000, 51, 1024, 1000, 1.0, 1.0)
@example([[1e10, 1e-10], [1.0, 1.0]], 8000, 51, 1024, 1000, 1.0, 1.0)
@example([[1e10, 1.0000001e-10], [1e-5, 1e5]], 8000, 51, 1024, 1000, 1.0, 0.0)
@example([[0.1], [1.0]], 8000, 51, 1024, 1000, 0.0, 1e300)
@example([[1.0], [1.0]], 1, 1, 1, 1, 0.0, 0.0)
@settings(max_examples=100)
def test_theorem_and_its_first_corollary(net, m, n, h, T, B_x, h0_inf):
    alpha, beta = net
    with workdps(50):
        value = two_roots(len(alpha) * T, m, n, h, *unrolled(alpha, beta, T, B_x, h0_inf))
        sizes = {"m": m, "n": n, "h": h}
        options = {**sizes, "T": T, "B_x": B_x, "h0_inf": h0_inf}
        agree("rademacher_reweighted", (alpha, beta), options, value)
        value = two_roots(len(alpha), m, n, h, *unrolled(alpha, beta, 1, B_x, h0_inf))
        options = {**sizes, "B_x": B_x, "B_h": h0_inf}
        agree("rademacher_step_reweighted", (alpha, beta), options, value)


@given(st.tuples(norm, norm, norm, norm), time, size, size, size, amount, amount)
@example((10.0, 10.0, 10.0, 10.0), 1000, 1, 51, 1024, 10.0, 10.0)
@example((0.5, 1.0, 2.0, 0.1), 20, 8000, 51, 1024, 1.0, 1.0)
@example((0.5, 1 + 2**-52, 2.0, 0.1), 20, 8000, 51, 1024, 1.0, 1.0)
@example((0.5, 1e300, 2.0, 0.1), 1, 8000, 51, 1024, 1.0, 1.0)
def test_step_of_the_coupled_networks(norms, d, m, n, h, B_x, B_h):
    alpha1, alpha2, beta1, beta2 = norms
    options = {"d": d, "m": m, "n": n, "h": h, "B_x": B_x, "B_h": B_h}
    with workdps(50):
        for name, arguments, coupling in (
            ("rademacher_step_l1_l1", norms[:3], mpf(0)),
            ("rademacher_step_sista", norms, mpf(beta2)),
        ):
            inputs, before = beta1 * mpf(B_x), alpha1 * mpf(B_h)
            for _ in range(d - 1):
                inputs = alpha2 * inputs + beta1 * mpf(B_x)
                before = alpha2 * before + coupling * mpf(B_h)
            agree(name, arguments, options, two_roots(d, m, n, h, inputs, before))


@given(norm, norm, size, size, size, time, amount)
@example(1.0, 1.0, 8000, 51, 1024, 1000, 1.0)
@example(10.0, 10.0, 8000, 51, 1024, 1000, 10.0)
def test_one_layer(alpha1, beta1, m, n, h, T, B_x):
    with workdps(50):
        root = mp.sqrt((4 * T * mp.log(2) + mp.log(n) + mp.log(h)) / m)
        total = sum(mpf(alpha1) ** k for k in range(T))
        value = root * mp.sqrt(2) * beta1 * total * B_x
        options = {"m": m, "n": n, "h": h, "T": T, "B_x": B_x}
        agree("rademacher_reweighted_one_layer", (alpha1, beta1), options, value)


@given(st.floats(0, 1e6), amount, st.floats(1e-300, 1, exclude_max=True), size)
@example(1e300, 1e300, 0.05, 1)
@example(0.0, 1.0, 1 - 2**-53, 8000)
def test_gap(rademacher, eta, delta, m):
    with workdps(50):
        value = 2 * mpf(rademacher) + 4 * mpf(eta) * mp.sqrt(2 * mp.log(4 / mpf(delta)) / m)
        rest = {"eta": eta, "delta": delta, "m": m}
        error = abs(bounds.generalization_gap(rademacher, **rest) - value)
        assert error <= DIGITS * value + SMALLEST
        log = math.log(rademacher) if rademacher else -math.inf
        value = 2 * mp.exp(mpf(log)) + 4 * mpf(eta) * mp.sqrt(2 * mp.log(4 / mpf(delta)) / m)
        exact = mp.log(value) if value else mpf("-inf")
        got = bounds.log_generalization_gap(log, **rest)
        assert got == exact or abs(got - exact) <= DIGITS * max(1, abs(exact))


def test_the_gap_of_an_infinite_complexity_is_infinite():
    rest = {"eta": 1.0, "delta": 0.05, "m": 100}
    assert bounds.generalization_gap(math.inf, **rest) == math.inf
    assert bounds.log_generalization_gap(math.inf, **rest) == math.inf
    assert bounds.log_generalization_gap(1e6, **rest) == pytest.approx(1e6 + math.log(2))


@given(norm, norm, st.floats(1e-6, 1), size, time, amount)
@example(0.5, 1.0, 1.0, 8000, 1000, 1.0)
@example(0.5 + 2**-53, 1.0, 1.0, 8000, 1000, 1.0)
@example(1e-300, 1.0, 1.0, 8000, 1000, 1.0)
@example(10.0, 10.0, 1.0, 8000, 1000, 10.0)
@example(1.0, 1.0, 1e-300, 1, 100, 1.0)
def test_fastrnn(alpha_F, beta_F, a, m, T, B):
    options = {"a": a, "m": m, "T": T, "B": B}
    with workdps(50):
        # One step: b = 1 − a of what was, and a times twice the norms of what is new.
        value, new = mpf(0), 2 * mpf(a) * beta_F * B / mp.sqrt(m)
        for _ in range(T + 1):
            value = (1 - mpf(a) + 2 * mpf(a) * alpha_F) * value + new
        agree("rademacher_fastrnn", (alpha_F, beta_F), options, value)


@given(norm, norm, st.floats(1e-6, 1), size, time, amount)
@example(1.0, 1.0, 1 - 1e-9, 1, 100, 1.0)
@example(0.75, 1.0, 1.0, 1, 1, 1.0)
def test_short_forms_of_fastrnn(alpha_F, beta_F, share, m, T, B):
    excess = 2 * alpha_F - 1  # exact above zero
    a = min(1.0, share / (2 * excess * T)) if excess > 0 else share
    options = {"a": a, "m": m, "T": T, "B": B}
    with workdps(50):
        front = 2 * mpf(B) * beta_F / mp.sqrt(m)
        agree("short_form", (alpha_F, beta_F), options, front * 2 * a * (T + 1))
        if excess > 0:
            spare = 2 * mpf(a) * excess * (T + 1) - 1
            value = a * front * spare / excess
            if value >= 0:
                agree("printed_form", (alpha_F, beta_F), options, value)
            else:
                got = fastrnn_bounds.printed_form(alpha_F, beta_F, **options)
                far = value < -LARGEST and got == -math.inf
                assert far or abs(got - value) <= DIGITS * abs(value) + SMALLEST
                log = fastrnn_bounds.printed_form.log(alpha_F, beta_F, **options)
                assert math.isnan(log)


@given(
    st.tuples(norm, norm, norm),
    st.tuples(*[st.floats(0.1, 1)] * 3),
    st.tuples(size, size, size, size, time),
    st.tuples(amount, norm, st.floats(1e-9, 1, exclude_max=True)),
)
@example((10.0, 10.0, 10.0), (1.0, 1.0, 1.0), (1, 51, 10, 1024, 1000), (10.0, 0.1, 0.05))
@example((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (8000, 1, 1, 1, 1000), (1.0, 1.0, 0.05))
def test_spectralrnn(frobenius, fractions, sizes, rest):
    spectral = [f * fraction for f, fraction in zip(frobenius, fractions, strict=True)]
    names = ("m", "n", "n_y", "h", "T", "B", "gamma", "delta")
    options = dict(zip(names, (*sizes, *rest), strict=True))
    with workdps(50):
        m, n, n_y, h, T, B, gamma, delta = (mpf(options[name]) for name in names)
        zeta = mpf(1)
        for power, value in zip((2 * T - 2, 2, 2), spectral, strict=True):
            zeta *= max(mpf(value) ** power, 1)
        xi = max(n, n_y, h)
        inner = B**2 * T**4 * xi * mp.log(xi) / gamma**2
        inner *= sum(mpf(f) ** 2 for f in frobenius) * zeta
        value = mp.sqrt((inner + mp.log(m / delta)) / m)
        agree("gap_spectralrnn", (*frobenius, *spectral), options, value)
