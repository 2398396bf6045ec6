"""SVG: for documents and browsers; its text can be searched and selected."""

from analyzer.diagram.sequence import Theme
from analyzer.graph.model import Graph

SUFFIX = ".svg"


def write(graph: Graph, *, theme: Theme = "light") -> bytes:
    """Draw it; the same graph gives the same bytes."""
    from analyzer.graph.writers import _matplotlib

    return _matplotlib.draw(graph, "svg", theme)
