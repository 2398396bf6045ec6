"""NBD: the client sends option NBD_OPT_STARTTLS, the server acknowledges, TLS begins (NBD protocol, proto.md)."""

from collections.abc import Iterator
from struct import unpack_from

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"\0", b"N"
GREETS = True

_GREETING = b"NBDMAGICIHAVEOPT"
_OPTION, _REPLY = b"IHAVEOPT", b"\0\3\xe8\x89\x04\x55\x65\xa9"
_EXPORT_NAME, _STARTTLS, _GO = 1, 5, 7
_ACK, _ERROR = 1, 1 << 31
_ERRORS = {1: "unsupported", 2: "policy", 3: "invalid", 4: "platform", 7: "shutdown"}


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if not server or client[:3] != b"\0\0\0"[: len(client)]:
        return None
    if server[:16] != _GREETING[: len(server)]:
        if server[:8] != _GREETING[:8]:
            return None
        return Preamble("nbd", "other", 0, 8, "The server speaks the old protocol, which knows no TLS.")
    replies: dict[int, tuple[int, bytes, int]] = {}
    for option, kind, data, end in _replies(server):
        replies.setdefault(option, (kind, data, end))
    refusal: Preamble | None = None
    asked = 0
    for option, sent in _options(client):
        kind, data, heard = replies.get(option, (0, b"", 0))
        if option == _STARTTLS and kind == _ACK:
            return Preamble("nbd", "tls", sent, heard, "The server acknowledged NBD_OPT_STARTTLS.")
        if option == _STARTTLS and kind & _ERROR:
            says = f"The server declined NBD_OPT_STARTTLS: {_ERRORS.get(kind - _ERROR, 'error')} ({kind - _ERROR})"
            says += f", {quote(data)}." if data else "."
            refusal = Preamble("nbd", "refused", sent, heard, says)
        elif option == _EXPORT_NAME or (option == _GO and kind and not kind & _ERROR):
            says = "The client opened an export without TLS."
            return refusal or Preamble("nbd", "other", sent, heard, says)
        asked = sent if option == _STARTTLS else asked
    return refusal or waiting("nbd", asked, "sent NBD_OPT_STARTTLS")


def _options(client: bytes) -> Iterator[tuple[int, int]]:
    """Every whole option of the client and where it ends, past the client's flags."""
    position = 4
    while client[position : position + 8] == _OPTION and len(client) >= position + 16:
        option, length = unpack_from(">II", client, position + 8)
        position += 16 + length
        if position > len(client):
            return
        yield option, position


def _replies(server: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Option, kind, data and end of every whole reply of the server, past the greeting.

    An error is told already by its header: its data is a message, for which a client need not wait.
    """
    position = 18
    while server[position : position + 8] == _REPLY and len(server) >= position + 20:
        option, kind, length = unpack_from(">III", server, position + 8)
        begin, position = position + 20, position + 20 + length
        if position > len(server) and not kind & _ERROR:
            return
        yield option, kind, server[begin:position], min(position, len(server))
