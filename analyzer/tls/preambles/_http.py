"""Where HTTP/1.x responses and bodies end (RFC 9112), as far as preambles need it."""

import re

_RESPONSE = re.compile(rb"(?P<line>HTTP/1\.[01] (?P<code>[1-5]\d\d)[^\n]*\n)(?:[^\r\n][^\n]*\n)*\r?\n")
_LENGTH = re.compile(rb"\n(?i:Content-Length):[ \t]*(\d{1,18})[ \t]*\r?\n")
_CHUNKED = re.compile(rb"\n(?i:Transfer-Encoding):[^\n]*\b(?i:chunked)[ \t]*\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\n]{0,1024}\n")
_TRAILER = re.compile(rb"(?:[^\r\n][^\n]*\n)*\r?\n")


def is_response(data: bytes, position: int) -> bool:
    """Whether what begins at `position`, however short, can be a response."""
    head = data[position : position + 7]
    return head == b"HTTP/1."[: len(head)]


def response(data: bytes, position: int) -> re.Match[bytes] | None:
    """The head of the response at `position`, past interim ones (1xx but for 101), once it is whole."""
    while found := _RESPONSE.match(data, position):
        if found["code"][:1] != b"1" or found["code"] == b"101":
            return found
        position = found.end()
    return None


def body_end(head: re.Match[bytes]) -> int | None:
    """Where the message with this head ends; None where it ends with the connection or is not whole."""
    data = head.string
    position = head.end()
    if _CHUNKED.search(data, head.start(), position):
        while chunk := _CHUNK.match(data, position):
            size = int(chunk[1], 16)
            if size == 0:
                trailer = _TRAILER.match(data, chunk.end())
                return trailer.end() if trailer else None
            position = data.find(b"\n", chunk.end() + size) + 1
            if position == 0:
                return None
        return None
    length = _LENGTH.search(data, head.start(), position)
    if length is None:
        return None
    end = position + int(length[1])
    return end if end <= len(data) else None
