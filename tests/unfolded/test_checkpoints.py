"""Invalid checkpoints: a damaged file, or one of another run, is rejected and not changed."""

import json
import os
import shutil

import pytest
import small_runs
import torch
from small_runs import run, small

from unfolded.errors import RecordError
from unfolded.networks import storage
from unfolded.runs import records
from unfolded.training import checkpoint


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with the state of one epoch."""
    store = tmp_path_factory.mktemp("begun")
    with small_runs.interrupted(), pytest.raises(KeyboardInterrupt):
        run(small(), store)
    return records.folder_of(small(), store)


@pytest.fixture
def interrupted(begun, tmp_path):
    """A copy of the folder."""
    return shutil.copytree(begun, tmp_path / begun.name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a finished run."""
    store = tmp_path_factory.mktemp("trained")
    run(small(), store)
    return records.folder_of(small(), store)


def rejected(folder, match):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(RecordError, match=rf"\A.*{match}.*\Z"):
        run(small(), folder.parent)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_state_or_a_record_of_another_configuration_is_rejected(interrupted):
    source, copy = interrupted, records.folder_of(small(seed=1), interrupted.parent)
    shutil.copytree(source, copy)
    with pytest.raises(RecordError, match=f"expected state of configuration {copy.name} at "):
        run(small(seed=1), source.parent)
    run(small(), source.parent)
    shutil.copy(source / "record.json", copy)
    with pytest.raises(RecordError, match=f"the record of {copy.name} .* got one of {source.name}"):
        run(small(seed=1), source.parent)


@pytest.mark.parametrize("part", [0, 40, 0.5, 0.999])
def test_one_flipped_bit_of_a_state_is_detected(interrupted, part):
    path = interrupted / "state.pt"
    content = bytearray(path.read_bytes())
    content[int(part * len(content)) if part < 1 else part] ^= 8
    path.write_bytes(content)
    rejected(interrupted, r"a state of this program .* a damaged file.*; delete it")


@pytest.mark.parametrize("length", [0, 10, 32, 5000])
def test_a_truncated_state_is_rejected(interrupted, length):
    os.truncate(interrupted / "state.pt", length)
    rejected(interrupted, r"a state of this program .*; delete it to start the run anew")


@pytest.mark.parametrize("missing", ["config_hash", "optimiser", "curves", "another shape"])
def test_a_state_with_a_part_missing_or_of_another_shape_is_rejected(interrupted, missing):
    state = checkpoint.load_state(interrupted, small())
    state["network"]["A"] = torch.zeros(1, 1)
    state.pop(missing, None)
    checkpoint.save_state(interrupted, state)
    fault = "one that does not fit the network" if missing == "another shape" else "a state of this"
    rejected(interrupted, fault)


class MaliciousPickle:
    """A pickle that executes code when it is loaded."""

    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('executed').touch()",)


def test_a_state_that_contains_code_is_rejected_without_execution(interrupted, monkeypatch):
    monkeypatch.chdir(interrupted)
    checkpoint.save_state(interrupted, {"config_hash": MaliciousPickle()})
    rejected(interrupted, "objects that only unsafe unpickling could read")
    assert not (interrupted / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b'{"config": {}}', b"\xff"])
def test_a_damaged_record_is_rejected(tmp_path, content):
    folder = records.folder_of(small(), tmp_path)
    folder.mkdir(parents=True)
    (folder / "record.json").write_bytes(content)
    rejected(folder, r"expected a (JSON object|record of a run) at .*record.json; got .+; .*delete")


@pytest.mark.parametrize("name", ["metrics", "curves", "sequence_mse", "learned", "seconds"])
@pytest.mark.parametrize("value", ["1", ["1"], {"psnr_frame": "1"}, {"psnr_frame": ["1"]}, None])
def test_a_record_with_entries_of_another_type_is_rejected(trained, tmp_path, name, value):
    folder = tmp_path / trained.name
    shutil.copytree(trained, folder)
    path = folder / "record.json"
    content = json.loads(path.read_text())
    entry = content[name] | value if isinstance(value, dict) and name == "metrics" else value
    path.write_text(json.dumps(content | {name: entry}))
    rejected(folder, r"expected a record of a run at .*; got one with missing or invalid entries; ")
    path.write_text(json.dumps(content | {"provenance": ["1"]}))
    rejected(folder, r"expected a record of a run at .*; got one with missing or invalid entries; ")


def test_a_record_with_curves_of_unequal_length_is_rejected(trained, tmp_path):
    folder = tmp_path / trained.name
    shutil.copytree(trained, folder)
    content = json.loads((folder / "record.json").read_text())
    content["curves"]["train_mse"].pop()
    (folder / "record.json").write_text(json.dumps(content))
    rejected(folder, r"expected a record of a run at .*; got one with missing or invalid entries; ")


@pytest.mark.parametrize("damage", ["cut", "text", "absent", "other"])
def test_damaged_weights_are_rejected(trained, tmp_path, damage):
    folder = shutil.copytree(trained, tmp_path / trained.name)
    path = folder / "weights.safetensors"
    network, config = checkpoint.load_network(folder)
    assert config == small()
    if damage == "absent":
        path.unlink()
    elif damage == "other":
        storage.write(path, network, {"config": small(hidden=7).as_dict()})
    else:
        path.write_bytes(path.read_bytes()[:-9] if damage == "cut" else b"no weights at all")
    with pytest.raises(RecordError, match=r"expected weights of a run at .* with --again"):
        checkpoint.load_network(folder)
