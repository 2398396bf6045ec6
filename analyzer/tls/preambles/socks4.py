"""SOCKS4 and 4a: one request, one reply of eight bytes, then a tunnel for TLS or else (socks4.protocol, socks4a)."""

from ipaddress import IPv4Address

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"\4", b"\0\4"
GREETS = False

_REFUSALS = {
    0x5B: "request rejected or failed",
    0x5C: "the proxy cannot reach identd on the client",
    0x5D: "identd and the client name different users",
}


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if client[1:2] not in (b"", b"\1", b"\2") or not (server[1:2] == b"" or 0x5A <= server[1] <= 0x5F):
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
    if len(server) < 8:
        return waiting("socks4", sent, f"asked a proxy for a tunnel to {target}")
    code = server[1]
    if code != 0x5A:
        says = f"The proxy declined a connection to {target}: {_REFUSALS.get(code, 'code')} ({code})."
        return Preamble("socks4", "refused", sent, 8, says)
    if client[1] == 2:
        return Preamble("socks4", "other", sent, 8, "The client asked the proxy to wait for a connection (BIND).")
    says = f"The proxy opened a tunnel to {target}:{int.from_bytes(client[2:4])}."
    return Preamble("socks4", "tls", sent, 8, says, tunnel=True)
