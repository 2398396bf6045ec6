"""Where do records end, one after the other, in a byte stream? (RFC 8446, section 5.1.)

The reader jumps from record header to record header. It copies only the fragments that somebody reads, so
that its work grows with the number of records and not with the bytes of application data.
"""

from bisect import bisect_right
from dataclasses import dataclass
from struct import Struct
from typing import Literal

from analyzer.net.stream import Gap, Piece, Seen, Segment, Stretch
from analyzer.tls.header_search import HeaderSearch
from analyzer.tls.record_header import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEADER,
    HEARTBEAT,
    MAX_FRAGMENT,
    SSLV2,
    looks_like_clear_text,
    looks_like_tls,
    plausible_header,
    sslv2_hello_length,
)

__all__ = [
    "ALERT",
    "APPLICATION_DATA",
    "CHANGE_CIPHER_SPEC",
    "HANDSHAKE",
    "HEADER",
    "HEARTBEAT",
    "MAX_FRAGMENT",
    "SSLV2",
    "Event",
    "Hole",
    "Reason",
    "Record",
    "RecordReader",
    "Unfinished",
    "jump",
    "looks_like_tls",
    "plausible_header",
    "sslv2_hello_length",
]

_header = Struct(">BHH").unpack
_header_at = Struct(">BHH").unpack_from


Reason = Literal["snap-length", "not-captured", "missing", "damaged"]
"""Why bytes are lacking: as of a `Gap`; `damaged` where no record header stands where one must."""


@dataclass(slots=True, eq=False)
class Record:
    """One record of one direction."""

    direction: int
    type: int
    """ContentType, or `SSLV2`."""
    version: int
    """legacy_record_version."""
    length: int
    """The header's length field."""
    fragment: bytes | None
    """Its bytes; None of types that nobody reads, and where the capture lacks some."""
    frame: int
    """The frame that completes it."""
    time: int
    first_frame: int
    """The frame in which it begins."""
    first_time: int
    known: bytes = b""
    """How its fragment begins, where the capture lacks the rest."""
    lost: Reason | None = None
    """Why the capture lacks it."""
    end: int | None = None
    """Stream position behind it."""


@dataclass(slots=True, eq=False)
class Hole:
    """Bytes that are missing or make no sense between two records; how many records is unknown."""

    direction: int
    frame: int
    """The segment behind it."""
    reason: Reason
    length: int | None = None
    """How many bytes, where they begin behind a record."""


Event = Record | Hole


@dataclass(slots=True)
class Unfinished:
    """A record whose header has been read and whose end has not."""

    type: int
    version: int
    length: int
    begun: Seen
    end: int
    """Stream position behind it."""
    parts: list[bytes] | None
    """What was copied of it."""
    known: bytes = b""
    """What was copied before the capture lacked some of it."""
    lost: Reason | None = None
    """Why it does."""

    def starts_with(self, prefix: bytes) -> bool:
        """Whether its fragment is known to begin like this."""
        return (self.known or b"".join(self.parts or ())).startswith(prefix)

    def lose(self, reason: Reason) -> None:
        """The capture lacks some of it."""
        if self.parts is not None:
            self.known, self.parts, self.lost = b"".join(self.parts), None, reason


class RecordReader:
    """Cuts one direction's byte stream into records."""

    def __init__(self, direction: int, copied_types: frozenset[int], detailed: int, most: int = 1 << 62) -> None:
        """Copy fragments of `copied_types`.

        Past `detailed` records of application data and `most` of others, they are only counted.
        """
        self._direction = direction
        self.copy_only(copied_types)
        self._detailed = detailed
        self._most = most
        self._next = 0
        self._head = b""
        self._head_seen: Seen = (0, 0)
        self._head_size = HEADER
        self._open: Unfinished | None = None
        self._sslv2_hello = False
        self._sslv2 = False
        self._search: HeaderSearch | None = None
        self._told = False
        self._losses = 0
        self.records = 0
        """Records read so far."""
        self.application_data = 0
        """Those of application data."""
        self._others = 0
        """Those of other types that somebody reads."""
        self.overflowed: int | None = None
        """The frame with the first of these that were too many."""
        self.began_in_clear = False
        """TLS began in another protocol, which may go on in clear when TLS is over or has failed: the FTP server
        says `421 TLS handshake failed`, the client CCC (RFC 4217, section 12), LDAP goes on (RFC 4511, 4.14.3)."""
        self.foreign: bytes | None = None
        """The first bytes of what is not TLS and ended the reading."""

    def copy_only(self, types: frozenset[int]) -> None:
        """Copy fragments of these types from now on."""
        self._copied = types
        self._opens_data = APPLICATION_DATA in types

    def start_at(self, position: int) -> None:
        """TLS begins at this stream position."""
        self._next = position

    def search(self, *, told: bool = False) -> None:
        """Where a record begins is not known: find the first plausible one; `told`: a `Hole` said so."""
        self._search = HeaderSearch()
        self._told = told

    @property
    def held(self) -> int:
        """Bytes of memory that it takes for what it has not read yet, about."""
        return self._search.held if self._search is not None else 0

    @property
    def unfinished(self) -> "Unfinished | None":
        """The record whose end has not come."""
        return self._open

    def feed(self, piece: Piece, events: list[Event]) -> None:
        """Read on; what is complete is appended to `events`."""
        work = [piece]
        while work and self.foreign is None:
            piece = work.pop()
            if isinstance(piece, Gap):
                self._skip(piece, events)
            elif self._search is not None:
                work += reversed(self._synchronize(self._search, piece))
            elif piece.end > self._next:
                rest = self._read(piece, events)
                if rest is not None:
                    work.append(rest)

    def finish(self, events: list[Event]) -> None:
        """No more bytes will come: make the best of what waited for a second header."""
        rest = self._search.finish() if self._search is not None else None
        if rest is not None:
            self._search, self._next = None, rest.begin
            self.feed(rest, events)

    def _read(self, stretch: Stretch, events: list[Event]) -> Stretch | None:
        """Read segment by segment; returns what is left where no header stands at the place of one."""
        position, end = max(self._next, stretch.begin), stretch.end
        while position < end:
            if self._may_jump():
                position, jumped = jump(stretch, position)
                self.records += jumped
                self.application_data += jumped
                if position >= end:
                    break
            row = stretch.row_at(position)
            segment = stretch.segment(row)
            while position < segment.end:
                record = self._open
                if record is None:
                    if not self._head and not self._sslv2:
                        position = self._read_whole(segment, position, events)
                        if position == segment.end:
                            break
                    head, position = self._accumulate(segment, position)
                    if not head:
                        break
                    record = self._begin(head, position)
                    if record is None:
                        if self._head_size > len(head):
                            self._head = head
                            continue
                        self._next = position
                        return self._lose_track(head, stretch, events)
                    self._head = b""
                    self._head_size = HEADER
                take = min(segment.end, record.end)
                if record.parts is not None and take > position:
                    record.parts.append(segment.read(position, take))
                position = max(position, take)
                if position < record.end:
                    self._open = record
                    # What is not copied is passed over, to the segment in which the record ends.
                    if record.parts is None:
                        position = min(record.end, end)
                        if position == record.end:
                            self._finish(record, stretch.seen(position - 1), events)
                    break
                self._finish(record, segment.seen, events)
                if self._may_jump():
                    break
        self._next = position
        return None

    def _may_jump(self) -> bool:
        return (
            self._open is None and not self._head and self._detailed <= self.application_data and not self._opens_data
        )

    def _read_whole(self, segment: Segment, position: int, events: list[Event]) -> int:
        """Read the records from `position` on that lie within one segment, as most do; returns where they end."""
        end, offset, buffer, (frame, time) = segment
        while end - position >= HEADER:
            type_, version, length = _header_at(buffer, offset + position)
            behind = position + HEADER + length
            if behind > end or not plausible_header(type_, version, length):
                break
            begin, position = position + HEADER, behind
            self.records += 1
            if type_ == APPLICATION_DATA:
                self.application_data += 1
                if self.application_data > self._detailed and not self._may_open(length):
                    continue
            elif not self._is_read(type_, frame):
                continue
            fragment = segment.read(begin, behind) if type_ in self._copied else None
            events.append(
                Record(self._direction, type_, version, length, fragment, frame, time, frame, time, b"", None, position)
            )
        return position

    def _may_open(self, length: int) -> bool:
        """Whether something of a record of application data may be opened; else it is enough to count it."""
        return self._opens_data and length >= _LEAST_PROTECTED

    def _is_read(self, type_: int, frame: int) -> bool:
        """Count a record that is no application data; nobody reads heartbeats, nor those that are too many."""
        if type_ == HEARTBEAT:
            return False
        if self._others >= self._most:
            if self.overflowed is None:
                self.overflowed = frame
            return False
        self._others += 1
        return True

    def _accumulate(self, segment: Segment, position: int) -> tuple[bytes, int]:
        """A header piece by piece; empty as long as it is not complete."""
        if not self._head:
            self._head_seen = segment.seen
        take = min(position + self._head_size - len(self._head), segment.end)
        head = self._head + segment.read(position, take)
        if len(head) < self._head_size:
            self._head = head
            return b"", take
        return head, take

    def _begin(self, head: bytes, position: int) -> Unfinished | None:
        """The record whose header is `head` and whose body begins at `position`."""
        if len(head) == HEADER and not self._sslv2:
            type_, version, length = _header(head)
            if plausible_header(type_, version, length):
                parts: list[bytes] | None = [] if type_ in self._copied else None
                return Unfinished(type_, version, length, self._head_seen, position + length, parts)
            if not head[0] & 0x80 and not self._sslv2_hello:
                return None
            if not self.records:
                self._head_size = 7
                return None
        if not self.records:
            hello = sslv2_hello_length(head)
            if hello is None:
                return None
            self._sslv2_hello = True
            return self._begin_sslv2(head, 2, hello, position)
        if not self._sslv2_hello:
            return None
        # SSLv2 it stays, then; the header has three bytes where there is padding.
        self._sslv2 = True
        if head[0] & 0x80:
            return self._begin_sslv2(head, 2, (head[0] & 0x7F) << 8 | head[1], position)
        return self._begin_sslv2(head, 3, (head[0] & 0x3F) << 8 | head[1], position)

    def _begin_sslv2(self, head: bytes, header: int, length: int, position: int) -> Unfinished | None:
        if length < len(head) - header:
            return None
        end = position - len(head) + header + length
        return Unfinished(SSLV2, SSLV2, length, self._head_seen, end, [head[header:]])

    def _finish(self, record: Unfinished, seen: Seen, events: list[Event]) -> None:
        self._open = None
        self.records += 1
        if record.type == APPLICATION_DATA:
            self.application_data += 1
            if self.application_data > self._detailed and not self._may_open(record.length):
                return
        elif not self._is_read(record.type, seen[0]):
            return
        fragment = None if record.parts is None else b"".join(record.parts)
        events.append(
            Record(
                self._direction,
                record.type,
                record.version,
                record.length,
                fragment,
                *seen,
                *record.begun,
                record.known,
                record.lost,
                record.end,
            )
        )

    def _skip(self, gap: Gap, events: list[Event]) -> None:
        """Go on behind a gap: in the same record if that reaches so far, else at the next plausible header."""
        if self._search is not None:
            self._search.clear()
            if not self._told:
                events.append(Hole(self._direction, gap.frame, gap.reason))
                self._told = True
            return
        if gap.end <= self._next:
            return
        if self._open is not None and gap.end <= self._open.end:
            self._open.lose(gap.reason)
            self._next = gap.end
            if gap.end < self._open.end:
                return
            self._finish(self._open, (gap.frame, self._open.begun[1]), events)
            return
        length = gap.end - self._next if self._open is None and not self._head else None
        self._open = None
        self._head = b""
        self._next = gap.end
        events.append(Hole(self._direction, gap.frame, gap.reason, length))
        self.search(told=True)

    def _lose_track(self, head: bytes, stretch: Stretch, events: list[Event]) -> Stretch | None:
        """What stands where a header must is none: search behind it."""
        position = self._next
        self._losses += 1
        if not self.records or self._losses > _LOSSES or self.began_in_clear:
            found = head + stretch.read(position, min(stretch.end - position, _FOREIGN_BYTES))
            if not self.records or self._losses > _LOSSES or looks_like_clear_text(found[:_TOLD_BY]):
                self.foreign = found
                return None
        events.append(Hole(self._direction, self._head_seen[0], "damaged"))
        self._head, self._head_size = b"", HEADER
        self.search(told=True)
        return stretch.after(position) if position < stretch.end else None

    def _synchronize(self, search: HeaderSearch, stretch: Stretch) -> list[Stretch]:
        """Look for a header; returns what to read again once one is found."""
        again = search.feed(stretch)
        if again:
            self._search, self._next = None, again[0].begin
        elif search.is_hopeless:
            self.foreign = b""
        return again


def jump(stretch: Stretch, position: int) -> tuple[int, int]:
    """Pass over whole records of application data from header to header; where it stops, and how many they were.

    It stops at whatever needs a closer look: another type, a header cut by a segment, a record that does not end
    within the stretch. Everything else in a large capture is done once a record; this is the loop that counts.
    """
    rows, behind = stretch.rows, stretch.behind
    total, offset, captured, buffer = rows.total, rows.offset, rows.captured, rows.buffer
    # Counted as `total` is: so that no position has to be converted on the way.
    at, end = position - stretch.shift, stretch.end - stretch.shift
    row, count = stretch.first, 0
    while at + HEADER <= end:
        near = row + _NEAR
        row = bisect_right(total, at, row, near if near < behind and total[near] > at else behind) - 1
        within = at - total[row]
        if within + HEADER > captured[row]:
            break
        type_, version, length = _header_at(buffer, offset[row] + within)
        following = at + HEADER + length
        if type_ != APPLICATION_DATA or version >> 8 != 3 or length > MAX_FRAGMENT or following > end:
            break
        at = following
        count += 1
    return at + stretch.shift, count


_NEAR = 16
"""The next record begins within so many segments, as a rule."""
_LEAST_PROTECTED = 9
"""Bytes of a record that something can be opened of: a content type and the shortest tag."""
_LOSSES = 64
_FOREIGN_BYTES = 512
_TOLD_BY = 32
"""So many bytes, where there are as many, tell text from damage."""
