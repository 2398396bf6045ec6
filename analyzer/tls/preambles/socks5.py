"""SOCKS5: a method is agreed, a name and password perhaps, then one request, one reply, a tunnel (RFC 1928, 1929).

What runs in the tunnel need not be TLS. With GSSAPI (RFC 1961) it is wrapped, and TLS in it is out of sight.
"""

from ipaddress import IPv4Address, IPv6Address

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"\5", b"\5"
GREETS = False

_REPLIES = {
    1: "general failure",
    2: "connection not allowed by ruleset",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if client[:1] != b"\5" or client[1:2] == b"\0" or server[:1] not in (b"", b"\5"):
        return None
    sent = 2 + client[1] if len(client) > 1 else 2
    if len(client) < sent:
        return waiting("socks5")
    pending = waiting("socks5", sent, "asked a proxy for a tunnel")
    if len(server) < 2:
        return pending
    method, heard = server[1], 2
    if method == 0xFF:
        return Preamble("socks5", "refused", sent, heard, "The proxy accepts none of the client's methods.")
    if method not in client[2:sent]:
        return None
    if method == 2:
        credentials = _credentials_end(client, sent)
        if credentials is None or len(server) < heard + 2:
            return pending
        sent, heard = credentials, heard + 2
        if server[heard - 1] != 0:
            return Preamble("socks5", "refused", sent, heard, "The proxy refused the client's name and password.")
    elif method != 0:
        says = f"Authentication method {method} may wrap all that follows (1 is GSSAPI)."
        return Preamble("socks5", "other", sent, heard, says)
    return _request(client, sent, server, heard) or pending


def _request(client: bytes, sent: int, server: bytes, heard: int) -> Preamble | None:
    """Judge request and reply (RFC 1928, sections 4 and 6); None while they are not whole."""
    target = _endpoint(client, sent + 3)
    if target is None or len(server) < heard + 2:
        return None
    name, end = target
    code = server[heard + 1]
    if code != 0:
        says = f"The proxy declined a connection to {name}: {_REPLIES.get(code, 'reply')} ({code})."
        return Preamble("socks5", "refused", end, len(server), says)
    bound = _endpoint(server, heard + 3)
    if bound is None:
        return None
    if client[sent + 1] != 1:
        says = f"The client asked the proxy for command {client[sent + 1]} (2 is BIND, 3 is UDP), no tunnel."
        return Preamble("socks5", "other", end, bound[1], says)
    return Preamble("socks5", "tls", end, bound[1], f"The proxy opened a tunnel to {name}.", tunnel=True)


def _credentials_end(client: bytes, position: int) -> int | None:
    """Where the name and password end (RFC 1929, section 2)."""
    name = position + 1
    if len(client) <= name:
        return None
    password = name + 1 + client[name]
    if len(client) <= password:
        return None
    end = password + 1 + client[password]
    return end if len(client) >= end else None


def _endpoint(data: bytes, position: int) -> tuple[str, int] | None:
    """The address and port at `position` as text, and where they end (RFC 1928, section 5)."""
    kind = data[position : position + 1]
    begin = position + 2 if kind == b"\3" else position + 1
    if len(data) < begin:
        return None
    size = {b"\1": 4, b"\4": 16, b"\3": data[begin - 1]}.get(kind, 0)
    address, end = data[begin : begin + size], begin + size + 2
    if len(data) < end:
        return None
    port = int.from_bytes(data[end - 2 : end])
    if kind == b"\3":
        return f"{quote(address)}:{port}", end
    return (f"[{IPv6Address(address)}]:{port}" if kind == b"\4" else f"{IPv4Address(address or 0)}:{port}"), end
