"""Trainings of the studies stay in the process of the tests, because workers import all again."""

import joblib
import pytest


@pytest.fixture(autouse=True)
def one_process():
    with joblib.parallel_config(backend="sequential"):
        yield
