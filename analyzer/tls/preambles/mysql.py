"""MySQL and MariaDB: the server greets, the client answers with the short SSLRequest packet, TLS begins at once.

There is no further word of the server: one that cannot do TLS has not set CLIENT_SSL in its greeting.
(MySQL documentation, Client/Server Protocol, Connection Phase.)
"""

from analyzer.tls.preambles._preamble import ANY, Preamble, begins_tls, quote, waiting

CLIENT, SERVER = ANY, ANY
GREETS = True

_CLIENT_SSL = 0x0800
_REQUEST_SIZES = (32, 5)  # with and without CLIENT_PROTOCOL_41


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    asks = _asks(client)
    sent = 4 + client[0] if asks else 0
    if asks and begins_tls(server) and len(client) >= sent:
        says = "The client sent SSLRequest; the server's greeting is not in the capture."
        return Preamble("mysql", "tls", sent, 0, says)
    if not _is_greeting(server) or not (server or asks) or client[2:4] not in (b"", b"\0", b"\0\1"):
        return None
    if not server:
        return waiting("mysql", sent, "sent SSLRequest")
    heard = 4 + int.from_bytes(server[:3], "little")
    if len(server) < max(heard, 5):
        return waiting("mysql")
    if server[4] == 0xFF:
        says = f"The server greeted with an error: {quote(server[7:heard])}"
        return Preamble("mysql", "other", 0, heard, says)
    if len(client) < 6 or len(client) < sent:
        return waiting("mysql")
    if not asks:
        offered = "offered" if _offers(server[4:heard]) else "does not offer"
        says = f"The client went on in clear without asking for TLS, which the server {offered}."
        return Preamble("mysql", "other", len(client), heard, says)
    return Preamble("mysql", "tls", sent, heard, "The server greeted and the client sent SSLRequest.")


def _is_greeting(server: bytes) -> bool:
    """Whether the server's bytes, however short, can be an initial handshake or error packet."""
    length = int.from_bytes(server[:3], "little") if len(server) > 2 else 9
    if not 9 <= length <= 1024 or server[3:4] not in (b"", b"\0"):
        return False
    if server[4:5] == b"\xff":
        return True
    return server[4:5] in (b"", b"\n") and server[5:6] in b"0123456789"


def _asks(client: bytes) -> bool:
    """Whether the client's first packet is an SSLRequest."""
    capabilities = int.from_bytes(client[4:6], "little")
    return client[1:4] == b"\0\0\1" and client[0] in _REQUEST_SIZES and bool(capabilities & _CLIENT_SSL)


def _offers(greeting: bytes) -> bool:
    """Whether the server's capabilities include CLIENT_SSL."""
    position = greeting.find(b"\0") + 14
    return bool(int.from_bytes(greeting[position : position + 2], "little") & _CLIENT_SSL)
