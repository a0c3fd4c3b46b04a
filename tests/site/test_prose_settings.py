"""Settings and numbers that the pages of prose state: they are those of the library."""

import re
from pathlib import Path

import pytest
import torch

from unfolded import dictionaries, networks, prox
from unfolded.runs import config, grid

ROOT = Path(__file__).resolve().parents[2]


def page(name):
    return (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8")


def test_the_page_of_differences_has_the_size_of_every_profile():
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| (\d+) \| (\d+) \|$", page("differences"), re.M)
    rows_by_name = {name: tuple(int(v.replace(",", "")) for v in sizes) for name, *sizes in rows}
    # Other tests add a profile of their own.
    sizes = {name: vars(size) for name, size in config.PROFILES.items() if name != "small"}
    assert rows_by_name == {name: tuple(profile.values()) for name, profile in sizes.items()}


@pytest.mark.parametrize("h", grid.VARIED[2][1])
def test_the_page_of_differences_says_where_the_dictionary_hardly_has_full_rank(h):
    text = page("differences")
    assert (
        "hardly so at $h = 512$ and $2048$, where the smallest singular value is below 0.01" in text
    )
    D = dictionaries.overcomplete_dct(config.FRAME, h, dtype=torch.float64)
    least = torch.linalg.svdvals(D).min()
    assert 1e-4 < least < 0.01 if h in (512, 2048) else abs(least - 1) < 1e-9


def test_the_page_of_the_protocol_says_how_fast_fastrnn_grows():
    cell = networks.build("fastrnn", hidden=400, depth=1).cells[0]
    with torch.no_grad():
        W, a, b = cell.weights()
        assert abs(a + b - 1) < 1e-6
        radius = torch.linalg.eigvals(W).abs().max() / 0.1 / 400**0.5
    assert abs(radius - 1) < 0.1
    largest = 0.1 * 4096**0.5
    grown = f"a frame multiplies by {a * largest + b:.2f} at the most, not by {largest:.1f}"
    assert grown in page("protocol")


def expression(formula):
    """Return a formula of the cheat sheet in Python."""
    for tex, code in ((r"\tau_", "tau"), (r"\hbar", "hbar"), (r"\le", "<="), ("$", "")):
        formula = formula.replace(tex, code)
    return formula


def test_the_pieces_of_the_activation_on_the_cheat_sheet_are_those_of_the_library():
    rows = re.findall(r"^\| (\$.*u.*[<>\\].*\$) \| (\$.+\$) \|$", page("cheat_sheet"), re.M)
    branches = [tuple(map(expression, row)) for row in rows if "<" in row[0] or r"\le" in row[0]
              or ">" in row[0]]  # fmt: skip
    assert len(branches) == 5
    u = torch.linspace(-6, 6, 97, dtype=torch.float64)
    for tau1, tau2, hbar in ((1.0, 0.5, 2.0), (0.3, 1.2, 1.0), (1.0, 1.0, 0.0)):
        expected = prox.prox_l1_l1(u, torch.tensor(hbar), tau1, tau2)
        for value, target in zip(u.tolist(), expected.tolist(), strict=True):
            names = {"u": value, "tau1": tau1, "tau2": tau2, "hbar": hbar}
            (piece,) = {round(eval(form, names), 9) for test, form in branches if eval(test, names)}
            assert abs(piece - target) < 1e-9
