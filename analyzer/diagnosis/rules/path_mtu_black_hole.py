"""Large packets disappear on the way: a path-MTU black hole.

What it means: A link on the way takes only smaller packets (a VPN, a tunnel, PPPoE), and the router's message about it
(ICMP "fragmentation needed" or "packet too big") is filtered. Small packets pass, so the connection opens and the
ClientHello arrives; the server's certificate, the first large packet, never does.

On the wire: Full segments of the server's flight are sent again and again and never acknowledged, or (seen from the
client) missing while a later small one arrived; then both wait until one gives up.

Client's owner: Lower the interface's MTU to see whether it is that.

Network's owner: Let ICMP through, or clamp the TCP maximum segment size to the tunnel's (`--clamp-mss-to-pmtu`).

References: RFC 2923; RFC 4821; RFC 8899.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Confidence, Judgment, advise

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed", "incomplete")

_REPEATS = 2
_PATIENCE = 500_000_000
"""Nanoseconds that two retransmissions take at least (RFC 6298)."""


def judge(case: Case) -> Judgment | None:
    """A server's flight that is sent again and again and never answered, or has a hole that nobody acknowledges."""
    facts, below = case.facts, case.carrier
    if facts is None or below is None or case.client_answered or case.ending.how in ("alert", "encrypted-alert"):
        return None
    if not below.openings:
        return None
    last = max((sent.time for sent in facts.sent if sent.sender == "server"), default=below.last_time)
    if below.last_time - last < _PATIENCE:
        return None  # repeated at once: the capture holds every packet twice
    again = below.repeated["server"]
    flight = sum(sent.length for sent in facts.sent if sent.sender == "server")
    holes = [hole for sender, hole in facts.holes if sender == "server" and hole.reason == "missing"]
    sure: Confidence
    if len(again) >= _REPEATS and flight > 1200:
        sure, frames = "likely", again[:4]
        what = f"the server's flight of {flight} bytes was sent again {len(again)} times and never answered"
    elif holes and any(mark.kind == "syn-ack" for mark in below.openings) and again:
        sure, frames = "possible", tuple(hole.frame for hole in holes[:2])
        what = "large segments of the server's flight never arrived, a later one did"
    else:
        return None
    return Judgment(
        confidence=sure,
        summary=f"Between {case.report.client.ip} and {case.report.server} small packets pass and large ones seem to "
        f"disappear: {what}.",
        remedy=advise(
            client="lower the MTU of its interface (`ip link set dev … mtu 1280`) to see whether that helps.",
            network="let ICMP `fragmentation needed` through, or clamp the maximum segment size at the tunnel.",
            confirm=f"`ping -M do -s 1472 {case.report.server.ip}` is not answered, and with -s 1200 it is.",
        ),
        evidence=case.see(*frames, case.ending),
    )
