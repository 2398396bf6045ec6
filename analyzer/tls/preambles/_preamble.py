"""What all preambles share: the value that they yield, and how the first bytes of TLS look."""

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "tls", "refused", "other"]

ANY = bytes(range(256))
"""Every first byte, for a side that may begin with anything."""
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""First bytes of a line of text that begins with a command."""


@dataclass(frozen=True, slots=True)
class Preamble:
    """What one protocol says in clear before TLS (or before the next preamble)."""

    name: str
    """The contract's word, such as `smtp`; while waiting it is the best guess and may still change."""
    state: State
    """waiting: recognized, more bytes are needed; tls: what follows at the two offsets is TLS (after a
    `tunnel`: anything); refused: the peer declined, though a later request on the same connection may yet
    be granted; other: recognized, and the session goes on without TLS."""
    client: int
    """Bytes of the client's stream up to the end of what was judged; 0 while waiting."""
    server: int
    """Likewise of the server's stream."""
    says: str
    """One sentence for a person; it may quote the peer, whose text is hostile."""
    framing: str | None = None
    """What TLS records are wrapped in from the offsets on; the name is a key of `DEFRAMERS`."""
    tunnel: bool = False
    """What follows need not be TLS: it may be anything, another preamble too."""
    asked: int = 0
    """While waiting: bytes of the client's stream up to the end of a request for TLS, or for a tunnel, that was
    not answered yet; 0 where there is none."""
    final: bool = False
    """Refused, and the session has gone on in clear since: a later request is not waited for."""


def waiting(name: str, asked: int = 0, request: str = "") -> Preamble:
    """More bytes are needed; `request` is what the client asked for in its first `asked` bytes, if it has."""
    says = f"The client {request}, and there is no answer yet." if asked else "The client did not ask for TLS yet."
    return Preamble(name, "waiting", 0, 0, says, asked=asked)


def quote(text: bytes) -> str:
    """The last line of what a peer said, at most 200 characters of it."""
    line = text.rstrip().rpartition(b"\n")[2].decode("utf-8", "replace")
    return line if len(line) <= 200 else line[:199] + "…"


def begins_tls(data: bytes) -> bool | None:
    """Whether `data` begins with a TLS record header (RFC 8446, section 5.1) or an SSLv2 hello (RFC 6101,
    appendix E); None while it is too short to tell.
    """
    head = data[:5]
    if not head:
        return None
    if 0x14 <= head[0] <= 0x18:
        likely = head[1:2] in (b"", b"\3") and head[2:3] <= b"\4" and head[3:4] <= b"\x48"
    elif head[0] & 0x80:
        hello = head[2:3] in (b"", b"\1") and head[3:4] in (b"", b"\0", b"\3") and head[4:5] <= b"\4"
        likely = hello or (head[2:3] == b"\4" and head[3:4] <= b"\1")
    else:
        return False
    return None if likely and len(head) < 5 else likely
