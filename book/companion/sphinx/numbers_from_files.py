"""Directives and a role that insert numbers from files into prose."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective, SphinxRole

from companion.build import freshness
from companion.sphinx import table_cells


def table_node(
    header: list[str], rows: list[list], caption: str = "", wordy: bool = False, ids=()
) -> nodes.container:
    """Return a table that scrolls separately on a narrow screen; ``wordy`` allows line breaks.

    Cells are texts or nodes; ``ids`` are anchors, one per row.
    """
    table = nodes.table(classes=["paper-table", *(["wordy"] if wordy else [])])
    if caption:
        table += nodes.title(text=caption)
    group = nodes.tgroup(cols=len(header))
    table += group
    group += [nodes.colspec(colwidth=1) for _ in header]
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    for part, lines in ((head, [header]), (body, rows)):
        for number, line in enumerate(lines):
            row_ids = [ids[number]] if ids and part is body else []
            row = nodes.row(ids=row_ids)
            part += row
            for cell in line:
                if isinstance(cell, str):
                    classes = ["not-run"] if cell.endswith("not run") else []
                    cell = nodes.inline(text=cell, classes=classes)
                row += nodes.entry("", nodes.paragraph("", "", cell))
    return nodes.container("", table, classes=["table-wrapper"])


def stamp_node(source: dict[str, str]) -> nodes.paragraph:
    """Return the line under a table that links to the page of records."""
    reference = nodes.reference("", source["text"], refuri=f"records.html#{source['anchor']}")
    return nodes.paragraph("", "Source: ", reference, classes=["stamp"])


def depend(env, root: Path, paths) -> None:
    for path in paths:
        env.note_dependency(str(root / path))


class FromFiles(SphinxDirective):
    """A directive whose page is read again if the displayed files change."""

    def root(self, *paths: Path) -> Path:
        root = Path(self.env.srcdir)
        depend(self.env, root, paths)
        return root


class Reproduced(FromFiles):
    """`{reproduced}`: all cells of the paper with a full-scale run, with both values."""

    def run(self) -> list[nodes.Node]:
        self.root(table_cells.PAPER, table_cells.RUNS, table_cells.LEVELS)
        count, run_count, rows = table_cells.reproduced()
        sentence = f"{run_count} of the paper's {count} table cells have a full-scale run."
        parts: list[nodes.Node] = [nodes.paragraph(text=sentence)]
        if rows:
            header = ["Model", "Cell", "Paper, dB", "Ours, dB", "Verdict", "Seeds"]
            parts += [table_node(header, rows), stamp_node(table_cells.source())]
        return parts


class PaperTable(FromFiles):
    """`{paper-table} 1`: one table of the paper, each cell as paper · ours, over the baselines."""

    required_arguments = 1
    option_spec = {"caption": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        self.root(table_cells.PAPER, table_cells.RUNS, table_cells.LEVELS)
        header, rows = table_cells.matrix(int(self.arguments[0]))
        table = table_node(header, rows, self.options.get("caption", ""))
        return [table, stamp_node(table_cells.source(int(self.arguments[0])))]


class Claims(FromFiles):
    """`{claims}`: the number of claims with each verdict and, unless `:brief:`, all claims."""

    option_spec = {"brief": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        from companion import claims

        self.root(table_cells.CLAIMS, table_cells.RUNS)
        verdicts = claims.summary()
        parts: list[nodes.Node] = [nodes.paragraph(text=claims.counts(verdicts))]
        if "brief" in self.options:
            return parts
        rows = [
            [claims.label(row.verdict, row.share), row.claim, row.where]
            for row in verdicts.itertuples()
        ]
        parts.append(table_node(["Verdict", "Claim", "Where"], rows, wordy=True))
        return [*parts, stamp_node(table_cells.source_of_claims())]


class ExecutionStatus(FromFiles):
    """`{execution-status}`: each notebook with its share of the time, hash, pass or fail."""

    def run(self) -> list[nodes.Node]:
        root, rows, versions, machines = self.root(), [], {}, set()
        for name in freshness.in_toc(root):
            place = freshness.Place(root, name)
            depend(self.env, root, [place.executed(".json")])
            record = freshness.read_record(place) or {}
            versions |= record.get("versions", {})
            machines.add(record.get("machine", "an unknown machine"))
            verdict = {"ok": "pass", "failed": "fail"}.get(record.get("status"), "never executed")
            rows.append(
                [name, verdict, f"{record.get('seconds', 0):.1f}", "",
                 record.get("notebook", "")[:8], str(len(record.get("library", {}))),
                 str(sum(digest != "missing" for digest in record.get("reads", {}).values())),
                 record.get("finished", "")[:16]]
            )  # fmt: skip
        total = sum(float(row[2]) for row in rows)
        for row in rows:
            row[3] = f"{float(row[2]) / total:.1%}" if total else ""
        rows.append(["all", "", f"{total:.1f}", "", "", "", "", ""])
        header = ["Notebook", "Verdict", "Seconds", "Share", "SHA-256", "Library", "Read"]
        header.append("Finished, UTC")
        packages = table_node(["Package", "Version"], [[k, v] for k, v in sorted(versions.items())])
        machine_line = nodes.paragraph(text=f"Executed on: {'; '.join(sorted(machines))}.")
        ids = [f"made-{row[0]}" for row in rows]
        return [machine_line, table_node(header, rows, ids=ids), packages]


class Seconds(SphinxRole):
    """`{seconds}`NAME``: the execution time of the notebook in this build, or of `all`."""

    def run(self):
        root = Path(self.env.srcdir)
        names = freshness.in_toc(root) if self.text == "all" else [self.text]
        places = [freshness.Place(root, name) for name in names]
        depend(self.env, root, [place.executed(".json") for place in places])
        total = freshness.elapsed(filter(None, map(freshness.read_record, places)))
        text = f"{total:.0f} s" if total < 90 else f"{total / 60:.1f} minutes"
        return [nodes.inline(text=text)], []


def setup(app) -> None:
    app.add_directive("reproduced", Reproduced)
    app.add_directive("paper-table", PaperTable)
    app.add_directive("claims", Claims)
    app.add_directive("execution-status", ExecutionStatus)
    app.add_role("seconds", Seconds())
