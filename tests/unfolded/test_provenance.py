"""The provenance of a record: commit, processor and device."""

import os

from unfolded import provenance


def test_the_commit_without_git_is_that_of_the_environment_or_unknown(monkeypatch):
    monkeypatch.setenv("UNFOLDED_COMMIT", "")
    known = provenance.commit()
    monkeypatch.setenv("UNFOLDED_COMMIT", "0123456789ab")
    assert provenance.commit() == known or known == "unknown"  # a checkout knows it better
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() == "0123456789ab"
    monkeypatch.delenv("UNFOLDED_COMMIT")
    assert provenance.commit() == "unknown"


def test_the_commit_is_marked_when_the_library_differs(monkeypatch, tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return provenance.subprocess.run(command, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    (tmp_path / "site-packages").mkdir()
    for root in (tmp_path / "site-packages", tmp_path.resolve()):
        monkeypatch.setattr(provenance, "ROOT", root)
        assert provenance.commit() == "unknown"  # in another checkout; before the first commit
    git("commit", "--quiet", "--allow-empty", "-m", "start")
    head = git("rev-parse", "--short=12", "HEAD").strip()
    (tmp_path / "prose").touch()
    assert provenance.commit() == head
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "new.py").touch()
    assert provenance.commit() == head + "+changes"


def test_the_stamp_contains_no_machine_name(monkeypatch):
    monkeypatch.setattr(provenance, "cpuinfo", dict)
    stamp = provenance.stamp()
    assert stamp["processor"]
    assert stamp["device"] == "cpu" and stamp["cuda"] is None
    assert not {"host", "node", "user"} & set(stamp)
    assert os.uname().nodename not in stamp.values()


def test_processors_of_one_name_are_distinguished_by_family_and_model(monkeypatch):
    facts = {"model name": "P", "cpu family": "25"}
    names = set()
    for model in ("1", "17"):
        monkeypatch.setattr(provenance, "cpuinfo", lambda model=model: {**facts, "model": model})
        names.add(provenance.stamp()["processor"])
    assert names == {"P (cpu family 25, model 1)", "P (cpu family 25, model 17)"}
