"""Packets of the handshake had to be sent again, and that is where the time went.

What it means: The network loses packets, or delays them beyond the sender's patience. Each loss costs at least 200 ms,
that of a SYN a second.

On the wire: Retransmissions between the first and the last message of the handshake, each a timeout behind the first
copy; or, where the capture was made behind the loss, segments that wait as long for one that is missing, and, a second
later, DTLS records whose numbers jump. What comes twice at once is no retransmission: the network or the capture made
two of it.

Client's owner: Try from another network to find out which part of the way it is.

Network's owner: Look for the link that drops: full queues, duplex faults, radio.

References: RFC 6298; RFC 8985.
"""

from itertools import pairwise

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport
from analyzer.tls.carrier import waited

SEVERITY = "notice"
STAGE = "connection"
SPECIFICITY = 1
WHEN = ("established",)

_AGAIN = {"tcp": "tcp.analysis.retransmission", "udp": "dtls.handshake.message_seq", "quic": "quic.crypto.offset"}
"""Wireshark's fields that show what was sent again."""
_LONG = 0.2
"""Seconds: the shortest timeout after which Linux sends again."""
_TIMER = 1.0
"""Seconds: the first timeout of DTLS (RFC 6347, section 4.2.4.1)."""


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether something was repeated and it took long."""
    return report.carrier is not None and report.duration is not None and report.duration >= _LONG


def judge(case: Case) -> Judgment | None:
    """Repeated segments within the handshake."""
    below, report = case.carrier, case.report
    if below is None or report.duration is None:
        return None
    done = report.messages[-1].frame if report.messages else 0
    last = next((one.frame for one in report.messages if one.time >= (report.duration or 0.0)), done)
    cost = ""
    if report.transport == "tcp":
        stalls = [stall for stall in below.stalls if report.first_frame < stall.frame <= last]
        frames = [stall.frame for stall in stalls]
        lost = waited(stalls, report.start, report.start + round(report.duration * 1e9))
        cost = f", for which the rest waited {lost / 1e9:.2f} s"
    else:
        again = {frame for frames in below.repeated.values() for frame in frames} | _behind_losses(case)
        frames = sorted(frame for frame in again if report.first_frame < frame <= last)
    if not frames:
        return None
    return Judgment(
        confidence="likely",
        explains=False,
        summary=f"The handshake took {report.duration:.2f} s, and {len(frames)} of its packets had to be sent again"
        f"{cost}.",
        remedy=advise(
            client="try from another network to find out which part of the way loses packets.",
            network="look for the link that drops packets.",
            confirm=f"the display filter `{report.display_filter} && {_AGAIN[report.transport]}`.",
        ),
        evidence=case.see(*frames[:4]),
    )


def _behind_losses(case: Case) -> set[int]:
    """Frames of DTLS before which records were lost, by their numbers, and a timer's time went by."""
    below = case.facts.datagrams if case.facts is not None else None
    lost = below.behind_losses if below is not None else set[int]()
    messages = case.report.messages
    return lost & {later.frame for earlier, later in pairwise(messages) if later.time - earlier.time >= _TIMER}
