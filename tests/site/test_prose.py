"""Prose: glossary, citation, changelog, address of the repository, and vocabulary."""

import ast
import json
import os
import re
import tomllib

import pytest
import yaml
from test_repository import ROOT, own_texts

from companion import statistics
from companion.__main__ import main
from companion.build import pdf
from companion.claims import experiment_rules
from companion.reproduction import linear_baseline, paper_tables
from companion.sphinx import address

BOOK = ROOT / "book"
GLOSSARY = (BOOK / "glossary.md").read_text(encoding="utf-8")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def prose(path):
    """Return what a page says, without the code of its cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return text


def equations():
    """Return (number, page) for each link in the glossary's table of equations."""
    for row in re.findall(r"^\| \{index\}`\((\d+)\)` .*$", GLOSSARY, flags=re.MULTILINE):
        (line,) = re.findall(rf"^\| \{{index\}}`\({row}\)` .*$", GLOSSARY, flags=re.MULTILINE)
        for page in re.findall(r"\[\]\(([^)]+)\)", line):
            yield int(row), page


def test_each_equation_is_on_the_pages_that_the_glossary_names():
    places = list(equations())
    numbers = [number for number, _ in places]
    assert numbers == sorted(numbers) and set(numbers) >= {*range(1, 20), 35, 51, 54, 55}
    for number, page in places:
        # (n), its own display, or inside a range such as (8)–(11).
        pattern = rf"(?<![\w\\])\({number}\)|\\tag\{{{number}\}}"
        text = prose(BOOK / page)
        ranges = re.findall(r"\((\d+)\)(?:–| to )\((\d+)\)", text)
        inside = any(int(low) <= number <= int(high) for low, high in ranges)
        assert inside or re.search(pattern, text), (number, page)


def test_words_of_the_glossary_are_sorted_and_used():
    block = GLOSSARY.partition(":::{glossary}\n")[2].partition("\n:::")[0]
    words = re.findall(r"^(\S.*)$", block, flags=re.MULTILINE)
    assert len(words) > 20
    assert words == sorted(words, key=lambda word: word.replace("ℓ", "l").lower())
    pages = [*BOOK.glob("*.md"), *BOOK.glob("*.bib"), *(ROOT / "notebooks").glob("*.ipynb")]
    pages += [
        *(ROOT / "lib").rglob("*.py"),
        *(BOOK / "companion").rglob("*.py"),
        *(ROOT / "tests").rglob("test_prox*.py"),
    ]
    text = " ".join(prose(p) for p in pages if p.name not in {"glossary.md", "changelog.md"})
    flat = re.sub(r"[-_\s]+", " ", text.replace("$", "").replace(r"\ell_1", "ℓ1")).lower()
    assert [word for word in words if word.replace("-", " ").lower() not in flat] == []


@pytest.mark.parametrize(
    ("phrase", "value"),
    [
        (r"([\d.]+) dB of the\s+mean frame", linear_baseline.DID_NOT_TRAIN),
        (r"([\d.]+) dB of the\s+best linear reconstruction", experiment_rules.PLATEAU),
        (r"([\d.]+) dB of both\s+plateaus", paper_tables.AGREES),
        (r"differences of at most ([\d.]+) dB", paper_tables.AGREES),
        (r"([\d.]+) dB of zero", statistics.ALIKE),
        (r"a difference of at most ([\d.]+) dB is then undecided", statistics.SEED_MARGIN),
        (r"corrected p-value is at most ([\d.]+) %", 100 * statistics.LEVEL),
    ],
)
def test_thresholds_in_prose_are_those_of_the_rules(phrase, value):
    texts = [text for path, text in own_texts() if path.is_relative_to(ROOT / "notebooks")]
    texts += [text for path, text in own_texts() if path.is_relative_to(BOOK)]
    numbers = [float(number) for text in texts for number in re.findall(phrase, text)]
    assert numbers and set(numbers) == {value}


def test_the_address_of_the_repository_is_in_one_file():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    owner, name = config["repository"]["url"].split("/")[-2:]
    counts = {path.name: text.count(f"{owner}/{name}") for path, text in own_texts()}
    assert {path: count for path, count in counts.items() if count} == {"_config.yml": 1}


def test_the_companion_is_cited_from_its_citation_file():
    entry = address.bibtex(CITATION, "https://example.org/book")
    assert f"title   = {{{CITATION['title']}}}" in entry
    assert f"version = {{{CITATION['version']}}}" in entry
    assert "url     = {https://example.org/book}" in entry
    people = [{"family-names": "Noether", "given-names": "Emmy"}, {"name": "The group"}]
    entry = address.bibtex(CITATION | {"authors": people}, "")
    assert "author  = {Noether, Emmy and {The group}}" in entry


def test_the_citation_file_has_a_valid_format():
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license", "references"} <= set(CITATION)
    for work in (CITATION, *CITATION["references"]):
        assert work["title"] and work["type"] in {"software", "article", "conference-paper"}
        for person in work["authors"]:
            assert set(person) in ({"name"}, {"family-names", "given-names"})


def test_the_changelog_contains_the_installed_version():
    text = (BOOK / "changelog.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.findall(r"^## (\S+)$", text, flags=re.MULTILINE)[:2] == [
        "Unreleased",
        project["version"],
    ]
    assert CITATION["version"] == project["version"]
    parts = set(re.findall(r"^### (.+)$", text, flags=re.MULTILINE))
    assert parts <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_printing_without_a_browser_states_the_missing_program(monkeypatch, capsys):
    monkeypatch.setenv("PATH", os.devnull)
    assert main(["pdf"]) == 1
    output, complaint = capsys.readouterr()
    assert output == ""
    assert re.fullmatch(
        r"expected a browser .*; got none; install Chromium.*\n", complaint, flags=re.DOTALL
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '<body id="a"><a href="../notebooks/02_x.html#y">',
            '<body class="whole" id="a"><a href="#y">',
        ),
        ('<a href="../notebooks/02_x.html">', '<a href="#document-notebooks/02_x">'),
        ('<a href="book/intro.html#id2">', '<a href="#id2">'),
        ('<a href="https://a.org/book/a.html">', '<a href="https://a.org/book/a.html">'),
        ('<a class="image" href="_images/a.png"><img>', '<a class="image"><img>'),
        ('<link href="_static/a.css">', '<link href="_static/a.css">'),
        ('<script defer src="_static/wave.js?v=1"></script>\n<p>', "<p>"),
        ('<script src="_static/tools.js"></script>', '<script src="_static/tools.js"></script>'),
    ],
)
def test_links_of_the_single_document_are_internal(before, after):
    assert pdf.corrected_links(before, ["wave.js"]) == after


def test_the_single_document_lists_its_pages():
    page = '<div class="toctree-wrapper"><span id="document-book/a"></span><h2>A<a>#</a></h2></div>'
    assert pdf.corrected_links(page, []).startswith(
        '<h2 class="contents">Contents</h2><ol><li><a href="#document-book/a">A</a></li></ol>'
    )


PHRASES = {
    r"\bprinted values?\b": "value reported in the paper",
    r"\b[Tt]he numbers lie\b": "where the numbers come from",
    r"\bstart values?\b|\bstart of (?:λ|\$\\lambda)": "initial value, initialisation",
    r"\b(?:page|frame|layer|one)s? \*?before\*?(?! (?:the|an?|it|this|training)\b)": "previous",
    r"\b(?:stands?(?! for\b)|lies|lie|lay)\b": "is, are",
    r"\btells?\b": "states, shows",
    r"\bsay(?:s|ing)? (?:nothing|anything)\b": "is vacuous, does not show",
    r"\b(?:runs?|ran|running) away\b": "diverge",
    r"\b[Hh][eo]ld(?:s|ing)? (?:\w+ ){0,3}against\b": "check against",
    r"\bh(?:ang|angs|ung) on\b": "depend on",
    r"\b(?:sets?|put) right\b": "corrected",
    r"\bfor nothing\b": "at no cost",
    r"\b[Bb]eside\b": "next to",
    r"\bto and fro\b": "forwards and backwards",
    r"\b(?:cousins?|rulers?|luck|luckily|shakes?|shaken|speaks?|wish(?:es)?|minds?|peel\w*|plays?)\b":
        "the technical term",
    r"\ba bold\b|\bbold (?:step|one)\b": "aggressive",
}  # fmt: skip
"""Phrases that the prose does not use, with their replacement in standard English."""

PROSE = [
    *BOOK.glob("*.md"),
    *(ROOT / "notebooks").glob("*.ipynb"),
    *(ROOT / "data").rglob("*.md"),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "data/claims.toml")),
]


def sentences(path):
    """Return the prose of a page with captions and texts in its cells, without code and links."""
    text = prose(path)
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        figures = [cell["metadata"].get("mystnb", {}).get("figure", {}) for cell in code]
        text += "\n".join(figure.get("caption", "") for figure in figures)
        trees = [ast.walk(ast.parse("".join(cell["source"]))) for cell in code]
        strings = [node.value for tree in trees for node in tree if isinstance(node, ast.Constant)]
        text += "\n".join(value for value in strings if isinstance(value, str) and " " in value)
    if path.suffix == ".toml":
        entries = tomllib.loads(text)["claim"]
        text = "\n".join(
            entry.get(name, "") for entry in entries for name in ("says", "shown_by", "because")
        )
    return re.sub(
        r"^```(?:bash|python)\n.*?^```$|^:label:.*?$|`[^`\n]*`|\]\([^)]*\)",
        "",
        text,
        flags=re.M | re.S,
    )


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_prose_contains_no_listed_phrase(path):
    text = sentences(path)
    replacements = {
        match[0]: replacement
        for pattern, replacement in PHRASES.items()
        for match in re.finditer(pattern, text, re.MULTILINE)
    }
    assert replacements == {}


@pytest.mark.parametrize(
    "sentence",
    ["It says nothing.", "The frame before.", "Hold it against the code.", "The number lies here."],
)
def test_a_listed_phrase_is_found(sentence):
    assert any(re.search(pattern, sentence) for pattern in PHRASES)
