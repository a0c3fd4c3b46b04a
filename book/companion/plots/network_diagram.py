"""Diagram for Fig. 2: layers upwards, time to the right, a weight on each arrow."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from companion.plots.style import WIDTH, panels
from unfolded.errors import ConfigError, complain

INK, OWN, PAST = "#222222", "#0072B2", "#D55E00"
"""Colours: shared parts dark; layer-specific parts blue and framed; the prediction orange and
dashed. Frames and dashes repeat the information of the colours."""

PITCH, SIDE, HALF, RISE, FLOOR = 2.9, 0.85, 0.42, 1.0, 1.5
"""Distances: columns; column to its buses; half a box; layers; first layer."""
CENTRES = (1.15, 1.15 + PITCH)


@dataclass(frozen=True)
class Plan:
    """The labels of a diagram: ``{l}`` in a label stands for the number of the layer.

    ``first`` and ``climb`` are the weights below layer 1 and between layers, ``inject`` that of
    x_t, ``carry`` the map from the previous code to ``past``, which enters the activations, ``out``
    the read-out; ``layer_specific`` states whether the weights are layer-specific. Without
    ``past``, ``first`` includes the previous code; without ``carry``, each layer has a recurrent
    connection.
    """

    activation: str
    first: str
    climb: str
    inject: str
    past: str
    carry: str
    out: str
    layer_specific: bool


PLANS = {
    "reweighted-rnn": Plan("Φ_{l}", "W_1", "W_{l}", "U_{l}", r"\hbar", "G", "D", True),
    "l1-l1-rnn": Plan("Φ", "W_1", "W_2", "U_1", r"\hbar", "G", "D", False),
    "sista-rnn": Plan("ϕ", "W^{{(1)}}", "S", "V", "", "W^{{(l)}}", "D", False),
    "stacked": Plan("σ_{l}", "U_1", "W_{l}", "V_{l}", "", "", "Y", True),
}


def unrolled(name: str, *, depth: int = 3) -> Figure:
    r"""Draw two time steps of a network: reweighted-rnn, l1-l1-rnn, sista-rnn or stacked.

    Layers go up, time goes right. Framed blue labels are layer-specific weights, and a
    layer-specific activation has a thick blue edge; orange and dashed lines carry the
    prediction :math:`\hbar_t = G h_{t-1}` into every activation.
    What to see: x_t and ħ enter *each* layer of an unfolded network, but only the first one of
    a stack. Raises ConfigError for another name or a depth below 1. Source: Fig. 2, (8), (12).

    >>> unrolled("l1-l1-rnn", depth=2).axes[0].get_aspect()
    1.0
    """
    if name not in PLANS or depth < 1:
        got = f"{name!r} with {depth} layers"
        names = ", ".join(PLANS)
        raise ConfigError(complain(f"a diagram of {names}, depth >= 1", got, "choose another"))
    plan, top = PLANS[name], FLOOR + RISE * depth
    fig, ax = panels(height=top + 1.35)
    ax.set(xlim=(0, WIDTH), ylim=(0, top + 1.35), aspect=1.0)
    ax.axis("off")
    for column, centre in enumerate(CENTRES):
        _column(ax, plan, centre, depth, "t-1" if column == 0 else "t")
    for start in (CENTRES[0] - PITCH, *CENTRES):
        (_stack if name == "stacked" else _memory)(ax, plan, start, depth)
    return fig


def _column(ax: Axes, plan: Plan, x: float, depth: int, t: str) -> None:
    """Draw the operations within a frame: measure, apply the layers, decode."""
    top, stacked = FLOOR + RISE * depth, not plan.carry
    bus = x if stacked else x + SIDE
    _text(ax, bus, 0.14, f"s_{{{t}}}")
    _arrow(ax, (bus, 0.27), (bus, 0.64), "A")
    _text(ax, bus, 0.77, f"x_{{{t}}}")
    if stacked:
        _arrow(ax, (x, 0.9), (x, FLOOR - 0.23), plan.first, OWN)
    else:
        _line(ax, [(bus, 0.92), (bus, FLOOR + RISE * (depth - 1))])
    for l in range(1, depth + 1):
        y = FLOOR + RISE * (l - 1)
        _box(ax, x, y, plan.activation.format(l=l), OWN if plan.layer_specific else INK)
        colour = OWN if plan.layer_specific else INK
        if not stacked:
            _arrow(ax, (bus, y), (x + HALF, y), plan.inject.format(l=l), colour, above=True)
        if l < depth:
            _arrow(ax, (x, y + 0.23), (x, y + RISE - 0.23), plan.climb.format(l=l + 1), colour)
    _arrow(ax, (x, top - RISE + 0.23), (x, top - 0.2))
    code = f"h_{{{t}}}^{{({depth})}}"
    _text(ax, x, top, code)
    _arrow(ax, (x, top + 0.22), (x, top + 0.85), plan.out)
    _text(ax, x, top + 1.05, rf"\hat s_{{{t}}}")


def _memory(ax: Axes, plan: Plan, start: float, depth: int) -> None:
    """Draw the connections of an unfolded network from the code at ``start`` to the next frame."""
    end, top = start + PITCH, FLOOR + RISE * depth
    fork, bus = end - SIDE - 0.55, end - SIDE
    low, first = FLOOR - 0.75, 1 if plan.past else 2
    if end > WIDTH:
        _arrow(ax, (start + 0.3, top), (WIDTH, top))
        return
    _line(ax, [(start + 0.3, top), (fork, top), (fork, low), (end, low)])
    _arrow(
        ax,
        (end, low),
        (end, FLOOR - 0.23),
        plan.first.format(),
        OWN if plan.layer_specific else INK,
    )
    if depth < first:
        return
    _line(ax, [(fork, top), (bus, top), (bus, FLOOR + RISE * (first - 1))], PAST)
    _box(ax, bus, top - 0.5, plan.carry.format(), PAST, half=0.2 if plan.past else 0.29)
    for l in range(first, depth + 1):
        y = FLOOR + RISE * (l - 1)
        _arrow(ax, (bus, y), (end - HALF, y), plan.past, PAST, above=True)


def _stack(ax: Axes, plan: Plan, start: float, depth: int) -> None:
    """Draw the recurrence of a stacked network: each layer to itself in the next frame."""
    for l in range(1, depth + 1):
        y = FLOOR + RISE * (l - 1)
        ends = (start + HALF, y), (start + PITCH - HALF, y)
        _arrow(ax, *ends, plan.inject.format(l=l), OWN, above=True)


def _dashes(colour: str):
    return (0, (4, 1.6)) if colour == PAST else "-"


def _text(ax: Axes, x: float, y: float, symbol: str, colour: str = INK, **place) -> None:
    place = {"ha": "center", "va": "center", "fontsize": 14} | place
    ax.text(x, y, f"${symbol}$", color=colour, clip_on=True, **place)


def _line(ax: Axes, points: list[tuple[float, float]], colour: str = INK) -> None:
    ax.plot(*zip(*points, strict=True), color=colour, lw=1.6, ls=_dashes(colour))


def _arrow(ax: Axes, start, end, symbol="", colour: str = INK, *, above=False) -> None:
    """Draw an arrow with its weight above the arrow, or to its right."""
    line = INK if colour == OWN else colour
    style = {"arrowstyle": "-|>", "color": line, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
    style["ls"] = _dashes(colour)
    ax.annotate("", end, start, arrowprops=style, annotation_clip=False)
    if symbol:
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        shift = {"va": "bottom"} if above else {"ha": "left"}
        if colour == OWN:
            shift["bbox"] = {"boxstyle": "round,pad=0.12", "fc": "white", "ec": OWN, "lw": 0.9}
        away = 0.09 if colour == OWN else 0.03
        _text(
            ax,
            x + (0 if above else 0.05 + away),
            y + (away if above else 0),
            symbol,
            colour,
            **shift,
        )


def _box(ax: Axes, x: float, y: float, symbol: str, colour: str, half: float = HALF) -> None:
    style = {"boxstyle": "round,pad=0.0,rounding_size=0.08", "fc": "white", "ec": INK, "lw": 1.4}
    if colour == OWN:
        style |= {"ec": OWN, "lw": 2.6}
    ax.add_patch(FancyBboxPatch((x - half, y - 0.23), 2 * half, 0.46, zorder=2, **style))
    _text(ax, x, y, symbol, colour, zorder=3)
