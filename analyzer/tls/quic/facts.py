"""What is only known of a handshake of QUIC: the packets that carry it, and how its connection was closed."""

from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.results import Protection, Sender
from analyzer.tls.quic.packet import Kind

_CRYPTO_ERRORS = range(0x100, 0x200)
_ERRORS = {
    0x00: "NO_ERROR",
    0x01: "INTERNAL_ERROR",
    0x02: "CONNECTION_REFUSED",
    0x03: "FLOW_CONTROL_ERROR",
    0x04: "STREAM_LIMIT_ERROR",
    0x05: "STREAM_STATE_ERROR",
    0x06: "FINAL_SIZE_ERROR",
    0x07: "FRAME_ENCODING_ERROR",
    0x08: "TRANSPORT_PARAMETER_ERROR",
    0x09: "CONNECTION_ID_LIMIT_ERROR",
    0x0A: "PROTOCOL_VIOLATION",
    0x0B: "INVALID_TOKEN",
    0x0C: "APPLICATION_ERROR",
    0x0D: "CRYPTO_BUFFER_EXCEEDED",
    0x0E: "KEY_UPDATE_ERROR",
    0x0F: "AEAD_LIMIT_REACHED",
    0x10: "NO_VIABLE_PATH",
    0x11: "VERSION_NEGOTIATION_ERROR",
}
"""RFC 9000, section 20.1; RFC 9368, section 10.2."""


class Seen(NamedTuple):
    """A packet that is protected by secrets, as anybody sees it."""

    kind: Kind
    sender: Sender
    frame: int
    length: int
    """Bytes of packet number and protected payload."""
    datagram: int
    """Bytes of the datagram that holds it."""
    with_initial: bool
    """That datagram holds an Initial packet, too, for whose sake it may be padded (RFC 9000, section 14.1)."""
    is_followed: bool
    """Another packet follows it in that datagram."""
    time: int
    """Nanoseconds since 1970-01-01 UTC."""


class Closed(NamedTuple):
    """A CONNECTION_CLOSE that can be read, but for its text, which may say anything."""

    sender: Sender
    frame: int
    time: int
    """Nanoseconds since 1970-01-01 UTC."""
    kind: Kind
    """Of the packet that holds it."""
    code: int
    by_application: bool
    """The code is the application's, not QUIC's."""
    protection: Protection

    @property
    def alert(self) -> int | None:
        """The TLS alert that it stands for (RFC 9001, section 4.8)."""
        return self.code - 0x100 if not self.by_application and self.code in _CRYPTO_ERRORS else None

    @property
    def says(self) -> str:
        """Its code in words."""
        if self.by_application:
            return f"the application's error {self.code:#x}"
        return _ERRORS.get(self.code, f"error {self.code:#x}")


class Refused(NamedTuple):
    """The server speaks other versions (RFC 9000, section 6)."""

    frame: int
    """Of its Version Negotiation."""
    version: int
    """The client's."""
    versions: tuple[int, ...]
    """The server's."""


@dataclass(slots=True, eq=False)
class Quic:
    """What carries a handshake, where that is QUIC."""

    version: int
    """Wire version of the last long header."""
    seen: list[Seen] = field(default_factory=list)
    """Packets of the handshake, and the first ones behind it."""
    last_data: dict[Sender, int] = field(default_factory=lambda: {"client": 0, "server": 0})
    """The frame of either side's last packet behind the handshake, looked at or not."""
    closed: list[Closed] = field(default_factory=list)
    confirmed: tuple[int, int] | None = None
    """Frame and time of the server's HANDSHAKE_DONE, where keys show it."""
    acknowledged: int | None = None
    """The frame in which the server acknowledged the client's data, where keys show it."""
    answered: bool = False
    """The server sent anything."""
    repeated: int = 0
    """The frame of the client's last Handshake packet that, as keys show, brought only what it had sent before."""
    number_lengths: set[int] = field(default_factory=set)
    """Bytes of the packet numbers in the client's Initial packets."""
    counts_marks: bool | None = None
    """Whether the client's acknowledgments count the marks of congestion; None where none can be read."""
    retried: int | None = None
    """Frame of the server's Retry (RFC 9000, section 8.1.2)."""
    refused: Refused | None = None
