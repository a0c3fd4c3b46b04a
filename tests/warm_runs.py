"""The server process that forks the children of the tests imports this module once."""

import small_runs

small_runs.preload()
