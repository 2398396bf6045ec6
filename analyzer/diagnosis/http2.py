"""What do the first HEADERS of an HTTP/2 connection say: method, authority and path, or status?

Of a header block (RFC 7541) only its beginning is read, where the pseudo-header fields stand (RFC 9113, section 8.3):
what follows, such as cookies and tokens, is never decoded. On a fresh connection nothing of that needs a dynamic table.
"""

from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with (RFC 9113, section 3.4)."""

_FRAME_HEADER = 9
_HEADERS, _SETTINGS, _CONTINUATION = 1, 4, 9
_END_HEADERS, _PADDED, _PRIORITY = 0x04, 0x08, 0x20
_SETTING = 6
_STATIC = (
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    *((":status", status) for status in ("200", "204", "206", "304", "400", "404", "500")),
)
"""The pseudo-header fields of the static table (RFC 7541, appendix A); they are its first, numbered from 1."""
_LENGTHS = {
    5: "012aceiost",
    6: " %-./3456789=A_bdfghlmnpru",
    7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: "&*,;XZ",
    10: '!"()?',
    11: "'+|",
    12: "#>",
    13: "\0$@[]~",
    14: "^}",
    15: "<`{",
}
"""Characters by the length of their code in bits (RFC 7541, appendix B); the code is canonical, the rest is longer."""


def is_http2(data: bytes) -> bool:
    """Whether a direction begins as HTTP/2 does: with the client's preface, or with the server's SETTINGS."""
    length = int.from_bytes(data[:3])
    is_settings = len(data) >= _FRAME_HEADER and data[3] == _SETTINGS and not any(data[4:_FRAME_HEADER])
    return data.startswith(PREFACE) or (is_settings and length % _SETTING == 0)


def headers(data: bytes) -> Iterator[dict[str, str]]:
    """The pseudo-header fields of each HEADERS, as far as the data go."""
    for block in _blocks(data.removeprefix(PREFACE)):
        yield dict(_fields(block))


def _blocks(data: bytes) -> Iterator[bytes]:
    """Header blocks, the last one maybe cut (RFC 9113, sections 4.1 and 6.2)."""
    block: bytes | None = None
    at = 0
    while len(data) - at >= _FRAME_HEADER:
        kind, flags = data[at + 3], data[at + 4]
        payload = data[at + _FRAME_HEADER : at + _FRAME_HEADER + int.from_bytes(data[at : at + 3])]
        at += _FRAME_HEADER + int.from_bytes(data[at : at + 3])
        if kind == _HEADERS:
            skipped = bool(flags & _PADDED) + 5 * bool(flags & _PRIORITY)
            padding = payload[0] if flags & _PADDED and payload else 0
            block = payload[skipped : len(payload) - padding if at <= len(data) else None]
        elif kind == _CONTINUATION and block is not None:
            block += payload
        if block is not None and (flags & _END_HEADERS or at >= len(data)) and kind in (_HEADERS, _CONTINUATION):
            yield block
            block = None


def _fields(block: bytes) -> Iterator[tuple[str, str]]:
    """The pseudo-header fields at the beginning of a block, as far as it goes (RFC 7541, section 6)."""
    at = 0
    while at < len(block):
        first = block[at]
        if first & 0xE0 == 0x20:  # a new size of the dynamic table
            at = _integer(block, at, 5)[1]
            continue
        prefix = 7 if first & 0x80 else 6 if first & 0x40 else 4
        index, at = _integer(block, at, prefix)
        if index > len(_STATIC) or (prefix == 7 and not index):
            return
        if prefix == 7:
            yield _STATIC[index - 1]
            continue
        if index:
            name: str | None = _STATIC[index - 1][0]
        else:
            name, at = _string(block, at)
        if name is None or not name.startswith(":"):
            return
        value, at = _string(block, at)
        if value is None:
            return
        yield name, value


def _integer(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    """A number that begins in the low bits of a byte, and where it ends (RFC 7541, section 5.1)."""
    value = block[at] & (1 << prefix) - 1
    at += 1
    if value < (1 << prefix) - 1:
        return value, at
    for shift in range(0, 28, 7):
        if at >= len(block):
            break
        value += (block[at] & 0x7F) << shift
        at += 1
        if not block[at - 1] & 0x80:
            return value, at
    return 1 << 28, len(block)  # cut, or larger than anything here


def _string(block: bytes, at: int) -> tuple[str | None, int]:
    """A text, and where it ends; None where it is cut, or holds what no method, path or status does (section 5.2)."""
    if at >= len(block):
        return None, at
    is_huffman = bool(block[at] & 0x80)
    length, at = _integer(block, at, 7)
    data, end = block[at : at + length], at + length
    if len(data) < length:
        return None, end
    text = _huffman(data) if is_huffman else data.decode("latin-1")
    return (text if text is not None and text.isascii() and text.isprintable() else None), end


def _huffman(data: bytes) -> str | None:
    """The text that is coded so; None where a character is not in our table."""
    text, code, length = [], 0, 0
    for byte in data:
        for bit in range(7, -1, -1):
            code, length = code << 1 | byte >> bit & 1, length + 1
            found = _CODES.get((length, code))
            if found is not None:
                text.append(found)
                code = length = 0
            elif length > max(_LENGTHS):
                return None
    return "".join(text) if length < 8 and code == (1 << length) - 1 else None  # padded with ones


def _canonical() -> Iterator[tuple[tuple[int, int], str]]:
    """Length and code of each character: shorter ones first, of the same length in order."""
    code, before = 0, min(_LENGTHS)
    for length, characters in _LENGTHS.items():
        code <<= length - before
        before = length
        for character in characters:
            yield (length, code), character
            code += 1


_CODES = dict(_canonical())
