"""HTTP Upgrade: a request with `Upgrade: TLS/1.0` is answered 101, and TLS begins (RFC 2817); IPP uses it."""

import re

from analyzer.tls.preambles._http import body_end, is_response, response
from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"GPHODT", b"H"
GREETS = False

_LINE = re.compile(rb"(?:GET|POST|PUT|PATCH|HEAD|OPTIONS|DELETE|TRACE) [^\r\n]{1,8192} HTTP/1\.1\r?\n")
_PARTIAL = re.compile(rb"(?:GET|POST|PUT|PATCH|HEAD|OPTIONS|DELETE|TRACE) [^\r\n]{0,8192}\r?\Z|[A-Z]{1,7}\Z")
_HEAD = re.compile(rb"[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_UPGRADE = re.compile(rb"\n(?i:Upgrade):[^\r\n]*\bTLS/")
_HAS_BODY = re.compile(rb"\n(?i:Content-Length|Transfer-Encoding):")


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if not _LINE.match(client):
        return waiting("http-upgrade") if _PARTIAL.match(client) else None
    head = _HEAD.match(client)
    if not head:
        return None if server else waiting("http-upgrade")
    if not _UPGRADE.search(client, 0, head.end()) or not is_response(server, 0):
        return None
    sent = body_end(head) if _HAS_BODY.search(client, 0, head.end()) else head.end()
    answer = response(server, 0)
    if sent is None or answer is None:
        return waiting("http-upgrade", head.end(), "asked to go over to TLS (Upgrade)")
    if answer["code"] == b"101":
        says = f"The server switched protocols: {quote(answer['line'])}"
        return Preamble("http-upgrade", "tls", sent, answer.end(), says)
    says = f"The server declined to go over to TLS: {quote(answer['line'])}"
    return Preamble("http-upgrade", "refused", sent, answer.end(), says)
