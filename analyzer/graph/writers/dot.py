"""DOT: for Graphviz, from left to right, in the colours of the pictures; what else is known stands in tooltips."""

from typing import Any

from analyzer.diagram.palette import palette
from analyzer.diagram.sequence import Theme
from analyzer.graph.model import Graph
from analyzer.graph.writers._texts import text
from analyzer.report.escape import dot

SUFFIX = ".dot"


def write(graph: Graph, *, theme: Theme = "light") -> bytes:
    """Write it; Graphviz arranges it."""
    colors = palette(theme)
    lines = [
        f'digraph "{graph.view}" {{',
        f'  graph [rankdir=LR, nodesep=0.2, ranksep=2, labelloc=t, label="{dot(graph.title)}\\n{dot(graph.subtitle)}",'
        f' fontname="Helvetica", fontcolor="{colors.ink}", bgcolor="{colors.paper}"];',
        f'  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11, fontcolor="{colors.ink}",'
        f' fillcolor="{colors.surface}", color="{colors.line}"];',
        f'  edge [fontname="Helvetica", fontsize=9, fontcolor="{colors.muted}"];',
    ]
    for node, about in graph.network.nodes(data=True):
        below = f"\\n{dot(node)}" if about["kind"] == "host" and about["label"] != node else ""
        style = ', style="rounded,filled,bold"' if about.get("anchor") else ""
        lines.append(f'  "{dot(node)}" [label="{dot(about["label"])}{below}", tooltip="{_told(about)}"{style}];')
    for source, target, about in graph.network.edges(data=True):
        style = ", style=dashed" if about["tone"] == "failed" or about.get("sent") is False else ""
        color = getattr(colors, about["tone"])
        lines.append(
            f'  "{dot(source)}" -> "{dot(target)}"'
            f' [label="{dot(_label(about))}", tooltip="{_told(about)}", color="{color}"{style}];'
        )
    return "\n".join([*lines, "}", ""]).encode()


def _label(about: dict[str, Any]) -> str:
    many = f" ×{about['count']:,}"  # noqa: RUF001
    match about["kind"]:
        case "handshake":
            ended = "" if about["outcome"] == "established" else f", {about['outcome']}"
            return f"{about['port']} {about['authentication']}{ended}{many}"
        case "presented":
            return f"as {about['side']}, chain {about['chain']}{many}"
    return "issued by"


def _told(about: dict[str, Any]) -> str:
    return "\\n".join(dot(f"{name}: {text(value)}") for name, value in about.items() if value not in (None, {}, ""))
