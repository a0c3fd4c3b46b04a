"""The paper's printed cells beside our full-scale runs, as rows of text for the pages."""

from __future__ import annotations

from pathlib import Path

PAPER = Path("data/paper/tables.csv")
RUNS = Path("data/results/runs.csv")
CLAIMS = Path("data/claims.toml")
NAMES = {"cs_rate": "CS rate", "hidden": "h", "depth": "d"}


def beside():
    """Return the table of printed cells with what our full-scale runs of them measured."""
    import pandas as pd

    from unfolded import records, results, tables

    path = results.RESULTS / RUNS.name
    runs = results.committed() if path.is_file() else pd.DataFrame(columns=records.COLUMNS)
    return tables.beside_print(tables.full_scale(runs))


def source(table: int = 0) -> dict[str, str]:
    """Return the stamp of one printed table, or of all, beside our runs."""
    from unfolded import sources

    every = beside()
    return sources.of(every[every["table"] == table] if table else every).stamp()


def source_of_claims() -> dict[str, str]:
    """Return the stamp of the claims, which are judged by the committed runs."""
    from unfolded import results, sources

    runs = sources.Source((sources.RUNS,), counted=False)
    return sources.of(results.ROOT / CLAIMS, runs).stamp()


def reproduced() -> tuple[int, list[list[str]]]:
    """Return how many cells were printed, and a row for each of them that has a run."""
    from unfolded.tables import SYMBOLS, ours, printed

    every = list(beside().itertuples())
    rows = [
        [
            cell.model,
            f"Table {cell.table}: {NAMES[cell.varies]} {cell.value:g}",
            printed(cell),
            ours(cell),
            SYMBOLS[cell.verdict]
            + ("" if cell.difference != cell.difference else f" ({cell.difference:+.2f})"),
            str(cell.runs),
        ]
        for cell in every
        if cell.runs
    ]
    return len(every), rows


def matrix(table: int) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of one printed table, each cell as "paper · ours verdict"."""
    from unfolded.tables import SYMBOLS, ours, printed

    own = [cell for cell in beside().itertuples() if cell.table == table]
    models = list(dict.fromkeys(cell.model for cell in own))
    at = {(cell.value, cell.model): cell for cell in own}
    rows = []
    for value in dict.fromkeys(cell.value for cell in own):
        line = [at[value, model] for model in models]
        texts = [
            f"{printed(c)} · {ours(c)}" + f" {SYMBOLS[c.verdict][0]}" * bool(c.runs) for c in line
        ]
        rows.append([f"{value:g}", *texts])
    return [NAMES[own[0].varies], *models], rows


def claims() -> tuple[str, list[list[str]]]:
    """Return how many claims of the paper have which verdict, and a row each; tests hold them."""
    from unfolded import claims

    every = [claim for claim in claims.claims() if not claim.neighbour]
    count = {word: sum(claim.verdict == word for claim in every) for word in claims.WORDS}
    told = ", ".join(f"{count[word]} {words}" for word, words in claims.WORDS.items())
    rows = [[claims.WORDS[claim.verdict], claim.says, claim.where] for claim in every]
    return f"Of {len(every)} claims: {told}.", rows
