"""The weights in the repository: complete, small, and as accurate as their table states."""

import shutil

import pytest
import torch

import unfolded
from companion import pretrained
from companion.run_set import WIDE
from unfolded import data, metrics
from unfolded.errors import ConfigError, DataError, RecordError
from unfolded.provenance import ROOT
from unfolded.runs import input_frames, records
from unfolded.runs.grid import STARTS, initialised
from unfolded.runs.records import Record

TABLE = pretrained.stored_weights()
LEAD = {"fastrnn": 0.5}
"""Decibels over black frames, where not 1: its cells saturate on raw pixels, and what it learned is
little more than the mean frame."""


@pytest.fixture(scope="module")
def weights_folder():
    """The frames of the last network; most networks have the same."""
    return {}


@pytest.mark.parametrize(
    ("table", "model"),
    [
        (table, model)
        for table in pretrained.TABLES
        for model in pretrained.stored_weights(table=table)["model"]
    ],
)
class TestStoredNetwork:
    def test_a_network_recovers_frames_outside_its_training_data(self, table, model):
        network, config = pretrained.pretrained(model, table)
        assert (config.model, config.hidden, config.profile) == (model, 256, "paper")
        frames = torch.from_numpy(data.sequences("digits", count=50)).flatten(2)
        estimate = network(frames)
        nothing = torch.zeros_like(frames)
        gain = [metrics.psnr(frames, e, peak=255, average="global") for e in (estimate, nothing)]
        assert gain[0] > gain[1] + LEAD.get(model, 1)
        assert not any(p.requires_grad for p in network.parameters())

    def test_a_network_has_the_psnr_in_its_table(self, table, model, weights_folder):
        network, config = pretrained.pretrained(model, table)
        try:
            frames = input_frames.on_device(config, "cpu", weights_folder).test
        except DataError:
            pytest.skip("MNIST is not at hand")
        psnr = metrics.psnr(frames, network(frames), peak=255, average="authors")
        row = pretrained.stored_weights(table=table).set_index("model").loc[model]
        assert row["config_hash"] == config.hash
        assert psnr == pytest.approx(row["psnr_authors"], abs=1e-2)
        # Half precision costs next to nothing.
        assert psnr == pytest.approx(row["psnr_authors_before_rounding"], abs=0.05)


def test_the_total_size_of_the_weights_is_small():
    sizes = [path.stat().st_size for path in pretrained.WEIGHTS.glob("*.safetensors")]
    cover = pretrained.stored_weights(table="cover")
    assert len(sizes) == len(TABLE) + len(cover) and sum(sizes) < 10e6
    assert tuple(cover["model"]) == pretrained.COVER and cover["bytes"].sum() < 1e6


def test_a_model_card_states_what_its_file_contains(monkeypatch):
    cards = pretrained.model_cards()
    assert list(cards["model"]) == list(TABLE["model"])
    monkeypatch.chdir(pretrained.WEIGHTS)
    for card in cards.itertuples():
        file = pretrained.ROOT / card.file
        network, config = pretrained.pretrained(card.model)
        again = eval(card.loading, {"unfolded": unfolded})
        assert all(map(torch.equal, again.state_dict().values(), network.state_dict().values()))
        assert file.stat().st_size == card.bytes and config.hash == card.config_hash
        assert config.source in card.data and config.protocol in card.protocol
        assert card.licence == "MIT" and "MIT" in (pretrained.ROOT / "LICENSE").read_text()


def test_a_network_that_is_not_stored_is_rejected():
    with pytest.raises(ConfigError, match=r"expected one of .*reweighted-rnn.*; got 'x'"):
        pretrained.pretrained("x")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path / "weights")
    monkeypatch.delenv("UNFOLDED_READS", raising=False)
    return tmp_path


def test_a_damaged_file_is_rejected(elsewhere):
    (elsewhere / "weights").mkdir()
    TABLE.to_csv(elsewhere / "weights" / "weights.csv", index=False)
    model = TABLE["model"].iloc[0]
    with pytest.raises(RecordError, match="No such file"):
        pretrained.pretrained(model)
    (elsewhere / "weights" / f"{model}.safetensors").write_bytes(b"damaged")
    with pytest.raises(RecordError, match="another checksum"):
        pretrained.pretrained(model)


@pytest.mark.parametrize(("table", "start"), [("weights", lambda run: run), ("cover", initialised)])
def test_only_finished_runs_are_stored(elsewhere, table, start):
    config = start(WIDE)
    failed = Record(config.as_dict(), config.hash, "failed", reason="x")
    records.save(failed, records.folder_of(config, elsewhere))
    assert pretrained.store_weights(elsewhere, table).empty


def test_a_run_with_a_larger_validation_error_replaces_no_network(elsewhere):
    shutil.copytree(ROOT / "data" / "weights", pretrained.WEIGHTS)
    run = initialised(WIDE)
    worse = Record(run.as_dict(), run.hash, "done", curves={"validation_mse": [1e6]})
    worse.metrics.update(dict.fromkeys(records.METRICS, 1.0))
    records.save(worse, records.folder_of(run, elsewhere))
    stored = pretrained.store_weights(elsewhere)
    assert stored["config_hash"].tolist() == TABLE["config_hash"].tolist()


def test_the_best_run_has_the_least_validation_error(tmp_path):
    runs = [initialised(WIDE, pair) for pair in STARTS.values()]
    for run, error in zip(runs[:2], (7.0, 5.0), strict=True):
        done = Record(run.as_dict(), run.hash, "done", curves={"validation_mse": [1.0, error]})
        done.metrics.update(dict.fromkeys(records.METRICS, 1.0))
        records.save(done, records.folder_of(run, tmp_path))
    failed = Record(runs[2].as_dict(), runs[2].hash, "failed", reason="x")
    records.save(failed, records.folder_of(runs[2], tmp_path))
    assert pretrained.best_run(runs, tmp_path).config_hash == runs[1].hash
    assert pretrained.best_run(runs[2:], tmp_path) is None
