"""Parts of the networks: positive parameters, their number, seeds, and invalid options."""

import inspect
import itertools
import math

import pytest
import torch

from unfolded.choices import UNFOLDED, VARIANTS
from unfolded.errors import ConfigError
from unfolded.networks import build, names
from unfolded.networks.positivity import from_raw, to_raw
from unfolded.runs.config import RunConfig
from unfolded.runs.parameter_count import parameters

SIZES = {"n0": 16, "n": 6, "hidden": 20, "depth": 2}


@pytest.mark.parametrize("positivity", ["exp", "softplus", "free"])
@pytest.mark.parametrize("name", UNFOLDED)
def test_a_lambda2_of_zero_remains_zero(name, positivity):
    options = {"positivity": positivity, "lambda2": 0}
    net = build(name, **SIZES, **options).double()
    assert "lambda2" not in net.raw
    assert net.symbols()["lambda2"].item() == 0
    net.load_state_dict(build(name, **SIZES, **options).state_dict())


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("reweighting", ["Z", "g", "Z+g"])
def test_weights_that_are_not_learned_equal_those_of_the_solver(reweighting, fast, normal):
    net = build("reweighted-rnn", **SIZES, reweighting=reweighting, lambda1=0.3).double()
    net.fast = fast
    names = {name.removeprefix("raw.") for name, _ in net.named_parameters()}
    assert names & {"Z", "g"} == set(reweighting.split("+"))
    x = normal(2, 3, 6)
    with torch.no_grad():
        changed = {"Z": 0.01, "g": 0.2}  # g is held by its logarithm
        for name, parameter in net.named_parameters():
            parameter.add_(changed.get(name.removeprefix("raw."), 0.0))
        expected = build("reweighted-rnn", **SIZES, lambda1=0.3).double()
        expected.load_state_dict(net.state_dict(), strict=False)
    assert not torch.equal(net.codes(x), build("l1-l1-rnn", **SIZES, lambda1=0.3).double().codes(x))
    assert (net.codes(x) - expected.codes(x)).abs().max() < 1e-10


def test_all_networks_measure_with_the_same_A_at_one_seed():
    def A(name, **options):
        return build(name, **{**SIZES, **options}).A

    for name in names():
        assert torch.equal(A(name), A("lstm"))
        assert torch.equal(A(name, hidden=9, depth=3), A("lstm"))
        assert not torch.equal(A(name, seed=1), A(name))


@pytest.mark.parametrize("name", names())
def test_building_is_deterministic_and_does_not_change_the_global_generator(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    state = build(name, **SIZES, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    twin = build(name, **SIZES, seed=3).state_dict()
    assert state.keys() == twin.keys()
    assert all(torch.equal(state[key], twin[key]) for key in state)


@pytest.mark.parametrize("form", ["softplus", "exp", "free"])
def test_initial_values_are_recovered_from_every_form(form):
    value = torch.tensor([1e-6, 0.01, 1.0, 3.0, 255.0, 1e4])
    assert torch.allclose(from_raw(to_raw(value, form), form), value, rtol=2e-6, atol=0)
    doubled = to_raw(value.double(), form)
    assert torch.allclose(from_raw(doubled, form), value.double(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", UNFOLDED)
@pytest.mark.parametrize("form", ["softplus", "exp", "free"])
def test_parameters_remain_positive_only_in_positive_forms(form, name):
    net = build(name, **SIZES, positivity=form)
    generator, least = torch.Generator().manual_seed(0), []
    for _ in range(40):
        with torch.no_grad():
            for raw in net.raw.values():
                raw.copy_((30 * torch.randn(raw.shape, generator=generator)).clamp(-80, 80))
        least += [net.positive(key).min().item() for key in net.raw]
    assert {"c", "lambda1", "lambda2"} <= set(net.raw)
    assert ("g" in net.raw) == (name == "reweighted-rnn")
    assert (min(least) > 0) == (form != "free")


@pytest.mark.parametrize(
    ("n", "n0", "h", "d"), [(51, 256, 100, 3), (51, 256, 100, 2), (6, 16, 20, 1), (5, 7, 3, 4)]
)
@pytest.mark.parametrize("name", names())
def test_the_number_of_parameters_equals_the_formula(name, n, n0, h, d):
    net = build(name, n=n, n0=n0, hidden=h, depth=d)
    source = f"own-{n0}-{'0' * 16}"
    run = RunConfig(name, cs_rate=n / n0, hidden=h, depth=d, source=source)
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters(run)


def test_the_formulas_at_the_papers_defaults():
    counts = {name: parameters(RunConfig(name, hidden=1024)) for name in names()}
    assert counts == {
        **{"reweighted-rnn": 4_473_603, "l1-l1-rnn": 1_324_803, "sista-rnn": 341_763},
        **{"srnn": 5_576_704, "lstm": 13_083_648, "gru": 16_179_200, "indrnn": 2_430_976},
        **{"fastrnn": 5_573_638, "spectralrnn": 3_808_000},
    }


def test_the_sizes_of_the_paper_are_the_defaults():
    defaults = {k: p.default for k, p in inspect.signature(build).parameters.items()}
    sizes = {"hidden": 1024, "depth": 3, "seed": 0}
    assert defaults | sizes == defaults
    assert build("indrnn", hidden=4).A.shape == (51, 256)


IMPOSSIBLE = [
    *({"hidden": size} for size in (0, -4, 8.5, "8", None, True)),
    *({size: 0} for size in ("depth", "n", "n0")),
    *({"seed": seed} for seed in (-1, 1.5)),
    *({"lambda1": value} for value in (0.0, math.nan, math.inf)),
    {"name": "transformer"},
    {"positivity": "relu"},
    {"lambda2": -0.1},
    {"lambda1": math.nan, "positivity": "free"},
]


@pytest.mark.parametrize(
    ("name", "change"),
    [*itertools.product(UNFOLDED, IMPOSSIBLE), ("reweighted-rnn", {"reweighting": "none"})],
    ids=str,
)
def test_impossible_networks_are_reported_in_one_line(name, change):
    call = {"name": name, **SIZES, **change}
    with pytest.raises(ConfigError, match=r"^expected .*; got .*; \w.*\Z"):
        build(call.pop("name"), **call)


@pytest.mark.parametrize("name", UNFOLDED)
def test_a_frame_does_not_depend_on_the_previous_ones_without_memory(name):
    network = build(name, n0=16, n=5, hidden=12, seed=3, memory=False)
    frames = torch.randn(2, 6, 16)
    whole = network(frames)
    alone = network(frames.reshape(12, 1, 16)).reshape(whole.shape)
    torch.testing.assert_close(whole, alone)
    symbol = "F" if name == "sista-rnn" else "G"
    assert symbol not in dict(network.named_parameters()) and not network.symbols()[symbol].any()
    whole.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_every_variant_builds_another_network():
    for model, variants in VARIANTS.items():
        usual = build(model, hidden=20, seed=3)
        for variant in variants:
            net = build(model, hidden=20, seed=3, variant=variant)
            x = 100 * torch.rand(1, 4, 51)
            assert not torch.equal(usual.recover(x), net.recover(x)), (model, variant)
