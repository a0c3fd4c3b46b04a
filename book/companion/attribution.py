"""Provenance of displayed numbers: attached to tables and figures, shown below them as a stamp."""

import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from companion.labels import counted
from unfolded.errors import ConfigError, complain
from unfolded.provenance import ROOT

RUNS = "data/results/runs.csv"


class Provenance(NamedTuple):
    """Provenance of one row; unknown fields are empty. ``config_hash`` names the run.

    ``file``: the committed table that contains the row; empty if the book build computed it.
    """

    file: str = ""
    config_hash: str = ""
    profile: str = ""
    protocol: str = ""
    data: str = ""
    hardware: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Source:
    """The committed files from which numbers were read, with repository paths, and their rows."""

    files: tuple[str, ...] = ()
    rows: tuple[Provenance, ...] = ()
    counted: bool = True
    """Whether ``rows`` is known: if it is empty and known, there are no runs."""

    def __or__(self, other: "Source") -> "Source":
        files = dict.fromkeys((*self.files, *other.files))
        rows = dict.fromkeys((*self.rows, *other.rows))
        return Source(tuple(files), tuple(rows), self.counted and other.counted)

    def __deepcopy__(self, memo) -> "Source":
        # Pandas deep-copies the attributes of a table in each operation; this object is immutable.
        return self

    def only(self, hashes: Iterable[str]) -> "Source":
        """Return the source restricted to these runs."""
        selected = set(" ".join(map(str, hashes)).split())
        rows = tuple(row for row in self.rows if row.config_hash in selected)
        return Source(self.files, rows, self.counted)

    def runs(self) -> list[str]:
        """Return the config hashes of the runs without duplicates."""
        return list(dict.fromkeys(row.config_hash for row in self.rows if row.config_hash))

    def text(self) -> str:
        """Return the source as one line: files, runs, profile, protocol, data, hardware, commit.

        >>> row = Provenance("", "4fa43e7cbeba", "paper", "authors", "mnist", "CPU", "5f982c436126")
        >>> Source((RUNS,), (row._replace(file=RUNS),)).text()
        'runs.csv · 1 run · paper · authors · mnist · CPU · 5f982c4'
        >>> Source((), (row,)).text()
        '1 run made with this book · paper · authors · mnist · CPU · 5f982c4'
        """
        built = len({row.config_hash for row in self.rows if row.config_hash and not row.file})
        stored = len(self.runs()) - built
        no_run = RUNS in self.files and not built and self.counted
        ran = counted(stored, "run") if stored or no_run else ""
        built_text = f"{counted(built, 'run')} made with this book" if built else ""
        names = ", ".join(Path(file).name for file in self.files)
        columns = list(zip(*self.rows, strict=True)) or [()] * len(Provenance._fields)
        commits = [commit[:7] + commit[12:] for commit in columns[-1]]
        facts = [_listing(column) for column in columns[2:-1]]
        return " · ".join(
            filter(None, [names, ran, built_text, *facts, _listing(commits, "commits")])
        )

    def anchor(self) -> str:
        """Return the anchor on the page of records: a run, a table of several runs, or a file.

        >>> Source(("data/paper/tables.csv",)).anchor()
        'file-tables'
        """
        runs = [row for row in self.rows if row.config_hash and row.file in ("", RUNS)]
        if len({row.config_hash for row in runs}) > 1:
            return "committed-runs" if any(row.file for row in runs) else "runs-made-with-this-book"
        for row in runs:
            return f"{'run' if row.file else 'built'}-{row.config_hash}"
        if not self.files:
            return ""
        file = Path(self.files[0])
        weights = file.suffix == ".safetensors"
        return f"file-{file.name.replace('.', '-') if weights else file.stem}"

    def stamp(self) -> dict[str, str]:
        """Return the data of the stamp for the book; empty if the source is unknown."""
        return {"text": self.text(), "anchor": self.anchor()} if self.files or self.rows else {}


def attribute(stamp: Mapping[str, str]) -> str:
    """Return a stamp as an attribute of an HTML element, which the book reads.

    >>> attribute({"text": "a · b"}), attribute({})
    (' data-source="{&quot;text&quot;: &quot;a · b&quot;}"', '')
    """
    text = html.escape(json.dumps(stamp, ensure_ascii=False))
    return f' data-source="{text}"' if stamp else ""


def _listing(words: Iterable[str], plural: str = "kinds") -> str:
    distinct = list(dict.fromkeys(word for word in words if word))
    return ", ".join(distinct) if len(distinct) < 4 else f"{len(distinct)} {plural}"


def of(*things) -> Source:
    """Return the combined source of tables, figures, records, files and collections of them.

    >>> of([Path("data/paper/tables.csv"), None]).files
    ('data/paper/tables.csv',)
    """
    source = Source()
    for thing in things:
        source |= _source_of(thing)
    return source


def _source_of(thing) -> Source:
    match thing:
        case Source():
            return thing
        case pd.DataFrame():
            return _source_of_table(thing)
        case pd.Series():
            return thing.attrs.get("source", Source())
        case Figure():
            return getattr(thing, "source", Source())
        case Styler():
            return of(thing.data)
        case Path():
            inside = thing.is_relative_to(ROOT)
            return Source(((thing.relative_to(ROOT) if inside else thing).as_posix(),))
        case Mapping():
            return of(*thing.values())
        case str() | bytes() | None:
            return Source()
        case Iterable():
            return of(*thing)
    if hasattr(thing, "row"):  # a run record
        return Source(rows=(_row_provenance("", thing.row()),))
    return Source()


def _source_of_table(table: pd.DataFrame) -> Source:
    source = table.attrs.get("source", Source())
    if isinstance(table.columns, pd.MultiIndex):
        return source
    if source.rows and "config_hash" in table:
        return source.only(table["config_hash"])
    if "commit" in table and (source.files or "config_hash" in table):
        file = source.files[0] if source.files else ""
        rows = dict.fromkeys(_row_provenance(file, row) for row in table.to_dict("records"))
        return Source(source.files, tuple(rows))
    return source


def _row_provenance(file: str, row: Mapping) -> Provenance:
    row = {name: "" if pd.isna(value) else str(value) for name, value in row.items()}
    get = row.get
    device = get("device", "")
    hardware = device if device != "cpu" else f"CPU {get('processor', '')}".strip()
    names = (get(name, "") for name in ("config_hash", "profile", "protocol", "source"))
    return Provenance(file, *names, hardware, get("commit", ""))


def mark(thing, *origins):
    """Attach the source of the origins to a table or a figure, and return it.

    >>> of(mark(pd.DataFrame({"a": [1]}), Path("data/paper/tables.csv")).query("a > 0")).files
    ('data/paper/tables.csv',)
    """
    source = of(*origins)
    if isinstance(thing, Figure):
        thing.source = source
    else:
        thing.attrs["source"] = source
    return thing


def resolve(thing, source=None) -> Source:
    """Return the source for a figure or a table: the given source, else the attached source.

    Raises ConfigError if a given source has no provenance.

    >>> resolve(pd.DataFrame(), "by hand")
    Traceback (most recent call last):
    unfolded.errors.ConfigError: expected a table, record or file as source; got 'by hand'; \
pass what the numbers were read from
    """
    if source is None:
        return of(thing)
    explicit = of(source)
    if explicit == Source():
        do = "pass what the numbers were read from"
        raise ConfigError(complain("a table, record or file as source", repr(source)[:60], do))
    return explicit
