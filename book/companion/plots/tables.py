"""Tables as the pages display them."""

import base64

import pandas as pd

from companion import attribution, labels


def style_table(table: pd.DataFrame, digits: str = ".2f", index: bool = False, source=None):
    """Return a table as displayed on a page: one number format, verdicts as symbols, "–" for NaN.

    ``source``: the source of the numbers, if it is no longer attached to the table: tables,
    records or files, see :func:`companion.attribution.of`. The book shows it as a stamp below.
    The class of a plain data frame selects the colours of the theme for dark mode.
    """
    stamp = attribution.attribute(attribution.resolve(table, source).stamp())
    out = labels.readable(table)
    if "verdict" in out:
        out["verdict"] = out["verdict"].map(lambda word: labels.VERDICTS.get(word, word))

    def text(value) -> str:
        return labels.typeset(format(value, digits) if isinstance(value, float) else str(value))

    styled = out.style.format(text, na_rep="–")
    styled = styled.set_table_attributes(f'class="dataframe"{stamp}')
    return styled if index else styled.hide()


def download(table: pd.DataFrame, name: str) -> str:
    """Return a link that saves a table as CSV; it needs no other file.

    >>> download(pd.DataFrame({"a": [1]}), "a.csv")
    '<a download="a.csv" href="data:text/csv;base64,YQoxCg==">Download a.csv</a>'
    """
    content = table.to_csv(index=False, lineterminator="\n").encode()
    address = f"data:text/csv;base64,{base64.b64encode(content).decode()}"
    return f'<a download="{name}" href="{address}">Download {name}</a>'
