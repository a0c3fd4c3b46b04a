"""Loaded once by the process from which the tests fork their children."""

import small_runs

small_runs.warm()
