"""CSV for spreadsheets: one row a handshake, a header line, unknown values empty, lists joined by spaces.

The columns stand in `COLUMNS`. Certificates are told by the leaf; alerts as `server:handshake_failure`
(`server:encrypted` where it could not be read), `resumes` as `stream#handshake`. No cell is a formula.
"""

import csv
from collections.abc import Iterable
from typing import TextIO

from analyzer.report import escape
from analyzer.report.serialize import timestamp
from analyzer.results import CaptureReport, HandshakeReport, Sender

SUFFIXES = (".csv",)
HOLDS_ISSUES = False
IN_PARTS = True
DRAWS = False

COLUMNS = (
    "capture",
    "transport",
    "stream",
    "handshake",
    "display_filter",
    "first_frame",
    "last_frame",
    "start",
    "duration",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "preamble",
    "server_name",
    "version",
    "cipher_suite",
    "group",
    "alpn",
    "hello_retry_request",
    "early_data",
    "resumption",
    "resumes",
    "outcome",
    "outcome_basis",
    "authentication",
    "authentication_basis",
    "client_certificate_requested",
    "client_certificate_presented",
    "alerts",
    "closed_by",
    "closed_how",
    "server_certificate_subject",
    "server_certificate_not_after",
    "server_certificate_sha256",
    "server_chain",
    "client_certificate_subject",
    "client_certificate_not_after",
    "client_certificate_sha256",
    "client_chain",
    "ja3",
    "ja3s",
    "ja4",
    "history",
    "root_cause",
    "findings",
    "application_method",
    "application_authority",
    "application_path",
    "application_status",
)

Value = str | int | float | bool | None


def write(reports: Iterable[CaptureReport], out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write the header and a row a handshake."""
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for report in reports:
        rows.writerows(_row(handshake) for handshake in report.handshakes)


def _row(report: HandshakeReport) -> list[Value]:
    resumes, closed = report.resumes, report.closed_by
    asked = report.application.request if report.application else None
    answered = report.application.response if report.application else None
    derived: dict[str, Value] = {
        "start": timestamp(report.start),
        "duration": None if report.duration is None else f"{report.duration:.9f}",
        "client_ip": report.client.ip,
        "client_port": report.client.port,
        "server_ip": report.server.ip,
        "server_port": report.server.port,
        "resumes": f"{resumes.stream}#{resumes.handshake}" if resumes else None,
        "alerts": " ".join(f"{alert.sender}:{alert.description or 'encrypted'}" for alert in report.alerts),
        "closed_by": closed.sender if closed else None,
        "closed_how": closed.how if closed else None,
        "findings": " ".join(finding.code for finding in report.findings),
        "application_method": asked.method if asked else None,
        "application_authority": asked.authority if asked else None,
        "application_path": asked.path if asked else None,
        "application_status": answered.status if answered else None,
        **_side(report, "server"),
        **_side(report, "client"),
    }
    return [_cell(derived[name] if name in derived else getattr(report, name)) for name in COLUMNS]


def _side(report: HandshakeReport, side: Sender) -> dict[str, Value]:
    leaf = next(iter(report.certificates[side]), None)
    chain = report.chain[side]
    return {
        f"{side}_certificate_subject": leaf.subject if leaf else None,
        f"{side}_certificate_not_after": leaf.not_after if leaf else None,
        f"{side}_certificate_sha256": leaf.sha256 if leaf else None,
        f"{side}_chain": chain.status if chain else None,
    }


def _cell(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape.csv(value) if isinstance(value, str) else value
