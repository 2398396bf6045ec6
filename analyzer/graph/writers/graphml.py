"""GraphML: for Gephi, yEd, Cytoscape and networkx; counts of words are texts such as `TLSv1.2 15, TLSv1.3 13`."""

from io import BytesIO

from analyzer.diagram.sequence import Theme
from analyzer.graph.model import Graph
from analyzer.graph.writers._texts import text
from analyzer.report.escape import visible

SUFFIX = ".graphml"


def write(graph: Graph, *, theme: Theme = "light") -> bytes:
    """Write it; what XML cannot hold is escaped as for a terminal."""
    from networkx import MultiDiGraph, write_graphml_xml

    plain: MultiDiGraph[str] = MultiDiGraph(view=graph.view, title=graph.title, subtitle=visible(graph.subtitle))
    for node, about in graph.network.nodes(data=True):
        plain.add_node(visible(node), **_plain(about))
    for source, target, key, about in graph.network.edges(keys=True, data=True):
        plain.add_edge(visible(source), visible(target), visible(key), **_plain(about))
    out = BytesIO()
    write_graphml_xml(plain, out)
    return out.getvalue()


def _plain(about: dict[str, object]) -> dict[str, str | int | bool]:
    texts = {name: text(value) for name, value in about.items() if value is not None}
    return {name: visible(value) if isinstance(value, str) else value for name, value in texts.items()}
