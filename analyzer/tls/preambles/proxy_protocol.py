"""PROXY protocol: a load balancer says first from whom the connection really came, in text (version 1) or
binary (version 2); what follows at once is the client's own stream, TLS or another preamble
(https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).

A version 2 header may carry a TLV that says whether the original client spoke TLS to the load balancer and
showed a certificate: mutual TLS that this capture cannot show otherwise.
"""

import re
from ipaddress import IPv4Address, IPv6Address

from analyzer.tls.preambles._preamble import ANY, Preamble, quote, waiting

CLIENT, SERVER = b"P\r", ANY
GREETS = False

_TEXT = re.compile(rb"PROXY (?:TCP[46] ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5})|UNKNOWN[^\r\n]*)\r\n")
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_TLV_SSL, _TLV_SSL_VERSION, _TLV_SSL_CN = 0x20, 0x21, 0x22


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of the client's direction; the server says nothing of it."""
    if client[:12] == _SIGNATURE[: len(client)]:
        return _binary(client)
    if client[:6] != b"PROXY "[: len(client)]:
        return None
    header = _TEXT.match(client[:107])
    if not header:
        return waiting("proxy-protocol") if len(client) < 107 and b"\n" not in client else None
    says = "A load balancer forwards a connection of unknown origin (PROXY version 1)."
    if header[1]:
        source, destination, source_port, destination_port = (text.decode() for text in header.groups())
        says = f"A load balancer forwards {source} port {source_port} to {destination} port {destination_port}."
    return Preamble("proxy-protocol", "tls", header.end(), 0, says, tunnel=True)


def _binary(client: bytes) -> Preamble | None:
    """Judge a version 2 header (section 2.2)."""
    if client[12:13] not in (b"", b"\x20", b"\x21"):
        return None
    end = 16 + int.from_bytes(client[14:16])
    if len(client) < end or len(client) < 16:
        return waiting("proxy-protocol")
    body = client[16:end]
    sizes = {0x10: (4, IPv4Address), 0x20: (16, IPv6Address)}
    size, address = sizes.get(client[13] & 0xF0, (0, IPv4Address))
    if client[12] == 0x20:
        says = "A load balancer checks the server's health with a connection of its own (PROXY version 2, LOCAL)."
    elif size and len(body) >= 2 * size + 4:
        source, destination = address(body[:size]), address(body[size : 2 * size])
        ports = [int.from_bytes(body[2 * size + i : 2 * size + i + 2]) for i in (0, 2)]
        says = f"A load balancer forwards {source} port {ports[0]} to {destination} port {ports[1]}"
        says += f"{_original_tls(body[2 * size + 4 :])}."
    else:
        says = "A load balancer forwards a connection of another address family (PROXY version 2)."
    return Preamble("proxy-protocol", "tls", end, 0, says, tunnel=True)


def _original_tls(tlvs: bytes) -> str:
    """What PP2_TYPE_SSL says of the original client's own TLS connection (section 2.2.6)."""
    ssl = _tlvs(tlvs).get(_TLV_SSL, b"")
    if len(ssl) < 5 or not ssl[0] & 1:
        return ""
    inner = _tlvs(ssl[5:])
    version = quote(inner.get(_TLV_SSL_VERSION, b"TLS"))
    if not ssl[0] & 6:
        return f"; the client spoke {version} to it and showed no certificate"
    name = quote(inner[_TLV_SSL_CN]) if _TLV_SSL_CN in inner else "of unknown name"
    verified = "verified" if ssl[1:5] == bytes(4) else "could not verify"
    return f"; the client spoke {version} to it and showed a certificate ({name}), which it {verified}"


def _tlvs(data: bytes) -> dict[int, bytes]:
    """Type and value of every whole TLV."""
    found, position = {}, 0
    while position + 3 <= len(data):
        end = position + 3 + int.from_bytes(data[position + 1 : position + 3])
        found[data[position]] = data[position + 3 : end]
        position = end
    return found
