"""JSON: `view`, `title`, `subtitle`, and the nodes and edges with all their attributes."""

import json
from collections.abc import Iterable
from typing import Any

from analyzer.diagram.sequence import Theme
from analyzer.graph.model import Graph

SUFFIX = ".json"


def write(graph: Graph, *, theme: Theme = "light") -> bytes:
    """Write one object, in ASCII, a node or edge a line."""
    nodes = ({"id": node, **about} for node, about in graph.network.nodes(data=True))
    edges = ({"source": source, "target": target, **about} for source, target, about in graph.network.edges(data=True))
    head = "".join(
        f"{json.dumps(name)}: {json.dumps(getattr(graph, name))},\n" for name in ("view", "title", "subtitle")
    )
    return f'{{{head}"nodes": [{_lines(nodes)}],\n"edges": [{_lines(edges)}]}}\n'.encode()


def _lines(objects: Iterable[dict[str, Any]]) -> str:
    lines = ",\n".join(map(json.dumps, objects))
    return f"\n{lines}\n" if lines else ""
