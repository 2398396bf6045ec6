"""What did the application answer inside TLS, as far as its first bytes tell?"""

import re
from dataclasses import dataclass

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})([^\r\n]*)")
_IDENTITY = b"MUTUAL_AUTHENTICATION_FAILED"
"""Salesforce's word for a certificate that belongs to nobody."""
_CERTIFICATE = re.compile(rb"certificate|mutual[ _-]?(tls|auth)", re.IGNORECASE)


@dataclass(slots=True, frozen=True)
class Response:
    """The head of an HTTP response."""

    status: int
    """Status code (RFC 9110, section 15)."""
    reason: str
    """Its words; hostile text."""
    speaks_of_certificate: bool
    """Status line, header or the beginning of the body speak of a certificate."""
    refuses_identity: bool
    """It says that the certificate is good and belongs to nobody who may come in."""

    @property
    def words(self) -> str:
        """`HTTP 403 Forbidden`."""
        return f"HTTP {self.status} {self.reason}".rstrip()


def response(data: bytes) -> Response | None:
    """The first response, past interim ones; None where the bytes are no HTTP/1."""
    for found in _STATUS_LINE.finditer(data):
        if found.start() and data[found.start() - 1 : found.start()] != b"\n":
            continue
        if found[1][:1] != b"1":
            reason = found[2].strip().decode("ascii", "backslashreplace")[:80]
            identity = data.find(_IDENTITY, found.start()) >= 0
            speaks = not identity and _CERTIFICATE.search(data, found.start()) is not None
            return Response(int(found[1]), reason, speaks, identity)
    return None
