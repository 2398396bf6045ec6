"""POP3: the client sends STLS, the server answers +OK, TLS begins (RFC 2595, section 4)."""

import re

from analyzer.tls.preambles._dialogue import Dialogue, converse, words
from analyzer.tls.preambles._preamble import LETTERS, Preamble

CLIENT, SERVER = LETTERS, b"+-"
GREETS = True

_POP3 = Dialogue(
    name="pop3",
    opens=words("STLS", "CAPA", "USER", "APOP", "AUTH", "UTF8", "LANG"),
    begins=re.compile(rb"(?i:\+(?:O(?:K(?:[ \r\n]|\Z)|\Z)|[ \r\n]|\Z)|-(?:E(?:R(?:R(?:[ \r\n]|\Z)|\Z)|\Z)|\Z))"),
    greeting=re.compile(rb"(?i:\+OK|-ERR)\b"),
    greets=frozenset({b"+OK", b"-ERR"}),
    asks=re.compile(rb"(?i:STLS)\s*\Z"),
    accepts=frozenset({b"+OK"}),
    leaves=re.compile(rb"(?i:PASS|APOP|AUTH)\b"),
    reply=re.compile(rb"(?P<tag>)(?P<word>(?i:\+OK|-ERR|\+))(?: [^\n]*)?\r?\n"),
)


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    return converse(_POP3, client, server)
