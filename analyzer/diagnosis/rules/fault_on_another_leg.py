"""This connection is fine; the one behind it, from the same balancer or proxy, failed at the same time.

What it means: A balancer, gateway or sidecar is the server of one connection and the client of the next. Its client
sees a good handshake and then an error of the application (502, 503, connection closed), while the fault is on the
second leg.

On the wire: A handshake to address P, and while it is open another one from P to a server behind it that fails.

Client's owner: Nothing; hand this on to the balancer's owner.

Server's owner: As the balancer's owner, mend the leg behind it: its own certificate, its truststore, its server name.

References: RFC 9110, section 15.6.3.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "warning"
STAGE = "application"
SPECIFICITY = 2
WHEN = ("established",)

_AFTER = 5 * 10**9
"""A second leg begins at once: nanoseconds."""


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether a handshake failed whose client has this server's address."""
    return around.failed_of(report.server.ip) and report.server.ip != report.client.ip


def judge(case: Case) -> Judgment | None:
    """A failed handshake from the server's address, begun while this one was open."""
    report = case.report
    if case.facts is None:
        return None
    end = max((one.time for one in case.facts.closings), default=report.start + _AFTER)
    until = min(end, report.start + 12 * _AFTER)
    for leg in case.around.failed_between(report.server.ip, report.start, until):
        same_name = leg.server_name is not None and leg.server_name == report.server_name
        soon = leg.start - report.start < _AFTER
        if not (same_name or soon):
            continue
        return Judgment(
            confidence="likely" if same_name and soon else "possible",
            explains=False,
            summary=f"This handshake of {report.client.ip} with {report.server} succeeded; while it was open, "
            f"{report.server.ip} itself failed to connect to {leg.server}"
            f"{f' ({leg.server_name})' if leg.server_name else ''} ({leg.display_filter}).",
            remedy=advise(
                server=f"mend the leg from {report.server.ip} to {leg.server}: see the finding there.",
                confirm=f"the display filter `{report.display_filter} or {leg.display_filter}` shows both legs.",
            ),
            evidence=case.see(leg.first_frame),
        )
    return None
