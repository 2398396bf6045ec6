"""How do the facts of a handshake become its report?"""

from analyzer.issues import Issues
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
from analyzer.tls import authentication, inference, outcome, registry, resumption
from analyzer.tls.attempt import TLS_PORTS, Attempt, attempt
from analyzer.tls.follower import Follower
from analyzer.tls.handshake import Handshake
from analyzer.tls.identity import identity
from analyzer.tls.proofs import proofs
from analyzer.tls.resumption import Lineage, Original


class Assembler:
    """Turns finished connections of one capture into reports, in the order in which they are given."""

    def __init__(self, capture: str, limits: Limits, issues: Issues) -> None:
        self._capture = capture
        self._limits = limits
        self._issues = issues
        self._lineage = Lineage()
        self._public_keys = PublicKeys()
        self._servers: set[Endpoint] = set()
        self._attempts: list[HandshakeReport] = []

    def reports(self, follower: Follower, stream: int) -> list[HandshakeReport]:
        """One report for each handshake of a connection that is over, or for its failed attempt at TLS."""
        session = follower.session
        if session is not None and session.handshakes:
            reports = [self._report(follower, stream, handshake) for handshake in session.handshakes]
            if len(self._servers) < self._limits.attempts:
                self._servers.add(reports[0].server)
            return reports
        tried = attempt(follower) if session is None else None
        if tried is None:
            return []
        report = self._attempt_report(follower, stream, tried)
        if tried.certain or report.server.port in TLS_PORTS:
            return [report]
        if len(self._attempts) < self._limits.attempts:
            self._attempts.append(report)
        else:
            self._issues.add("attempts", "Too many connections without TLS: some failed attempts may be missing.")
        return []

    def late_attempts(self) -> list[HandshakeReport]:
        """Attempts of connections to a server that, as is known by now, speaks TLS."""
        return [report for report in self._attempts if report.server in self._servers]

    def _attempt_report(self, follower: Follower, stream: int, tried: Attempt) -> HandshakeReport:
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
            preamble=follower.prologue.name if follower.prologue else None,
            outcome="failed",
            outcome_basis="observed",
            authentication="undetermined",
            evidence=[tried.evidence],
            closed_by=_closing(follower, tried.client_direction),
        )

    def _report(self, follower: Follower, stream: int, handshake: Handshake) -> HandshakeReport:
        client = follower.connection.endpoint(handshake.client_direction)
        server = follower.connection.endpoint(1 - handshake.client_direction)
        handshake.closings = [
            (handshake.sender(mark.direction), "rst" if mark.flags & RST else "fin", mark.frame, mark.time)
            for mark in follower.closings
        ]
        sizes = inference.infer(handshake) if handshake.is_tls13 and handshake.server_hello else None
        resumed = resumption.resumption(handshake)
        original, link = None, None
        if resumed is not None:
            original, link = self._lineage.original(handshake, resumed, client, server)
        verdict = authentication.judge(handshake, sizes, resumed, original)
        if link:
            verdict.evidence.append(Evidence(None, None, None, link))
        end = outcome.judge(handshake, sizes)
        if end.outcome == "established":
            found = Original(stream, handshake.index, verdict.authentication, verdict.requested, verdict.presented)
            self._lineage.remember(handshake, client, server, found)
        proved = proofs(handshake, self._public_keys, presented=verdict.presented is True)
        evidence = list(verdict.evidence)
        if end.evidence is not None:
            evidence.append(end.evidence)
        evidence += identity(handshake, proved, presented=verdict.presented, resumed=resumed is not None)

        hello, answer = handshake.client_hello, handshake.server_hello
        last = end.finished
        start = handshake.start
        return HandshakeReport(
            capture=self._capture,
            stream=stream,
            handshake=handshake.index,
            display_filter=f"tcp.stream eq {stream}",
            first_frame=handshake.first_frame,
            last_frame=max((sent.frame for sent in handshake.sent), default=handshake.first_frame),
            start=start,
            duration=(last.time - start) / 1e9 if last is not None else None,
            client=client,
            server=server,
            preamble=follower.prologue.name if follower.prologue else None,
            server_name=hello.server_name if hello else None,
            version=registry.version(answer.selected_version) if answer else None,
            cipher_suite=registry.cipher_suite(answer.cipher_suite) if answer else None,
            group=_group(handshake),
            alpn=_alpn(handshake),
            hello_retry_request=handshake.hello_retry_request is not None,
            early_data=bool(hello and hello.early_data),
            resumption=resumed.how if resumed else None,
            resumes=HandshakeReference(original.stream, original.handshake) if original else None,
            outcome=end.outcome,
            outcome_basis=end.basis,
            authentication=verdict.authentication,
            authentication_basis=verdict.basis,
            evidence=evidence,
            client_certificate_requested=verdict.requested,
            client_certificate_presented=verdict.presented,
            proofs=proved,
            messages=_messages(handshake, sizes, start),
            alerts=[
                AlertReport(
                    alert.frame,
                    alert.sender,
                    registry.alert_level(alert.level) if alert.level is not None else None,
                    registry.alert_description(alert.description) if alert.description is not None else None,
                )
                for alert in handshake.alerts
            ],
            closed_by=_closing(follower, handshake.client_direction),
            facts=handshake,
        )


def _closing(follower: Follower, client_direction: int) -> Closing | None:
    """Who closed first."""
    if not follower.closings:
        return None
    mark = follower.closings[0]
    return Closing(
        "client" if mark.direction == client_direction else "server", "rst" if mark.flags & RST else "fin", mark.frame
    )


def _group(handshake: Handshake) -> str | None:
    """The named group of the key exchange."""
    answer = handshake.server_hello
    if answer is None:
        return None
    if handshake.is_tls13:
        group = answer.key_share_group
        return registry.group(group) if group is not None else None
    sent = handshake.first("server_key_exchange", "server")
    suite = handshake.suite
    if sent is None or suite is None or handshake.version is None:
        return None
    parameters = getattr(sent.message, "parameters", None)
    group = getattr(parameters(suite, handshake.version), "group", None) if parameters else None
    return registry.group(group) if group is not None else None


def _alpn(handshake: Handshake) -> str | None:
    """The chosen application protocol."""
    extensions = handshake.first("encrypted_extensions", "server")
    for message in (extensions.message if extensions else None, handshake.server_hello):
        alpn = getattr(message, "alpn", None)
        if alpn:
            return alpn if isinstance(alpn, str) else str(alpn)
    return None


def _messages(handshake: Handshake, sizes: inference.Inference | None, start: int) -> list[MessageReport]:
    """All messages; of what is merely data, the first of each direction."""
    reports: list[MessageReport] = []
    data_seen: set[Sender] = set()
    hidden = _hidden_handshake(handshake, sizes)
    for index, sent in enumerate(handshake.sent):
        name = sent.name
        if name == "application_data":
            if index in hidden:
                name = "encrypted_handshake"
            elif sent.sender in data_seen:
                continue
            else:
                data_seen.add(sent.sender)
        reports.append(
            MessageReport(sent.frame, (sent.time - start) / 1e9, sent.sender, name, sent.length, sent.protection)
        )
    return reports


def _hidden_handshake(handshake: Handshake, sizes: inference.Inference | None) -> set[int]:
    """Positions of TLS 1.3's protected records that belong to the handshake, as far as sizes tell."""
    if sizes is None:
        return set()
    done = sizes.client_finished
    positions = set(sizes.roles)
    for index, sent in enumerate(handshake.sent):
        if sent.name == "application_data" and (done is None or sent.frame < done.frame) and sent.sender == "server":
            positions.add(index)
        if sent is done:
            positions.add(index)
    return positions
