"""One side of a handshake over datagrams could no longer be reached in the middle of it.

What it means: What a reset is to TCP: the program that took the datagrams has ended or closed its port, with or without
an alert that was lost, or the way to its host broke off. A server that gave up a handshake, such as one that refused
the client's certificate, and a client that disliked something leave like this.

On the wire: Messages of both sides, then a datagram that ICMP "port unreachable" (or another "unreachable") answers,
and nothing more from there.

Client's owner: If the client's port was closed, its log says why.

Server's owner: If the server's was, look into its log: it may have refused the handshake, or crashed.

References: RFC 1122, section 4.1.3.1; RFC 6347, section 4.2.4.
"""

from analyzer.diagnosis.case import OTHER, Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = None
SPECIFICITY = 0
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """Both have spoken, and an ICMP error says that one of them is gone."""
    facts, below = case.facts, case.facts.datagrams if case.facts is not None else None
    if facts is None or below is None or below.refused is None or facts.alerts or case.ending.how == "close":
        return None
    sender, frame = below.refused
    gone = OTHER[sender]
    before = [sent for sent in facts.sent if sent.sender == gone]
    if not before or any(sent.frame > frame for sent in before):
        return None
    return Judgment(
        confidence="certain",
        summary=f"{sentence(case.name(gone))} could no longer be reached after its {before[-1].name} (ICMP: "
        f"unreachable, in answer to a datagram of the {sender}'s): its program ended, or gave up the handshake.",
        remedy=advise(
            client="look into its log." if gone == "client" else "",
            server="look into its log: it may have refused the handshake with an alert that was lost."
            if gone == "server"
            else "",
            confirm=f"the display filter `{case.report.display_filter} && (icmp || icmpv6)`.",
        ),
        evidence=case.see(before[-1], frame),
    )
