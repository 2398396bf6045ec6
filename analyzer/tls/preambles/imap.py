"""IMAP: the client sends a tagged STARTTLS, the server answers OK with that tag, TLS begins (RFC 9051, 6.2.1)."""

import re
from string import printable

from analyzer.tls.preambles._dialogue import Dialogue, converse
from analyzer.tls.preambles._preamble import Preamble

CLIENT = SERVER = printable.strip().encode()  # tags are nearly free
GREETS = True

_IMAP = Dialogue(
    name="imap",
    opens=re.compile(rb"[!-~]{1,64} (?i:CAPABILITY|STARTTLS|NOOP|ID|LOGIN|AUTHENTICATE|ENABLE|LOGOUT)[ \r\n]"),
    begins=re.compile(rb"[*+](?: |\Z)|[!-~]{1,64}(?: (?i:OK|NO|BAD)\b|\Z)"),
    greeting=re.compile(rb"\* (?i:OK|PREAUTH|BYE)\b"),
    greets=frozenset(),
    asks=re.compile(rb"(?i:STARTTLS)\s*\Z"),
    accepts=frozenset({b"OK"}),
    leaves=re.compile(rb"(?i:LOGIN|AUTHENTICATE)\b"),
    reply=re.compile(rb"(?P<tag>[^\s*+]\S{0,63}) (?P<word>(?i:OK|NO|BAD))(?: [^\n]*)?\r?\n"),
    tagged=True,
)


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    return converse(_IMAP, client, server)
