"""FTP: the client sends AUTH TLS (or SSL, TLS-C, TLS-P), the server answers 234, TLS begins (RFC 4217).

GridFTP says AUTH GSSAPI instead (RFC 2228): the server answers 334, and the TLS records of both sides travel
as base64 tokens, `ADAT token` from the client and `335 ADAT=token` or `235 ADAT=token` from the server; later
commands and replies as `ENC token` and `632 token`. That is the framing `gssapi-ftp`. Kerberos goes the same
way without TLS.
"""

import binascii
import re
from dataclasses import replace

from analyzer.tls.preambles._dialogue import NUMERIC_BEGINS, Dialogue, converse, words
from analyzer.tls.preambles._framing import Chunk
from analyzer.tls.preambles._preamble import LETTERS, Preamble, begins_tls, waiting

CLIENT, SERVER = LETTERS, b"12345"
GREETS = True

_FTP = Dialogue(
    name="ftp",
    opens=words("AUTH TLS", "AUTH TLS-C", "AUTH TLS-P", "AUTH SSL", "AUTH GSSAPI", "USER", "FEAT", "SYST", "HOST"),
    begins=NUMERIC_BEGINS,
    greeting=re.compile(rb"[1245]\d\d[ -](?i:[^\n]*ftp)[^\n]*\n|120[ -]"),
    greets=frozenset({b"220", b"421"}),
    asks=re.compile(rb"(?i:AUTH +(?:TLS(?:-[CP])?|SSL|GSSAPI))\s*\Z"),
    accepts=frozenset({b"234", b"334"}),
    leaves=re.compile(rb"(?i:PASS|ACCT)\b"),
)
_ADAT = re.compile(rb"(?i:ADAT) +([A-Za-z0-9+/]{8})")
_LONGEST_LINE = 1 << 18
_TOKEN = re.compile(rb"(?i:ADAT |ENC |CONF |MIC |[23]35 ADAT=|63[123][ -])([^\r\n]*)")


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    preamble = converse(_FTP, client, server)
    if preamble is None or preamble.state != "tls":
        return preamble
    if not client[: preamble.client].rstrip().upper().endswith(b"GSSAPI"):
        return preamble
    rest = client[preamble.client :]
    token = _ADAT.match(rest)
    if token and begins_tls(binascii.a2b_base64(token[1])):
        return replace(preamble, framing="gssapi-ftp")
    if token or b"\n" in rest:
        says = "The client authenticates with GSSAPI, but its tokens are not TLS (Kerberos, likely)."
        return replace(preamble, state="other", says=says)
    return waiting("ftp", preamble.client, "authenticates with GSSAPI")


class Deframer:
    """Takes the TLS records of one direction out of the base64 tokens of GridFTP."""

    def __init__(self) -> None:
        self.raw = False
        self.ended = False
        self._line = bytearray()
        self._begin = 0

    def feed(self, data: bytes) -> list[Chunk]:
        """What the next bytes of the stream carry; a token is judged when its line is complete."""
        chunks: list[Chunk] = []
        scanned = len(self._line)
        self._line += data
        while not self.ended and (end := self._line.find(b"\n", scanned)) >= 0:
            if token := _TOKEN.match(self._line, 0, end):
                try:
                    payload = binascii.a2b_base64(token[1])
                except binascii.Error:
                    self.ended = True
                    break
                if begins_tls(payload):
                    chunks.append(Chunk(payload, self._begin + token.start(1), self._begin + token.end(1)))
            del self._line[: end + 1]
            self._begin += end + 1
            scanned = 0
        if self.ended or len(self._line) > _LONGEST_LINE:
            self.ended = True
            self._line.clear()
        return chunks
