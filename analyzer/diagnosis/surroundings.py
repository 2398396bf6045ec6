"""What else does the capture know of the same server, client and certificates?

A capture may hold a hundred thousand handshakes with one server, and each that failed asks for the others: so every
index keeps only a few of a kind, and answers without going through all.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from analyzer.results import (
    Authentication,
    CertificateReport,
    ChainReport,
    Endpoint,
    HandshakeReference,
    HandshakeReport,
    Outcome,
    Sender,
)
from analyzer.tls.attempt import TLS_PORTS

_A = TypeVar("_A")
_K = TypeVar("_K", bound=Hashable)

_KEPT = 32
"""Handshakes that an index keeps of a kind."""

Place = tuple[int, str | None]
"""Port and server name."""


class Sighting(NamedTuple):
    """What a diagnosis may want to know of another handshake; the fields are those of its report."""

    transport: str
    stream: int
    handshake: int
    display_filter: str
    first_frame: int
    start: int
    client: Endpoint
    server: Endpoint
    preamble: str | None
    server_name: str | None
    version: str | None
    cipher_suite: str | None
    group: str | None
    resumption: str | None
    resumes: HandshakeReference | None
    outcome: Outcome
    authentication: Authentication
    client_certificate_presented: bool | None
    certificates: dict[Sender, list[CertificateReport]]
    hello_length: int | None
    """Bytes of the client's first ClientHello; None where none is seen."""
    is_attempt: bool
    """It never came to a handshake."""

    def is_of(self, report: HandshakeReport) -> bool:
        """Whether it is this very handshake."""
        return self.place == report.place

    @property
    def place(self) -> tuple[str, int, int]:
        """As `HandshakeReport.place`."""
        return self[:3]


_copied = attrgetter(*Sighting._fields[:-2])


def sighting(report: HandshakeReport) -> Sighting:
    """What others may want to know of a handshake."""
    sent = report.facts.first("client_hello", "client") if report.facts else None
    return Sighting._make((*_copied(report), sent.length if sent else None, report.facts is None))


class Outage(NamedTuple):
    """From one moment on all handshakes with a server failed."""

    since: int
    """Nanoseconds since 1970-01-01 UTC."""
    accepted: int
    """Established handshakes until then."""
    failed: list[Sighting]
    """Those since then, in order of time."""

    @property
    def clients(self) -> int:
        """How many clients it meets."""
        return len({report.client.ip for report in self.failed})


class Surroundings:
    """All handshakes of a capture, by what they have in common; an index is made when it is first asked for."""

    def __init__(
        self,
        sightings: Sequence[Sighting],
        *,
        assumed_trust: bool = True,
        tls_ports: frozenset[int] = TLS_PORTS,
    ) -> None:
        self.sightings = sightings
        """In the order of the capture's streams."""
        self.assumed_trust = assumed_trust
        """Nobody said whom the clients trust: a public trust store stands in for theirs."""
        self.tls_ports = tls_ports
        """Where TLS is expected to begin at once."""
        self.unremarkable: set[str] = set()
        """Certificates, by SHA-256, that a costly look found nothing in."""
        self._failures: dict[int, tuple[ChainReport, frozenset[str]]] = {}
        self._answers: dict[tuple[object, str], Any] = {}
        self._last: tuple[HandshakeReport, object, bool] | None = None

    def failures(self, chain: ChainReport | None) -> frozenset[str]:
        """Names of the checks that a chain fails; chains are shared by handshakes, so each is asked once."""
        if chain is None:
            return _NONE
        known = self._failures.get(id(chain))
        if known is None or known[0] is not chain:
            failed = frozenset([check.check for check in chain.checks if check.status == "fail"])
            known = self._failures[id(chain)] = chain, failed
        return known[1]

    def once(self, question: Callable[[str], _A], text: str) -> _A:
        """The answer to a question about a text that many handshakes share, asked once."""
        key = question, text
        if key not in self._answers:
            self._answers[key] = question(text)
        answer: _A = self._answers[key]
        return answer

    def asked_last(self, question: Callable[["Surroundings", HandshakeReport], bool], report: HandshakeReport) -> bool:
        """The answer to a question that several rules in turn ask about the same handshake."""
        if self._last is None or self._last[0] is not report or self._last[1] is not question:
            self._last = report, question, question(self, report)
        return self._last[2]

    # The same connection

    @cached_property
    def _by_place(self) -> dict[tuple[str, int, int], Sighting]:
        return {one.place: one for one in self.sightings}

    def original(self, report: HandshakeReport) -> Sighting | None:
        """The handshake whose session this one resumes."""
        link = report.resumes
        return self._by_place.get((report.transport, link.stream, link.handshake)) if link else None

    def following(self, report: HandshakeReport) -> Sighting | None:
        """The next handshake on the same connection."""
        return self._by_place.get((report.transport, report.stream, report.handshake + 1))

    # The same server

    @cached_property
    def _established(self) -> dict[Endpoint, list[Sighting]]:
        return _grouped((report.server, report) for report in self.sightings if report.outcome == "established")

    def established_of_server(self, report: HandshakeReport) -> list[Sighting]:
        """A few other handshakes with the same endpoint that were established."""
        return [other for other in self._established.get(report.server, ()) if not other.is_of(report)]

    @cached_property
    def by_name(self) -> dict[str, list[Sighting]]:
        """A few of every server name that show the server's certificate and were established."""
        return _grouped(
            (report.server_name, report)
            for report in self.sightings
            if report.server_name and report.certificates["server"] and report.outcome == "established"
        )

    @cached_property
    def outages(self) -> dict[Endpoint, Outage]:
        """Servers that accepted clients until a moment, and none since."""
        whole: dict[Endpoint, list[Sighting]] = {}
        for report in self.sightings:
            if not report.is_attempt and report.outcome != "incomplete":
                whole.setdefault(report.server, []).append(report)
        found = {}
        for server, reports in whole.items():
            failed = sorted((one for one in reports if one.outcome == "failed"), key=attrgetter("start"))
            accepted = [one.start for one in reports if one.outcome == "established"]
            if failed and accepted and max(accepted) < failed[0].start:
                found[server] = Outage(failed[0].start, len(accepted), failed)
        return found

    # The same client

    @cached_property
    def _succeeding(self) -> dict[str, list[Sighting]]:
        return _grouped(
            (report.client.ip, report)
            for report in self.sightings
            if report.outcome == "established" and report.resumption is None
        )

    def successes_of_client(self, report: HandshakeReport) -> list[Sighting]:
        """A few whole handshakes of the same client that were established."""
        return self._succeeding.get(report.client.ip, [])

    @cached_property
    def _identities(self) -> dict[str, dict[str, Sighting]]:
        """By address, the client certificates that were shown there, and the first handshake of each."""
        found: dict[str, dict[str, Sighting]] = {}
        for report in self.sightings:
            if report.certificates["client"]:
                known = found.setdefault(report.client.ip, {})
                if len(known) < _KEPT:
                    known.setdefault(report.certificates["client"][0].sha256, report)
        return found

    def client_identities(self, report: HandshakeReport) -> list[Sighting]:
        """One other handshake for every certificate that the same client presented."""
        return [one for one in self._identities.get(report.client.ip, {}).values() if not one.is_of(report)]

    @cached_property
    def _presented(self) -> dict[tuple[str, str], dict[Place, Sighting]]:
        found: dict[tuple[str, str], dict[Place, Sighting]] = {}
        for report in self.sightings:
            if report.client_certificate_presented and report.resumption is None:
                known = found.setdefault((report.client.ip, report.server.ip), {})
                if len(known) < _KEPT:
                    known.setdefault((report.server.port, report.server_name), report)
        return found

    def presents_elsewhere(self, report: HandshakeReport) -> Sighting | None:
        """A handshake in which the client showed a certificate to this host, on another port or by another name."""
        places = self._presented.get((report.client.ip, report.server.ip))
        if places is None:
            return None
        here = report.server.port, report.server_name
        return next((other for place, other in places.items() if place != here), None)

    # Certificates over time

    @cached_property
    def _leaves(self) -> dict[tuple[Sender, str, Endpoint, str | None], dict[str, Sighting]]:
        found: dict[tuple[Sender, str, Endpoint, str | None], dict[str, Sighting]] = {}
        for report in self.sightings:
            for side, certificates in report.certificates.items():
                if certificates:
                    known = found.setdefault((side, report.client.ip, report.server, report.server_name), {})
                    if len(known) < _KEPT:
                        known.setdefault(certificates[0].sha256, report)
        return found

    def rotated(self, report: HandshakeReport, original: Sighting, side: Sender) -> Sighting | None:
        """A handshake of the same parties behind `original` in which a side showed another certificate."""
        before = original.certificates[side]
        if not before:
            return None
        seen = self._leaves.get((side, report.client.ip, report.server, report.server_name), {})
        return next(
            (other for leaf, other in seen.items() if leaf != before[0].sha256 and other.start > original.start), None
        )

    # Other legs

    @cached_property
    def _failed_by_client(self) -> dict[str, list[Sighting]]:
        failed = [report for report in self.sightings if report.outcome == "failed"]
        return _grouped(((one.client.ip, one) for one in sorted(failed, key=attrgetter("start"))), most=len(failed))

    def failed_of(self, address: str) -> bool:
        """Whether a handshake failed whose client has this address."""
        return address in self._failed_by_client

    def failed_between(self, address: str, since: int, until: int) -> list[Sighting]:
        """A few handshakes that failed, of the client with this address, begun in this time (nanoseconds)."""
        failed = self._failed_by_client.get(address, [])
        first = bisect_left(failed, since, key=attrgetter("start"))
        return [one for one in failed[first : first + _KEPT] if one.start <= until]


_NONE: frozenset[str] = frozenset()


def _grouped(pairs: Iterable[tuple[_K, Sighting]], most: int = _KEPT) -> dict[_K, list[Sighting]]:
    groups: dict[_K, list[Sighting]] = {}
    for key, report in pairs:
        group = groups.setdefault(key, [])
        if len(group) < most:
            group.append(report)
    return groups
