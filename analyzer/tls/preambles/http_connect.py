"""HTTP CONNECT: a proxy answers 2xx and becomes a tunnel, in which TLS may begin (RFC 9110, section 9.3.6).

A 407 may be followed by the same request with credentials on the same connection; the bodies of refusals are
skipped by their Content-Length or chunks (RFC 9112, section 6). What runs in the tunnel need not be TLS.
"""

import re

from analyzer.tls.preambles._http import body_end, is_response, response
from analyzer.tls.preambles._preamble import ANY, Preamble, quote, waiting

CLIENT, SERVER = b"C", ANY
GREETS = False

_LINE = re.compile(rb"CONNECT +(\S{1,512}) +HTTP/1\.[01]\r?\n")
_HEAD = re.compile(_LINE.pattern + rb"(?:[^\r\n][^\n]*\n)*\r?\n")


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if client[:8] != b"CONNECT "[: len(client)] or (b"\n" in client[:1024] and not _LINE.match(client)):
        return None
    refusal: Preamble | None = None
    sent = heard = 0
    target = ""
    while request := _HEAD.match(client, sent):
        sent = request.end()
        target = quote(request[1])
        if not is_response(server, heard):
            says = f"The answer to CONNECT {target} is not HTTP."
            return Preamble("http-connect", "other", sent, heard, says)
        answer = response(server, heard)
        if answer is None:
            break
        if answer["code"][:1] == b"2":
            says = f"The proxy opened a tunnel to {target}: {quote(answer['line'])}"
            return Preamble("http-connect", "tls", sent, answer.end(), says, tunnel=True)
        says = f"The proxy declined CONNECT {target}: {quote(answer['line'])}"
        refusal = Preamble("http-connect", "refused", sent, answer.end(), says)
        end = body_end(answer)
        if end is None:
            break
        heard = end
    return refusal or waiting("http-connect", sent, f"asked a proxy for a tunnel to {target}")
