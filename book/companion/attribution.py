"""Where a shown number came from: carried by tables and figures, shown under them as a stamp."""

import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from unfolded.errors import ConfigError, complain
from unfolded.provenance import ROOT

RUNS = "data/results/runs.csv"


class Made(NamedTuple):
    """How one row was made; what is not known is empty. ``config_hash`` names the run.

    ``file``: the committed table that has the row; none if it was made with this book.
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
    """The committed files that numbers were read from, below the repository, and their rows."""

    files: tuple[str, ...] = ()
    rows: tuple[Made, ...] = ()
    counted: bool = True
    """Whether ``rows`` are known: without rows, the runs are then none, else they are not told."""

    def __or__(self, other: "Source") -> "Source":
        files = dict.fromkeys((*self.files, *other.files))
        rows = dict.fromkeys((*self.rows, *other.rows))
        return Source(tuple(files), tuple(rows), self.counted and other.counted)

    def __deepcopy__(self, memo) -> "Source":
        # Pandas copies what a table carries at every step; nothing here can change.
        return self

    def only(self, hashes: Iterable[str]) -> "Source":
        """Return the source with these runs alone."""
        kept = set(" ".join(map(str, hashes)).split())
        rows = tuple(row for row in self.rows if row.config_hash in kept)
        return Source(self.files, rows, self.counted)

    def runs(self) -> list[str]:
        """Return the config hash of each run, once."""
        return list(dict.fromkeys(row.config_hash for row in self.rows if row.config_hash))

    def text(self) -> str:
        """Say in one line: files, runs, profile, protocol, data, hardware, commit.

        >>> made = Made("", "4fa43e7cbeba", "paper", "authors", "mnist", "CPU", "5f982c436126")
        >>> Source((RUNS,), (made._replace(file=RUNS),)).text()
        'runs.csv · 1 run · paper · authors · mnist · CPU · 5f982c4'
        >>> Source((), (made,)).text()
        '1 run made with this book · paper · authors · mnist · CPU · 5f982c4'
        """
        built = len({row.config_hash for row in self.rows if row.config_hash and not row.file})
        kept = len(self.runs()) - built
        none = RUNS in self.files and not built and self.counted
        ran = _count(kept) if kept or none else ""
        made = f"{_count(built)} made with this book" if built else ""
        names = ", ".join(Path(file).name for file in self.files)
        columns = list(zip(*self.rows, strict=True)) or [()] * len(Made._fields)
        commits = [commit[:7] + commit[12:] for commit in columns[-1]]
        facts = [_few(column) for column in columns[2:-1]]
        return " · ".join(filter(None, [names, ran, made, *facts, _few(commits, "commits")]))

    def anchor(self) -> str:
        """Return the place on the page of records: the run, the table of several, else a file.

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
        """Return what the book needs to draw the stamp; nothing if nothing is known."""
        return {"text": self.text(), "anchor": self.anchor()} if self.files or self.rows else {}


def attribute(stamp: Mapping[str, str]) -> str:
    """Return a stamp as an attribute of an HTML element, where the book finds it.

    >>> attribute({"text": "a · b"}), attribute({})
    (' data-source="{&quot;text&quot;: &quot;a · b&quot;}"', '')
    """
    text = html.escape(json.dumps(stamp, ensure_ascii=False))
    return f' data-source="{text}"' if stamp else ""


def _count(runs: int) -> str:
    return f"{runs} run{'s' * (runs != 1)}"


def _few(words: Iterable[str], many: str = "kinds") -> str:
    known = list(dict.fromkeys(word for word in words if word))
    return ", ".join(known) if len(known) < 4 else f"{len(known)} {many}"


def of(*things) -> Source:
    """Return the source that tables, figures, records, files and collections of them carry.

    >>> of([Path("data/paper/tables.csv"), None]).files
    ('data/paper/tables.csv',)
    """
    found = Source()
    for thing in things:
        found |= _of(thing)
    return found


def _of(thing) -> Source:
    match thing:
        case Source():
            return thing
        case pd.DataFrame():
            return _of_table(thing)
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
    if hasattr(thing, "row"):  # a record of a run
        return of(pd.DataFrame([thing.row()]))
    return Source()


def _of_table(table: pd.DataFrame) -> Source:
    carried = table.attrs.get("source", Source())
    if isinstance(table.columns, pd.MultiIndex):
        return carried
    if carried.rows and "config_hash" in table:
        return carried.only(table["config_hash"])
    if "commit" in table and (carried.files or "config_hash" in table):
        file = carried.files[0] if carried.files else ""
        rows = dict.fromkeys(_made(file, row) for row in table.to_dict("records"))
        return Source(carried.files, tuple(rows))
    return carried


def _made(file: str, row: Mapping) -> Made:
    row = {name: "" if pd.isna(value) else str(value) for name, value in row.items()}
    get = row.get
    device = get("device", "")
    hardware = device if device != "cpu" else f"CPU {get('processor', '')}".strip()
    names = (get(name, "") for name in ("config_hash", "profile", "protocol", "source"))
    return Made(file, *names, hardware, get("commit", ""))


def mark(thing, *origins):
    """Let a table or a figure carry the source of what it was made from; return it.

    >>> of(mark(pd.DataFrame({"a": [1]}), Path("data/paper/tables.csv")).query("a > 0")).files
    ('data/paper/tables.csv',)
    """
    found = of(*origins)
    if isinstance(thing, Figure):
        thing.source = found
    else:
        thing.attrs["source"] = found
    return thing


def shown_with(thing, source=None) -> Source:
    """Return the source to show with a figure or a table: the one given, else what it carries.

    Raises ConfigError if something was given that carries none.

    >>> shown_with(pd.DataFrame(), "by hand")
    Traceback (most recent call last):
    unfolded.errors.ConfigError: expected a table, record or file as source; got 'by hand'; \
pass what the numbers were read from
    """
    if source is None:
        return of(thing)
    found = of(source)
    if found == Source():
        do = "pass what the numbers were read from"
        raise ConfigError(complain("a table, record or file as source", repr(source)[:60], do))
    return found
