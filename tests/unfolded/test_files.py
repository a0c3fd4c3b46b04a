"""A file is written whole or not at all, and an error states the remedy."""

import errno
import os
import stat

import pytest

from unfolded import files
from unfolded.errors import RecordError


def test_a_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        files.write(tmp_path / "new", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o644


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_failed_write_preserves_the_old_file_and_leaves_no_other(
    tmp_path, monkeypatch, call, error
):
    files.write(tmp_path / "file", "old")

    def fail(*_):
        raise error

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(RecordError if isinstance(error, OSError) else KeyboardInterrupt):
        files.write(tmp_path / "file", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_write_to_an_impossible_path_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "below", tmp_path / ("long" * 100)):
        with pytest.raises(RecordError, match=r"expected to write .*; choose a writable folder"):
            files.write(path, "text")
    assert files.read_json(tmp_path / "file" / "below") is None
    with pytest.raises(RecordError):
        files.read_json(tmp_path / ("long" * 100))


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EACCES"])
def test_the_error_of_a_failed_write_states_a_remedy_for_the_cause(tmp_path, name):
    number = getattr(errno, name)
    cause, space = os.strerror(number), "free some space or " * (name in ("ENOSPC", "EDQUOT"))
    message = str(files.cannot_write(tmp_path, OSError(number, cause)))
    remedy = f"{space}choose a writable folder (for runs with UNFOLDED_RUNS or --store)"
    assert message == f"expected to write {tmp_path}; got {cause}; {remedy}"
