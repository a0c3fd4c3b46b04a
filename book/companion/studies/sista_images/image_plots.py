"""The figure of the task: errors during training, one colour per network."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from companion.labels import title
from companion.plots.line_plots import STYLES, panels

_MARKS = (None, "o", "s", "^", "D", "v")


def descent(paths: Mapping[str, pd.DataFrame], *, x: str = "epoch") -> Figure:
    """Draw the validation error of trainings against epochs, updates or seconds.

    paths: name -> curves; a name begins with that of its network and a comma. Trainings of one
    network share colour and dashes; markers distinguish them.
    What to see: which error decreases first, and which final error is lowest.

    >>> curve = pd.DataFrame({"epoch": [0, 1], "validation_mse": [2.0, 1.0]})
    >>> descent({"lstm, rate 0.1": curve}).axes[0].get_xlabel()
    'epoch'
    """
    fig, ax = panels(height=4.4)
    counts: dict[str, int] = {}
    for name, path in paths.items():
        model = name.partition(",")[0]
        counts[model] = counts.get(model, -1) + 1
        mark = {"marker": _MARKS[counts[model] % len(_MARKS)], "markevery": 3, "ms": 5}
        ax.plot(path[x], path["validation_mse"], label=title(name), **STYLES[model] | mark)
    label = {"seconds": "seconds of one core"}.get(x, x)
    ax.set(xlabel=label, ylabel="validation MSE (grey levels²)", yscale="log")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize="small")
    return fig
