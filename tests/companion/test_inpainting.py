"""Inpainting: paired trials, disturbances, and the table of their results."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch

from companion import result_store
from companion.studies.inpainting import inpainting_trials
from companion.studies.inpainting.glow_prox import hole
from companion.studies.inpainting.inpainting_trials import (
    BATCH,
    DISTURBED,
    HOLE,
    TEST,
    TRAIN,
    Trial,
)


@pytest.fixture(scope="module")
def trained():
    return inpainting_trials.train(Trial(0.2, steps=2))


def test_digits_to_train_on_and_to_test_with_are_different(trained):
    train, test = inpainting_trials.digits("digits", 0)
    assert (len(train), len(test)) == (TRAIN, TEST)
    assert torch.equal(test, trained.test)
    assert torch.cdist(train.flatten(1), test.flatten(1)).min() > 0


def test_a_repeated_trial_has_the_same_result_and_methods_share_batches(trained):
    again = inpainting_trials.train(trained.trial)
    plain = inpainting_trials.train(replace(trained.trial, epsilon=None))
    for a, b in zip(trained.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(a, b)
    # The first step has the same network and the same batch for every constraint.
    assert plain.history.loss[0] == trained.history.loss[0]
    assert plain.history.duals.abs().max() == 0 < trained.history.duals.max()


def test_the_loss_is_the_squared_distance_of_the_last_layer(trained):
    layers = inpainting_trials.recovered(trained)
    merits = inpainting_trials.distances(layers, trained.test)
    assert merits.shape == (5, TEST)
    byhand = ((layers[-1] - trained.test) ** 2).sum((1, 2, 3)).sqrt()
    torch.testing.assert_close(merits[-1], byhand)


def test_each_disturbance_changes_only_its_own_quantity(trained):
    mask = hole(HOLE)
    clean = inpainting_trials.recovered(trained)
    noisy = inpainting_trials.recovered(trained, "noise on what is seen", 0.1)
    spread = (noisy[0] - clean[0])[..., mask == 1].std()
    assert spread == pytest.approx(0.1, rel=0.02)
    assert noisy[0][..., mask == 0].abs().max() == 0
    between = inpainting_trials.recovered(trained, "noise between layers", 0.1)
    assert torch.equal(between[0], clean[0])
    assert (between[1] - clean[1]).std() == pytest.approx(0.1, rel=0.02)
    moved = inpainting_trials.recovered(trained, "the hole moved, pixels", 2)
    assert moved[0][..., hole(HOLE, right=2) == 0].abs().max() == 0
    larger = inpainting_trials.recovered(trained, "a larger hole, side", 8)
    assert larger[0][..., hole(8) == 0].abs().max() == 0


def test_the_table_has_a_row_for_each_disturbance_level_and_layer(trained):
    few = replace(trained, test=trained.test[:40])
    table = inpainting_trials.evaluation(few)
    assert len(table) == 5 * sum(map(len, DISTURBED.values()))
    layers = inpainting_trials.recovered(few)
    rows = table.query("what == 'nothing'").set_index("layer")
    for number in (0, 4):
        error = (layers[number] - few.test).square().mean((1, 2, 3)).numpy()
        assert rows.loc[number, "psnr"] == pytest.approx(np.mean(-10 * np.log10(error)), rel=1e-5)
    closer = inpainting_trials.distances(layers, few.test)
    assert rows.loc[1, "descending"] == (closer[1] <= closer[0]).float().mean()


def test_the_stored_trials_are_paired_and_complete():
    table = inpainting_trials.stored_rows()
    for _, rows in table.groupby("trial"):
        assert len(rows) == 5 * sum(map(len, DISTURBED.values()))
        assert rows["steps"].unique().tolist() == [inpainting_trials.STEPS]
        assert not rows["commit"].str.contains("changes").any()
    seeds = table.groupby("network")["seed"].unique().map(sorted)
    assert seeds["plain"] == seeds["descending, ε = 0.2"] == list(inpainting_trials.SEEDS)


def test_names_of_trials_are_unique():
    names = [trial.name for trial in inpainting_trials.PLAN]
    keys = [result_store.key(asdict(trial)) for trial in inpainting_trials.PLAN]
    assert len(set(names)) == len(set(keys)) == len(inpainting_trials.PLAN)
    assert names[0] == "plain" and BATCH <= TRAIN


def test_psnr_is_arranged_by_network_seed_and_value():
    rows = [("plain", seed, layer, 10.0 * seed + layer) for seed in (0, 1) for layer in (1, 2)]
    table = pd.DataFrame(rows, columns=["network", "seed", "layer", "psnr"])
    lines, layers = inpainting_trials.psnr_by(table, "layer")
    assert layers.tolist() == [1, 2] and lines["plain"].tolist() == [[1, 2], [11, 12]]
