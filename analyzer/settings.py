"""How much memory an analysis may take: every bound in one place."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Limits:
    """Bounds; when one bites, an issue of the same name (with dashes) is recorded.

    What is an error of the capture (`frame_bytes`) has another name, and where nothing is lost that a report has room
    for (`batch_bytes`, `records`, `handshakes`) there is none.
    """

    batch_bytes: int = 16 << 20
    """Captured bytes that one batch of frames holds (at least one frame)."""
    frame_bytes: int = 16 << 20
    """A frame said to be longer is taken for damage of the capture (Wireshark's own bound is 256 MiB for
    DBus captures and 256 KiB else)."""
    expansion: int | None = None
    """Bytes that one byte of a compressed capture may become (256 MiB in all at any rate); None for any number."""
    connections: int = 100_000
    """Connections followed at once; past it, those idle longest are let go."""
    bygone_connections: int = 500_000
    """Connections that are over and still known, so that a late segment is not taken for a new one."""
    held_bytes: int = 128 << 20
    """Memory that all connections followed at once may take, about; past it, those idle longest are let go."""
    pending_bytes: int = 256 << 10
    """Bytes of one direction that wait for a missing segment before the hole is taken for a gap."""
    prologue_bytes: int = 64 << 10
    """Bytes of each direction in which TLS must begin."""
    message_bytes: int = 1 << 20
    """Longest handshake message that is kept (RFC 8446 allows 16 MiB)."""
    handshake_bytes: int = 4 << 20
    """Message bytes kept of one handshake."""
    handshake_records: int = 100_000
    """Records of one direction of a connection that are read beside application data, and messages in them."""
    records: int = 64
    """Protected records of each direction whose size and frame are kept for the inference."""
    handshakes: int = 5_000
    """Reports that are kept to be judged together, where a report may come in parts."""
    attempts: int = 20_000
    """Connections without TLS that are remembered until it is known whether their server speaks TLS."""
    fragments: int = 4096
    """IP datagrams waiting for fragments."""
