"""What did TCP or UDP do below a handshake: who opened, who closed, what was repeated, what came instead of TLS?"""

from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.net.passage import Passage
from analyzer.net.rows import ACK, RST
from analyzer.results import Sender
from analyzer.tls.follower import Follower
from analyzer.tls.handshake import Handshake, TooLong
from analyzer.tls.preambles import Preamble


@dataclass(slots=True, frozen=True)
class Mark:
    """A segment that opens or closes."""

    sender: Sender
    kind: str
    """syn, syn-ack, fin or rst."""
    frame: int
    time: int
    """Nanoseconds since 1970-01-01 UTC."""


class Stall(NamedTuple):
    """A time in which TCP waited for bytes that had been sent once."""

    begin: int
    """When they, or what follows them, were seen first; nanoseconds since 1970-01-01 UTC."""
    end: int
    frame: int
    """What ended it."""


SOONEST_AGAIN = 150_000_000
"""Nanoseconds: after less nobody's timer sends again (Linux: 200 ms). What comes again sooner is a duplicate that the
network or the capture made, a probe, or was told to be missing, which costs a round trip."""

_AT_ONCE = 1_000_000
"""Nanoseconds within which an answer has come over no network that loses anything."""

_SLOW = 1_000_000_000
"""Nanoseconds: a handshake that took as long is one that a diagnosis asks about."""


@dataclass(slots=True, frozen=True)
class Carrier:
    """The connection below; of what there may be much, only the first few."""

    openings: tuple[Mark, ...]
    """SYNs, also repeated ones."""
    closings: tuple[Mark, ...]
    """FINs and RSTs."""
    heads: dict[Sender, bytes]
    """First bytes of either side where they are no TLS."""
    repeated: dict[Sender, tuple[int, ...]]
    """Frames that brought only bytes that had been seen a timeout before, or so long ago that it is not remembered:
    retransmissions. What comes twice at once is none: the network or the capture made two of it."""
    preambles: tuple[Preamble, ...]
    """What was spoken before TLS, or instead of it."""
    refused: bool
    """The last preamble was declined."""
    last_time: int
    """Of the last segment that carries data or closes; nanoseconds since 1970-01-01 UTC."""
    passages: dict[Sender, Passage] = field(default_factory=dict)
    """How the first segments of either side got through, where that is TCP and anything of it is there."""
    too_long: TooLong | None = None
    """The last segment that an ICMP error said was too long for a link."""

    def closed(self, sender: Sender, kind: str) -> Mark | None:
        """The first closing of this kind by this side."""
        return next((mark for mark in self.closings if mark.sender == sender and mark.kind == kind), None)

    def is_beside(self, sender: Sender) -> bool:
        """Whether the capture was made where this side is: it answered at once when TCP opened."""
        asked = [mark.time for mark in self.openings if mark.kind == "syn"]
        answered = [mark.time for mark in self.openings if mark.kind == "syn-ack"]
        if not asked or not answered:
            return False
        if sender == "server":
            begin, answers = max((time for time in asked if time <= answered[0]), default=0), answered[:1]
        else:
            passage = self.passages.get("client")
            begin, answers = answered[-1], [one.time for one in passage.segments[:1]] if passage is not None else []
        return any(0 <= time - begin <= _AT_ONCE for time in answers)

    @property
    def loses(self) -> bool:
        """Whether something of this connection was lost on the way: it stalled, or a SYN was sent again."""
        syns = [mark.time for mark in self.openings if mark.kind == "syn"]
        return bool(self.stalls) or any(time - syns[0] >= SOONEST_AGAIN for time in syns)

    @property
    def stalls(self) -> list[Stall]:
        """What had to be sent again after a timeout, and what came for a hole as late: times in which TCP waited."""
        found = [
            Stall(one.first, one.time, one.frame)
            for passage in self.passages.values()
            for one in (*passage.repetitions, *passage.fillings)
            if one.first is not None and one.time - one.first >= SOONEST_AGAIN
        ]
        return sorted(found)


def waited(stalls: list[Stall], begin: int, end: int) -> int:
    """How many of the nanoseconds between two times TCP waited."""
    total, until = 0, begin
    for stall in stalls:
        stop = min(stall.end, end)
        if stop > until:
            total += max(0, stop - max(stall.begin, until))
            until = stop
    return total


def carrier(follower: Follower, client_direction: int) -> Carrier:
    """Keep of a connection that is over what a diagnosis asks for."""
    senders: tuple[Sender, Sender] = ("server", "client") if client_direction else ("client", "server")
    too_long = follower.connection.too_long
    heads, prologue = follower.beginning.heads, follower.beginning.prologue
    return Carrier(
        openings=tuple(
            Mark(senders[mark.direction], "syn-ack" if mark.flags & ACK else "syn", mark.frame, mark.time)
            for mark in follower.openings
        ),
        closings=tuple(
            Mark(senders[mark.direction], "rst" if mark.flags & RST else "fin", mark.frame, mark.time)
            for mark in follower.closings
        ),
        heads=dict(zip(senders, heads, strict=True)),
        repeated={
            sender: _again(stream.passage) if stream is not None else ()
            for sender, stream in zip(senders, follower.streams, strict=True)
        },
        preambles=prologue.preambles if prologue else (),
        refused=prologue is not None and prologue.state == "refused",
        last_time=follower.last_time,
        passages={
            sender: stream.passage
            for sender, stream in zip(senders, follower.streams, strict=True)
            if stream is not None
        },
        too_long=TooLong(senders[too_long[0]], *too_long[1:]) if too_long is not None else None,
    )


def _again(passage: Passage) -> tuple[int, ...]:
    return tuple(one.frame for one in passage.repetitions if one.first is None or one.time - one.first >= SOONEST_AGAIN)


def is_remarkable(follower: Follower, took: int) -> bool:
    """Whether the connection of an established handshake, which took so many nanoseconds, is worth keeping."""
    return took >= _SLOW or any(
        stream is not None and (stream.passage.repetitions or stream.passage.fillings) for stream in follower.streams
    )


def carrier_of_datagrams(handshake: Handshake, *, always: bool) -> Carrier | None:
    """The same of a handshake of DTLS; None where nothing was sent again, unless `always`."""
    below = handshake.datagrams
    if below is None or not (always or any(below.repeated.values()) or any(below.lost.values())):
        return None
    repeated: dict[Sender, tuple[int, ...]] = {sender: tuple(frames) for sender, frames in below.repeated.items()}
    return Carrier((), (), {"client": b"", "server": b""}, repeated, (), False, below.last_time)
