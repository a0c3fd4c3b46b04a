"""Configurations: invalid fields are rejected, and each run has one name."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unfolded import networks
from unfolded.errors import ConfigError
from unfolded.runs.config import PROFILES, PROTOCOLS, RunConfig
from unfolded.seeds import derive

WRONG = [
    *(("cs_rate", value) for value in (0, 1, -0.1, 1.5, float("nan"), float("inf"), 0.003, "0.2")),
    *(("cs_rate", value) for value in (None, True, 10**400, 0.2j)),
    *(("hidden", value) for value in (0, -1, 2.5, "256", True, float("nan"), float("inf"))),
    *(("depth", value) for value in (0, -3, 1.5, "3", False, [3])),
    *(("seed", value) for value in (-1, 0.5, "0", None, True)),
    *(("lambda1", value) for value in (0, -1.0, float("nan"), float("inf"), "1", None, 1e39)),
    *(("lambda2", value) for value in (-0.1, 1e-46, False)),
    *(("model", value) for value in ("rnn", "", None, 3, ["lstm"], "LSTM")),
    *(("profile", value) for value in ("tiny", None)),
    *(("protocol", value) for value in ("normalized", None)),
    *(("source", value) for value in ("cifar", None)),
    *(("reduction", value) for value in ("bicubic", None)),
    *(("positivity", value) for value in ("relu", None)),
    *(("schedule", value) for value in ("cosine", None)),
    *(("memory", value) for value in (True, None)),
    *(("learning_rate", value) for value in (0, -1e-3, float("nan"), float("inf"), None, "1")),
    *(("norm_penalty", value) for value in (-1e-3, float("nan"), float("inf"), None, "1", True)),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda v: repr(v)[:20])
def test_invalid_fields_of_a_run_are_rejected_in_one_line(name, value):
    with pytest.raises(ConfigError, match=rf"^expected {name} .*; got .*; .+\Z"):
        RunConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "plain", "values"),
    [
        ("hidden", 256, (256.0, np.int64(256), np.float32(256), np.uint16(256))),
        ("depth", 2, (2.0, np.int8(2))),
        ("seed", 7, (7.0, np.int64(7))),
        ("lambda1", 1.0, (1, np.float32(1), np.int32(1), Fraction(1))),
        ("cs_rate", 0.5, (np.float32(0.5), Fraction(1, 2), np.float64(0.5))),
    ],
)
def test_every_type_of_a_number_gives_the_same_name(name, plain, values):
    expected = RunConfig(**{name: plain})
    for value in values:
        config = RunConfig(**{name: value})
        assert config == expected and config.hash == expected.hash
        assert type(getattr(config, name)) is type(plain)


def test_defaults_are_the_profiles_width_and_the_papers_depth():
    for name, profile in PROFILES.items():
        assert RunConfig(profile=name).hidden == profile.hidden
    assert PROFILES["paper"].hidden == 1024
    for model in networks.names():
        assert RunConfig(model=model).depth == (2 if model == "lstm" else 3)
        assert RunConfig(model=model, depth=5).depth == 5
    config = RunConfig(model="lstm", profile="paper", hidden=1024, depth=2)
    assert config.hash == RunConfig(model="lstm", profile="paper").hash


def test_the_number_of_measurements_equals_that_of_the_authors():
    rates = {1 / 256: 1, 0.1: 25, 0.2: 51, 0.3: 76, 0.4: 102, 0.5: 128, 0.999: 255}
    assert {rate: RunConfig(cs_rate=rate).n for rate in rates} == rates


VALUES = {
    **{"model": "gru", "cs_rate": 0.3, "hidden": 77, "depth": 4, "seed": 1, "source": "mnist"},
    **{"protocol": "normalised", "profile": "smoke", "reduction": "bilinear", "lambda1": 2.0},
    **{"positivity": "free", "lambda2": 0.5, "reweighting": "g", "norm_penalty": 0.5},
    **{"learning_rate": 1e-3, "schedule": "pytorch", "memory": "off"},
}


def test_every_field_is_part_of_the_name():
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    assert set(VALUES) == fields - {"variant"}  # which only stacked networks have
    # Width and depth are given, so that no other field changes them on its way.
    base = RunConfig(model="reweighted-rnn", hidden=64, depth=3)
    hashes = {dataclasses.replace(base, **{name: value}).hash for name, value in VALUES.items()}
    assert len(hashes | {base.hash}) == len(VALUES) + 1
    variants = {RunConfig(model="indrnn", variant=name).hash for name in ("default", "ones")}
    assert len(variants) == 2


def test_the_settings_of_profile_and_protocol_are_part_of_the_name(monkeypatch):
    before = RunConfig(hidden=64).hash
    monkeypatch.setitem(PROFILES, "laptop", dataclasses.replace(PROFILES["laptop"], epochs=7))
    longer = RunConfig(hidden=64).hash
    monkeypatch.setitem(PROTOCOLS, "authors", dataclasses.replace(PROTOCOLS["authors"], clip=1.0))
    assert len({before, longer, RunConfig(hidden=64).hash}) == 3


def test_names_of_committed_runs_never_change():
    # These folders hold the committed 200-epoch runs: another hash would lose them.
    paper = {"source": "mnist", "profile": "paper", "hidden": 256, "reduction": "bilinear"}
    assert RunConfig(model="reweighted-rnn", **paper).hash == "4fa43e7cbeba"
    assert RunConfig(model="l1-l1-rnn", **paper).hash == "36adbfb1f463"
    area = {"source": "mnist", "profile": "paper", "hidden": 128}
    assert RunConfig(model="l1-l1-rnn", **area).hash == "0ca7278cd94f"
    assert RunConfig().reweighting == "Z+g"  # a later field, which these names do not contain


def test_the_number_of_reflectors_of_a_variant_is_at_most_the_width():
    few = {"model": "spectralrnn", "variant": "few-reflectors"}
    assert RunConfig(**few, hidden=16).hidden == 16
    with pytest.raises(ConfigError, match=r"hidden .* >= 16 .*; got 15; .* another variant"):
        RunConfig(**few, hidden=15)


def test_a_variant_belongs_to_its_network():
    assert RunConfig(model="indrnn", variant="unbounded").variant == "unbounded"
    with pytest.raises(ConfigError, match="expected a variant of gru from default; got 'ones'"):
        RunConfig(model="gru", variant="ones")
    with pytest.raises(ConfigError, match="memory off for an unfolded network only; got gru"):
        RunConfig(model="gru", memory="off")
    with pytest.raises(ConfigError, match="reweighting g for reweighted-rnn only"):
        RunConfig(model="gru", reweighting="g")


@given(st.floats(min_value=1 / 256, max_value=1, exclude_max=True), st.integers(0, 2**70))
def test_a_written_configuration_is_read_unchanged(rate, seed):
    before = RunConfig(cs_rate=rate, seed=seed)
    after = RunConfig(**before.as_dict())
    assert after == before and after.hash == before.hash
    assert 1 <= before.n <= 255


def test_seeds_depend_on_every_axis_and_on_nothing_else():
    axes = [(0,), (1,), (0, "A"), (0, "A", 1), (0, "A", 2), (0, "B")]
    seeds = {derive(*axis) for axis in axes}
    assert len(seeds) == 6
    assert derive(3, "order", 7) == derive(3, "order", 7)
    assert all(0 <= seed < 2**32 for seed in seeds)
