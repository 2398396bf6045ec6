"""IRC: the client sends STARTTLS, the server answers with numeric 670, TLS begins; 691 declines (IRCv3 tls).

Replies come in any order among notices, so the answer is found by its numeric and not by counting.
"""

import re

from analyzer.tls.preambles._dialogue import words
from analyzer.tls.preambles._preamble import LETTERS, Preamble, quote, waiting

CLIENT, SERVER = LETTERS, b":NPE@"
GREETS = True

_OPENS = words("CAP", "STARTTLS", "NICK", "PASS", "USER")
_BEGINS = re.compile(rb"[:@][!-~]|NOTICE |PING |ERROR |[:@]\Z|[A-Z]{1,6}\Z")
_ASKS = re.compile(rb"(?mi:^STARTTLS[ \t]*\r?\n)")
_WELCOME = re.compile(rb"(?mi:^(?::\S{1,512} )?001\b[^\n]{0,512}\n)")
_ANSWER = re.compile(rb"(?mi:^(?::\S{1,512} )?(670|691|(?:421|451)[^\r\n]{0,400}\bSTARTTLS\b|001)\b[^\n]{0,512}\n)")


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if (client and not _OPENS.match(client)) or (server and not _BEGINS.match(server)):
        return None
    asked, answer = _ASKS.search(client), _ANSWER.search(server)
    if not answer:
        return waiting("irc", asked.end() if asked else 0, "sent STARTTLS")
    if answer[1] == b"001":
        says = "The server welcomed the client, and the session goes on in clear."
        return Preamble("irc", "other", len(client), answer.end(), says)
    if not asked:
        return waiting("irc")
    if answer[1] == b"670":
        says = f"The server agreed to STARTTLS: {quote(answer.group())}"
        return Preamble("irc", "tls", asked.end(), answer.end(), says)
    says = f"The server declined STARTTLS: {quote(answer.group())}"
    final = _WELCOME.search(server, answer.end()) is not None
    return Preamble("irc", "refused", asked.end(), answer.end(), says, final=final)
