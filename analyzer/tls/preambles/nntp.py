"""NNTP: the client sends STARTTLS, the server answers 382, TLS begins; 580 and 502 decline (RFC 4642)."""

import re

from analyzer.tls.preambles._dialogue import NUMERIC_BEGINS, Dialogue, converse, words
from analyzer.tls.preambles._preamble import LETTERS, Preamble

CLIENT, SERVER = LETTERS, b"12345"
GREETS = True

_NNTP = Dialogue(
    name="nntp",
    opens=words("CAPABILITIES", "MODE READER", "MODE STREAM", "AUTHINFO", "STARTTLS", "GROUP"),
    begins=NUMERIC_BEGINS,
    greeting=re.compile(rb"(?:200|201|400|502)[ \r\n]"),
    greets=frozenset({b"200", b"201", b"400", b"502"}),
    asks=re.compile(rb"(?i:STARTTLS)\s*\Z"),
    accepts=frozenset({b"382"}),
    leaves=re.compile(rb"(?i:AUTHINFO|GROUP|LISTGROUP|ARTICLE|HEAD|BODY|X?OVER|POST|IHAVE|CHECK|TAKETHIS)\b"),
    reply=re.compile(rb"(?P<tag>)(?P<word>[1-5]\d\d)(?: [^\n]*)?\r?\n"),
)


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    return converse(_NNTP, client, server)
