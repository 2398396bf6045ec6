"""How is a graph arranged for the eye? In columns of cards from left to right, as few as one can read.

Handshakes lead from clients to servers, certificates to their issuers: columns show that at a glance where a free
layout of some hundred nodes is a hairball. A host that is both client and server has a card in either column.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from analyzer.graph.model import Graph
from analyzer.graph.names import attribute
from analyzer.report import words

Line = Literal["solid", "dashed"]


@dataclass(slots=True, frozen=True)
class Card:
    """A host, a certificate or an authority; or several that are not shown one by one."""

    key: str
    """Unique in the picture."""
    column: int
    """From 0, on the left."""
    title: str
    """Its name; hostile."""
    lines: tuple[str, ...] = ()
    """What else is known of it; hostile."""
    weight: int = 0
    """Handshakes that it took part in: the more, the sooner it is shown."""
    members: int = 1
    """How many it stands for."""
    noun: str = "host"
    """What it is one of."""
    tag: str = ""
    """Why it is special."""
    leads_to: str = ""
    """No card but a lane between cards, for links that pass this column: key of the card that they lead to."""


@dataclass(slots=True, frozen=True)
class Link:
    """A line between two cards, from left to right."""

    source: str
    """Key of a card."""
    target: str
    """Key of a card."""
    label: str
    """What it is; at the target, links of the same label end in the same row."""
    tone: str
    """Name of its colour in `analyzer.diagram.palette.Palette`."""
    count: int
    """Handshakes."""
    details: tuple[tuple[str, int], ...] = ()
    """More words and how often, such as versions."""
    line: Line = "solid"
    """dashed: it failed, or is not shown by what was sent."""
    coarse: str = ""
    """The label without the port, for where there would be too many."""


@dataclass(slots=True, frozen=True)
class Row:
    """What ends at a card under one label."""

    label: str
    tone: str
    count: int
    details: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Columns:
    """A picture, whole or limited to what one can read."""

    title: str
    """The question that it answers."""
    subtitle: str
    """Of which captures, and how many of what."""
    heads: tuple[str, ...]
    """Titles of the columns."""
    cards: list[Card]
    """Column by column, from top to bottom."""
    links: list[Link]
    """In the order of their sources."""
    legend: tuple[tuple[str, Line, str], ...] = field(default=())
    """Tones and lines that occur, and what they mean."""

    def rows(self, card: Card) -> list[Row]:
        """What ends at a card, by label, numbers in it by their value; failures last."""
        found: dict[tuple[str, str], tuple[int, Counter[str]]] = {}
        for link in self.links:
            if link.target == card.key and link.label:
                count, details = found.get((link.label, link.tone), (0, Counter()))
                found[link.label, link.tone] = count + link.count, details + Counter(dict(link.details))
        return [
            Row(label, tone, count, tuple(sorted(details.items(), key=lambda one: (-one[1], one[0]))))
            for (label, tone), (count, details) in sorted(found.items(), key=_row_order)
        ]


def _row_order(row: tuple[tuple[str, str], Any]) -> tuple[bool, list[tuple[bool, int, str]]]:
    (label, tone), _ = row
    return tone == "failed", [(not part.isdecimal(), len(part) * part.isdecimal(), part) for part in label.split()]


def columns(graph: Graph) -> Columns:
    """All cards and links of a graph."""
    made = _handshakes(graph) if graph.view == "handshakes" else _trust(graph)
    seen = {(link.tone, link.line, bool(link.label)) for link in made.links}
    made.legend = tuple(
        (tone, line, text) for tone, line, labeled, text in _LEGENDS[graph.view] if (tone, line, labeled) in seen
    )
    made.cards.sort(key=lambda card: (card.column, -card.weight, card.key))
    return made


_LEGENDS: dict[str, tuple[tuple[str, Line, bool, str], ...]] = {
    "handshakes": (
        ("mutual", "solid", True, "mutual"),
        ("one_way", "solid", True, "one-way"),
        ("requested", "solid", True, "requested, not provided"),
        ("other", "solid", True, "without certificates"),
        ("undetermined", "solid", True, "undetermined"),
        ("failed", "dashed", True, "failed"),
    ),
    "trust": (
        ("mutual", "solid", True, "presented, chain passes"),
        ("undetermined", "solid", True, "presented, chain undetermined"),
        ("failed", "dashed", True, "presented, chain fails"),
        ("undetermined", "solid", False, "issued by"),
        ("undetermined", "dashed", False, "issued by, and the issuer was not sent along"),
    ),
}


# The two views


def _handshakes(graph: Graph) -> Columns:
    cards = []
    for address, about in graph.network.nodes(data=True):
        for column, side in enumerate(("client", "server")):
            if about[side]:
                names = list(about["names"])
                more = words.count(len(names) - 3, "more name") if len(names) > 3 else ""
                shook = words.count(about[side], "handshake") if side == "client" else ""
                lines = (*names[1:3], more, address, shook)
                cards.append(
                    Card(
                        key=f"{side} {address}",
                        column=column,
                        title=about["label"],
                        lines=tuple(line for line in lines if line and line != about["label"]),
                        weight=about[side],
                        noun=side,
                        tag="also a server" if side == "client" and about["server"] else "",
                    )
                )
    links = []
    for source, target, about in graph.network.edges(data=True):
        transport = "" if about["transport"] == "tcp" else f"{about['transport']} "
        outcome = "" if about["outcome"] == "established" else f", {about['outcome']}"
        links.append(
            Link(
                source=f"client {source}",
                target=f"server {target}",
                label=f"{transport}{about['port']} {about['authentication']}{outcome}",
                tone=about["tone"],
                count=about["count"],
                details=tuple(about["versions"].items()),
                line="dashed" if about["outcome"] == "failed" else "solid",
                coarse=f"{about['authentication']}{outcome}",
            )
        )
    return Columns(graph.title, graph.subtitle, ("Clients", "Servers"), cards, links)


def _trust(graph: Graph) -> Columns:
    network = graph.network
    depth = _depths(graph)
    last = max([2, *depth.values()])
    heads = ("Presented by", "Certificates", *["Issued by"] * (last - 2), "Authorities")
    cards = []
    for node, about in network.nodes(data=True):
        if about["kind"] == "host":
            names = tuple(name for name in list(about["names"])[1:3])
            address = (node,) if about["label"] != node else ()
            cards.append(Card(node, 0, about["label"], (*names, *address), about["client"] + about["server"]))
            continue
        weight = sum(int(arriving["count"]) for _, _, arriving in network.in_edges(node, data=True))
        tag = "trust anchor" if about["anchor"] else "self-signed" if about.get("self_signed") else ""
        cards.append(
            Card(node, depth[node], about["label"], tuple(_described(node, about)), weight, noun="certificate", tag=tag)
        )
    anchors = {node for node, anchor in network.nodes(data="anchor") if anchor}
    links = [
        _presented(edge) if edge[2]["kind"] == "presented" else _issued(edge, edge[1] in anchors)
        for edge in network.edges(data=True)
    ]
    return Columns(graph.title, graph.subtitle, heads, cards, links)


def _depths(graph: Graph) -> dict[str, int]:
    """Column of each certificate and issuer: leaves, then as far as the longest way there, anchors all in the last."""
    network, depth = graph.network, {}
    nodes = [node for node, about in network.nodes(data=True) if about["kind"] != "host"]
    for node in nodes:
        depth[node] = 1 if network.nodes[node].get("leaf") else 2
    for _ in range(len(nodes)):  # a longer way would go in circles
        moved = False
        for source, target, about in network.edges(data=True):
            if about["kind"] == "issued-by" and source != target and depth[target] <= depth[source] < _DEEPEST:
                depth[target] = depth[source] + 1
                moved = True
        if not moved:
            break
    last = max(depth.values(), default=2)
    for node in nodes:
        if network.nodes[node]["anchor"] or (network.out_degree(node) == 0 and not network.nodes[node].get("leaf")):
            depth[node] = max(last, 2)
    return depth


_DEEPEST = 6


def _described(node: str, about: dict[str, Any]) -> Iterable[str]:
    organization = attribute(about["subject"], "O")
    if organization and organization != about["label"]:
        yield organization
    if about["kind"] == "certificate":
        yield " to ".join((about[when] or "?")[:10] for when in ("not_before", "not_after"))
        yield f"{about['key']} · SHA-256 {node.removeprefix('sha256:')[:12]}…"
    elif not about["anchor"]:
        yield "known by its name alone"


def _presented(edge: tuple[str, str, dict[str, Any]]) -> Link:
    source, target, about = edge
    verdict = {"pass": "chain passes", "fail": "chain fails"}.get(about["chain"], f"chain {about['chain']}")
    return Link(
        source=source,
        target=target,
        label=f"as {about['side']}, {verdict}",
        tone=about["tone"],
        count=about["count"],
        details=tuple(about["failures"].items()),
        line="dashed" if about["chain"] == "fail" else "solid",
    )


def _issued(edge: tuple[str, str, dict[str, Any]], by_anchor: bool) -> Link:
    """An anchor need not be sent: the other side has it."""
    source, target, about = edge
    line: Line = "solid" if about["sent"] or by_anchor else "dashed"
    return Link(source, target, "", "undetermined", about["count"], line=line)
