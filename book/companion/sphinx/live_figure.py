"""The live figure on the cover: the element of the page, and the weights as scripts."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes

from companion.sphinx.numbers_from_files import FromFiles, stamp_node

WEIGHTS, WIDGETS = Path("data/weights"), Path("book/companion/widgets")


class LiveRecovery(FromFiles):
    """`{live-recovery}`: networks that recover a moving digit, with the content as caption."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        from companion.widgets import recovery_widget

        self.root(WEIGHTS / "cover.csv", WIDGETS / "recovery_widget.py")
        raw = nodes.raw("", recovery_widget.element(), format="html")
        caption = nodes.container(classes=["live-caption"])
        self.state.nested_parse(self.content, self.content_offset, caption)
        return [raw, caption, stamp_node(recovery_widget.source().stamp())]


def install_weights(app) -> None:
    """Write the weights of each network on the cover as a script, which the figure loads."""
    from companion import pretrained
    from companion.widgets import recovery_widget

    if app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    for model in pretrained.COVER:
        script = recovery_widget.weights_script(model)
        (static / f"recovery-{model}.js").write_bytes(script)


def setup(app) -> None:
    app.connect("builder-inited", install_weights)
    app.add_directive("live-recovery", LiveRecovery)
