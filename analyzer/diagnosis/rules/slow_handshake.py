"""The handshake succeeded, and took long: which side, and at which step.

What it means: Most of the time went by before one message. A slow client signs on a card or asks a person; a slow
server waits for a revocation check, an HSM, a balancer's health or its own load. Or the message was lost on the way,
and the capture was made behind that place: then it merely arrives late.

On the wire: The largest gap between two messages is before this one, and in that time the capture lacks nothing and no
packet was sent again or came late for a hole, nor do the numbers of DTLS records show that one was lost. It is certain
that the side let the time pass where the capture was made beside it: its half of TCP's own handshake takes less than a
millisecond. It is merely possible where other packets of the connection were lost, where the message had begun to
arrive before the gap, and with datagrams.

Client's owner: If the client was slow, look at how it signs and what it looks up.

Server's owner: If the server was slow, look at revocation checks (OCSP, CRL downloads), key stores and load.

References: RFC 8446, section 2.
"""

from itertools import pairwise

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Confidence, Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport, MessageReport
from analyzer.tls.carrier import waited

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
    report, below = case.report, case.carrier
    if report.duration is None or _was_lost(case):
        return None
    within = [one for one in report.messages if one.time <= report.duration]
    stalls = below.stalls if below is not None else []
    gaps = []
    for earlier, later in pairwise(within):
        begin, end = (report.start + round(one.time * 1e9) for one in (earlier, later))
        gaps.append((later.time - earlier.time - waited(stalls, begin, end) / 1e9, earlier, later))
    if not gaps:
        return None
    longest, before, late = max(gaps, key=lambda gap: gap[0])
    if longest < report.duration / 2 or _lacks(case, before, late):
        return None
    sure: Confidence = "possible" if _may_be_lost(case, before, late) else "likely"
    what = f"passed before {late.message} of the {late.sender} arrived where the capture was made"
    if below is not None and below.is_beside(late.sender):
        sure, what = "certain", f"the {late.sender} let pass before {late.message}"
    return Judgment(
        confidence=sure,
        explains=False,
        summary=f"The handshake took {report.duration:.2f} s; {longest:.2f} s of that {what}.",
        remedy=advise(
            client="look at how it signs and what it looks up." if late.sender == "client" else "",
            server="look at its revocation checks, key store and load." if late.sender == "server" else "",
            network=""
            if sure == "certain"
            else f"capture beside the {late.sender} to see whether it was lost on the way.",
            confirm=f"the display filter `{report.display_filter} && "
            f"{'tcp' if report.transport == 'tcp' else 'udp'}.time_delta > {longest / 2:.2f}`.",
        ),
        evidence=case.see(late.frame),
    )


def _may_be_lost(case: Case, before: MessageReport, late: MessageReport) -> bool:
    """Whether there is a sign that the late message was underway before."""
    below, facts = case.carrier, case.facts
    if facts is None or facts.datagrams is not None:
        return True  # lost datagrams may leave no trace
    begun = [sent.first_frame for sent in facts.sent if (sent.frame, sent.sender) == (late.frame, late.sender)]
    return bool(below and below.loses) or any(0 < frame <= before.frame for frame in begun)


def _lacks(case: Case, before: MessageReport, late: MessageReport) -> bool:
    """Whether something is missing in that time, also by the numbers of DTLS records: it may have come in between."""
    facts = case.facts
    if facts is None:
        return False
    lost = [hole.frame for _, hole in facts.holes]
    lost += facts.datagrams.behind_losses if facts.datagrams else ()
    return any(before.frame < frame <= late.frame for frame in lost)


def _was_lost(case: Case) -> bool:
    """Whether it took long because datagrams were lost: with DTLS and QUIC the sides themselves send again."""
    below = case.facts.datagrams if case.facts is not None else None
    return below is not None and any(below.repeated.values())
