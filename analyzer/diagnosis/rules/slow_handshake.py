"""The handshake succeeded, and took long: which side, and at which step.

What it means: Most of the time went by before one message. A slow client signs on a card or asks a person; a slow
server waits for a revocation check, an HSM, a balancer's health or its own load.

On the wire: The largest gap between two messages is before this one.

Client's owner: If the client was slow, look at how it signs and what it looks up.

Server's owner: If the server was slow, look at revocation checks (OCSP, CRL downloads), key stores and load.

References: RFC 8446, section 2.
"""

from itertools import pairwise

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "notice"
STAGE = "application"
SPECIFICITY = 1
WHEN = ("established",)

_LONG = 1.0
"""Seconds: more than two round trips to anywhere on earth."""


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether it took long."""
    return report.duration is not None and report.duration >= _LONG


def judge(case: Case) -> Judgment | None:
    """The message before which most of the time went by."""
    report = case.report
    if report.duration is None or _was_lost(case):
        return None
    within = [one for one in report.messages if one.time <= report.duration]
    gaps = [(later.time - earlier.time, later) for earlier, later in pairwise(within)]
    if not gaps:
        return None
    longest, late = max(gaps, key=lambda gap: gap[0])
    if longest < report.duration / 2:
        return None
    return Judgment(
        confidence="certain",
        explains=False,
        summary=f"The handshake took {report.duration:.2f} s; {longest:.2f} s of that the {late.sender} let pass "
        "before "
        f"{late.message}.",
        remedy=advise(
            client="look at how it signs and what it looks up." if late.sender == "client" else "",
            server="look at its revocation checks, key store and load." if late.sender == "server" else "",
            confirm=f"the display filter `{report.display_filter} && "
            f"{'tcp' if report.transport == 'tcp' else 'udp'}.time_delta > {longest / 2:.2f}`.",
        ),
        evidence=case.see(late.frame),
    )


def _was_lost(case: Case) -> bool:
    """Whether it took long because datagrams were lost: with DTLS and QUIC the sides themselves send again."""
    below = case.facts.datagrams if case.facts is not None else None
    return below is not None and any(below.repeated.values())
