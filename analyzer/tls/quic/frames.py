"""What do the frames of a QUIC packet say, as far as a handshake goes? (RFC 9000, section 19.)"""

import re
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from analyzer.tls.codec import Malformed, Reader
from analyzer.tls.quic.packet import varint

_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO, _NEW_TOKEN = 0x00, 0x01, 0x02, 0x03, 0x06, 0x07
_STREAMS = range(0x08, 0x10)
_NEW_CONNECTION_ID, _PATH_CHALLENGE, _PATH_RESPONSE = 0x18, 0x1A, 0x1B
_CLOSE, _APPLICATION_CLOSE, _HANDSHAKE_DONE = 0x1C, 0x1D, 0x1E
_DATAGRAM, _DATAGRAM_WITH_LENGTH = 0x30, 0x31
_NUMBERS = {
    0x04: 3,  # RESET_STREAM
    0x05: 2,  # STOP_SENDING
    0x10: 1,  # MAX_DATA
    0x11: 2,  # MAX_STREAM_DATA
    0x12: 1,  # MAX_STREAMS
    0x13: 1,
    0x14: 1,  # DATA_BLOCKED
    0x15: 2,  # STREAM_DATA_BLOCKED
    0x16: 1,  # STREAMS_BLOCKED
    0x17: 1,
    0x19: 1,  # RETIRE_CONNECTION_ID
    0x1F: 0,  # IMMEDIATE_ACK (draft-ietf-quic-ack-frequency)
    0xAF: 4,  # ACK_FREQUENCY
}
"""Frames that are nothing but so many numbers."""
_IDLE = re.compile(rb"[\0\1]*")
_MOST_RANGES = _MOST_FRAMES = 4096


class Crypto(NamedTuple):
    """A part of the stream of handshake messages of an encryption level."""

    offset: int
    data: bytes


class Close(NamedTuple):
    """CONNECTION_CLOSE."""

    code: int
    by_application: bool
    """The code is the application's, not QUIC's."""


class Done(NamedTuple):
    """HANDSHAKE_DONE: the server confirms the handshake."""


class Data(NamedTuple):
    """STREAM or DATAGRAM, whose content nobody reads here."""


class Ack(NamedTuple):
    """Packets of the other side were read."""

    with_counts: bool
    """It counts the marks of congestion, too (section 19.3.2)."""


Frame = Crypto | Close | Done | Data | Ack


def frames(payload: bytes) -> Iterator[Frame]:
    """The frames that matter, up to the first that cannot be read."""
    reader, count = Reader(payload), 0
    try:
        while reader and count < _MOST_FRAMES:
            frame = _frame(reader, varint(reader))
            count += 1
            if frame is not None:
                yield frame
    except Malformed:
        return


def _frame(reader: Reader, kind: int) -> Frame | None:
    """Read one; None where it says nothing of a handshake; raises `Malformed`."""
    if kind in (_PADDING, _PING):
        found = _IDLE.match(reader.data, reader.position)
        reader.position = found.end() if found else reader.position
    elif kind in (_ACK, _ACK_ECN):
        _skip_numbers(reader, 2)
        count = varint(reader)
        if count > _MOST_RANGES:
            raise Malformed(f"{count} ranges")
        _skip_numbers(reader, 1 + 2 * count + (3 if kind == _ACK_ECN else 0))
        return Ack(kind == _ACK_ECN)
    elif kind == _CRYPTO:
        offset = varint(reader)
        return Crypto(offset, reader.take(varint(reader)))
    elif kind in _STREAMS:
        _skip_numbers(reader, 2 if kind & 0x04 else 1)
        reader.take(varint(reader) if kind & 0x02 else len(reader.data) - reader.position)
        return Data()
    elif kind in (_DATAGRAM, _DATAGRAM_WITH_LENGTH):
        reader.take(varint(reader) if kind == _DATAGRAM_WITH_LENGTH else len(reader.data) - reader.position)
        return Data()
    elif kind in (_CLOSE, _APPLICATION_CLOSE):
        code = varint(reader)
        if kind == _CLOSE:
            varint(reader)  # the type of the frame that is to blame
        length, left = varint(reader), len(reader.data) - reader.position
        reader.take(min(length, left))  # what is said to a person, who may get it without its end
        return Close(code, kind == _APPLICATION_CLOSE)
    elif kind == _HANDSHAKE_DONE:
        return Done()
    elif kind == _NEW_TOKEN:
        reader.take(varint(reader))
    elif kind == _NEW_CONNECTION_ID:
        _skip_numbers(reader, 2)
        reader.vector8()
        reader.take(16)
    elif kind in (_PATH_CHALLENGE, _PATH_RESPONSE):
        reader.take(8)
    elif kind in _NUMBERS:
        _skip_numbers(reader, _NUMBERS[kind])
    else:
        raise Malformed(f"frame of type {kind:#x}")
    return None


def _skip_numbers(reader: Reader, count: int) -> None:
    for _ in range(count):
        varint(reader)


class Message(NamedTuple):
    """A handshake message that is complete."""

    raw: bytes
    """With its header of four bytes."""
    frame: int
    """The capture's frame with which it is."""
    first_frame: int
    """That in which it begins."""


_MESSAGE_HEADER = 4
_OWN = 100
"""Bytes that a waiting part takes by itself."""


class CryptoStream:
    """Puts one side's messages of one encryption level together, from parts in any order (RFC 9000, section 19.6)."""

    __slots__ = (
        "_behind",
        "_end",
        "_kept",
        "_limit",
        "_order",
        "_pending",
        "_stopped",
        "_waiting",
        "begun",
        "overflowed",
        "too_long",
        "waited",
    )

    def __init__(self, limit: int) -> None:
        """Keep so many bytes of what waits."""
        self._limit = limit
        self._end = 0
        """How far the stream is known without a gap."""
        self._pending = bytearray()
        """What of it is no complete message yet."""
        self._waiting: dict[int, bytes] = {}
        """Parts behind a gap, by where they begin."""
        self._order: list[int] = []
        """Where these are, as a heap."""
        self._stopped = False
        """Nothing more is read."""
        self._kept = b""
        """How the stream begins."""
        self.begun = 0
        """The frame in which `pending` begins."""
        self._behind = 0
        """Bytes that wait behind a gap."""
        self.waited = 0
        """The frame with the first part behind a gap."""
        self.overflowed: int | None = None
        """The frame in which more would have waited."""
        self.too_long: int | None = None
        """The frame in which a message began that is too long; nothing is read behind it."""

    def add(self, part: Crypto, frame: int) -> bool:
        """Whether it brings anything new; of bytes that come twice the first count."""
        offset, data = part
        end = offset + len(data)
        if end <= self._end or not data:
            return False
        if offset > self._end:
            known = self._waiting.get(offset, b"")
            if len(known) >= len(data):
                return False
            if self._behind + len(data) + _OWN > self._limit:
                self.overflowed = self.overflowed or frame
                return True
            self._behind += len(data) - len(known) + (0 if known else _OWN)
            if offset not in self._waiting:
                heappush(self._order, offset)
            self._waiting[offset] = data
            self.waited = self.waited or frame
            return True
        self._append(data[self._end - offset :], frame)
        while self._order and self._order[0] <= self._end:
            first = heappop(self._order)
            late = self._waiting.pop(first)
            self._behind -= len(late) + _OWN
            if first + len(late) > self._end:
                self._append(late[self._end - first :], frame)
        return True

    def contradicts(self, part: Crypto) -> bool:
        """Whether a part says something else than what has been read at its place, or lies elsewhere."""
        offset, data = part
        known = self._kept[offset : offset + len(data)]
        return not known or known != data[: len(known)]

    def _append(self, data: bytes, frame: int) -> None:
        if not self._pending:
            self.begun = frame
        if len(self._kept) < _COMPARED:
            self._kept += data[: _COMPARED - len(self._kept)]
        self._end += len(data)
        if not self._stopped:
            self._pending += data

    def messages(self, frame: int, most: int) -> Iterator[Message]:
        """Those that are complete now; one of more than `most` bytes ends the stream."""
        pending = self._pending
        while len(pending) >= _MESSAGE_HEADER:
            length = _MESSAGE_HEADER + int.from_bytes(pending[1:4])
            if length > most:
                self.too_long = frame
                self.stop()
                return
            if len(pending) < length:
                return
            raw = bytes(pending[:length])
            del pending[:length]
            begun, self.begun = self.begun, frame
            yield Message(raw, frame, begun)

    def stop(self) -> None:
        """Read nothing more of it."""
        self._stopped = True
        self._pending.clear()

    @property
    def held(self) -> int:
        """Bytes that it keeps."""
        return self._behind + len(self._pending) + len(self._kept)

    @property
    def lacks(self) -> int | None:
        """The frame with which something is incomplete: a message, or what is before a part; None where nothing is."""
        if not self._pending and not self._waiting:
            return None
        return self.begun if self._pending else self.waited


_COMPARED = 2048
