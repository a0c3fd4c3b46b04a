"""The common base of all explorers: one script, a widget with a kernel, an element without."""

import base64
import html
import json
from pathlib import Path

import anywidget
import traitlets
from matplotlib.figure import Figure

from companion import attribution
from companion.plots import style
from unfolded.errors import ConfigError, complain

FOLDER = Path(__file__).parent / "js"


def script(name: str) -> str:
    """Return the module of an explorer as one text: the common code, then the specific code.

    >>> script("activation.js").splitlines()[-1]
    'export default { render };'
    """
    parts = (FOLDER / part for part in ("common.js", name))
    return "\n".join(path.read_text(encoding="utf-8") for path in parts)


def still(fig: Figure, alt: str) -> str:
    """Return a figure as an image with a note, for pages where no script runs."""
    data = base64.b64encode(style.png(fig)).decode("ascii")
    width = round(fig.get_figwidth() * style.PIXELS_PER_INCH)
    return (
        f'<img alt="{html.escape(alt)}" width="{width}" style="max-width: 100%; height: auto" '
        f'src="data:image/png;base64,{data}">'
        "<noscript>This figure moves only where JavaScript is allowed.</noscript>"
    )


class Explorer(anywidget.AnyWidget):
    """An interactive figure: a live notebook shows the widget, any other page the element.

    A subclass defines its element ``TAG``, its traits ``NAMES`` and its script ``_esm``, and its
    valid values with :meth:`check`. Data other than formulas is in a trait ``data``: a dict of
    plain lists, numbers and strings, which is stored inside the element as JSON.
    """

    TAG: str
    NAMES: tuple[str, ...]

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        cls._validator = traitlets.validate(*cls.NAMES)(cls.validated)

    def validated(self, proposal):
        """Return the proposed value of a trait. Raises ConfigError unless it is valid."""
        self.check(proposal["trait"].name, proposal["value"])
        return proposal["value"]

    def __init__(self, **values):
        # Traitlets only warns about unknown names, so a misspelt name would go unnoticed.
        trait_names = {*self.NAMES, "data"} if self.has_trait("data") else set(self.NAMES)
        unknown = sorted(set(values) - trait_names)
        if unknown:
            raise ConfigError(
                complain(f"names among {self.NAMES}", unknown, "correct the spelling")
            )
        for name in self.NAMES:
            if name in values:
                self.check(name, values[name])
        super().__init__(**values)

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError unless the trait of this name may have this value."""
        raise NotImplementedError

    def picture(self) -> tuple[Figure, str]:
        """Return the figure, with its description, for pages where no script runs."""
        raise NotImplementedError

    def fallback(self) -> str:
        """Return the initial content of the element before the script draws: an image."""
        return still(*self.picture())

    def element(self) -> str:
        """Return the HTML element for a page without a kernel, with the source of its data."""
        values = " ".join(
            f'{name}="{html.escape(str(getattr(self, name)))}"' for name in self.NAMES
        )
        stamp = attribution.attribute(self.data.get("source", {})) if self.has_trait("data") else ""
        return f"<{self.TAG} {values}{stamp}>{self._json()}{self.fallback()}</{self.TAG}>"

    def _json(self) -> str:
        if not self.has_trait("data"):
            return ""
        text = json.dumps(self.data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        # A script element ends at the first "</", which the text must not contain.
        content = text.replace("<", "\\u003c")
        return f'<script type="application/json">{content}</script>'

    def _repr_mimebundle_(self, **keywords):
        bundle = super()._repr_mimebundle_(**keywords)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        # A front end with a kernel prefers the widget; a page without a kernel uses the element.
        return {**data, "text/html": self.element()}, metadata
