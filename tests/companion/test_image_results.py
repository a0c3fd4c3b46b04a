"""Stored trainings on pictures, and the analysis of networks."""

import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch

from companion import results
from companion.studies.natural_images import images
from companion.studies.sista_images import image_analysis, image_results, image_solvers
from companion.studies.sista_images.image_runs import RATES, planned
from companion.studies.sista_images.image_solvers import Way
from companion.studies.sista_images.image_task import LAMBDA1, LAMBDA2, Task, task
from companion.studies.sista_images.image_training import Training, Trial, network
from unfolded.errors import RecordError, TrainingError
from unfolded.runs import results_table

SMALL = {"count": 8, "epochs": 1, "batch": 4}


@pytest.fixture(scope="module")
def small_task():
    return task(count=8)


@pytest.fixture(scope="module")
def trained(small_task):
    return Training(Trial(**SMALL), small_task).finish()


class TestStoredTrainings:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(results_table, "RESULTS", tmp_path)
        monkeypatch.setattr(results, "register_read", lambda path: path)
        return tmp_path

    def test_a_stored_training_is_read_unchanged_and_replaces_the_previous_one(self, trained):
        for _ in range(2):
            image_results.store(trained)
        (stored_row,) = image_results.stored_rows(image_results.RUNS, "free").to_dict("records")
        again = image_results.row(trained)
        assert stored_row["psnr"] == pytest.approx(again["psnr"], rel=1e-5)
        assert stored_row["trial"] == trained.trial.hash and stored_row["status"] == "done"
        curves = image_results.stored_rows(image_results.CURVES)
        assert curves["validation_mse"].tolist() == pytest.approx(
            [row["validation_mse"] for row in trained.curves], rel=1e-5
        )
        errors = image_results.stored_rows(image_results.PICTURES)["mse"]
        assert errors.mean() == pytest.approx(again["mse"], rel=1e-4)

    def test_the_best_sista_rnn_is_stored_in_half_precision(self, small_task, trained):
        bad = Training(Trial(**SMALL, seed=1), small_task)
        image_results.store(trained)
        with torch.no_grad():
            bad.network.F.mul_(0.5)
        bad.trial = Trial(model="sista-rnn", epochs=0)
        image_results.store(bad.finish())
        net, trial = image_results.stored_sista()
        assert trial == trained.trial
        assert torch.equal(net.F, trained.network.F.half().float())

    def test_a_training_whose_weights_cannot_be_written_is_repeated(self, trained, folder):
        (folder / image_results.WEIGHTS).mkdir()
        with pytest.raises(RecordError, match=image_results.WEIGHTS):
            image_results.store(trained)
        assert not (folder / image_results.RUNS).exists()

    def test_a_training_that_fails_is_a_row_with_its_reason(self, small_task):
        run = Training(Trial(**SMALL), small_task)
        with torch.no_grad():
            run.network.F.fill_(math.inf)
        with pytest.raises(TrainingError) as caught:
            run.finish()
        image_results.store(run, str(caught.value))
        (row,) = image_results.stored_rows(image_results.RUNS, "free").to_dict("records")
        assert row["status"] == "failed" and "parameter F" in row["reason"]

    def test_networks_are_compared_at_their_greatest_common_length(self, small_task, trained):
        longer = Training(Trial(**SMALL | {"epochs": 2}), small_task).finish()
        lstm = Training(Trial(model="lstm", **SMALL), small_task).finish()
        for training in (longer, trained):
            image_results.store(training)
        with pytest.raises(RecordError, match=r"of equal length; got none; run"):
            image_analysis.comparable("free")
        image_results.store(lstm)
        table = image_analysis.comparable("free")
        assert len(table) == 2 and table["psnr"].is_monotonic_decreasing
        name = trained.trial.name
        assert table.set_index("name").at[name, "updates"] == trained.updates
        assert len(image_analysis.curves(table)[name]) == 2
        gap = image_analysis.lead(table, name, lstm.trial.name)
        errors = [np.array(image_results.picture_errors(run)) for run in (trained, lstm)]
        assert gap.mean == pytest.approx((10 * np.log10(errors[1] / errors[0])).mean(), rel=1e-3)

    def test_a_row_of_an_algorithm_replaces_the_previous_one(self, small_task):
        rows = [image_solvers.row(Way(3), small_task, small_task.test)]
        for _ in range(2):
            image_results.store_algorithms(rows, source="free", seed=0)
        (row,) = image_results.stored_rows(image_results.ALGORITHMS, "free").to_dict("records")
        assert row["psnr"] == pytest.approx(rows[0]["psnr"], rel=1e-5)

    def test_the_rate_of_a_long_training_is_the_best_on_validation_data(self, folder):
        trials = list(planned("selection", "free", 0, 0))
        assert len({trial.hash for trial in trials}) == len(trials) and trials[0].seed == 0
        train = len(images("free")[0])
        rows = [
            asdict(trial) | {"trial": trial.hash, "train": train, "updates": 0}
            | ({"status": "failed"} if trial.rate == RATES[0] else
               {"status": "done", "validation_mse": abs(trial.rate - RATES[2])})
            for trial in trials
        ]  # fmt: skip
        shorter = replace(trials[1], epochs=1)
        rows.append(rows[1] | {"trial": shorter.hash, "epochs": 1, "validation_mse": -1.0})
        pd.DataFrame(rows[-1:]).to_csv(folder / image_results.RUNS, index=False)
        with pytest.raises(RecordError, match="stage selection"):
            next(planned("published", "free", 0, 0))
        pd.DataFrame(rows).to_csv(folder / image_results.RUNS, index=False)
        assert {*image_results.selection("free").query("selected")["rate"]} == {RATES[2]}
        published = list(planned("published", "free", 0, 0))
        assert {trial.rate for trial in published} == {RATES[2]}
        batches = math.ceil(train / published[0].batch)
        assert all(0 <= trial.epochs * batches - 49_000 < batches for trial in published)
        seeds = [trial.seed for trial in published if trial.model == "lstm"]
        assert seeds == [0, 1, 2] and len({trial.hash for trial in published}) == len(published)

    def test_damaged_weights_are_rejected(self, folder):
        (folder / image_results.WEIGHTS).write_bytes(b"not weights")
        with pytest.raises(RecordError, match="git checkout"):
            image_results.stored_sista()


class TestAnalysis:
    def test_the_quantities_of_a_known_network(self, small_task):
        symbols = network(Trial(), small_task.A, small_task.D).symbols()
        values = image_analysis.readings(symbols, small_task)
        # D is orthonormal, so L = ‖A‖² + λ2.
        assert values["L"] == pytest.approx(
            torch.linalg.matrix_norm(small_task.A, 2).item() ** 2 + 1, rel=1e-4
        )
        assert values["ν1/ν2"] == pytest.approx(LAMBDA1 / LAMBDA2)
        assert values["‖F − I‖"] == 0 and values["‖DᵀD − I‖"] < 1e-4
        steps = (
            small_task.test[:, 1:] - small_task.test[:, :-1]
        ).square().mean() * small_task.unit**2
        assert values["error of F"] == pytest.approx(steps.item(), rel=1e-4)

    def test_moments_find_the_prior_that_columns_were_drawn_from(self, small_task, normal):
        # White columns: codes with mean |h| = sqrt(2/π) σ, and v = s_t − 0 with variance σ².
        white = 3 * normal(40, 128, 128).float()
        known = Task(**{**vars(small_task), "train": white, "test": white})
        values = image_analysis.moments(known, torch.zeros(128, 128))
        assert values["ν1/ν2"] == pytest.approx(9 / (3 * (2 / math.pi) ** 0.5), rel=0.01)

    def test_diagonals_count_from_below_the_main_one(self):
        F = torch.diag(torch.ones(5), 1) + 2 * torch.diag(torch.ones(6))
        assert image_analysis.diagonals(F, 2) == {-2: 0.0, -1: 0.0, 0: 2.0, 1: 1.0, 2: 0.0}

    def test_a_level_that_is_not_reached_takes_infinite_time(self):
        curve = {"updates": [0, 4, 8], "seconds": [0.0, 1, 2], "validation_mse": [9.0, 2, 4]}
        levels = {"low": 1.0, "some": 3.0, "start": 9.0}
        row = image_analysis.times({"a": pd.DataFrame(curve)}, levels).loc["a"]
        assert row["updates"].to_dict() == {"low": math.inf, "some": 4.0, "start": 0.0}
        assert row["seconds"].to_dict() == {"low": math.inf, "some": 1.0, "start": 0.0}
