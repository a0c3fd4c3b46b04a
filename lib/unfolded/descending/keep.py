"""The stored trials, their tests, and their objective frame by frame."""

import pandas as pd

from unfolded import results

TRIALS, TESTS, BY_FRAME = "descending.csv", "descending_tests.csv", "descending_frames.csv"


def kept(name: str = TESTS) -> pd.DataFrame:
    """Return a stored table; rows of the tests carry what their trial says of itself."""
    table, trials = results.committed(name), results.committed(TRIALS)
    if name == TRIALS:
        return table
    return table.merge(trials[["trial", "model", "way", "seed"]], on="trial", validate="m:1")
