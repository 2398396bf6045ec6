"""What did TCP or UDP do below a handshake: who opened, who closed, what was repeated, what came instead of TLS?"""

from dataclasses import dataclass

from analyzer.net.rows import ACK, RST
from analyzer.results import Sender
from analyzer.tls.follower import Follower
from analyzer.tls.handshake import Handshake
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
    """Frames that brought only bytes that had been seen before: retransmissions."""
    preambles: tuple[Preamble, ...]
    """What was spoken before TLS, or instead of it."""
    refused: bool
    """The last preamble was declined."""
    last_time: int
    """Of the last segment that carries data or closes; nanoseconds since 1970-01-01 UTC."""

    def closed(self, sender: Sender, kind: str) -> Mark | None:
        """The first closing of this kind by this side."""
        return next((mark for mark in self.closings if mark.sender == sender and mark.kind == kind), None)


def carrier(follower: Follower, client_direction: int) -> Carrier:
    """Keep of a connection that is over what a diagnosis asks for."""
    senders: tuple[Sender, Sender] = ("server", "client") if client_direction else ("client", "server")
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
            sender: tuple(stream.retransmissions) if stream is not None else ()
            for sender, stream in zip(senders, follower.streams, strict=True)
        },
        preambles=prologue.preambles if prologue else (),
        refused=prologue is not None and prologue.state == "refused",
        last_time=follower.last_time,
    )


def is_remarkable(follower: Follower) -> bool:
    """Whether the connection of an established handshake is worth keeping."""
    return any(stream is not None and stream.retransmissions for stream in follower.streams)


def carrier_of_datagrams(handshake: Handshake, *, always: bool) -> Carrier | None:
    """The same of a handshake of DTLS; None where nothing was sent again, unless `always`."""
    below = handshake.datagrams
    if below is None or not (always or any(below.repeated.values())):
        return None
    repeated: dict[Sender, tuple[int, ...]] = {sender: tuple(frames) for sender, frames in below.repeated.items()}
    return Carrier((), (), {"client": b"", "server": b""}, repeated, (), False, below.last_time)
