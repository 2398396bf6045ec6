"""One direction of a TCP connection as bytes in order, with every hole said and nothing filled in."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Literal, NamedTuple

from analyzer.net.passage import Passage
from analyzer.net.rows import FIN, RST, SYN, Rows, held

_MODULUS = 1 << 32
_HALF = 1 << 31
_NOTED = 64
_WAITING = 512
"""So many segments wait at most: what arrives may overlap all of them."""
_PLAUSIBLE = 1 << 24
"""An end of the stream farther off than this is a forged or damaged number."""
PIECE = 3 << 9
"""So many bytes a piece that is kept takes beside its content, about."""
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

    def __init__(self, rows: Rows, first: int, behind: int, start: int) -> None:
        self.rows = rows
        self.first = first
        self.behind = behind
        self.shift = start - rows.total[first]
        """What is added to `Rows.total` to have a position."""
        self._not_before: Seen = (0, 0)
        self.begin = start
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
        return Segment(min(start + rows.captured[row], self.end), rows.offset[row] - start, rows.buffer, seen)

    def seen(self, position: int) -> Seen:
        """Frame and time at which the byte at `position` had arrived together with all before it."""
        row = self.row_at(position)
        return max((self.rows.frame[row], self.rows.time[row]), self._not_before)

    def segment_starts(self) -> Iterator[int]:
        """Positions at which a segment begins."""
        for row in range(self.first, self.behind):
            start = self.rows.total[row] + self.shift
            if self.begin <= start < self.end:
                yield start

    def pieces(self) -> Iterator["Stretch"]:
        """Copies of its segments that outlive the batch."""
        for row in range(self.first, self.behind):
            start = self.rows.total[row] + self.shift
            begin = max(start, self.begin)
            end = min(start + self.rows.captured[row], self.end)
            if begin < end:
                yield Stretch(held(self.read(begin, end - begin), *self.seen(begin)), 0, 1, begin)

    @property
    def segments(self) -> int:
        """How many there are."""
        return self.behind - self.first

    def copy(self) -> "Stretch":
        """A copy that outlives the batch."""
        first, behind = self.row_at(self.begin), self.row_at(self.end - 1) + 1
        rows, cut = self.rows, slice(first, behind)
        captured = list(rows.captured[cut])
        kept = Rows(
            buffer=memoryview(
                b"".join(rows.buffer[at : at + n] for at, n in zip(rows.offset[cut], captured, strict=True))
            ),
            frame=list(rows.frame[cut]),
            time=list(rows.time[cut]),
            offset=list(accumulate(captured[:-1], initial=0)),
            captured=captured,
            total=list(rows.total[first : behind + 1]),
        )
        copy = Stretch(kept, 0, behind - first, rows.total[first] + self.shift)
        copy.begin, copy.end, copy._not_before = self.begin, self.end, self._not_before
        return copy

    def part(self, begin: int, end: int, not_before: Seen = (0, 0)) -> "Stretch":
        """What of it lies between two positions; it counts as seen at `not_before` at the earliest."""
        part = Stretch(self.rows, self.first, self.behind, self.rows.total[self.first] + self.shift)
        part.begin, part.end = max(self.begin, begin), min(self.end, end)
        part._not_before = max(self._not_before, not_before)
        return part

    def after(self, position: int) -> "Stretch":
        """The same without what lies before `position`."""
        return self.part(position, self.end)


@dataclass(slots=True, frozen=True)
class Gap:
    """Bytes of a direction that the capture does not hold."""

    begin: int
    end: int
    reason: Literal["snap-length", "not-captured", "missing"]
    """Cut by the snap length; missing only in the capture, for the peer has acknowledged them or the sender went on
    far behind them; or never seen."""
    frame: int
    """The segment behind it (with `snap-length`: the one that is cut)."""
    segments: ClassVar[int] = 0
    """How many there are of what is missing is not known."""

    def part(self, begin: int, end: int, not_before: Seen = (0, 0)) -> "Gap":
        """What of it lies between two positions."""
        return Gap(max(self.begin, begin), min(self.end, end), self.reason, self.frame)


Piece = Stretch | Gap


class ByteStream:
    """Puts the segments of one direction in order.

    Of overlapping bytes the first to arrive count. A hole becomes a `Gap` once more than `pending_limit` bytes (or
    too many segments) wait behind it, or when the stream is finished.
    """

    __slots__ = (
        "_base",
        "_begins",
        "_candidates",
        "_expected",
        "_fin",
        "_limit",
        "_now",
        "_remembered",
        "_waiting",
        "_waiting_bytes",
        "conflicts",
        "next",
        "overflowed",
        "passage",
        "synchronized",
    )

    def __init__(self, pending_limit: int, expected: int | None = None) -> None:
        """Where no SYN tells the first sequence number, the peer may have told which one it `expected` next."""
        self._expected = expected
        self._base: int | None = None
        """Sequence number of the byte at position 0."""
        self._candidates: list[int] = []
        """What the SYNs announced it to be."""
        self._fin: int | None = None
        """Position behind the last byte that was sent, where a FIN says so."""
        self._limit = pending_limit
        self._waiting: list[Piece] = []
        """What arrived behind a hole, in order and without overlaps."""
        self._begins: list[int] = []
        """Where each of these begins."""
        self._waiting_bytes = 0
        self._now: Seen = (0, 0)
        """Frame and time of the latest segment that was in order."""
        self._remembered: bytearray | None = bytearray()
        self.next = 0
        """Position of the next byte to deliver."""
        self.overflowed: int | None = None
        """The frame at which more waited behind a hole than may."""
        self.synchronized = False
        """The capture holds its SYN: position 0 is the first byte that was sent."""
        self.passage = Passage()
        """How its first segments got through."""
        self.conflicts: list[int] = []
        """Frames that brought other bytes for a place seen before (the first few)."""

    def feed(self, rows: Rows, first: int, behind: int) -> list[Piece]:
        """Take one run of rows; returns what is now in order."""
        if self._begins and behind - first > 1:
            return self._feed_singly(rows, first, behind)
        sequence, flags = rows.sequence[first], rows.flags[first]
        if flags & SYN:
            self.synchronize(sequence)
            sequence = (sequence + 1) % _MODULUS
        if flags & RST:
            return []
        pieces: list[Piece] = []
        if self._base is None:
            self._base = sequence
            ahead = (sequence - self._expected) % _MODULUS if self._expected is not None else 0
            if 0 < ahead <= _PLAUSIBLE:
                # What is missing is not waited for: the sender may have sent it before the capture began.
                self._base = (sequence - ahead) % _MODULUS
                self._skip(ahead, "not-captured", rows.frame[first], pieces)
        elif self.next == 0 and len(self._candidates) > 1:
            # More than one initial sequence number was announced; the first data tell which one holds.
            self._rebase(min(self._candidates, key=lambda base: (sequence - base) % _MODULUS))
        start = self._position(sequence)
        end = start + rows.total[behind] - rows.total[first]
        if flags & FIN and self._fin is None:
            self._fin = end
        if start == end:
            return pieces
        run = Stretch(rows, first, behind, start)
        timed = not self.passage.is_full
        if start > self.next:
            if end - start <= self._limit:
                if timed:
                    self.passage.note(rows, first, behind, start)
                self._wait(run, end)
                while self._waiting_bytes > self._limit or len(self._waiting) > _WAITING:
                    self.overflowed = self.overflowed or rows.frame[first]
                    self._give_up_hole(pieces, "not-captured")
                return pieces
            # A run that exceeds the limit by itself need not be copied first.
            self.overflowed = self.overflowed or rows.frame[first]
            while self._begins and self._begins[0] < start:
                self._give_up_hole(pieces, "not-captured")
            self._skip(start, "not-captured", rows.frame[first], pieces)
        if start < self.next:
            self._note_repetition(run)
        self._now = rows.frame[behind - 1], rows.time[behind - 1]
        self._advance(run, pieces)
        if self.next < end:
            self._advance(Gap(run.end, end, "snap-length", rows.frame[behind - 1]), pieces)
        if timed:
            self.passage.note(rows, first, behind, start)
        return pieces

    def _feed_singly(self, rows: Rows, first: int, behind: int) -> list[Piece]:
        """The same while something waits: what one row lets go, the next one may bring again."""
        pieces: list[Piece] = []
        while self._begins and first < behind:
            pieces += self.feed(rows, first, first + 1)
            first += 1
        return pieces + self.feed(rows, first, behind) if first < behind else pieces

    @property
    def held(self) -> int:
        """Bytes that it keeps, with what keeping them in pieces takes."""
        return self._waiting_bytes + len(self._waiting) * PIECE + len(self._remembered or b"") + self.passage.held

    def head(self, begin: int, count: int) -> bytes:
        """The bytes from position `begin` on, as far as they are remembered: none once the stream is finished."""
        return bytes((self._remembered or b"")[begin : begin + count])

    def forget(self) -> None:
        """Drop what was remembered: other bytes for a place seen before go unnoticed from now on."""
        self._remembered = None

    def finish(
        self, acknowledged: int | None, frame: int, reset: int | None = None, reached: int | None = None
    ) -> list[Piece]:
        """No more segments will come: returns what waited, with the gaps before and behind it.

        `acknowledged` is the peer's last acknowledgment number, `frame` the connection's last frame, `reset` the
        sequence number of the sender's first RST, and `reached` that of its last segment with an acknowledgment.
        """
        pieces: list[Piece] = []
        received = 0
        if acknowledged is not None and self._base is not None:
            received = self.passage.received = self._position(acknowledged)
            self.passage.fin_received = self._fin is not None and received > self._fin
        while self._begins:
            begin = self._begins[0]
            self._give_up_hole(pieces, "not-captured" if begin <= received else "missing")
        sent = self._fin
        if sent is None:
            left = self._position(reset) if reset is not None and self._base is not None else 0
            sent = max(received, left) - 1  # a FIN that is not seen counts as a byte
        if self.next < sent <= self.next + _PLAUSIBLE:
            self._skip(sent, "not-captured" if sent <= received else "missing", frame, pieces)
        if reached is not None and self._base is not None:
            sent = self._position(reached) - 1
            if self.next < sent <= self.next + _PLAUSIBLE:
                self.passage.lose(self.next, sent)
        self.forget()
        return pieces

    def synchronize(self, sequence: int) -> None:
        """A SYN with this sequence number was seen."""
        self.synchronized = True
        base = (sequence + 1) % _MODULUS
        if len(self._candidates) < _NOTED and base not in self._candidates:
            self._candidates.append(base)
        self.expect(base)

    def expect(self, sequence: int) -> None:
        """The first byte has this sequence number, unless another was known before."""
        if self._base is None:
            self._base = sequence

    def _rebase(self, base: int) -> None:
        """What waits was placed by another initial sequence number, perhaps."""
        before, self._base = self._base or 0, base
        if before != base:
            waiting, self._waiting, self._begins, self._waiting_bytes = self._waiting, [], [], 0
            self.passage = Passage()
            for piece in waiting:
                if isinstance(piece, Stretch):
                    by = self._position((before + piece.begin) % _MODULUS) - piece.begin
                    start = piece.rows.total[piece.first] + piece.shift + by
                    moved = Stretch(piece.rows, piece.first, piece.behind, start)
                    self._insert(moved.part(piece.begin + by, piece.end + by))

    def position(self, sequence: int) -> int | None:
        """The stream position of a sequence number; None where it is not one of what was sent, or of a FIN behind."""
        position = self._position(sequence) if self._base is not None else -1
        return position if 0 <= position <= self.next + 1 else None

    def _position(self, sequence: int) -> int:
        """The stream position of a sequence number: of all that fit, the one nearest to what is expected."""
        expected = ((self._base or 0) + self.next) % _MODULUS
        return self.next + (sequence - expected + _HALF) % _MODULUS - _HALF

    # What waits behind a hole

    def _wait(self, run: Stretch, end: int) -> None:
        for piece in run.pieces():
            self._insert(piece)
        if run.end < end:
            self._insert(Gap(run.end, end, "snap-length", run.rows.frame[run.behind - 1]))

    def _insert(self, piece: Piece) -> None:
        """Keep of a piece what is not there yet."""
        begins, waiting = self._begins, self._waiting
        at = bisect_right(begins, piece.begin)
        if at and waiting[at - 1].end > piece.begin:
            at -= 1
        position = piece.begin
        while position < piece.end:
            stop = min(piece.end, begins[at]) if at < len(begins) else piece.end
            if position < stop:
                part = piece if stop - position == piece.end - piece.begin else piece.part(position, stop)
                begins.insert(at, position)
                waiting.insert(at, part)
                self._waiting_bytes += stop - position
                position = stop
            else:
                self._contradict(piece, waiting[at])
                position = waiting[at].end
            at += 1

    def _give_up_hole(self, pieces: list[Piece], reason: Literal["not-captured", "missing"]) -> None:
        """What is missing before the first waiting piece is a gap."""
        first = self._waiting[0]
        frame = first.frame if isinstance(first, Gap) else first.seen(first.begin)[0]
        self._skip(first.begin, reason, max(frame, self._now[0]), pieces)
        self._drain(pieces, self._now)

    def _skip(self, end: int, reason: Literal["not-captured", "missing"], frame: int, pieces: list[Piece]) -> None:
        if end > self.next:
            pieces.append(Gap(self.next, end, reason, frame))
            if reason == "missing":
                self.passage.lose(self.next, end)
            self.next = end

    def _drain(self, pieces: list[Piece], now: Seen) -> None:
        """Deliver what follows without a hole; `now` is when what it waited for arrived."""
        ready = 0
        while ready < len(self._begins) and self._begins[ready] <= self.next:
            piece = self._waiting[ready]
            self._waiting_bytes -= piece.end - piece.begin
            if piece.end > self.next:
                self._deliver(piece.part(self.next, piece.end, now), pieces)
            ready += 1
        del self._waiting[:ready], self._begins[:ready]

    # What is in order

    def _advance(self, piece: Piece, pieces: list[Piece]) -> None:
        """Deliver what is new of a piece that leaves no hole before it, and what waited for it."""
        if not self._begins:
            if piece.end > self.next:
                self._deliver(piece if piece.begin == self.next else piece.part(self.next, piece.end), pieces)
            return
        for waiting in self._waiting:
            if waiting.begin >= piece.end:
                break
            self._contradict(piece, waiting)
        hole = self._begins[0]
        while self.next < piece.end:
            stop = min(piece.end, self._begins[0]) if self._begins else piece.end
            if stop > self.next:
                self._deliver(piece.part(self.next, stop), pieces)
            self._drain(pieces, piece.seen(stop - 1) if isinstance(piece, Stretch) else self._now)
        if self.next > hole:
            self.passage.fill(*self._now, hole)

    def _deliver(self, piece: Piece, pieces: list[Piece]) -> None:
        remembered = self._remembered
        if isinstance(piece, Stretch) and remembered is not None and len(remembered) == piece.begin < REMEMBERED:
            remembered += piece.read(piece.begin, min(piece.end, REMEMBERED) - piece.begin)
        self.next = piece.end
        pieces.append(piece)

    # Overlaps

    def _note_repetition(self, run: Stretch) -> None:
        """Look at what a run brings of the bytes that have been delivered."""
        rows, begin = run.rows, run.begin
        # The last byte once more is a keep-alive (RFC 9293, section 3.8.4), and often not the true one.
        is_keep_alive = begin == self.next - 1 and rows.length[run.first] == 1
        if not is_keep_alive and self._remembered and 0 <= begin < len(self._remembered):
            self._compare(run, begin, bytes(self._remembered[begin : run.end]))
        for row in range(run.first, run.behind) if not is_keep_alive else ():
            if rows.total[row + 1] + run.shift > self.next or self.passage.is_worn:
                break
            self.passage.repeat(rows.frame[row], rows.time[row], rows.total[row] + run.shift)

    def _contradict(self, piece: Piece, waiting: Piece) -> None:
        """Look at what a piece brings of the bytes that wait."""
        if isinstance(piece, Stretch) and isinstance(waiting, Stretch):
            begin, end = max(piece.begin, waiting.begin), min(piece.end, waiting.end)
            if begin < end:
                self._compare(piece, begin, waiting.read(begin, end - begin))

    def _compare(self, again: Stretch, begin: int, before: bytes) -> None:
        """Note the frames in which `again` brings other bytes than `before`, which stand at `begin`."""
        position, end, row = begin, begin + len(before), again.row_at(begin)
        while position < end and len(self.conflicts) < _NOTED:
            segment, frame = again.segment(row), again.rows.frame[row]
            stop = min(segment.end, end)
            other = segment.read(position, stop) != before[position - begin : stop - begin]
            if other and self.conflicts[-1:] != [frame]:
                self.conflicts.append(frame)
            position, row = stop, row + 1
