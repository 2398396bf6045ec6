"""SMTP: the client sends STARTTLS, the server answers 220, TLS begins (RFC 3207).

Exchange servers among themselves say X-ANONYMOUSTLS instead (MS-SMTP extensions); the rest is the same.
"""

import re

from analyzer.tls.preambles._dialogue import NUMERIC_BEGINS, Dialogue, converse, words
from analyzer.tls.preambles._preamble import LETTERS, Preamble

CLIENT, SERVER = LETTERS, b"2345"
GREETS = True

_SMTP = Dialogue(
    name="smtp",
    opens=words("EHLO", "HELO", "STARTTLS", "X-ANONYMOUSTLS", "MAIL", "RCPT", "RSET", "VRFY", "NOOP", "XCLIENT"),
    begins=NUMERIC_BEGINS,
    greeting=re.compile(rb"(?:220|421|554)(?:[ -](?!(?i:[^\n]*(?:ftp|lmtp)))[^\n]*)?\r?\n"),
    greets=frozenset({b"220", b"421", b"554"}),
    asks=re.compile(rb"(?i:STARTTLS|X-ANONYMOUSTLS)(?!\S)"),
    accepts=frozenset({b"220"}),
    leaves=re.compile(rb"(?i:MAIL|AUTH)\b"),
)


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    return converse(_SMTP, client, server)
