"""PNG: for where SVG is not taken; of twice a screen's resolution."""

from analyzer.diagram.sequence import Theme
from analyzer.graph.model import Graph

SUFFIX = ".png"


def write(graph: Graph, *, theme: Theme = "light") -> bytes:
    """Draw it; the same graph gives the same bytes, where the same fonts are installed."""
    from analyzer.graph.writers import _matplotlib

    return _matplotlib.draw(graph, "png", theme)
