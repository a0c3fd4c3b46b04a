"""Directives and a role that insert numbers from files into prose."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from companion.build import freshness
from companion.sphinx import table_cells


def table_node(header: list[str], rows: list[list], wordy: bool = False, ids=()) -> nodes.container:
    """Return a table that scrolls separately on a narrow screen; ``wordy`` allows line breaks.

    Cells are texts or nodes; ``ids`` are anchors, one per row.
    """
    table = nodes.table(classes=["paper-table", *(["wordy"] if wordy else [])])
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
                    cell = nodes.inline(text=cell)
                row += nodes.entry("", nodes.paragraph("", "", cell))
    wide = ["full-width"] if len(header) > 8 else []
    return nodes.container("", table, classes=["table-wrapper", *wide])


def stamp_node(source: dict[str, str]) -> nodes.paragraph:
    """Return the line under a table that links to the page of records."""
    reference = nodes.reference("", source["text"], refuri=f"records.html#{source['anchor']}")
    return nodes.paragraph("", "Source: ", reference, classes=["stamp"])


def depend(env, root: Path, paths) -> None:
    """Register the files as dependencies of the current page."""
    for path in paths:
        env.note_dependency(str(root / path))


class FromFiles(SphinxDirective):
    """A directive whose page is read again if the displayed files change."""

    def root(self, *paths: Path) -> Path:
        """Register the files as dependencies of the page; return the root of the repository."""
        root = Path(self.env.srcdir)
        depend(self.env, root, paths)
        return root


class Reproduced(FromFiles):
    """`{reproduced}`: the number of cells of the paper with a full-scale run, and their result."""

    def run(self) -> list[nodes.Node]:
        from companion.reproduction import closeness

        self.root(table_cells.PAPER, table_cells.RUNS, table_cells.LEVELS)
        summary = nodes.paragraph(text=closeness.summary(table_cells.cells()))
        return [summary, stamp_node(table_cells.source())]


class Claims(FromFiles):
    """`{claims}`: the number of claims with each verdict."""

    def run(self) -> list[nodes.Node]:
        from companion import claims

        self.root(table_cells.CLAIMS, table_cells.RUNS)
        return [
            nodes.paragraph(text=claims.counts(claims.summary())),
            stamp_node(table_cells.source_of_claims()),
        ]


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
    app.add_directive("claims", Claims)
    app.add_directive("execution-status", ExecutionStatus)
    app.add_role("seconds", Seconds())
