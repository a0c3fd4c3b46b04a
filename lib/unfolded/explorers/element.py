"""What all explorers share: one script, a widget where there is a kernel, an element elsewhere."""

import anywidget

from unfolded.errors import ConfigError, complain


class Explorer(anywidget.AnyWidget):
    """A figure that moves: a live notebook shows the widget, any other page the element.

    A subclass names its element ``TAG``, its traits ``NAMES`` and its script ``_esm``, and says
    with :meth:`check` which values it takes.
    """

    TAG: str
    NAMES: tuple[str, ...]

    def __init__(self, **values):
        # Traitlets accepts unknown names with a warning only, and so would hide a misspelt one.
        unknown = sorted(set(values) - set(self.NAMES))
        if unknown:
            raise ConfigError(
                complain(f"names among {self.NAMES}", unknown, "correct the spelling")
            )
        for name, value in values.items():
            self.check(name, value)
        super().__init__(**values)

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError unless the trait of that name may have that value."""
        raise NotImplementedError

    def fallback(self) -> str:
        """Return what the element holds until the script has drawn it."""
        return "<noscript>This figure moves only where JavaScript is allowed.</noscript>"

    def element(self) -> str:
        """Return the HTML element that a page without a kernel shows."""
        values = " ".join(f'{name}="{getattr(self, name)}"' for name in self.NAMES)
        return f"<{self.TAG} {values}>{self.fallback()}</{self.TAG}>"

    def _repr_mimebundle_(self, **keywords):
        bundle = super()._repr_mimebundle_(**keywords)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        # A front end with a kernel prefers the widget; a page without one takes the element.
        return {**data, "text/html": self.element()}, metadata
