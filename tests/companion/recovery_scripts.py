"""The scripts and the weights of the recovery explorer."""

import functools

from companion.widgets import base_widget, recovery_widget

COMMON, MODULE = (
    (base_widget.FOLDER / name).read_text(encoding="utf-8") for name in ("common.js", "recovery.js")
)


@functools.cache
def weights(model: str) -> bytes:
    return recovery_widget.weights_script(model)
