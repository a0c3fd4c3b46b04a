"""The execution of notebooks: order, failures and measurements of time."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from notebook_sources import notebook

from companion.build import execute, freshness
from unfolded.provenance import ROOT


@pytest.fixture
def call(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "book", tmp_path / "book")
    (tmp_path / "lib" / "unfolded").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    spec = tmp_path / "share" / "kernels" / "python3"
    spec.mkdir(parents=True)
    kernel = {"argv": ["no-such-python"], "display_name": "Broken", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(kernel))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))

    def run(*sources, **pages):
        for name, text in {"01_one": notebook(*sources), **pages}.items():
            (tmp_path / "notebooks" / f"{name}.ipynb").write_text(text)
        toc = "".join(f"  - file: notebooks/{name}\n" for name in ("01_one", *pages))
        (tmp_path / "_toc.yml").write_text(toc)
        line = [sys.executable, "-m", "companion", "execute"]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path / "book")

    return run


def test_pages_run_in_parallel_and_once_and_a_failure_names_its_page(call, tmp_path):
    """Each of two pages waits for the other, where there are two cores."""
    waits = (
        "from pathlib import Path\nimport time\n"
        f"Path('{name}').touch()\n"
        f"while not Path('{peer}').exists():\n    time.sleep(0.05)"
        for name, peer in (("one", "two"), ("two", "one"))
    )
    first, second = waits if (os.cpu_count() or 1) > 1 else ("", "")
    read = "import os; open(os.environ['UNFOLDED_READS'], 'a').write('book/intro.md\\n')"
    sources = (read, "import sys; print(sys.executable); open('_toc.yml').close()", first)
    two = notebook("x = 1", second, "y = x / 0")
    done = call(*sources, two=two)
    assert done.returncode == 1
    assert "01_one: done in" in done.stdout and "[2/2] two: FAILED" in done.stderr
    assert "| y = x / 0" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    record = json.loads((tmp_path / "_executed" / "01_one.json").read_text())
    assert list(record["reads"]) == ["book/intro.md"]
    executed = json.loads((tmp_path / "_executed" / "01_one.ipynb").read_text())
    assert executed["cells"][1]["outputs"][0]["text"] == [sys.executable + "\n"]
    # A failed page is never fresh, and a fresh page is not executed again.
    assert not (tmp_path / "_executed" / "two.ipynb").exists()
    assert "last execution failed" in call(*sources, two=two).stdout
    done = call(*sources)
    assert (done.returncode, done.stdout) == (0, "notebooks: 0 executed, 1 fresh\n")


def test_pages_that_train_run_in_sequence_and_a_page_that_measures_runs_alone(tmp_path):
    sources = {
        "a": "measurements.measure_step(hidden=8)",
        "b": "training.run_all(runs)",
        "c": "print(1)",
        "d": "training.run(one)",
        "e": "print(2)",
    }
    (tmp_path / "notebooks").mkdir()
    places = [freshness.Place(tmp_path, name) for name in sources]
    for place in places:
        place.source.write_text(notebook(sources[place.name]))
    a, b, c, d, e = places
    assert execute.batches(places) == [[[b, d], [e], [c]], [[a]]]
    assert execute.batches([c]) == [[[c]]]


def test_the_page_that_measures_times_runs_alone_and_last():
    places = [freshness.Place(execute.ROOT, name) for name in freshness.in_toc(execute.ROOT)]
    timing = [place for place in places if place.name == "09_how_fast"]
    assert execute.batches(places)[-1] == [timing]
