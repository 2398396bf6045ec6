"""NX (NoMachine): each side says its name and version in one line, and TLS begins."""

import re

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"N", b"N"
GREETS = False

_CLIENT_LINE = re.compile(rb"NXSH-\d[\d.]{0,30}\r?\n")
_SERVER_LINE = re.compile(rb"NXD-\d[\d.]{0,30}\r?\n")


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    sent, heard = _CLIENT_LINE.match(client), _SERVER_LINE.match(server)
    if sent and heard:
        says = f"Client and server named their versions, {quote(sent[0])} and {quote(heard[0])}."
        return Preamble("nx", "tls", sent.end(), heard.end(), says)
    for data, line, begins in ((client, sent, b"NXSH-"), (server, heard, b"NXD-")):
        if not line and (data[:5] != begins[: len(data)] or b"\n" in data or len(data) > 40):
            return None
    return waiting("nx", sent.end() if sent else 0, "named its version")
