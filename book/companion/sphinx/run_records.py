"""The page of records: all committed runs and files with anchors, and the runs of this build."""

from __future__ import annotations

import csv
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

from companion.sphinx import numbers_from_files
from companion.sphinx.numbers_from_files import FromFiles, table_node

RUN_FILES = ("curves", "memory", "sequences")
"""Folders of data/results/ with one file per run, which a table of runs represents."""

HEADER = ["Run", "Model", "CS rate", "h", "d", "Changed", "Seed", "Status", "Epochs",
          "PSNR, authors", "PSNR, frame", "PSNR, sequence", "PSNR, global",
          "Seconds", "Hardware", "Commit", "Started, UTC"]  # fmt: skip


def committed_files(root: Path) -> list[str]:
    """Return all tables, lists of claims and weights in data/, without the files of single runs."""
    patterns = ("*.csv", "*.toml", "*.safetensors")
    candidates = (path for pattern in patterns for path in (root / "data").rglob(pattern))
    paths = (path for path in candidates if path.parent.name not in RUN_FILES)
    return sorted(path.relative_to(root).as_posix() for path in paths)


def rows_and_columns(path: Path) -> list[str]:
    """Return the number of rows and the first columns of a table, or the size of weights."""
    if path.suffix == ".safetensors":
        return ["", f"weights, {path.stat().st_size / 1000:.0f} kB"]
    if path.suffix != ".csv":
        return ["", ""]
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    return [str(len(rows)), ", ".join(head[:8]) + ", …" * (len(head) > 8)]


def download(path: str, text: str) -> nodes.Node:
    """Return a download link for a file of the repository, which is copied into the site."""
    return addnodes.download_reference("", "", nodes.literal(text=text), reftarget=f"/{path}")


def changed(row) -> str:
    """Return the settings of a run that differ from the defaults."""
    from unfolded.runs.config import other_defaults

    defaults = other_defaults()
    values = [(name, getattr(row, name)) for name in defaults]
    return ", ".join(f"{name} {value}" for name, value in values if value != defaults[name])


def line(row) -> list:
    """Return one run as a row of the table."""
    psnr = (row.psnr_authors, row.psnr_frame, row.psnr_sequence, row.psnr_global)
    hardware = row.device if row.device != "cpu" else f"CPU {row.processor}"
    return [
        nodes.literal(text=row.config_hash), row.model, f"{row.cs_rate:g}", str(row.hidden),
        str(row.depth), changed(row), str(row.seed), row.status, str(row.epochs),
        *("–" if value != value else f"{value:.2f}" for value in psnr),
        f"{row.seconds:.0f}", hardware, str(row.commit), str(row.started)[:16].replace("T", " "),
    ]  # fmt: skip


def tables_of(runs, prefix: str) -> list[nodes.Node]:
    """Return one table per profile, protocol and source of frames; each run has an anchor."""
    from companion.labels import counted

    parts: list[nodes.Node] = []
    for kind, group in runs.groupby(["profile", "protocol", "source"], sort=False):
        rows = [line(row) for row in group.itertuples()]
        name = "Profile {}, protocol {}, data {}: {}".format(*kind, counted(len(rows), "run"))
        ids = [f"{prefix}-{name}" for name in group["config_hash"]]
        parts += [nodes.rubric(text=name), table_node(HEADER, rows, ids=ids)]
    return parts


class CommittedRuns(FromFiles):
    """`{committed-runs}`: all rows of data/results/runs.csv."""

    def run(self) -> list[nodes.Node]:
        from companion import results

        self.root(numbers_from_files.table_cells.RUNS)
        return tables_of(results.load_table(), "run")


class BuiltRuns(FromFiles):
    """`{built-runs}`: all runs that the pages of this build have trained."""

    def run(self) -> list[nodes.Node]:
        import pandas as pd

        from companion import results

        root = self.root()
        stores = sorted((root / "_executed" / "runs").glob("*"))
        for path in (path for store in stores for path in sorted(store.glob("*/record.json"))):
            self.env.note_dependency(str(path))
        runs = pd.concat([results.collect(store) for store in stores]) if stores else None
        if runs is None or runs.empty:
            return [nodes.paragraph(text="No page of this build has trained a network.")]
        runs = runs.sort_values(["profile", "protocol", "source", "model", "cs_rate", "hidden"])
        return tables_of(runs, "built")


class CommittedFiles(FromFiles):
    """`{committed-files}`: download links for all files with numbers."""

    def run(self) -> list[nodes.Node]:
        from companion import attribution

        root = Path(self.env.srcdir)
        paths = committed_files(root)
        self.root(*map(Path, paths))
        rows = [[download(path, path), *rows_and_columns(root / path)] for path in paths]
        ids = [attribution.Source((path,)).anchor() for path in paths]
        return [table_node(["File", "Rows", "Columns"], rows, ids=ids, wordy=True)]


class CommittedWeights(FromFiles):
    """`{committed-weights}`: model cards and download links for the networks of data/weights/."""

    def run(self) -> list[nodes.Node]:
        from companion import pretrained
        from companion.labels import title

        cards = pretrained.model_cards()
        self.root(Path("data/weights/weights.csv"), Path("pyproject.toml"), *map(Path, cards.file))
        rows = [
            [
                title(row.model), row.data, row.protocol, f"{row.psnr_authors:.2f}",
                f"{row.bytes / 1000:.0f} kB", row.licence, nodes.literal(text=row.loading),
                nodes.literal(text=row.config_hash), download(row.file, Path(row.file).name),
            ]
            for row in cards.itertuples()
        ]  # fmt: skip
        header = ["Network", "Data", "Protocol", "PSNR, authors (dB)", "Size", "Licence",
                  "Loading", "Run", "File"]  # fmt: skip
        return [table_node(header, rows)]


def setup(app) -> None:
    app.add_directive("committed-weights", CommittedWeights)
    app.add_directive("committed-runs", CommittedRuns)
    app.add_directive("built-runs", BuiltRuns)
    app.add_directive("committed-files", CommittedFiles)
