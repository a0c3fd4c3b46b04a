"""Invalid frames, files and options of own frames are rejected in one line."""

import pickle

import numpy as np
import pytest
from own_frame_runs import WORDS, movie, run

from unfolded import __main__ as cli
from unfolded.errors import ConfigError, DataError
from unfolded.runs import config, records, results_table


@pytest.fixture(autouse=True)
def sandbox(tmp_path, monkeypatch):
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(results_table, "RESULTS", tmp_path / "results")
    monkeypatch.chdir(tmp_path)


GOOD = movie(10, 2, 3, 4)
BAD = {
    "int16": GOOD.astype(np.int16),
    "bool": GOOD > 9,
    "complex": GOOD * 1j,
    "text": GOOD.astype(str),
    "date": GOOD.astype("datetime64[s]"),
    "fields": np.zeros((10, 2, 3, 4), [("grey", "f4")]),
    "number": np.float64(3),
    "one dimension": GOOD.ravel(),
    "two dimensions": GOOD[:, :, 0, 0],
    "colour": GOOD[..., None],
    "no sequence": GOOD[:0],
    "no frame": GOOD[:, :0],
    "no pixel": GOOD[..., :0],
    "nan": np.where(GOOD[0, 0, 0, 0] == GOOD, np.nan, GOOD),
    "infinite": np.where(GOOD[0, 0, 0, 0] == GOOD, np.inf, GOOD),
    "negative": GOOD - 1.0 * GOOD.max(),
    "above 255": GOOD * 2.0,
    "between 1 and 2": GOOD / GOOD.max() * 1.5,
    "one sequence": GOOD[:1],
    "nine sequences": GOOD[:9],
}


def rejected(words, capsys):
    assert cli.main(["train", "--model", "gru", *words, *WORDS]) == 1
    out, err = capsys.readouterr()
    assert not out and err.startswith("unfolded: expected ") and err.count("\n") == 1, err
    assert not records.store().exists()
    return err


@pytest.mark.parametrize("kind", BAD)
def test_bad_frames_are_rejected_in_one_line(kind, capsys):
    with pytest.raises((DataError, ConfigError), match=r"^expected .*; got .*; .+\Z"):
        run(frames=BAD[kind], cs_rate=0.5)
    np.save("frames.npy", BAD[kind])
    rejected(["--source", "frames.npy", "--cs-rate", "0.5"], capsys)


class MaliciousPickle:
    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('executed').touch()",)


@pytest.mark.parametrize(
    "kind", ["absent", "folder", "empty", "text", "pickle", "objects", "cut", "header", "zip",
             "two arrays", "no array", "cut archive"],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_bad_files_are_rejected_in_one_line(kind, suffix, tmp_path, capsys):
    path = tmp_path / f"frames{suffix}"
    with path.open("wb") as file:
        if kind == "objects":
            np.save(file, np.array([MaliciousPickle()] * 10, dtype=object), allow_pickle=True)
        elif kind in ("two arrays", "no array"):
            np.savez(file, **dict.fromkeys("ab" if kind == "two arrays" else "", GOOD))
        elif kind == "cut archive":
            np.savez(file, GOOD)
        else:
            np.save(file, GOOD)
    content = path.read_bytes()
    damaged = {
        "empty": b"",
        "text": b"0,1,2\n",
        "pickle": pickle.dumps(MaliciousPickle()),
        "cut": content[:-9],
        "header": content.replace(b"'shape'", b"'shale'"),
        "zip": b"PK\3\4" + content,
        "cut archive": content[: len(content) // 2],
    }
    path.write_bytes(damaged.get(kind, content))
    if kind in ("absent", "folder"):
        path.unlink()
    if kind == "folder":
        path.mkdir()
    message = rejected(["--source", str(path)], capsys)
    assert "allow_pickle" not in message and "unsafe" not in message
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["frames.txt", "", "own-3x3-0", "own-0x3-" + "0" * 16, "cifar"])
def test_an_unknown_source_is_rejected(name, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--source", name])
    err = capsys.readouterr().err
    assert "invalid choice" in err and "FILE.npy" in err and err.count("\n") == 1
    with pytest.raises(ConfigError, match="source from digits, mnist, moving-mnist"):
        config.RunConfig(source=name)


def test_options_that_do_not_apply_to_own_frames_are_rejected(capsys):
    np.save("frames.npy", GOOD)
    rejected(["--source", "frames.npy", "--reduction", "bilinear"], capsys)
    rejected(["--source", "frames.npy", "--cs-rate", "0.05"], capsys)
