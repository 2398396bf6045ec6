"""How do the facts of a handshake become its report?"""

from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from analyzer.issues import Issues
from analyzer.net.connections import Connection, ConnectionTable
from analyzer.net.rows import RST
from analyzer.pki.public_keys import PublicKeys
from analyzer.results import (
    AlertReport,
    Closing,
    Endpoint,
    Evidence,
    HandshakeReference,
    HandshakeReport,
    MessageReport,
    Sender,
)
from analyzer.settings import Limits
from analyzer.shares import ALONE, Earliest, Share
from analyzer.tls import authentication, fingerprint, inference, lineage, outcome, registry, resumption
from analyzer.tls.attempt import TLS_PORTS, Attempt, attempt
from analyzer.tls.carrier import Carrier, carrier, carrier_of_datagrams, is_remarkable
from analyzer.tls.follower import Follower
from analyzer.tls.handshake import SSLV2, Handshake, Parting
from analyzer.tls.hello import ClientHello
from analyzer.tls.history import history
from analyzer.tls.identity import identity
from analyzer.tls.messages import EncryptedExtensions, MalformedMessage, ServerKeyExchange
from analyzer.tls.proofs import proofs
from analyzer.tls.resumption import Resumption

if TYPE_CHECKING:
    from analyzer.tls.association import Association

    Followed = Follower | Association

Transport = Literal["tcp", "udp", "quic"]

_OPEN = 10_000
"""So many connections with TLS that go on are remembered, for sessions that begin later and may resume theirs; of the
oldest ones, only the session."""
_UNLINKED = 200
"""So many sessions wait for one that may resume them; then they are remembered in the lineage, which is bounded."""


class Assembler:
    """Turns finished connections of one capture into reports."""

    def __init__(
        self,
        capture: str,
        limits: Limits,
        issues: Issues,
        table: ConnectionTable,
        tls_ports: frozenset[int] = TLS_PORTS,
        share: Share = ALONE,
    ) -> None:
        """`table` knows the numbers of TCP connections."""
        self._capture = capture
        self._table = table
        self._share = share
        self._limits = limits
        self._issues = issues
        self._tls_ports = tls_ports
        self._lineage = lineage.Lineage()
        self._sessions: list[lineage.Session] = []
        """Those that the lineage does not know yet."""
        self._unlinked: dict[lineage.Place, tuple[HandshakeReport, Resumption]] = {}
        """Reports that do not say yet whose session they resume."""
        self._open: dict[Followed, None] = {}
        """Connections with TLS that go on and whose sessions are not known yet."""
        self._public_keys = PublicKeys()
        self._servers: dict[Endpoint, bool] = {}
        """Those that are known to speak TLS, and whether they do from the first byte."""
        self._attempts: Earliest[HandshakeReport] = Earliest(limits.attempts, share)
        """Of which nobody knows yet whether TLS was due."""

    def begin(self, follower: "Followed") -> None:
        """TLS has begun on a connection: sessions that begin later may resume it before it is over."""
        self._open[follower] = None
        if len(self._open) > _OPEN:
            oldest = next(iter(self._open))
            self._remember_open(oldest)
            self._open.pop(oldest, None)

    def reports(self, follower: "Followed") -> list[HandshakeReport]:
        """What is not reported yet of a connection that is over: its handshakes, or its failed attempt at TLS.

        Those that resume a session are without a verdict until they are linked.
        """
        session, stream = follower.session, self._stream(follower)
        self._open.pop(follower, None)
        if session is not None and session.handshakes:
            handshakes = session.handshakes[follower.reported :]
            reports = [self._report(follower, stream, handshake) for handshake in handshakes]
            follower.reported += len(reports)
            for handshake in session.handshakes:
                if handshake.decryption is not None:
                    handshake.decryption.forget()
            return reports
        tried = attempt(follower) if isinstance(follower, Follower) else None
        if tried is None or not isinstance(follower, Follower):
            return []
        report = self._attempt_report(follower, stream, tried)
        if tried.certain or report.server.port in self._tls_ports:
            return [report]
        self._attempts.add(follower.connection.order, report)
        return []

    def settled(self, follower: "Followed", until: int) -> list[HandshakeReport]:
        """What is not reported yet of a connection that goes on: its handshakes that were established before `until`.

        What comes after stays untold: who closes the connection, and how.
        """
        session, reports, stream = follower.session, list[HandshakeReport](), self._stream(follower)
        while session is not None and follower.reported < len(session.handshakes):
            report = self._report(follower, stream, session.handshakes[follower.reported])
            if report.outcome != "established" or report.start + int((report.duration or 0) * 1e9) > until:
                break
            reports.append(report)
            follower.reported += 1
        return reports

    def _stream(self, follower: "Followed") -> int:
        """Wireshark's number of a connection, as far as is known by now."""
        connection = follower.connection
        return self._table.stream(connection) if isinstance(connection, Connection) else connection.stream

    def late_attempts(self) -> list[HandshakeReport]:
        """Attempts of connections to a server that, as is known by now, speaks TLS."""
        for theirs in self._share.exchange("servers", self._servers):
            for server, at_once in theirs.items():
                self._servers[server] = self._servers.get(server, False) or at_once
        attempts, dropped = self._attempts.settle()
        if dropped:
            message = "Too many connections without TLS: some failed attempts may be missing."
            self._issues.add("attempts", message, count=dropped)
        return [report for report in attempts if self._was_due(report)]

    def _was_due(self, report: HandshakeReport) -> bool:
        """Whether TLS was due on a connection: where it may begin later, plaintext is no failure."""
        at_once = self._servers.get(report.server)
        said_nothing = report.carrier is not None and not report.carrier.heads["client"]
        return at_once is True or (at_once is False and said_nothing)

    def link(self) -> None:
        """Say in the reports since the last time whose sessions they resume, and whom these had authenticated."""
        latest = max((report.first_frame for report, _ in self._unlinked.values()), default=-1)
        shares = self._share.exchange("unlinked", (latest, len(self._sessions)))
        latest = max(latest for latest, _ in shares)
        if latest < 0 and sum(sessions for _, sessions in shares) < _UNLINKED:
            return
        for earlier in [each for each in self._open if each.first_frame < latest]:
            self._remember_open(earlier)
        sessions, self._sessions = self._share.pool("sessions", self._sessions), []
        for place, (original, how) in self._lineage.link(sessions).items():
            if place not in self._unlinked:
                continue
            report, resumed = self._unlinked.pop(place)
            verdict = authentication.inherit(resumed, original)
            if how is not None:
                verdict.evidence.append(Evidence(None, None, None, how))
            report.resumes = HandshakeReference(original.stream, original.handshake) if original else None
            report.authentication, report.authentication_basis = verdict.authentication, verdict.basis
            report.client_certificate_requested = verdict.requested
            report.client_certificate_presented = verdict.presented
            report.evidence[:0] = verdict.evidence

    def _remember_open(self, follower: "Followed") -> None:
        """Remember a connection's first session, if it is established, though it goes on."""
        handshake = follower.session.handshakes[0] if follower.session and follower.session.handshakes else None
        if handshake is None or len({sent.sender for sent in handshake.sent if sent.protection != "cleartext"}) < 2:
            return  # certainly not established
        resumed = resumption.resumption(handshake)
        *_, end = self._judge(follower, self._stream(follower), handshake, resumed)
        if end.outcome == "established":
            del self._open[follower]

    def _judge(
        self, follower: "Followed", stream: int, handshake: Handshake, resumed: Resumption | None
    ) -> tuple[inference.Inference | None, authentication.Verdict, outcome.End]:
        """What the sizes say, who is authenticated (of a resumed session that is still unknown), and how it ended."""
        handshake.sent.sort(key=attrgetter("frame"))  # one side may have been read late, for it had a hole
        sizes = inference.infer(handshake) if handshake.is_tls13 and handshake.server_hello else None
        verdict = authentication.judge(handshake, sizes) if resumed is None else authentication.Verdict()
        end = _end(handshake, sizes)
        flights = (sizes.flights if sizes else set[int]()) if end.outcome == "established" else None
        if flights is not None or resumed is not None:
            client = follower.connection.endpoint(handshake.client_direction)
            server = follower.connection.endpoint(1 - handshake.client_direction)
            place = _transport(handshake), stream, handshake.index
            told = verdict.authentication, verdict.requested, verdict.presented
            self._sessions.append(lineage.session(handshake, place, client, server, resumed, flights, told))
        return sizes, verdict, end

    def _attempt_report(self, follower: Follower, stream: int, tried: Attempt) -> HandshakeReport:
        prologue = follower.beginning.prologue
        closing = follower.closings[0] if follower.closings else None
        last = max(mark.frame for mark in (*follower.openings, *follower.closings)) if closing else 0
        return HandshakeReport(
            capture=self._capture,
            stream=stream,
            display_filter=f"tcp.stream eq {stream}",
            first_frame=follower.first_frame,
            last_frame=max(last, follower.first_frame, tried.evidence.frame or 0),
            start=follower.first_time,
            duration=None,
            client=follower.connection.endpoint(tried.client_direction),
            server=follower.connection.endpoint(1 - tried.client_direction),
            preamble=prologue.name if prologue else None,
            outcome="failed",
            outcome_basis="observed",
            authentication="undetermined",
            evidence=[tried.evidence],
            closed_by=_closing(follower, tried.client_direction),
            carrier=carrier(follower, tried.client_direction),
        )

    def _report(self, follower: "Followed", stream: int, handshake: Handshake) -> HandshakeReport:
        client = follower.connection.endpoint(handshake.client_direction)
        server = follower.connection.endpoint(1 - handshake.client_direction)
        below = follower if isinstance(follower, Follower) else None  # what TCP did, where it is that
        prologue = below.beginning.prologue if below is not None else None
        if below is not None:
            _note_end(handshake, below)
        resumed = resumption.resumption(handshake)
        sizes, verdict, end = self._judge(follower, stream, handshake, resumed)
        if handshake.server_hello is not None and len(self._servers) < self._limits.attempts:
            at_once = prologue is None or not prologue.preambles
            self._servers[server] = self._servers.get(server, False) or at_once
        presented, disputed = verdict.presented is True, below.disputed if below is not None else None
        proved = proofs(handshake, self._public_keys, presented=presented, disputed=disputed)
        evidence = list(verdict.evidence)
        for said in prologue.preambles if prologue is not None and handshake.index == 0 else ():
            if said.name == "proxy-protocol":  # all that the capture has of TLS between the balancer and its client
                evidence.append(Evidence(handshake.first_frame, "client", None, said.says))
        if end.evidence is not None:
            evidence.append(end.evidence)
        evidence += identity(handshake, proved, presented=verdict.presented, resumed=resumed is not None)

        transport = _transport(handshake)
        hello, answer = handshake.client_hello, handshake.server_hello
        suite = answer.cipher_suite if answer else handshake.sslv2_cipher
        offers = [sent.message for sent in handshake.sent if isinstance(sent.message, ClientHello)]
        offer = offers[0] if offers else None  # what other tools take the fingerprint of, also where a retry follows
        last = end.finished
        start = handshake.start
        messages = _messages(handshake, sizes, start)
        shown = messages[-1].frame if messages else 0
        told = end.evidence.frame if end.evidence is not None else None
        report = HandshakeReport(
            capture=self._capture,
            transport=transport,
            stream=stream,
            handshake=handshake.index,
            display_filter=f"{'tcp' if transport == 'tcp' else 'udp'}.stream eq {stream}",
            first_frame=handshake.first_frame,
            last_frame=max(handshake.first_frame, shown, told or 0),
            start=start,
            duration=(last.time - start) / 1e9 if last is not None else None,
            client=client,
            server=server,
            preamble=prologue.name if prologue else None,
            server_name=hello.server_name if hello else None,
            version=_version(handshake),
            cipher_suite=registry.cipher_suite(suite) if suite is not None else None,
            group=_group(handshake),
            alpn=_alpn(handshake),
            hello_retry_request=handshake.hello_retry_request is not None,
            early_data=any(each.early_data for each in offers),
            resumption=resumed.how if resumed else None,
            outcome=end.outcome,
            outcome_basis=end.basis,
            authentication=verdict.authentication,
            authentication_basis=verdict.basis,
            evidence=evidence,
            client_certificate_requested=verdict.requested,
            client_certificate_presented=verdict.presented,
            proofs=proved,
            messages=messages,
            alerts=[
                AlertReport(
                    alert.frame,
                    alert.sender,
                    registry.alert_level(alert.level) if alert.level is not None else None,
                    registry.alert_description(alert.description) if alert.description is not None else None,
                )
                for alert in handshake.alerts
            ],
            closed_by=_closing(below, handshake.client_direction) if below is not None else None,
            ja3=fingerprint.ja3(offer) if offer else None,
            ja3s=fingerprint.ja3s(answer) if answer else None,
            ja4=fingerprint.ja4(offer, transport) if offer else None,
            history=history(handshake, below.beginning.opener if below is not None else None),
            facts=handshake,
            carrier=_carrier(below, handshake, end),
        )
        if resumed is not None:
            self._unlinked[report.place] = report, resumed
        return report


def _note_end(handshake: Handshake, below: Follower) -> None:
    """Let a handshake know how the connection below it ended, and what had reached whom by then."""
    handshake.closings = [
        Parting(
            handshake.sender(mark.direction),
            "rst" if mark.flags & RST else "fin",
            mark.frame,
            mark.time,
            below.received(mark),
        )
        for mark in below.closings
        if not below.reopened_behind(mark)
    ]
    for direction in (0, 1):
        unheard = below.unheard(direction)
        if unheard is not None:
            handshake.unheard[handshake.sender(direction)] = unheard


def _transport(handshake: Handshake) -> Transport:
    if handshake.quic is not None:
        return "quic"
    return "tcp" if handshake.datagrams is None else "udp"


def _end(handshake: Handshake, sizes: inference.Inference | None) -> outcome.End:
    if handshake.quic is None:
        return outcome.judge(handshake, sizes)
    from analyzer.tls.quic import outcome as quic_outcome

    return quic_outcome.judge(handshake, handshake.quic, sizes)


def _carrier(below: Follower | None, handshake: Handshake, end: outcome.End) -> Carrier | None:
    """What carried a handshake, where that is remarkable."""
    always = end.outcome != "established"
    if below is None:
        return carrier_of_datagrams(handshake, always=always)
    took = end.finished.time - handshake.start if end.finished is not None else 0
    return carrier(below, handshake.client_direction) if always or is_remarkable(below, took) else None


def _closing(follower: Follower, client_direction: int) -> Closing | None:
    """Who closed first."""
    mark = next((mark for mark in follower.closings if not follower.reopened_behind(mark)), None)
    if mark is None:
        return None
    return Closing(
        "client" if mark.direction == client_direction else "server", "rst" if mark.flags & RST else "fin", mark.frame
    )


def _version(handshake: Handshake) -> str | None:
    """The agreed version; null where no hello of the server says one."""
    if handshake.server_hello is not None:
        return registry.version(handshake.server_hello.selected_version)
    return registry.version(handshake.version) if handshake.version == SSLV2 else None


def _group(handshake: Handshake) -> str | None:
    """The named group of the key exchange."""
    answer = handshake.server_hello
    if answer is None:
        return None
    if handshake.is_tls13:
        group = answer.key_share_group
        return registry.group(group) if group is not None else None
    exchange = handshake.find(ServerKeyExchange, "server")
    suite = handshake.suite
    if exchange is None or suite is None or handshake.version is None:
        return None
    parameters = exchange.parameters(suite, handshake.version)
    if isinstance(parameters, MalformedMessage) or parameters.group is None:
        return None
    return registry.group(parameters.group)


def _alpn(handshake: Handshake) -> str | None:
    """The chosen application protocol."""
    answers = (handshake.find(EncryptedExtensions, "server"), handshake.server_hello)
    return next((answer.alpn for answer in answers if answer is not None and answer.alpn), None)


def _messages(handshake: Handshake, sizes: inference.Inference | None, start: int) -> list[MessageReport]:
    """All messages; of what is merely data, the first of each direction."""
    reports: list[MessageReport] = []
    data_seen: set[Sender] = set()
    hidden = sizes.flights if sizes is not None else set[int]()
    for index, sent in enumerate(handshake.sent):
        name = sent.name
        if name == "application_data":
            if index in hidden and sent.protection == "encrypted":
                name = "encrypted_handshake"
            elif sent.sender in data_seen:
                continue
            else:
                data_seen.add(sent.sender)
        reports.append(
            MessageReport(sent.frame, (sent.time - start) / 1e9, sent.sender, name, sent.length, sent.protection)
        )
    return reports
