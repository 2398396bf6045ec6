"""How does a record begin? (RFC 8446, section 5.1; RFC 6101, appendix E, for SSLv2.)"""

import re
from struct import Struct

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24
SSLV2 = 0x0200
"""Our own record type for what has an SSLv2 header: its content types are message types."""

HEADER = 5
"""Bytes of a record's header: type, version and length."""
MAX_FRAGMENT = (1 << 14) + 2048
"""Bytes of the longest fragment (RFC 5246, section 6.2.3)."""
_header = Struct(">BHH").unpack


def plausible_header(type_: int, version: int, length: int) -> bool:
    """Whether these can be the header of a TLS record."""
    return (
        CHANGE_CIPHER_SPEC <= type_ <= HEARTBEAT
        and 0x0300 <= version <= 0x0304
        and length <= MAX_FRAGMENT
        and (length > 0 or type_ == APPLICATION_DATA)
    )


def looks_like_tls(data: bytes) -> bool | None:
    """Whether a stream that begins like this is TLS from its first byte; None where more bytes must tell."""
    if len(data) < HEADER:
        return None if not data or data[0] in _FIRST_BYTES or data[0] & 0x80 else False
    type_, version, length = _header(data[:HEADER])
    if plausible_header(type_, version, length):
        return True
    return sslv2_hello_length(data) is not None


def looks_like_clear_text(data: bytes) -> bool:
    """Whether these bytes, where a record must begin, are lines of text or an LDAPMessage (RFC 4511, section 4.1.1)."""
    return _CLEAR_TEXT.match(data) is not None


_CLEAR_TEXT = re.compile(rb"[\t\r\n -~]{5,}\Z|\x30[\x00-\x7f\x81-\x84].{0,4}?\x02[\x01-\x04]", re.DOTALL)
_FIRST_BYTES = frozenset(range(CHANGE_CIPHER_SPEC, HEARTBEAT + 1))


def sslv2_hello_length(data: bytes) -> int | None:
    """Length of the SSLv2-format ClientHello or ServerHello that begins here (RFC 5246, appendix E.2)."""
    if len(data) < 7 or not data[0] & 0x80:
        return None
    length = (data[0] & 0x7F) << 8 | data[1]
    kind, version = data[2], data[3] << 8 | data[4]
    if kind == 1 and 9 <= length < 4096 and (version == 2 or 0x0300 <= version <= 0x0304):
        return length
    # SERVER-HELLO: session id hit, certificate type, version.
    if kind == 4 and 11 <= length < 32768 and data[3] <= 1 and data[4] <= 3 and data[5:7] == b"\x00\x02":
        return length
    return None
