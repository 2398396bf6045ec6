"""What a deframer yields: TLS bytes that travel inside packets or lines of another protocol."""

from typing import NamedTuple, Protocol


class Chunk(NamedTuple):
    """TLS bytes, and where in the stream they were."""

    data: bytes
    """Consecutive bytes of the TLS record stream."""
    begin: int
    """Where their first carrier byte is, counted from the deframer's first byte."""
    end: int
    """Just behind their last carrier byte; larger than `begin + len(data)` where the carrier is base64."""


class Deframer(Protocol):
    """One direction of a connection whose preamble names a framing; it begins where the preamble ends."""

    raw: bool
    """The framing is over: what was not yet yielded, and all that follows, is the TLS stream itself; `feed`
    goes on to pass it through."""
    ended: bool
    """Nothing more comes: the framing was broken, or TLS gave way to another protocol."""

    def feed(self, data: bytes) -> list[Chunk]:
        """What the next bytes of the stream carry."""
        ...
