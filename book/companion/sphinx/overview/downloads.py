"""Downloads that the build writes: tables, errors by sequence, smaller networks, PDF.

The page of records has a download for each large network; the archives do not contain them, because
the size of the site is limited. For the same reason the errors by sequence are
one compressed table instead of one file per run.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pandas as pd
from docutils import nodes

from companion.sphinx.numbers_from_files import FromFiles

ARCHIVES = {
    "unfolded-tables.zip": (
        "Download the tables",
        ("data/paper/*.csv", "data/results/*.csv", "data/results/*.md", "data/results/curves/*.csv",
         "data/results/memory/*.csv", "data/results/speed/*.csv"),
    ),
    "unfolded-weights.zip": (
        "Download the networks of the live figure",
        ("data/weights/cover.csv", "data/weights/cover-*.safetensors"),
    ),
}  # fmt: skip
"""Name of each archive: text of its link, and patterns of its files."""

ERRORS = "unfolded-sequence-errors.csv.gz"
"""The mean squared error of each test sequence (rows) in each committed run (columns)."""

PDF = Path("_build/unfolded.pdf")
"""The book as one document, which `make pdf` prints."""

_DATE = (2020, 1, 1, 0, 0, 0)


def archive_files(root: Path, name: str) -> list[Path]:
    """Return the files of an archive, relative to the repository."""
    paths = (path for pattern in ARCHIVES[name][1] for path in root.glob(pattern))
    return sorted(path.relative_to(root) for path in paths)


def write_archive(root: Path, name: str, target: Path) -> None:
    """Write an archive; the same files give the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (Path("LICENSE"), Path("LICENSE-prose"), *archive_files(root, name)):
            entry = zipfile.ZipInfo(path.as_posix(), _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (root / path).read_bytes())


def error_files(root: Path) -> list[Path]:
    """Return the files with the errors by sequence, one per run, relative to the repository."""
    return sorted(path.relative_to(root) for path in root.glob("data/results/sequences/*.csv"))


def write_errors(root: Path, target: Path) -> None:
    """Join the errors by sequence into one table; the same files give the same bytes."""
    columns = {
        path.stem: pd.read_csv(root / path, index_col="sequence")["test_mse"]
        for path in error_files(root)
    }
    pd.DataFrame(columns).to_csv(target, compression={"method": "gzip", "mtime": 0})


def install_archives(app) -> None:
    """Write the archives and the errors by sequence into `_static`."""
    if app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    for name in ARCHIVES:
        write_archive(Path(app.srcdir), name, static / name)
    write_errors(Path(app.srcdir), static / ERRORS)
    if (document := Path(app.srcdir, PDF)).is_file():
        shutil.copy2(document, static / PDF.name)
    else:
        (static / PDF.name).unlink(missing_ok=True)


def document_link(root: Path) -> nodes.paragraph:
    """Return the link to the PDF, or the commands that print it."""
    if not (root / PDF).is_file():
        commands = nodes.literal(text="make pdf && make book")
        return nodes.paragraph("", "", nodes.Text("This book as PDF: run "), commands)
    size = f"{(root / PDF).stat().st_size / 1e6:.0f} MB"
    return _link("Download this book as PDF", PDF.name, size)


def _link(text: str, name: str, note: str) -> nodes.paragraph:
    """Return a link to a file in `_static` with a note in parentheses."""
    reference = nodes.reference("", text, refuri=f"../_static/{name}")
    return nodes.paragraph("", "", reference, nodes.Text(f" ({note})"))


class Archives(FromFiles):
    """`{archives}`: links to the archives, the errors by sequence and the PDF, with sizes."""

    def run(self) -> list[nodes.Node]:
        root, links = Path(self.env.srcdir), []
        for name, (text, _) in ARCHIVES.items():
            paths = archive_files(root, name)
            self.root(*paths)
            size = sum((root / path).stat().st_size for path in paths) / 1e6
            note = f"{len(paths)} files, {size:.1f} MB before compression"
            links.append(_link(text, name, note))
        paths = error_files(root)
        self.root(*paths)
        note = f"one column for each of {len(paths)} runs"
        links.append(_link("Download the errors by sequence", ERRORS, note))
        self.root(PDF)  # A PDF that does not exist yet is linked by the next build.
        links.append(document_link(root))
        return [nodes.bullet_list("", *(nodes.list_item("", link) for link in links))]


def setup(app) -> None:
    app.connect("builder-inited", install_archives)
    app.add_directive("archives", Archives)
