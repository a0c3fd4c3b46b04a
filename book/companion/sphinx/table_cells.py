"""The cells of the paper's tables with our full-scale runs, as text rows for the pages."""

from __future__ import annotations

from pathlib import Path

PAPER = Path("data/paper/tables.csv")
RUNS = Path("data/results/runs.csv")
LEVELS = Path("data/results/linear_levels.csv")
CLAIMS = Path("data/claims.toml")
NAMES = {"cs_rate": "CS rate", "hidden": "h", "depth": "d"}


def beside():
    """Return the table of the paper's cells with the results of our full-scale runs."""
    import pandas as pd

    from companion import results
    from companion.reproduction import paper_tables
    from companion.run_set import RunSet
    from unfolded.runs import records, results_table

    path = results_table.RESULTS / RUNS.name
    runs = results.load_table() if path.is_file() else pd.DataFrame(columns=records.COLUMNS)
    runs = paper_tables.full_scale(runs[runs["status"] == "done"])
    # Only the learning curves of unfolded networks are read, to select the initial λ.
    names = runs.loc[runs["model"].isin(paper_tables.grid.UNFOLDED), "config_hash"]
    curves = {name: results.curves(name) for name in names}
    return paper_tables.compare_with_paper(RunSet(runs, {}, curves))


def source(table: int = 0) -> dict[str, str]:
    """Return the stamp of one table of the paper, or of all, with our runs."""
    from companion import attribution

    cells = beside()
    return attribution.of(cells[cells["table"] == table] if table else cells).stamp()


def source_of_claims() -> dict[str, str]:
    """Return the stamp of the claims, whose source is the committed runs."""
    from companion import attribution, results

    runs = attribution.Source((attribution.RUNS,), counted=False)
    return attribution.of(results.ROOT / CLAIMS, runs).stamp()


def reproduced() -> tuple[int, int, list[list[str]]]:
    """Return the number of cells of the paper and of cells with runs, and a row for each value."""
    from companion.reproduction.paper_tables import (
        SYMBOLS,
        label,
        ours_text,
        paper_text,
        seeds_text,
        signed,
    )

    cells = beside()
    run_cells = cells[(cells["runs"] > 0) | (cells["untrained"] > 0)]
    rows = [
        [
            label(cell.model, cell.start),
            f"Table {cell.table}: {NAMES[cell.varies]} {cell.value:g}",
            paper_text(cell),
            ours_text(cell),
            SYMBOLS[cell.verdict]
            + ("" if cell.difference != cell.difference else f" ({signed(cell.difference)})"),
            seeds_text(cell),
        ]
        for cell in run_cells.itertuples()
    ]
    place = ["table", "model", "value"]
    return len(cells.drop_duplicates(place)), len(run_cells.drop_duplicates(place)), rows


def matrix(table: int) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of one table of the paper, each cell as "paper · ours verdict".

    One row per network and initialisation, then one row per baseline.
    """
    from companion.reproduction import paper_tables

    cells = beside()
    selection = cells[cells["table"] == table]
    values = sorted(set(selection["value"]))
    lines: dict[str, dict] = {}
    for cell in selection.itertuples():
        symbol = f" {paper_tables.SYMBOLS[cell.verdict][0]}" * bool(cell.runs)
        text = f"{paper_tables.paper_text(cell)} · {paper_tables.ours_text(cell)}{symbol}"
        lines.setdefault(paper_tables.label(cell.model, cell.start), {})[cell.value] = text
    rows = [[name, *(line.get(value, "") for value in values)] for name, line in lines.items()]
    levels = paper_tables.baselines(table)
    baselines = paper_tables.baseline_rows(levels[levels["value"].isin(values)])
    rows += [
        [name, *line] for name, line in zip(baselines.index, baselines.to_numpy(), strict=True)
    ]
    name = NAMES[selection["varies"].iloc[0]]
    return ["Network", *(f"{name} {value:g}" for value in values)], rows
