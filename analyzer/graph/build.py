"""How do reports become a graph? Which nodes and edges there are, and what their attributes mean.

Every node has `kind` and `label`; every edge has `kind`, `tone` (a field of `analyzer.diagram.palette.Palette`) and
`count` (of handshakes). Counts of words are dictionaries, the most frequent first.

The view `handshakes`: a node is a `host`, by its address, with `names` (what it is called by server names, or by the
subject of its certificate), `client` and `server` (in how many handshakes it was which). An edge leads from client to
server and stands for all handshakes of the same `transport`, `port`, `authentication` and `outcome`, with `versions`,
`bases`, `causes` (root causes), and `capture` and `display_filter` of the first.

The view `trust`: a node is a `host`; a `certificate`, by its SHA-256, with `subject`, `issuer`, `not_before`,
`not_after`, `key`, `self_signed`, `ca`, `leaf` (was presented as the first of a chain) and `anchor`; or an `issuer`
that is known by its name alone, with `subject` and `anchor` (a chain led to it as a trust anchor). An edge `presented`
leads from a host to its leaf and stands for all handshakes of the same `side` and `chain` (status of the chain), with
`failures` (checks) and `peers` (to how many hosts); an edge `issued-by` leads from a certificate to its issuer, with
`sent` (the issuer's certificate was sent along; if not, it was seen elsewhere, or never).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from networkx import MultiDiGraph

from analyzer.diagram.palette import verdict
from analyzer.errors import UsageError
from analyzer.graph.model import VIEWS, Graph, View
from analyzer.graph.names import common_name
from analyzer.report import words
from analyzer.results import CaptureReport, CertificateReport, ChainReport, HandshakeReport, Sender, Status


def build(reports: Iterable[CaptureReport], view: View) -> Graph:
    """The graph of a view.

    Raises:
        UsageError: there is no such view.
    """
    if view not in VIEWS:
        raise UsageError(f"{view}: no view of a graph; there are {', '.join(VIEWS)}")
    captures = list(reports)
    handshakes = [each for report in captures for each in report.handshakes]
    where = captures[0].capture if len(captures) == 1 else words.count(len(captures), "capture")
    network = _handshakes(handshakes) if view == "handshakes" else _Trust(handshakes).network
    kinds = Counter(str(about["kind"]) for _, about in network.nodes(data=True))
    counts = [words.count(kinds[kind], kind) for kind in ("host", "certificate", "issuer") if kinds[kind]]
    counted = ", ".join([words.count(len(handshakes), "handshake"), *counts])
    hidden = sum(map(words.hides_certificates, handshakes)) if view == "trust" else 0
    said = f"{where}: {counted}" + (f"; {words.hidden(hidden)}" if hidden else "")
    return Graph(view, _TITLES[view], said, network, hidden)


_TITLES: dict[View, str] = {"handshakes": "Who shook hands with whom", "trust": "Who trusts whom"}


_SIDES: tuple[Sender, Sender] = ("client", "server")


# Who shook hands with whom


def _handshakes(handshakes: list[HandshakeReport]) -> "MultiDiGraph[str]":
    network: MultiDiGraph[str] = MultiDiGraph()
    for report in handshakes:
        for side in _SIDES:
            host = _host(network, getattr(report, side).ip)
            host[side] += 1
            host["names"].update(_names(report, side))
        key = f"{report.transport} {report.server.port} {report.authentication} {report.outcome}"
        edge = _edge(network, report.client.ip, report.server.ip, key, _first(report))
        edge["count"] += 1
        edge["versions"][report.version or "no TLS"] += 1
        edge["bases"].update([report.authentication_basis] if report.authentication_basis else ())
        edge["causes"].update([report.root_cause] if report.root_cause else ())
    return _settled(network)


def _first(report: HandshakeReport) -> dict[str, Any]:
    return {
        "kind": "handshake",
        "transport": report.transport,
        "port": report.server.port,
        "authentication": report.authentication,
        "outcome": report.outcome,
        "tone": verdict(report.authentication, report.outcome),
        "count": 0,
        "versions": Counter(),
        "bases": Counter(),
        "causes": Counter(),
        "capture": report.capture,
        "display_filter": report.display_filter,
    }


def _names(report: HandshakeReport, side: Sender) -> Iterator[str]:
    """What a host is called: a server as the client called it, else as its certificate does."""
    if side == "server" and report.server_name:
        yield report.server_name
        return
    sent = report.certificates[side]
    if sent:
        yield common_name(sent[0].subject)


def _host(network: "MultiDiGraph[str]", address: str) -> dict[str, Any]:
    if address not in network:
        network.add_node(address, kind="host", names=Counter(), client=0, server=0)
    found: dict[str, Any] = network.nodes[address]
    return found


# Who trusts whom


class _Trust:
    """Collects the certificates of all chains, and who issued them."""

    def __init__(self, handshakes: list[HandshakeReport]) -> None:
        self.network: MultiDiGraph[str] = MultiDiGraph()
        self._peers: dict[tuple[str, str, str], set[str]] = {}
        self._authorities: dict[str, list[str]] = {}
        """Of each subject the certificates of authorities that were seen."""
        chains = [(report, side, sent) for report in handshakes for side, sent in report.certificates.items() if sent]
        for _, _, sent in chains:
            for certificate in sent:
                self._certificate(certificate)
        for report, side, sent in chains:
            self._presented(report, side, sent)
            self._issued(sent, report.chain[side])
        for edge, peers in self._peers.items():
            self.network.edges[edge]["peers"] = len(peers)
        _settled(self.network)

    def _certificate(self, certificate: CertificateReport) -> None:
        node = _id(certificate)
        if node in self.network:
            return
        self.network.add_node(
            node,
            kind="certificate",
            label=common_name(certificate.subject),
            subject=certificate.subject,
            issuer=certificate.issuer,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            key=certificate.key,
            self_signed=certificate.self_signed,
            ca=certificate.ca,
            leaf=False,
            anchor=False,
        )
        if certificate.ca:
            self._authorities.setdefault(certificate.subject, []).append(node)

    def _presented(self, report: HandshakeReport, side: Sender, sent: list[CertificateReport]) -> None:
        endpoint, peer = (report.server, report.client) if side == "server" else (report.client, report.server)
        leaf, chain = _id(sent[0]), report.chain[side]
        host = _host(self.network, endpoint.ip)
        host[side] += 1
        host["names"].update(_names(report, side))
        self.network.nodes[leaf]["leaf"] = True
        status = chain.status if chain else "undetermined"
        edge = _edge(self.network, endpoint.ip, leaf, f"{side} {status}", _showing(side, status))
        edge["count"] += 1
        edge["failures"].update(
            sorted({check.check for check in chain.checks if check.status == "fail"}) if chain else ()
        )
        self._peers.setdefault((endpoint.ip, leaf, f"{side} {status}"), set()).add(peer.ip)

    def _issued(self, sent: list[CertificateReport], chain: ChainReport | None) -> None:
        anchor = chain.anchor if chain else None
        for certificate in sent:
            if certificate.self_signed:
                if certificate.subject == anchor:
                    self.network.nodes[_id(certificate)]["anchor"] = True
                continue
            issuer, along = self._issuer(certificate, sent)
            if certificate.issuer == anchor:
                self.network.nodes[issuer]["anchor"] = True
            node = _id(certificate)
            edge = _edge(self.network, node, issuer, "issued-by", _issuing())
            edge["count"] += 1
            edge["sent"] = edge["sent"] or along

    def _issuer(self, certificate: CertificateReport, sent: list[CertificateReport]) -> tuple[str, bool]:
        """Node of the issuer, and whether it was sent along; by its name: the report tells whether it signed."""
        for other in sent:
            if other.subject == certificate.issuer and other.sha256 != certificate.sha256:
                return _id(other), True
        elsewhere = self._authorities.get(certificate.issuer, [])
        if len(elsewhere) == 1:
            return elsewhere[0], False
        node = f"name:{certificate.issuer}"
        if node not in self.network:
            label = common_name(certificate.issuer)
            self.network.add_node(node, kind="issuer", label=label, subject=certificate.issuer, anchor=False)
        return node, False


def _showing(side: Sender, status: Status) -> dict[str, Any]:
    return {
        "kind": "presented",
        "side": side,
        "chain": status,
        "tone": {"pass": "mutual", "fail": "failed"}.get(status, "undetermined"),
        "count": 0,
        "failures": Counter(),
        "peers": 0,
    }


def _issuing() -> dict[str, Any]:
    return {"kind": "issued-by", "tone": "undetermined", "count": 0, "sent": False}


def _id(certificate: CertificateReport) -> str:
    return f"sha256:{certificate.sha256}"


# Both


def _edge(network: "MultiDiGraph[str]", source: str, target: str, key: str, new: dict[str, Any]) -> dict[str, Any]:
    if not network.has_edge(source, target, key):
        network.add_edge(source, target, key, **new)
    found: dict[str, Any] = network.edges[source, target, key]
    return found


def _settled(network: "MultiDiGraph[str]") -> "MultiDiGraph[str]":
    """The same with counters as plain dictionaries, the most frequent first, and hosts that have a label."""
    for node, about in network.nodes(data=True):
        _settle(about)
        if about["kind"] == "host":
            about["label"] = next(iter(about["names"]), node)
    for _, _, about in network.edges(data=True):
        _settle(about)
    return network


def _settle(about: dict[str, Any]) -> None:
    for name, value in about.items():
        if isinstance(value, Counter):
            about[name] = dict(sorted(value.items(), key=lambda one: (-one[1], one[0])))
