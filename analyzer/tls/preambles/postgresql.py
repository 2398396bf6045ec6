"""PostgreSQL: the client sends SSLRequest, the server answers one byte, S (TLS begins) or N (it does not).

A client may ask for GSSAPI encryption first (GSSENCRequest). After N it may go on in clear or give up.
(PostgreSQL documentation, Frontend/Backend Protocol, SSL Session Encryption.) Clients of version 17 may
begin with TLS at once; then there is no preamble.
"""

from struct import unpack_from

from analyzer.tls.preambles._preamble import Preamble, quote, waiting

CLIENT, SERVER = b"\0", b"SNGERv"
GREETS = False

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    refusal: Preamble | None = None
    sent = heard = 0
    while len(client) >= sent + 8:
        length, code = unpack_from(">II", client, sent)
        if length != 8 or code not in (_SSL, _GSS):
            startup = 8 <= length <= 10_000 and (code >> 16 in (2, 3) or code == _CANCEL)
            if not startup and not sent:
                return None
            says = "The client went on in clear without asking for TLS."
            return refusal or Preamble("postgresql", "other", sent, heard, says)
        answer = server[heard : heard + 1]
        sent += 8
        heard += len(answer)
        if answer == b"S" and code == _SSL:
            says = "The client sent SSLRequest and the server answered S."
            return Preamble("postgresql", "tls", sent, heard, says)
        if answer == b"G" and code == _GSS:
            return Preamble("postgresql", "other", sent, heard, "Both sides agreed on GSSAPI encryption.")
        if answer == b"E":
            says = f"The server answered SSLRequest with an error: {_error(server[heard:])}".rstrip()
            return Preamble("postgresql", "refused", sent, len(server), says)
        if answer != b"N":
            asked = sent if code == _SSL else 0
            return None if answer else refusal or waiting("postgresql", asked, "sent SSLRequest")
        if code == _SSL:
            says = "The server declined SSLRequest: N (TLS is not enabled there)."
            refusal = Preamble("postgresql", "refused", sent, heard, says)
    return refusal or (waiting("postgresql") if sent or client[:3] == b"\0\0\0"[: len(client)] else None)


def _error(fields: bytes) -> str:
    """The message (field M) of an ErrorResponse whose type byte has gone; old servers send bare text."""
    for field in fields[4:].split(b"\0"):
        if field[:1] == b"M":
            return quote(field[1:])
    return quote(fields.partition(b"\0")[0])
