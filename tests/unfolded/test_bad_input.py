"""Invalid input of a user: one line, a non-zero exit status, and no partial file."""

import contextlib
import os
import re
import resource
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from small_runs import result, small

from unfolded import __main__ as cli
from unfolded import training
from unfolded.data import download
from unfolded.errors import RecordError
from unfolded.networks import storage
from unfolded.runs import records, results_table
from unfolded.training import checkpoint, trainer

TRAIN = ("train", "--profile", "small", "--device", "cpu", "--quiet")


@dataclass(frozen=True)
class Workspace:
    """The workspace of a case: an empty folder, and patches that are undone."""

    folder: Path
    patch: pytest.MonkeyPatch
    hold: contextlib.ExitStack

    @property
    def runs(self) -> Path:
        return self.folder / "runs"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("UNFOLDED_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(results_table, "RESULTS", tmp_path / "results")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MNIST", "MOVING_MNIST"):
        closed = replace(getattr(download, name), urls=("http://127.0.0.1:9/file",))
        monkeypatch.setattr(download, name, closed)
    (tmp_path / "data").mkdir()
    with contextlib.ExitStack() as hold:
        yield Workspace(tmp_path, monkeypatch, hold)


# What a case prepares --------------------------------------------------------------------------


def nothing(workspace):
    """Only the command is wrong."""


def mounted(workspace, options):
    """Mount a separate file system at runs/, where this is allowed."""
    workspace.runs.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(workspace.runs)]
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"cannot mount a small disk here: {error}")
    if done.returncode:
        pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
    unmount = ["umount", str(workspace.runs)]
    workspace.hold.callback(subprocess.run, unmount, check=True, capture_output=True)


def read_only_runs(workspace):
    mounted(workspace, "ro")


def full_disk(workspace):
    mounted(workspace, "size=8k")


def runs_below_a_file(workspace):
    (workspace.folder / "file").touch()
    workspace.patch.setenv("UNFOLDED_RUNS", str(workspace.folder / "file" / "runs"))


def runs_that_is_a_file(workspace):
    workspace.runs.touch()


def foreign_state(workspace):
    folder = records.folder_of(small())
    folder.mkdir(parents=True)
    (folder / ".lock").touch()
    checkpoint.save_state(folder, {"config_hash": "of another"})


LIBRARY = r"expected .+; got .+; .+"
CHOICE = r"argument .+: invalid choice: .+ \(choose from .+\); see .+ --help"

CASES = {
    # name: options of "train", or "!" and a whole command; the message; what is prepared
    "no command": ("! ", r".*required: COMMAND; see python -m unfolded --help"),
    "unknown command": ("! trian", CHOICE.replace("argument .+: ", ".*")),
    "unknown option": ("--width 3", "unrecognized .* --width 3; see .*"),
    "option without value": ("--seed", "argument --seed: expected one .*; see .*"),
    "unknown model": ("--model rnn", CHOICE),
    "unknown table": ("! sweep --table 4", CHOICE),
    "no table": ("! sweep", ".*--table --grid is required; see .*"),
    "unknown device": ("--device tpu", "expected a device such as .*'tpu'; .*"),
    "no such CUDA device": (
        "--device cuda:99",
        r"expected the device cuda:99; got \d+ CUDA devices; use --device cpu or auto",
    ),
    "rate in words": ("--cs-rate x", ".*--cs-rate: invalid float value: 'x'.*"),
    "rate below a pixel": ("--cs-rate 0.003", "expected .*at least 1/256.*"),
    "h = 2.5": ("--hidden 2.5", ".*--hidden: invalid int value: '2.5'; see .*"),
    "seed -1": ("--seed -1", "expected seed a whole number >= 0; got -1; .*"),
    "λ2 = inf": ("--lambda2 inf", "expected lambda2 between .*; got inf; .*"),
    "no network": (
        "--source mnist",
        r"expected .*\.gz; got no such file and no download \(no connection to 127.0.0.1\); .*",
    ),
    "results folder below a file": (
        "",
        "expected to write .*; got Not a directory; .* a writable folder .*",
        runs_below_a_file,
    ),
    "results folder is a file": ("", "expected to write .*; got .*; .*", runs_that_is_a_file),
    "read-only results folder": (
        "",
        "expected to write .*; got Read-only file system; .* a writable folder .*",
        read_only_runs,
    ),
    "full disk during a checkpoint": (
        "",
        r"expected to write .*state\.pt; got No space left on device; free some space .*",
        full_disk,
    ),
    "checkpoint of another configuration": (
        "",
        r"expected state of configuration \w+ at .*; got of another; use one folder .*",
        foreign_state,
    ),
}
"""Invalid input; errors of the library state what it expected, what it got and a remedy."""


def contents(folder):
    """Return every file below a folder that is not empty: locks hold nothing."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: content for path in files if (content := path.read_bytes())}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_invalid_input_is_reported_in_one_line(case, workspace, capfd):
    text, expected, *prepare = case
    prepare = prepare[0] if prepare else nothing
    words = text.removeprefix("!").split() if text.startswith("!") else [*TRAIN, *text.split()]
    prepare(workspace)
    before = contents(workspace.folder)
    capfd.readouterr()
    try:
        status = cli.main(words)
    except SystemExit as ended:
        status = ended.code
    out, err = capfd.readouterr()
    assert status in (1, 2)
    assert err.endswith("\n") and err.count("\n") == 1, err
    line = err.removeprefix("unfolded: ").removesuffix("\n")
    assert line != err.removesuffix("\n")
    _matches(expected, line)
    if status == 1:
        _matches(LIBRARY, line)
    assert "Traceback" not in err
    assert out == ""
    assert contents(workspace.folder) == before
    if prepare is nothing:  # a run that cannot start makes no folder either
        assert [path.name for path in workspace.folder.iterdir()] == ["data"]


def _matches(pattern, line):
    assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"


# A disk that fills up between two checkpoints --------------------------------------------------


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The result of a run, and the bytes of its state after one epoch."""
    store, sizes = tmp_path_factory.mktemp("whole"), []
    save = checkpoint.save_state

    def saved(folder, state):
        save(folder, state)
        sizes.append((folder / checkpoint.STATE).stat().st_size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_state", saved)
        training.run(small(), store=store, progress=False)
    return result(records.folder_of(small(), store)), sizes[0]


def test_a_limited_file_size_preserves_the_last_checkpoint(
    workspace, capfd, uninterrupted, monkeypatch
):
    whole, state_size = uninterrupted
    replaced = os.replace
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def replace_and_limit(source, target):
        replaced(source, target)
        resource.setrlimit(resource.RLIMIT_FSIZE, (state_size // 2, before[1]))

    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace_and_limit)
            assert cli.main(TRAIN) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    _matches(r"unfolded: expected to write .*state\.pt; got .*; free some space or .*", err.strip())
    folder = records.folder_of(small())
    assert {path.name for path in folder.iterdir()} == {".lock", "state.pt"}
    assert (folder / "state.pt").stat().st_size == state_size
    assert len(checkpoint.load_state(folder, small())["curves"]["train_mse"]) == 1
    assert cli.main(TRAIN) == 0
    assert result(folder) == whole


def test_a_full_disk_after_the_last_epoch_loses_no_epoch(workspace, uninterrupted, monkeypatch):
    def full(*_):
        raise RecordError("expected to write weights; got No space left on device; free some")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write", full)
        assert cli.main(TRAIN) == 1
    trained = []
    monkeypatch.setattr(trainer.RunGroup, "epoch", trained.append)
    assert cli.main(TRAIN) == 0
    assert not trained
    assert result(records.folder_of(small())) == uninterrupted[0]
