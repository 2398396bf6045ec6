"""How does a capture's report become rows of the tables?"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any

from analyzer.archive.schema import TABLES
from analyzer.results import CaptureReport, CertificateReport, Finding, HandshakeReport, Sender

Row = dict[str, Any]
"""Values by column; times are microseconds since 1970."""

_SIDES: tuple[Sender, Sender] = ("server", "client")
_AT_ONCE = 250  # handshakes of which there are rows at the same time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_COPIED = tuple(
    column.name
    for column in TABLES["handshakes"]
    if column.kind in ("string", "int", "float", "bool") and column.name in HandshakeReport.__dataclass_fields__
    if column.name not in ("capture", "closed_by")
)
_copied = attrgetter(*_COPIED)


class Rows:
    """Makes the rows of one capture, whose report may come in parts."""

    def __init__(self, capture_id: str) -> None:
        self._capture_id = capture_id
        self._certificates: dict[str, Row] = {}
        self._handshakes = 0
        self.verdicts: Counter[tuple[str, str]] = Counter()
        """Handshakes that were given so far, by authentication and outcome."""

    def part(self, report: CaptureReport) -> Iterator[tuple[str, list[Row]]]:
        """Some rows of its handshakes and findings at a time, and their table; the certificates are remembered."""
        names = self._names(report)
        self._handshakes += len(report.handshakes)
        self.verdicts.update((handshake.authentication, handshake.outcome) for handshake in report.handshakes)
        for start in range(0, len(report.handshakes), _AT_ONCE):
            some = report.handshakes[start : start + _AT_ONCE]
            for handshake in some:
                self._see(handshake)
            yield "handshakes", [names | _handshake(handshake) for handshake in some]
            yield "findings", [names | _finding(each, finding) for each in some for finding in each.findings]

    def add(self, other: "Rows") -> None:
        """Take what another process was given of the same capture for given here."""
        self._handshakes += other._handshakes
        self.verdicts += other.verdicts
        for sha256, theirs in other._certificates.items():
            row = self._certificates.setdefault(sha256, theirs)
            if row is not theirs:
                row["first_seen"] = min(row["first_seen"], theirs["first_seen"])
                row["last_seen"] = max(row["last_seen"], theirs["last_seen"])
                for count in ("handshakes", "server_leaf", "client_leaf"):
                    row[count] += theirs[count]

    def end(self, report: CaptureReport, about: Row) -> Iterator[tuple[str, list[Row]]]:
        """The rows of all certificates, and of the capture; `about` has the columns that the report does not know."""
        names = self._names(report)
        certificates = sorted(self._certificates.values(), key=itemgetter("first_seen", "sha256"))
        yield "certificates", [names | row for row in certificates]
        yield "captures", [names | _capture(report) | {"handshakes": self._handshakes} | about]

    def _names(self, report: CaptureReport) -> Row:
        return {"capture_id": self._capture_id, "capture": report.capture}

    def _see(self, handshake: HandshakeReport) -> None:
        start, seen = handshake.start // 1000, set()
        for side in _SIDES:
            for position, certificate in enumerate(handshake.certificates[side]):
                row = self._certificates.get(certificate.sha256)
                if row is None:
                    row = self._certificates[certificate.sha256] = _certificate(certificate, start)
                if certificate.sha256 not in seen:
                    seen.add(certificate.sha256)
                    row["handshakes"] += 1
                    row["first_seen"] = min(row["first_seen"], start)
                    row["last_seen"] = max(row["last_seen"], start)
                if position == 0:
                    row[f"{side}_leaf"] += 1


def _capture(report: CaptureReport) -> Row:
    return {
        "format": report.format,
        "frames": report.frames,
        "bytes": report.bytes,
        "start": _microseconds(report.start),
        "end": _microseconds(report.end),
        "connections": report.connections,
        "conversations": report.conversations,
        "issues": _structs("captures", "issues", report.issues),
        "error": report.error,
    }


def _handshake(report: HandshakeReport) -> Row:
    row: Row = dict(zip(_COPIED, _copied(report), strict=True))
    row |= _who(report)
    row["start_ns"] = report.start
    if report.resumes:
        row["resumes_stream"], row["resumes_handshake"] = report.resumes.stream, report.resumes.handshake
    if report.closed_by:
        row["closed_by"], row["closed_how"] = report.closed_by.sender, report.closed_by.how
    for side in _SIDES:
        row |= _side(report, side)
    for name in ("alerts", "proofs", "evidence"):
        row[name] = _structs("handshakes", name, getattr(report, name))
    row["findings"] = [finding.code for finding in report.findings]
    return row


def _who(report: HandshakeReport) -> Row:
    return {
        "transport": report.transport,
        "stream": report.stream,
        "handshake": report.handshake,
        "start": report.start // 1000,
        "client_ip": report.client.ip,
        "client_port": report.client.port,
        "server_ip": report.server.ip,
        "server_port": report.server.port,
        "server_name": report.server_name,
    }


def _side(report: HandshakeReport, side: Sender) -> Row:
    sent, chain = report.certificates[side], report.chain[side]
    row: Row = {f"{side}_certificates": [certificate.sha256 for certificate in sent]}
    if sent:
        row[f"{side}_certificate_subject"] = sent[0].subject
        row[f"{side}_certificate_issuer"] = sent[0].issuer
        row[f"{side}_certificate_not_after"] = _moment(sent[0].not_after)
    if chain:
        row[f"{side}_chain"] = chain.status
        row[f"{side}_chain_anchor"] = chain.anchor
        row[f"{side}_chain_failed"] = [check.check for check in chain.checks if check.status == "fail"]
    return row


def _finding(handshake: HandshakeReport, finding: Finding) -> Row:
    return _who(handshake) | {
        "code": finding.code,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "stage": finding.stage,
        "summary": finding.summary,
        "remedy": finding.remedy,
        "is_root_cause": finding.code == handshake.root_cause,
        "evidence": _structs("findings", "evidence", finding.evidence),
    }


def _certificate(certificate: CertificateReport, start: int) -> Row:
    return {
        "sha256": certificate.sha256,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial_number": certificate.serial_number,
        "not_before": _moment(certificate.not_before),
        "not_after": _moment(certificate.not_after),
        "san": certificate.san,
        "key": certificate.key,
        "algorithm": certificate.algorithm,
        "self_signed": certificate.self_signed,
        "ca": certificate.ca,
        "first_seen": start,
        "last_seen": start,
        "handshakes": 0,
        "server_leaf": 0,
        "client_leaf": 0,
    }


_FIELDS = {
    (table, column.name): tuple(field.name for field in column.kind)
    for table, columns in TABLES.items()
    for column in columns
    if isinstance(column.kind, tuple)
}


def _structs(table: str, column: str, values: Iterable[Any]) -> list[Row]:
    """Objects as the entries of a list column."""
    names = _FIELDS[table, column]
    return [{name: getattr(value, name) for name in names} for value in values]


def _microseconds(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else nanoseconds // 1000


def _moment(text: str | None) -> int | None:
    """Microseconds since 1970 of an ISO 8601 time."""
    if text is None:
        return None
    passed = datetime.fromisoformat(text) - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
