"""PNG: an image with two pixels for each point, in the fonts of this machine."""

from analyzer.diagram.sequence import Diagram, Theme, Width

SUFFIX = ".png"


def render(diagram: Diagram, *, theme: Theme = "light", width: Width = "column") -> bytes:
    """Draw it; the same diagram gives the same bytes on the same machine."""
    from analyzer.diagram.renderers import _matplotlib

    return _matplotlib.draw(diagram, "png", theme, width)
