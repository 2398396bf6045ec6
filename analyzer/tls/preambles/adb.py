"""ADB (Android Debug Bridge): the device answers CNXN with STLS, the host repeats it, TLS begins (protocol.txt)."""

from collections.abc import Iterator
from struct import unpack_from

from analyzer.tls.preambles._preamble import Preamble, waiting

CLIENT, SERVER = b"C", b"CSA"
GREETS = False

_HEADER = 24
_COMMANDS = (b"CNXN", b"STLS", b"AUTH")


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if not _is_adb(client) or not _is_adb(server):
        return None
    sent, heard = (dict(_messages(data)) for data in (client, server))
    if b"STLS" in sent and b"STLS" in heard:
        return Preamble("adb", "tls", sent[b"STLS"], heard[b"STLS"], "Device and host agreed on STLS.")
    if b"OPEN" in sent:
        return Preamble("adb", "other", sent[b"OPEN"], 0, "The host went on in clear.")
    return waiting("adb")


def _is_adb(data: bytes) -> bool:
    """Whether `data`, however short, can begin with an ADB message: its magic is the command, inverted."""
    if not any(data[:4] == command[: len(data)] for command in _COMMANDS):
        return False
    return len(data) < _HEADER or data[20:24] == bytes(byte ^ 0xFF for byte in data[:4])


def _messages(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Command and end of every whole message; STLS is the last."""
    position = 0
    while len(data) >= position + _HEADER:
        command, length = data[position : position + 4], unpack_from("<I", data, position + 12)[0]
        position += _HEADER + length
        if position > len(data):
            return
        yield command, position
        if command == b"STLS":
            return
