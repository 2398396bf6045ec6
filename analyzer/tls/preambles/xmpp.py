"""XMPP: both sides open a stream, the client sends <starttls/>, the server <proceed/>, TLS begins (RFC 6120, 5.4).

Servers among themselves do the same. White space may follow either element, as a keep-alive.
"""

import re

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"<", b"<"
GREETS = False

_OPENS = re.compile(rb"(?:<\?xml[^<>]{0,256}\?>\s{0,64})?<stream:stream[\s>]")
_DECLARATION = re.compile(rb"<\?xml[^<>]{0,256}(?:\?>\s{0,64}|\Z)")
_ASKS = re.compile(rb"<(?:[\w.-]{1,32}:)?starttls\b[^<>]{0,256}(?:/>|>\s{0,64}</[^<>]{0,64}>)\s*")
_GRANTS = re.compile(rb"<(?:[\w.-]{1,32}:)?proceed\b[^<>]{0,256}(?:/>|>\s{0,64}</[^<>]{0,64}>)\s*")
_DECLINES = re.compile(rb"<(?:[\w.-]{1,32}:)?failure\b[^<>]{0,256}xmpp-tls|<stream:error\b|</stream:stream")
_IS_SERVER = b"<stream:features"
_GOES_ON = re.compile(rb"<(?:auth|iq|message|presence|handshake|db:result|db:verify)\b")
_LEAVES = re.compile(rb"<(?:auth|message|presence|handshake|db:result|db:verify)\b")
"""What comes behind TLS, if that is to come; a client may register before (XEP-0077)."""


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if not _is_stream(client) or not _is_stream(server) or _IS_SERVER in client:
        return None
    asked, left = _ASKS.search(client), _LEAVES.search(client)
    if left and (not asked or left.start() < asked.start()):
        says = "The client goes on without asking for TLS."
        return Preamble("xmpp", "other", left.start(), len(server), says)
    if not asked:
        return waiting("xmpp")
    if granted := _GRANTS.search(server):
        says = "The client sent <starttls/> and the server answered <proceed/>."
        return Preamble("xmpp", "tls", asked.end(), granted.end(), says)
    if declined := _DECLINES.search(server):
        says = f"The server declined <starttls/>: {quote(server[declined.start() : declined.start() + 300])}"
        final = _GOES_ON.search(client, asked.end()) is not None
        return Preamble("xmpp", "refused", asked.end(), declined.end(), says, final=final)
    return waiting("xmpp", asked.end(), "sent <starttls/>")


def _is_stream(data: bytes) -> bool:
    """Whether `data`, however short, can begin an XML stream of XMPP."""
    if not data or _OPENS.match(data):
        return True
    declaration = _DECLARATION.match(data)
    rest = data[declaration.end() :] if declaration else data
    return b"<stream:stream".startswith(rest) or (not declaration and b"<?xml".startswith(rest))
