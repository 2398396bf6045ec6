"""One direction of a TCP connection as bytes in order, with every hole said and nothing filled in."""

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from analyzer.net.rows import RST, SYN, Rows, held

_MODULUS = 1 << 32
_HALF = 1 << 31
_NOTED = 64
_HELD_SEGMENTS = 1024
REMEMBERED = 16 << 10
"""So many first bytes of a direction are kept, to notice an overlap with other bytes."""


Seen = tuple[int, int]
"""Frame number and time (nanoseconds since 1970) at which something had arrived."""


class Segment(NamedTuple):
    """What one segment holds of a stretch."""

    end: int
    """Stream position behind it."""
    offset: int
    """What to add to a stream position to get an index of `buffer`."""
    buffer: memoryview
    seen: Seen

    def read(self, begin: int, end: int) -> bytes:
        """The bytes between two positions within the segment."""
        return bytes(self.buffer[self.offset + begin : self.offset + end])


class Stretch:
    """The bytes `begin` to `end` of one direction, in the segments that carried them.

    Positions count bytes from the start of the stream (or of what the capture holds of it).
    """

    __slots__ = ("_not_before", "begin", "behind", "end", "first", "rows", "shift")

    def __init__(
        self,
        rows: Rows,
        first: int,
        behind: int,
        start: int,
        begin: int,
        not_before: Seen = (0, 0),
    ) -> None:
        self.rows = rows
        self.first = first
        self.behind = behind
        self.shift = start - rows.total[first]
        self._not_before = not_before
        self.begin = begin
        last = behind - 1
        self.end = rows.total[last] + self.shift + rows.captured[last]

    def row_at(self, position: int) -> int:
        """The row that holds the byte at `position`."""
        if self.behind - self.first == 1:
            return self.first
        return bisect_right(self.rows.total, position - self.shift, self.first, self.behind) - 1

    def read(self, position: int, count: int) -> bytes:
        """The bytes from `position` on, which lie within the stretch."""
        rows = self.rows
        row = self.row_at(position)
        within = position - self.shift - rows.total[row]
        at = rows.offset[row] + within
        available = rows.captured[row] - within
        if count <= available:
            return bytes(rows.buffer[at : at + count])
        parts = []
        while count > 0:
            take = min(count, available)
            parts.append(rows.buffer[at : at + take])
            count -= take
            row += 1
            if row < self.behind:
                at, available = rows.offset[row], rows.captured[row]
            elif count > 0:
                break
        return b"".join(parts)

    def segment(self, row: int) -> Segment:
        """One of its segments."""
        rows = self.rows
        start = rows.total[row] + self.shift
        seen = max((rows.frame[row], rows.time[row]), self._not_before)
        return Segment(start + rows.captured[row], rows.offset[row] - start, rows.buffer, seen)

    def seen(self, position: int) -> Seen:
        """Frame and time at which the byte at `position` had arrived together with all before it."""
        row = self.row_at(position)
        return max((self.rows.frame[row], self.rows.time[row]), self._not_before)

    def segment_starts(self) -> Iterator[int]:
        """Positions at which a segment begins."""
        for row in range(self.first, self.behind):
            start = self.rows.total[row] + self.shift
            if start >= self.begin:
                yield start

    def pieces(self) -> Iterator["Stretch"]:
        """Copies of its segments that outlive the batch."""
        for row in range(self.first, self.behind):
            start = self.rows.total[row] + self.shift
            begin = max(start, self.begin)
            end = start + self.rows.captured[row]
            if begin < end:
                frame, time = max((self.rows.frame[row], self.rows.time[row]), self._not_before)
                yield Stretch(held(self.read(begin, end - begin), frame, time), 0, 1, begin, begin)

    def after(self, position: int, not_before: Seen = (0, 0)) -> "Stretch":
        """The same without what lies before `position`; it counts as seen at `not_before` at the earliest."""
        start = self.rows.total[self.first] + self.shift
        begin = max(self.begin, position)
        return Stretch(self.rows, self.first, self.behind, start, begin, max(self._not_before, not_before))


@dataclass(slots=True, frozen=True)
class Gap:
    """Bytes of a direction that the capture does not hold."""

    begin: int
    end: int
    reason: Literal["snap-length", "not-captured", "missing"]
    """Cut by the snap length; acknowledged by the peer and so missing only in the capture; or never seen."""
    frame: int
    """The segment behind it (with `snap-length`: the one that is cut)."""


Piece = Stretch | Gap


class ByteStream:
    """Puts the segments of one direction in order.

    Of overlapping bytes the first to arrive count. A hole becomes a `Gap` once more than `pending_limit`
    bytes wait behind it, or when the stream is finished.
    """

    __slots__ = (
        "_base",
        "_candidates",
        "_counter",
        "_limit",
        "_pending",
        "_pending_bytes",
        "_remembered",
        "acknowledged",
        "conflicts",
        "next",
        "retransmissions",
        "synchronized",
    )

    def __init__(self, pending_limit: int) -> None:
        self._base: int | None = None
        self._candidates: list[int] = []
        self._counter = 0
        self._limit = pending_limit
        self._pending: list[tuple[int, int, Stretch]] = []
        self._pending_bytes = 0
        self._remembered: bytearray | None = bytearray()
        self.next = 0
        """Position of the next byte to deliver."""
        self.acknowledged: int | None = None
        """The peer's latest acknowledgment number."""
        self.synchronized = False
        """The capture holds its SYN: position 0 is the first byte that was sent."""
        self.retransmissions: list[int] = []
        """Frames that brought only bytes seen before (the first few)."""
        self.conflicts: list[int] = []
        """Frames that brought other bytes for a place seen before (the first few)."""

    def forget(self) -> None:
        """Stop remembering first bytes: conflicts are not looked for any more."""
        self._remembered = None

    def feed(self, rows: Rows, first: int, behind: int) -> list[Piece]:
        """Take one run of rows; returns what is now in order."""
        sequence = rows.sequence[first]
        if rows.flags[first] & SYN:
            self.synchronize(sequence)
            sequence = (sequence + 1) % _MODULUS
        if not rows.length[first] or rows.flags[first] & RST:
            return []
        if self._base is None:
            self._base = sequence
        elif self.next == 0 and sequence != self._base and sequence in self._candidates:
            # More than one initial sequence number was announced; the first data tell which one holds.
            self._base = sequence
        start = self._position(sequence)
        end = start + rows.total[behind] - rows.total[first]
        pieces: list[Piece] = []
        if start > self.next:
            if end - start <= self._limit:
                self._hold(Stretch(rows, first, behind, start, start))
                while self._pending_bytes > self._limit or len(self._pending) > _HELD_SEGMENTS:
                    self._give_up_hole(pieces)
                return pieces
            # A run that exceeds the limit by itself need not be copied first.
            while self._pending and self._pending[0][0] < start:
                self._give_up_hole(pieces)
            if start > self.next:
                pieces.append(self._gap(start, rows.frame[first]))
        if end > self.next:
            if start < self.next:
                self._compare(Stretch(rows, first, behind, start, start))
            stretch = Stretch(rows, first, behind, start, max(start, self.next))
            if stretch.end > stretch.begin:
                self._deliver(stretch, pieces)
            if self.next < end:
                pieces.append(Gap(self.next, end, "snap-length", rows.frame[behind - 1]))
                self.next = end
            if self._pending:
                self._drain(pieces, (rows.frame[behind - 1], rows.time[behind - 1]))
        else:
            if len(self.retransmissions) < _NOTED:
                self.retransmissions.append(rows.frame[first])
            self._compare(Stretch(rows, first, behind, start, start))
        return pieces

    def finish(self) -> list[Piece]:
        """No more segments will come: returns what waited, with the gaps before it."""
        pieces: list[Piece] = []
        while self._pending:
            self._give_up_hole(pieces)
        self._remembered = None
        return pieces

    def synchronize(self, sequence: int) -> None:
        """A SYN with this sequence number was seen."""
        base = (sequence + 1) % _MODULUS
        self.synchronized = True
        if len(self._candidates) < _NOTED and base not in self._candidates:
            self._candidates.append(base)
        if self._base is None:
            self._base = base

    def _position(self, sequence: int) -> int:
        """The stream position of a sequence number: of all that fit, the one nearest to what is expected."""
        expected = ((self._base or 0) + self.next) % _MODULUS
        return self.next + (sequence - expected + _HALF) % _MODULUS - _HALF

    def _hold(self, stretch: Stretch) -> None:
        for piece in stretch.pieces():
            self._counter += 1
            insort(self._pending, (piece.begin, self._counter, piece))
            self._pending_bytes += piece.end - piece.begin

    def _give_up_hole(self, pieces: list[Piece]) -> None:
        """What is missing before the first waiting piece is a gap."""
        begin, _, waiting = self._pending[0]
        if begin > self.next:
            pieces.append(self._gap(begin, waiting.seen(begin)[0]))
        self._drain(pieces, (0, 0))

    def _gap(self, end: int, frame: int) -> Gap:
        acknowledged = self.acknowledged is not None and self._position(self.acknowledged) >= end
        gap = Gap(self.next, end, "not-captured" if acknowledged else "missing", frame)
        self.next = end
        return gap

    def _drain(self, pieces: list[Piece], not_before: Seen) -> None:
        while self._pending and self._pending[0][0] <= self.next:
            _, _, waiting = self._pending.pop(0)
            self._pending_bytes -= waiting.end - waiting.begin
            if waiting.begin < self.next:
                self._compare(waiting)
            if waiting.end > self.next:
                self._deliver(waiting.after(self.next, not_before), pieces)

    def _deliver(self, stretch: Stretch, pieces: list[Piece]) -> None:
        if self._remembered is not None and len(self._remembered) == stretch.begin < REMEMBERED:
            count = min(stretch.end, REMEMBERED) - stretch.begin
            self._remembered += stretch.read(stretch.begin, count)
        self.next = stretch.end
        pieces.append(stretch)

    def _compare(self, again: Stretch) -> None:
        """Note a conflict where `again` brings other bytes than were delivered for the same place."""
        if not self._remembered or again.begin < 0:
            return
        count = min(again.end, len(self._remembered)) - again.begin
        if count <= 0 or len(self.conflicts) >= _NOTED:
            return
        if again.read(again.begin, count) != self._remembered[again.begin : again.begin + count]:
            self.conflicts.append(again.seen(again.begin)[0])
