"""SVG: for documents and browsers; its text can be searched and selected."""

from analyzer.diagram.sequence import Diagram, Theme, Width

SUFFIX = ".svg"


def render(diagram: Diagram, *, theme: Theme = "light", width: Width = "column") -> bytes:
    """Draw it; the same diagram gives the same bytes."""
    from analyzer.diagram.renderers import _matplotlib

    return _matplotlib.draw(diagram, "svg", theme, width)
