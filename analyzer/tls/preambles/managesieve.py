"""ManageSieve: the server lists its capabilities, the client sends STARTTLS, the server answers OK (RFC 5804, 2.2)."""

import re

from analyzer.tls.preambles._dialogue import Dialogue, converse, words
from analyzer.tls.preambles._preamble import LETTERS, Preamble

CLIENT, SERVER = LETTERS, b'"OoNnBb'
GREETS = True

_MANAGESIEVE = Dialogue(
    name="managesieve",
    opens=words("STARTTLS", "CAPABILITY", "AUTHENTICATE"),
    begins=re.compile(rb'(?i:"[^"\r\n]{0,1024}(?:"|\Z)|OK\b|NO\b|BYE\b|[ONB]\Z|BY\Z)'),
    greeting=re.compile(rb'"(?i:IMPLEMENTATION|SIEVE|STARTTLS|SASL|VERSION|NOTIFY|LANGUAGE|MAXREDIRECTS|OWNER)"'),
    greets=frozenset({b"OK", b"NO", b"BYE"}),
    asks=re.compile(rb"(?i:STARTTLS)\s*\Z"),
    accepts=frozenset({b"OK"}),
    leaves=re.compile(rb"(?i:AUTHENTICATE)\b"),
    reply=re.compile(rb"(?P<tag>)(?P<word>(?i:OK|NO|BYE))(?: [^\n]*)?\r?\n"),
)


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    return converse(_MANAGESIEVE, client, server)
