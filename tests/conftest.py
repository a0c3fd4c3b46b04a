"""Common fixtures and settings: one thread, a hypothesis profile, random tensors, a browser."""

import contextlib
import os

import joblib
import pytest
import torch
from hypothesis import HealthCheck, settings

# With one thread small products are faster, and sums are equal on all machines.
torch.set_num_threads(1)
# With a fixed routine products are reproducible; test_routine_selection.py tests the measurement.
os.environ.setdefault("UNFOLDED_ROUTINE", "first")
settings.register_profile(
    "unfolded",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unfolded")

# This file contains no test, and its import takes a second.
collect_ignore = ["warm_runs.py"]

# The files with the longest tests start first, so that all processes end at a similar time.
LONGEST = (
    "test_slurm.py",
    "test_workflow.py",
    "test_site_pages.py",
    "test_phone_pages.py",
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: [*LONGEST, item.path.name].index(item.path.name))


@pytest.fixture(autouse=True)
def studies_in_this_process(request):
    """Run the trainings of the companion's tests here, because each worker imports all modules."""
    is_companion = request.path.parent.name == "companion"
    with joblib.parallel_config("sequential") if is_companion else contextlib.nullcontext():
        yield


@pytest.fixture
def results_folder(tmp_path, monkeypatch):
    """A temporary, empty folder that replaces data/results/, with a separate folder for runs."""
    from companion import results
    from unfolded.runs import results_table

    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    return tmp_path


@pytest.fixture
def normal():
    """A generator of standard normal float64 tensors, with a fixed seed."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return draw


@pytest.fixture
def threads():
    """A function that sets the number of threads until the end of the test."""
    original = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(original)


@pytest.fixture(scope="session")
def served():
    """The address of the built site on loopback."""
    from browser import serving

    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    """The Chromium of this process without access to other hosts, with an empty page."""
    from browser import chromium, reset

    reset(chromium())
    yield chromium()
    reset(chromium())
