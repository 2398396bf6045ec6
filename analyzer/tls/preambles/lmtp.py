"""LMTP: as SMTP, but the client says LHLO (RFC 2033): STARTTLS, the server answers 220, TLS begins."""

import re

from analyzer.tls.preambles._dialogue import NUMERIC_BEGINS, Dialogue, converse, words
from analyzer.tls.preambles._preamble import LETTERS, Preamble

CLIENT, SERVER = LETTERS, b"2345"
GREETS = True

_LMTP = Dialogue(
    name="lmtp",
    opens=words("LHLO"),
    begins=NUMERIC_BEGINS,
    greeting=re.compile(rb"220[ -](?i:[^\n]*LMTP)[^\n]*\n"),
    greets=frozenset({b"220", b"421", b"554"}),
    asks=re.compile(rb"(?i:STARTTLS)\s*\Z"),
    accepts=frozenset({b"220"}),
    leaves=re.compile(rb"(?i:MAIL|AUTH)\b"),
)


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    return converse(_LMTP, client, server)
