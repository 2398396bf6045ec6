"""Do the certificates of each side lead to an anchor? What the handshake says of them, put before the validator."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns

from analyzer import truststores
from analyzer.errors import UsageError
from analyzer.pki.context import Answer, Exchange, Settings
from analyzer.pki.verdict import Validator
from analyzer.results import CertificateReport, ChainReport, HandshakeReport, Sender
from analyzer.tls import messages
from analyzer.tls.handshake import SSLV2, Handshake

_RAW_PUBLIC_KEY = 2
Files = str | Path | Iterable[str | Path]


@dataclass(slots=True, frozen=True)
class Trust:
    """Whom the parties trust, and when: the options of an analysis."""

    trust: Files = "mozilla"
    """What the client trusts: mozilla, system, none, files and folders."""
    client_trust: Files = ()
    """What the server trusts; without it the client's chain is undetermined."""
    crl: Files = ()
    """Revocation lists."""
    server_name: str | None = None
    """Whom the client meant to reach, where the hello does not say, or says something else."""
    at: str = "capture"
    """Validation time: capture (each handshake's own), now, or an ISO 8601 time."""
    ct_logs: Files = ()
    """Lists of the logs of Certificate Transparency; without one SCTs are not checked."""

    @property
    def assumed(self) -> bool:
        """Whether nobody said whom the client trusts, so that Mozilla's store stands in for its own."""
        return several(self.trust) == ["mozilla"]

    def time(self) -> int | None:
        """The fixed validation time in nanoseconds since 1970; None for that of each handshake."""
        if self.at == "capture":
            return None
        if self.at == "now":
            return time_ns()
        try:
            moment = datetime.fromisoformat(self.at)
        except ValueError:
            raise UsageError(f"{self.at}: no time; capture, now, or such as 2026-11-23T14:25:00Z") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1_000_000) * 1000


Sent = tuple[tuple[str, int, int, int], str, bytes]
"""Where a certificate was sent, as what sorts and as what a person looks for, and its DER."""


class Chains:
    """Judges the certificates of one capture's handshakes."""

    def __init__(self, trust: Trust) -> None:
        """Load the stores; raises UsageError where that fails."""
        self._time = trust.time()
        self._server_name = trust.server_name
        self._assumed = trust.assumed
        self._validator = Validator(
            truststores.load(several(trust.trust)),
            truststores.load(several(trust.client_trust)),
            assumed=trust.assumed,
            crls=[truststores.load_revocation_list(path) for path in several(trust.crl)],
            settings=Settings(transparency_logs=truststores.load_transparency_logs(several(trust.ct_logs))),
        )

    def sent(self, reports: Iterable[HandshakeReport]) -> list[Sent]:
        """The issuers that handshakes sent and that are not learned yet; the reports are in the capture's order."""
        found: dict[bytes, Sent] = {}
        for report in reports:
            for sender in _SIDES:
                shown = _certificate(report.facts, sender) if report.facts else None
                for issuer in shown[1].certificates[1:] if shown is not None else ():
                    if issuer not in found and not self._validator.knows(issuer):
                        found[issuer] = (*report.place, len(found)), report.display_filter, issuer
        return list(found.values())

    def learn(self, sent: Iterable[Sent]) -> None:
        """Certificates that were sent somewhere in the capture may complete a chain elsewhere."""
        for _, where, issuer in sorted(sent):
            self._validator.learn(issuer, where)

    def judge(self, report: HandshakeReport) -> None:
        """Fill in the report's certificates and chains."""
        facts = report.facts
        if facts is None:
            return
        for sender in _SIDES:
            sent = presented(facts, sender)
            if sent is None or not sent.chain:
                continue
            report.certificates[sender] = [self._certificate(der) for der in sent.chain]
            if not sent.raw_public_key:
                report.chain[sender] = self._chain(report, facts, sender, sent)

    def _certificate(self, der: bytes) -> CertificateReport:
        return self._validator.certificate(der).report

    def _chain(self, report: HandshakeReport, facts: Handshake, sender: Sender, sent: "Presented") -> ChainReport:
        exchange = self._of_server(report, facts, sent) if sender == "server" else _of_client(facts)
        time = report.start if self._time is None else self._time
        return self._validator.validate(sent.chain, exchange, time=time).report

    def _of_server(self, report: HandshakeReport, facts: Handshake, sent: "Presented") -> Exchange:
        hello, suite = facts.client_hello, facts.suite
        return Exchange(
            role="server",
            reference=self._server_name or (hello.server_name if hello else None),
            signature_schemes=(hello.signature_algorithms if hello else None) or (),
            key_exchange=suite.key_exchange if suite else None,
            staple=sent.staple,
            timestamps=sent.timestamps,
            answer=_answer(report, facts) if self._assumed else None,
        )


_SIDES: tuple[Sender, Sender] = ("server", "client")


@dataclass(slots=True)
class Presented:
    """One side's Certificate message, and what came with it."""

    frame: int
    """Where the message is."""
    chain: tuple[bytes, ...] = field(default=())
    """DER, leaf first."""
    raw_public_key: bool = False
    """It is no chain but a bare key (RFC 7250)."""
    staple: bytes | None = None
    """DER of the OCSP response for the leaf."""
    timestamps: bytes | None = None
    """SignedCertificateTimestampList for the leaf."""


def presented(facts: Handshake, sender: Sender) -> Presented | None:
    """The certificates that one side sent; None where it sent none, or none can be read."""
    if sender == "server" and facts.version == SSLV2:
        answer = facts.first("server_hello", "server")
        if answer is not None and isinstance(answer.message, messages.SSLv2ServerHello):
            return Presented(answer.frame, (answer.message.certificate,) if answer.message.certificate else ())
    found = _certificate(facts, sender)
    if found is None:
        return None
    frame, message = found
    leaf = message.entries[0]
    status = facts.first("certificate_status", sender)
    staple = leaf.ocsp_response
    if status is not None and isinstance(status.message, messages.CertificateStatus):
        staple = next(iter(status.message.responses), None)
    timestamps = leaf.extension(_TIMESTAMPS)
    raw, hello = False, facts.server_hello
    for answers in (hello, facts.find(messages.EncryptedExtensions)):  # up to TLS 1.2, and since
        if answers is not None:
            agreed = answers.server_certificate_type if sender == "server" else answers.client_certificate_type
            raw = raw or agreed == _RAW_PUBLIC_KEY
    if hello is not None and timestamps is None and sender == "server":
        timestamps = hello.extension(_TIMESTAMPS)
    return Presented(frame, message.certificates, raw, staple, timestamps)


def _certificate(facts: Handshake, sender: Sender) -> tuple[int, messages.Certificate] | None:
    """The first message that has any, and its frame: a client without one may still show one behind the handshake."""
    for sent in facts.sent:
        if sent.sender == sender and sent.name in ("certificate", "compressed_certificate"):
            message = sent.message
            if isinstance(message, messages.CompressedCertificate):
                message = message.certificate
            if isinstance(message, messages.Certificate) and message.entries:
                return sent.frame, message
    return None


_TIMESTAMPS = 18


_ANSWERS = ("certificate", "client_key_exchange", "finished")


def _answer(report: HandshakeReport, facts: Handshake) -> Answer | None:
    """What the client did when it had the server's certificates; some refuse them only behind their own Finished."""
    objects = any(alert.sender == "client" for alert in report.alerts)
    took = not objects and any(facts.first(name, "client") for name in _ANSWERS)
    if report.outcome == "established" or took:
        return "went-on"
    closed = report.closed_by is not None and report.closed_by.sender == "client"
    return "refused" if report.outcome == "failed" and (objects or closed) else None


def _of_client(facts: Handshake) -> Exchange:
    request = facts.first("certificate_request", "server")
    message = request.message if request else None
    if not isinstance(message, messages.CertificateRequest):
        return Exchange(role="client")
    return Exchange(
        role="client",
        authorities=message.certificate_authorities,
        certificate_types=tuple(message.certificate_types),
        signature_schemes=message.signature_algorithms or (),
        key_exchange=facts.suite.key_exchange if facts.suite else None,
    )


def several(files: Files) -> list[str | Path]:
    """One file or several, as a list."""
    return [files] if isinstance(files, str | Path) else list(files)
