"""SOCKS4 and 4a: one request, one reply of eight bytes, then a tunnel for TLS or else (socks4.protocol, socks4a).

A proxy that speaks version 5 alone takes the request for a greeting, and answers that it accepts no method.
"""

from ipaddress import IPv4Address

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"\4", b"\0\4\5"
GREETS = False

_VERSION_5 = b"\5\xff"
_REFUSALS = {
    0x5B: "request rejected or failed",
    0x5C: "the proxy cannot reach identd on the client",
    0x5D: "identd and the client name different users",
}


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    newer = server[:1] == b"\5"
    if client[1:2] not in (b"", b"\1", b"\2") or not (_VERSION_5.startswith(server) if newer else _is_reply(server)):
        return None
    if len(client) < 9:
        return waiting("socks4")
    end = client.find(b"\0", 8)
    target = str(IPv4Address(client[4:8]))
    if end >= 0 and client[4:7] == b"\0\0\0" and client[7]:
        name = end + 1
        end = client.find(b"\0", name)
        target = quote(client[name:end])
    if end < 0:
        return waiting("socks4") if len(client) < 600 else None
    sent = end + 1
    target = f"{target}:{int.from_bytes(client[2:4])}"
    if server == _VERSION_5:
        says = f"The proxy declined a connection to {target}: it answered in SOCKS5, none of whose methods was offered."
        return Preamble("socks4", "refused", sent, 2, says)
    if len(server) < 8:
        return waiting("socks4", sent, f"asked a proxy for a tunnel to {target}")
    code = server[1]
    if code != 0x5A:
        says = f"The proxy declined a connection to {target}: {_REFUSALS.get(code, 'code')} ({code})."
        return Preamble("socks4", "refused", sent, 8, says)
    if client[1] == 2:
        return Preamble("socks4", "other", sent, 8, "The client asked the proxy to wait for a connection (BIND).")
    return Preamble("socks4", "tls", sent, 8, f"The proxy opened a tunnel to {target}.", tunnel=True)


def _is_reply(server: bytes) -> bool:
    """Whether the server's bytes, however short, can be a reply of SOCKS4."""
    return len(server) < 2 or 0x5A <= server[1] <= 0x5F
