"""Runs on frames of the user: any size and length, named by their content."""

import hashlib
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import small_runs
import torch
from own_frame_runs import WORDS, movie, run
from small_runs import small

import unfolded
from unfolded import __main__ as cli
from unfolded import training
from unfolded.data import own_frames
from unfolded.errors import DataError
from unfolded.runs import config, input_frames, records, results_table
from unfolded.runs.parameter_count import parameters
from unfolded.training import checkpoint

MODELS = ("reweighted-rnn", "sista-rnn", "gru")


@pytest.fixture(autouse=True)
def sandbox(tmp_path, monkeypatch):
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(results_table, "RESULTS", tmp_path / "results")
    monkeypatch.chdir(tmp_path)


# Right results ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("shape", "rate"),
    [((20, 4, 8, 8), 0.2), ((10, 1, 3, 5), 0.5), ((11, 3, 1, 1), 1), ((12, 2, 7), 0.3),
     ((10, 9, 2, 1), 0.5)],
)  # fmt: skip
def test_frames_of_any_size_and_length(model, shape, rate):
    frames = movie(*shape)
    source = {} if rate < 1 else {"source": own_frames.checked(frames).name}
    record = run(model, frames, cs_rate=rate, **source)
    n0 = int(np.prod(shape[2:]))
    assert record.status == "done" and np.isfinite(list(record.metrics.values())).all()
    assert len(record.sequence_mse) == shape[0] - int(0.9 * shape[0])
    known = config.RunConfig(**record.config)
    assert (known.n0, known.n) == (n0, max(1, int(rate * n0)))
    assert record.parameters == parameters(known)
    net = unfolded.load(records.folder_of(known) / checkpoint.WEIGHTS)
    assert net(torch.from_numpy(frames).float()).shape == shape


def test_large_frames():
    record = run("l1-l1-rnn", movie(10, 2, 128, 128), cs_rate=0.01)
    assert record.status == "done" and config.RunConfig(**record.config).n == 163


def test_frames_are_hashed_once(monkeypatch):
    count, digest = [], own_frames.digest
    monkeypatch.setattr(own_frames, "digest", lambda array: count.append(1) or digest(array))
    runs = [small("gru"), small("srnn")]
    training.run_all(runs, frames=movie(10, 2, 3, 3), progress=False, jobs=1)
    assert len(count) == 1


def test_an_array_a_file_and_an_archive_give_the_same_run(tmp_path):
    frames = movie(20, 4, 6, 4)
    np.save("frames.npy", frames)
    np.savez_compressed("frames.npz", frames=frames)
    np.save("columns.npy", np.asfortranarray(frames))
    expected = run(frames=frames)
    digest = hashlib.sha256((tmp_path / "frames.npy").read_bytes()).hexdigest()
    assert expected.data_sha256 == digest and expected.config["source"] == f"own-6x4-{digest[:16]}"
    for source in (torch.from_numpy(frames), "frames.npy", tmp_path / "frames.npz", "columns.npy"):
        assert run(frames=source) == expected
    shutil.copy("frames.npy", "copy.npy")
    assert cli.main(["train", "--model", "gru", "--source", "copy.npy", *WORDS]) == 0
    assert len(list((tmp_path / "runs").glob("*/record.json"))) == 1
    # Vectors have no height and width, and other values another name.
    variants = (frames.reshape(20, 4, 24), frames[:, :, ::-1], frames[:19], frames.astype(float))
    assert len({own_frames.checked(array).name for array in (frames, *variants)}) == 5


@pytest.mark.parametrize("protocol", ["authors", "normalised"])
def test_the_scale_of_the_frames(protocol, caplog):
    frames, peak = movie(10, 2, 4, 4), {"authors": 255, "normalised": 1}[protocol]
    base = small(protocol=protocol)
    *expected, _ = input_frames.load(base, frames)
    assert [part.dtype for part in expected] == [torch.float32] * 3
    assert [len(part) for part in expected] == [8, 1, 1] and not caplog.records
    values = torch.from_numpy(frames).flatten(2).float() * (peak / 255)
    assert torch.allclose(torch.cat(expected), values)
    for same in (frames.astype(np.float16), frames.astype(">f8")):
        assert torch.equal(torch.cat(input_frames.load(base, same)[:3]), torch.cat(expected))
    assert not caplog.records
    *unit, _ = input_frames.load(base, frames / 255)
    assert torch.allclose(torch.cat(unit), values, atol=1e-4)
    assert [record.getMessage() for record in caplog.records] == [
        "frames from 0 to 1 are multiplied by 255"
    ]
    above = np.float32(frames / 255)
    above[0, 0, 0, 0] = 1 + 1e-6  # an interpolation exceeds 1 by rounding
    assert torch.cat(input_frames.load(base, above)[:3]).max() == peak
    dark = np.minimum(frames, 1)
    assert torch.cat(input_frames.load(base, dark)[:3]).max() == pytest.approx(peak / 255)
    assert caplog.records[-1].getMessage().startswith("frames of type uint8 are grey levels")


@pytest.mark.parametrize("value", [0, 0.5, 7, 255])
def test_a_constant_video(value):
    record = run("l1-l1-rnn", np.full((10, 3, 4, 4), value, np.float64))
    assert record.status == "done" and np.isfinite(record.curves["train_mse"]).all()
    assert (record.metrics["psnr_global"] == 100) == (value == 0)


def test_a_sweep_trains_every_network_on_the_frames(tmp_path, capsys):
    np.save("frames.npy", movie(20, 4, 6, 4))
    words = ["--grid", "row", "--models", "gru", "l1-l1-rnn", "--source", "frames.npy"]
    assert cli.main(["sweep", *words, *WORDS, "--jobs", "1"]) == 0
    assert len(list((tmp_path / "runs").glob("*/record.json"))) == 2
    capsys.readouterr()
    assert cli.main(["grid", *words, "--profile", "small"]) == 0
    lines = capsys.readouterr().out.splitlines()
    folders = {path.name for path in (tmp_path / "runs").glob("[!.]*")}
    assert {line.split()[0] for line in lines} == folders
    assert cli.main(["train", *lines[0].split()[1:], *WORDS]) == 0
    results = training.run_all(
        [small("gru"), small("srnn")], frames="frames.npy", progress=False, jobs=1
    )
    assert [record.config["model"] for record in results] == ["gru", "srnn"]


def test_a_sweep_in_other_processes_writes_the_same_records(tmp_path):
    # Other processes know no profile that only the tests have.
    np.save("frames.npy", movie(10, 2, 3, 3))
    words = ["sweep", "--grid", "smoke", "--models", "reweighted-rnn", "lstm", "--hidden", "3"]
    words += ["--source", "frames.npy", "--device", "cpu", "--quiet"]
    for jobs in "12":
        assert cli.main([*words, "--jobs", jobs, "--store", str(tmp_path / jobs)]) == 0
    alone, parallel = (
        {r.config_hash: (r.metrics, r.curves) for r in records.stored(tmp_path / jobs)}
        for jobs in "12"
    )
    assert len(alone) == 2 and alone == parallel


def test_runs_on_own_frames_are_not_in_the_tables(tmp_path):
    np.save("frames.npy", movie(20, 4, 16, 16))
    cli.main(["train", "--source", "frames.npy", *WORDS])
    assert cli.main(["tables", "--commit"]) == 0
    results = tmp_path / "results"
    assert (results / "runs.csv").read_text().count("\n") == 1
    cli.main(["train", *WORDS])
    assert cli.main(["tables", "--commit"]) == 0
    text = (results / "runs.csv").read_text()
    assert text.count("\n") == 2 and "own-" not in text
    assert len(list(results.glob("*/*.csv"))) == 2


# Interruption ----------------------------------------------------------------------------------


@pytest.fixture
def interrupted():
    """A run on frames.npy that was interrupted after its first epoch."""
    np.save("frames.npy", movie(20, 4, 6, 4))
    np.save("same.npy", movie(20, 4, 6, 4))
    with small_runs.interrupted():
        assert cli.main(["train", "--model", "gru", "--source", "frames.npy", *WORDS]) == 130


def test_a_run_resumes_with_the_same_result(interrupted):
    assert cli.main(["train", "--model", "gru", "--source", "frames.npy", *WORDS]) == 0
    (resumed,) = records.stored()
    whole = training.run(small("gru"), frames="same.npy", store="other", progress=False)
    assert (resumed.curves, resumed.metrics) == (whole.curves, whole.metrics)


@pytest.mark.parametrize("shape", [(20, 4, 6, 4), (30, 4, 6, 4), (20, 4, 5, 5)])
def test_a_file_changed_after_the_start_is_rejected(interrupted, shape, capsys):
    np.save("frames.npy", movie(*shape, seed=1))
    capsys.readouterr()
    assert cli.main(["train", "--model", "gru", "--source", "frames.npy", *WORDS]) == 1
    out, err = capsys.readouterr()
    assert "frames.npy with the content of own-6x4-" in err and err.count("\n") == 1 and not out
    np.save("frames.npy", movie(20, 4, 6, 4))
    assert cli.main(["train", "--model", "gru", "--source", "frames.npy", *WORDS]) == 0
    # Once it is finished, other content is another run.
    np.save("frames.npy", movie(*shape, seed=1))
    assert cli.main(["train", "--model", "gru", "--source", "frames.npy", *WORDS]) == 0
    assert len(records.stored()) == 2


def test_a_finished_run_is_read_without_writing():
    np.save("frames.npy", movie(20, 4, 6, 4))
    record = training.run(small("gru"), frames="frames.npy", store="first", progress=False)
    shutil.copytree(Path("first", record.config_hash), Path("copy", record.config_hash))
    content = {path: path.stat().st_mtime_ns for path in Path("copy").rglob("*")}
    assert training.run(small("gru"), frames="frames.npy", store="copy", progress=False) == record
    assert {path: path.stat().st_mtime_ns for path in Path("copy").rglob("*")} == content


def test_frames_other_than_the_configuration_names_are_rejected():
    first, second = movie(10, 2, 3, 3), movie(10, 2, 3, 3, seed=1)
    named = small("gru", source=own_frames.checked(first).name)
    with pytest.raises(DataError, match=r"the frames of own-3x3-\w+; got those of own-3x3-\w+;"):
        training.run(named, frames=second, progress=False)
    with pytest.raises(DataError, match=r"the frames of own-3x3-\w+; got none; pass frames=…"):
        training.run(named, progress=False)
    with pytest.raises(DataError, match="the frames of mnist; got those of own-"):
        training.run(small(source="mnist"), frames=first, progress=False)
    assert not records.stored()


def test_the_command_reports_the_scaling_of_floats_from_0_to_1(capsys, monkeypatch):
    np.save("frames.npy", movie(10, 2, 3, 4) / 255)
    monkeypatch.setattr(logging.root, "handlers", [])  # as without pytest
    assert cli.main(["train", "--source", "frames.npy", "--cs-rate", "0.5", *WORDS]) == 0
    assert capsys.readouterr().err == "frames from 0 to 1 are multiplied by 255\n"
