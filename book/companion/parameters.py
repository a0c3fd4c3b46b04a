"""The check of a notebook's parameters: names, types and ranges, in the first cell after them."""

import ast
import itertools
import json
import math
import numbers
from collections.abc import Callable, Collection, Iterable, MutableMapping
from dataclasses import fields
from typing import NamedTuple

from unfolded import choices
from unfolded.errors import ConfigError, complain
from unfolded.runs.config import PROFILES, PROTOCOLS, RunConfig
from unfolded.runs.grid import VARIED


class ParameterError(ConfigError):
    """A notebook has an unknown parameter, or a parameter with an invalid value."""

    def _render_traceback_(self) -> list[str]:
        """Return the output of the cell: IPython shows these lines in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class Rule(NamedTuple):
    """The accepted values of a parameter: in words, and a function that reads a value.

    ``read`` returns the value as plain Python type; for any other value it raises ValueError.
    """

    words: str
    read: Callable[[object], object]


def one_of(known: Collection) -> Rule:
    """Return the rule for a value from a list.

    >>> one_of(("digits", "mnist")).words
    'one of digits, mnist'
    """

    def read(value: object) -> object:
        if value not in list(known):
            raise ValueError
        return value

    return Rule(f"one of {', '.join(map(str, known))}", read)


def whole(least: int, most: int) -> Rule:
    """Return the rule for a whole number from ``least`` to ``most``.

    >>> whole(1, 9).read(8.0)
    8
    """

    def read(value: object) -> int:
        if not _real(value) or value != value // 1 or not least <= value <= most:
            raise ValueError
        return int(value)

    return Rule(f"a whole number from {least} to {most}", read)


def number(least: float, most: float) -> Rule:
    """Return the rule for a number from ``least`` to ``most``.

    >>> number(0, 10).read(1)
    1.0
    """

    def read(value: object) -> float:
        if not _real(value) or not least <= value <= most:
            raise ValueError
        return float(value)

    return Rule(f"a number from {least:g} to {most:g}", read)


def several(rule: Rule) -> Rule:
    """Return the rule for a list, of at least one value, that may be given as JSON text.

    >>> several(whole(1, 9)).read("[3, 1, 3]")
    [3, 1, 3]
    """

    def read(value: object) -> list:
        values = _from_json(value)
        if not isinstance(values, list | tuple) or not values:
            raise ValueError
        return [rule.read(item) for item in values]

    return Rule(f"a list of values, each {rule.words}", read)


def values_of_table(number: int) -> Rule:
    """Return the rule for a list of values that Table 1, 2 or 3 varies.

    >>> values_of_table(3).read([6, 1])
    [6, 1]
    """
    return several(one_of(VARIED[number][1]))


def accepted_by(function: Callable[[object], object]) -> Rule:
    """Return the rule for the values for which a function of the library raises no ConfigError.

    >>> accepted_by(RunConfig).read("lstm")
    'lstm'
    """

    def read(value: object) -> object:
        function(value)
        return value

    return Rule("", read)


def field(name: str) -> Rule:
    """Return the rule for a field of a run; RunConfig has the accepted values.

    >>> field("cs_rate").read(0.5), field("hidden").read(None)
    (0.5, None)
    """

    def read(value: object) -> object:
        field_value = getattr(RunConfig(**{name: value}), name)
        return None if value is None else field_value

    return Rule("", read)


def _parse_more(value: object) -> dict[str, object]:
    options = _from_json(value)
    if not isinstance(options, dict):
        raise ValueError
    unknown = [name for name in options if name not in OTHER]
    if unknown:
        expected = f"more with fields from {', '.join(OTHER)}"
        raise ConfigError(complain(expected, ", ".join(map(str, unknown)), "correct the name"))
    return options


SOURCE = one_of(choices.SOURCES)
SEED = whole(0, 2**32 - 1)
HIDDEN = whole(1, 4096)

SMALL_RUNS = {
    "source": SOURCE,
    "protocol": one_of(PROTOCOLS),
    "profile": one_of(PROFILES),
    "seed": SEED,
}
"""The rules of a page that trains small runs of all networks, without that of the device."""

ONE_RUN = {name: field(name) for name in ("model", "cs_rate", "hidden", "depth")} | SMALL_RUNS
OTHER = tuple(item.name for item in fields(RunConfig) if item.name not in ONE_RUN)
ONE_RUN["more"] = Rule('a dictionary, or JSON text such as {"lambda1": 0.003}', _parse_more)
"""The rules of the page that trains one network; ``more`` has the fields OTHER of a run."""


def check(namespace: MutableMapping[str, object], /, **rules: Rule) -> None:
    """Check the parameters of a notebook, and store each one in the namespace as plain type.

    ``namespace``: the notebook's globals; ``rules``: one rule for each parameter. papermill injects
    a cell with the given values; IPython's history ``In`` contains its text and, before it, the
    parameters with their defaults. Prints which values differ from the defaults. Raises
    ParameterError on an injected name without a rule, or on a value that its rule does not accept.

    >>> check({"hidden": 0}, hidden=whole(1, 4096))
    Traceback (most recent call last):
    companion.parameters.ParameterError: expected hidden as a whole number from 1 to 4096; got 0; \
pass another value
    """
    defaults, assignments = _cells(namespace.get("In", ()))
    unknown = [name for name in assignments if name not in rules]
    if unknown:
        expected = f"parameters from {', '.join(rules)}"
        raise ParameterError(complain(expected, ", ".join(unknown), "correct the name"))
    for name, rule in rules.items():
        namespace[name] = _read(name, rule, namespace[name])
    changes = [
        name for name in assignments if name in defaults and namespace[name] != defaults[name]
    ]
    if changes:
        text = ", ".join(f"{name} = {namespace[name]!r} ({defaults[name]!r})" for name in changes)
        print(
            f"Parameters other than the defaults (in parentheses): {text}. Figures, tables and "
            "computed sentences use these values; all other sentences describe the defaults."
        )


def run(**settings: object) -> RunConfig:
    """Return the configuration of a run; raises ParameterError on settings that exclude each other.

    >>> run(model="lstm", profile="smoke").depth
    2
    """
    try:
        return RunConfig(**settings)
    except ConfigError as error:
        raise ParameterError(str(error)) from None


def _read(name: str, rule: Rule, value: object) -> object:
    try:
        return rule.read(value)
    except ConfigError as error:
        raise ParameterError(str(error)) from None
    except ValueError:
        text = repr(value)
        actual = text if len(text) <= 60 else f"{text[:57]}..."
        message = complain(f"{name} as {rule.words}", actual, "pass another value")
        raise ParameterError(message) from None


def _cells(history: Iterable[str]) -> tuple[dict[str, object], dict[str, object]]:
    """Return the names and values of the parameters cell and of the last injected cell."""
    cells = list(history)
    for previous_cell, cell in reversed(list(itertools.pairwise(cells))):
        if cell.startswith("# Parameters\n"):
            return _assignments(previous_cell), _assignments(cell)
    return {}, {}


def _assignments(cell: str) -> dict[str, object]:
    """Return the names that a cell assigns, with their values, None for a computed one."""
    assignments = {}
    for node in ast.parse(cell).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                try:
                    assignments[target.id] = ast.literal_eval(node.value)
                except ValueError:
                    assignments[target.id] = None
    return assignments


def _from_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _real(value: object) -> bool:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and math.isfinite(value)
