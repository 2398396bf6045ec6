"""RFB (VNC): of the server's security types the client picks VeNCrypt (19) or TLS (18); with VeNCrypt a version
and a subtype follow, and TLS begins after the server's acknowledgement (RFC 6143, 7.1; rfbproto, VeNCrypt).
"""

import re

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"R", b"R"
GREETS = True

_VERSION = re.compile(rb"RFB 00\d\.\d\d\d\n")
_TLS, _VENCRYPT = 18, 19
_PLAIN = 256


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    for data in (client, server):
        if data[:6] != b"RFB 00"[: len(data)] or (len(data) >= 12 and not _VERSION.match(data)):
            return None
    if len(client) < 12 or len(server) < 13:
        return waiting("rfb")
    if client[:12] < b"RFB 003.007\n":
        return Preamble("rfb", "other", 12, 12, "Version 3.3 knows no TLS.")
    count = server[12]
    if count == 0:
        says = f"The server declined the connection: {quote(server[17:])}"
        return Preamble("rfb", "other", 12, len(server), says)
    heard = 13 + count
    if len(server) < heard or len(client) < 13:
        return waiting("rfb")
    if client[12] == _TLS:
        return Preamble("rfb", "tls", 13, heard, "The client picked security type TLS (18).")
    if client[12] != _VENCRYPT:
        return Preamble("rfb", "other", 13, heard, f"The client picked security type {client[12]}, without TLS.")
    return _vencrypt(client, server, heard)


def _vencrypt(client: bytes, server: bytes, heard: int) -> Preamble:
    """Judge version, subtype and the two acknowledgements."""
    if len(server) < heard + 2 or len(client) < 15:
        return waiting("rfb")
    if client[13:15] != b"\0\2":
        return Preamble("rfb", "other", 15, heard + 2, "The client picked an unknown version of VeNCrypt.")
    if len(server) < heard + 3:
        return waiting("rfb")
    if server[heard + 2]:
        return Preamble("rfb", "refused", 15, heard + 3, "The server refused the version of VeNCrypt.")
    if len(server) < heard + 4:
        return waiting("rfb")
    offered = heard + 4 + 4 * server[heard + 3]
    if len(server) < offered or len(client) < 19:
        return waiting("rfb")
    subtype = int.from_bytes(client[15:19])
    if subtype == _PLAIN:
        return Preamble("rfb", "other", 19, offered, "The client picked the VeNCrypt subtype without TLS.")
    if len(server) <= offered:
        return waiting("rfb", 19, f"picked VeNCrypt subtype {subtype}")
    if server[offered] != 1:
        return Preamble("rfb", "refused", 19, offered + 1, f"The server refused VeNCrypt subtype {subtype}.")
    return Preamble("rfb", "tls", 19, offered + 1, f"Both sides agreed on VeNCrypt subtype {subtype}.")
