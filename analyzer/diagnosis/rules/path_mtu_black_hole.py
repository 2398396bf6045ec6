"""Large packets disappear on the way: a path-MTU black hole.

What it means: A link on the way takes only smaller packets (a VPN, a tunnel, PPPoE), and the router's message about it
(ICMP "fragmentation needed" or "packet too big") is filtered. Small packets pass, so the connection opens and the
ClientHello arrives; the first large packet never does. That is the server's certificate, or, on the way to the server,
the client's.

On the wire: A full segment of a flight is sent again and again and never acknowledged, and none as large ever was; or,
where the capture was made behind that place, it is missing while a smaller one behind it arrived, or an acknowledgment
whose sequence number lies behind it. It is likely where a small segment of the same side got through while the large
one did not: one came later, or the other side's FIN was acknowledged. Without such a sign it is merely possible, for
nothing at all may get through.

Client's owner: Lower the interface's MTU to see whether it is that.

Network's owner: Let ICMP through, or clamp the TCP maximum segment size to the tunnel's (`--clamp-mss-to-pmtu`).

References: RFC 2923; RFC 4821; RFC 8899.
"""

from typing import NamedTuple

from analyzer.diagnosis.case import OTHER, Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.results import Sender
from analyzer.tls.carrier import SOONEST_AGAIN, Carrier

SEVERITY = "error"
STAGE = None
SPECIFICITY = 3
WHEN = ("failed", "incomplete")

_REPEATS = 2
_PATIENCE = 500_000_000
"""Nanoseconds that two retransmissions take at least (RFC 6298)."""
_UNSEEN = 3_000_000_000
"""Nanoseconds that they take at most, at the pace with which a connection begins: one that is never seen has been sent
again twice by then."""
_TIMEOUT = 1_000_000_000
"""Nanoseconds after which a FIN is sent again that is not acknowledged (RFC 6298: one second until a round trip is
measured, and then less)."""
_SMALLEST = 1200
"""What fits into less is not large anywhere: IPv6 takes packets of 1280 bytes on every link (RFC 8200, section 5)."""


class _Hole(NamedTuple):
    """What does not get through."""

    what: str
    passes: bool
    """Whether a small segment got through meanwhile."""
    frames: tuple[int, ...]


def judge(case: Case) -> Judgment | None:
    """A large segment of one side that never gets through."""
    facts, below = case.facts, case.carrier
    if facts is None or below is None or not below.openings or case.ending.how in ("alert", "encrypted-alert"):
        return None
    if below.too_long is not None:
        return None  # a router says so: `packet-too-big`
    senders: tuple[Sender, ...] = ("client",) if case.client_answered else ("server", "client")
    for sender in senders:
        hole = _sent_in_vain(below, sender) or _missing(case, below, sender)
        if hole is not None:
            return _told(case, sender, hole)
    return None


def _sent_in_vain(below: Carrier, sender: Sender) -> _Hole | None:
    """Seen beside the sender: it repeats what the peer waits for."""
    passage = below.passages.get(sender)
    if passage is None or passage.received is None:
        return None
    # A sender that suspects as much makes its segments smaller in the end (RFC 4821): those count for neither.
    enough = passage.received + max(_SMALLEST, passage.largest_received)
    copies = [one for one in passage.waited_for if one.end > enough]
    if len(copies) <= _REPEATS or copies[-1].time - copies[0].time < _PATIENCE:
        return None
    size = min(one.end for one in copies) - passage.received
    times = {one.time for one in copies}
    frames = tuple(one.frame for one in passage.repetitions if one.time in times)
    what = f"{size} bytes of the {sender} were sent again {len(copies) - 1} times and never acknowledged"
    return _Hole(what, _takes_small_ones(below, sender, copies[0].time), frames[:4])


def _takes_small_ones(below: Carrier, sender: Sender, since: int) -> bool:
    """Whether an acknowledgment by the sender got through later: the other side need not repeat its FIN."""
    fins = [mark.time for mark in below.closings if mark.sender != sender and mark.kind == "fin"]
    other = below.passages.get(OTHER[sender])
    if other is None or not other.fin_received or not fins or fins[-1] - fins[0] >= SOONEST_AGAIN:
        return False
    return fins[0] - since >= _PATIENCE and below.last_time - fins[0] >= _TIMEOUT


def _missing(case: Case, below: Carrier, sender: Sender) -> _Hole | None:
    """Seen beside the receiver: something is missing to the end, though what lies behind it has arrived."""
    passage, other = below.passages.get(sender), below.passages.get(OTHER[sender])
    if passage is None or not passage.holes:
        return None
    begin, end = passage.holes[0]
    largest = max((one.size for one in passage.segments), default=0)
    if end - begin <= max(_SMALLEST, largest) or (largest and (end - begin) % largest == 0):
        return None  # segments of a size that gets through would fit
    behind = [one for one in passage.segments if one.begin >= end]
    seen = behind or [*passage.segments, *(other.segments if other is not None else ())]
    since = min(one.time for one in behind) if behind else max((one.time for one in seen), default=below.last_time)
    later = [one.time for one in behind] + [mark.time for mark in below.closings if mark.sender == sender]
    if other is not None and other.fin_received:
        later += [mark.time for mark in below.closings if mark.sender != sender and mark.kind == "fin"]
    passes = max(later, default=since) - since >= _UNSEEN
    if not behind and not passes:
        return None
    frames = [hole.frame for who, hole in case.facts.holes if who == sender] if case.facts is not None else []
    small = f"{behind[0].size} behind them did" if behind else "its acknowledgments did"
    return _Hole(f"{end - begin} bytes of the {sender} never arrived, {small}", passes, tuple(frames[:2]))


def _told(case: Case, sender: Sender, hole: _Hole) -> Judgment:
    report = case.report
    between = f"from the {sender} {report.server if sender == 'server' else report.client.ip} to the {OTHER[sender]}"
    summary = f"On the way {between} small packets pass and large ones seem to disappear: {hole.what}."
    if not hole.passes:
        summary = f"On the way {between} large packets may disappear, or nothing at all gets through: {hole.what}."
    return Judgment(
        confidence="likely" if hole.passes else "possible",
        rests_on_holes=True,
        summary=summary,
        remedy=advise(
            client="lower the MTU of its interface (`ip link set dev … mtu 1280`) to see whether that helps.",
            network="let ICMP `fragmentation needed` through, or clamp the maximum segment size at the tunnel.",
            confirm=f"`ping -M do -s 1472 {report.server.ip}` is not answered, and with -s 1200 it is.",
        ),
        evidence=case.see(*hole.frames, case.ending),
    )
