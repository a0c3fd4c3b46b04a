"""The cells of the paper's tables with our full-scale runs, and sources for the stamps."""

from __future__ import annotations

from pathlib import Path

PAPER = Path("data/paper/tables.csv")
RUNS = Path("data/results/runs.csv")
LEVELS = Path("data/results/linear_levels.csv")
CLAIMS = Path("data/claims.toml")


def cells():
    """Return the table of the paper's cells with the results of our full-scale runs."""
    import pandas as pd

    from companion import results
    from companion.reproduction import paper_tables
    from companion.run_set import RunSet, split
    from unfolded.choices import UNFOLDED
    from unfolded.runs import records, results_table

    path = results_table.RESULTS / RUNS.name
    runs = results.load_table() if path.is_file() else pd.DataFrame(columns=records.COLUMNS)
    runs, failed = map(paper_tables.full_scale, split(runs))
    # Only the learning curves of unfolded networks are read, to select the initial λ.
    names = runs.loc[runs["model"].isin(UNFOLDED), "config_hash"]
    curves = {name: results.curves(name) for name in names}
    return paper_tables.compare_with_paper(RunSet(runs, {}, curves, failed))


def source() -> dict[str, str]:
    """Return the stamp of the paper's tables with our runs."""
    from companion import attribution

    return attribution.of(cells()).stamp()


def source_of_claims() -> dict[str, str]:
    """Return the stamp of the claims, whose source is the committed runs."""
    from companion import attribution, results

    runs = attribution.Source((attribution.RUNS,), counted=False)
    return attribution.of(results.ROOT / CLAIMS, runs).stamp()
