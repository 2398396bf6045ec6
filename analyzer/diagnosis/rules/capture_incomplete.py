"""The capture lacks a part of this connection, so that little can be said of it.

What it means: Packets were not captured (the capturing machine was too slow, or sees one direction only), were cut to a
snap length, or the capture began or ended in the middle. What is missing may be the very message that explains all.

On the wire: Acknowledged bytes that are not there, packets shorter on disk than on the wire, no SYN, one direction
only.

Client's owner: Capture again, on the client itself, with `tcpdump -s 0 -w file.pcap host SERVER`, from before the
connection begins until after it ends.

Server's owner: The same on the server; a capture at a mirror port often loses packets.

References: tcpdump(1), option -s; Wireshark user's guide, TCP analysis.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "notice"
STAGE = "capture"
SPECIFICITY = 0
WHEN = ("failed", "incomplete")

_WORDS = {
    "snap-length": "packets are cut to a snap length",
    "not-captured": "packets that were received are not in it",
    "missing": "packets are missing",
    "damaged": "bytes that make no sense stand where a record begins",
}


def judge(case: Case) -> Judgment | None:
    """Holes, one direction only, or no end."""
    facts, below = case.facts, case.carrier
    if facts is None:
        return None
    lacks = [f"{_WORDS.get(reason, reason)} ({who})" for who, reason in _holes(case)]
    senders = {sent.sender for sent in facts.sent}
    # Datagrams have no SYN and no FIN; a handshake that is seen from its ClientHello on has begun.
    whole = below is not None and any(mark.kind == "syn" for mark in below.openings)
    whole = whole or (facts.datagrams is not None and case.hello is not None)
    if len(senders) == 1 and not case.failed and not whole:
        lacks.append(f"only the {next(iter(senders))}'s direction is in it")
    if not whole and not case.failed:
        lacks.append("it begins within the connection")
    if not case.failed and not facts.closings:
        lacks.append(f"it does not show the {'connection' if facts.datagrams is None else 'handshake'}'s end")
    if facts.truncated:
        lacks.append("the handshake is larger than what is kept of one")
    if not lacks or (case.failed and not facts.holes and not facts.truncated):
        return None
    return Judgment(
        confidence="certain",
        explains=False,
        summary=f"The capture does not show all of this connection: {'; '.join(lacks)}.",
        remedy=advise(
            client="capture again on the client itself, whole packets, from before the connection until after it.",
            server="or on the server; a mirror port often loses packets.",
            confirm=f"`tcpdump -s 0 -w again.pcap host {case.report.server.ip}`, and "
            f"`{case.report.display_filter}{'' if facts.datagrams else ' && tcp.analysis.flags'}` in Wireshark.",
        ),
        evidence=case.see(*(hole.frame for _, hole in facts.holes[:3])),
    )


def _holes(case: Case) -> list[tuple[str, str]]:
    """Who lacks what, each once; bytes that are no TLS at all are no defect of the capture."""
    found = case.facts.holes if case.facts else []
    kinds = {(who, hole.reason): None for who, hole in found if hole.reason != "damaged" or case.answer is not None}
    return list(kinds)
