"""Which segments of a direction came when: what was sent again, what filled a hole, and what never got through?"""

from array import array
from typing import NamedTuple

from analyzer.net.rows import Rows

_TIMED = 64
"""Of so many segments the time is kept, and of as many the repetitions, the fillings and the holes."""


class Segment(NamedTuple):
    """Where a segment lies in the stream, and when it was seen (nanoseconds since 1970-01-01 UTC)."""

    begin: int
    end: int
    time: int

    @property
    def size(self) -> int:
        """Bytes of payload on the wire."""
        return self.end - self.begin


class Late(NamedTuple):
    """A segment that was sent once more, or for which others had waited."""

    frame: int
    time: int
    first: int | None
    """When its bytes, or what waited for them, were seen first; None where that is not remembered."""


class Passage:
    """How the first segments of a direction got through.

    A capture near their sender shows them leave, also those that the network loses: what is lost comes again. A capture
    near their receiver shows them arrive: what is lost leaves a hole, and comes late.
    """

    __slots__ = ("_count", "_noted", "fillings", "fin_received", "holes", "received", "repetitions")

    def __init__(self) -> None:
        self._count = 0
        # Of each run how many segments it has, what to add to `Rows.total` for a position, and then totals and times:
        # one object for all, and filled column by column, for there are many streams.
        self._noted = array("q")
        self.repetitions: tuple[Late, ...] = ()
        """What brought only bytes that had been seen before: the first few."""
        self.fillings: tuple[Late, ...] = ()
        """What filled a hole: the first few."""
        self.holes: tuple[tuple[int, int], ...] = ()
        """Begin and end of what never came, and was never acknowledged."""
        self.received: int | None = None
        """The peer's last acknowledgment number, as a position; known when the stream is finished."""
        self.fin_received = False
        """Whether that covers its FIN."""

    def note(self, rows: Rows, first: int, behind: int, start: int) -> None:
        """A run of rows that begins at the position `start` was seen."""
        count = min(behind - first, _TIMED - self._count)
        self._count += count
        noted, total = self._noted, rows.total[first : first + count + 1]
        noted.append(count)
        noted.append(start - total[0])
        noted.extend(total)
        noted.extend(rows.time[first : first + count])

    @property
    def is_full(self) -> bool:
        """Whether no more segments are noted."""
        return self._count == _TIMED

    @property
    def is_worn(self) -> bool:
        """Whether no more repetitions are noted."""
        return len(self.repetitions) >= _TIMED

    @property
    def held(self) -> int:
        """Bytes that it keeps."""
        return len(self._noted) * self._noted.itemsize

    @property
    def segments(self) -> list[Segment]:
        """What was noted, in the order in which it was seen."""
        found, at, noted = list[Segment](), 0, self._noted
        while at < len(noted):
            count, shift = noted[at : at + 2]
            total, time = noted[at + 2 : at + count + 3], noted[at + count + 3 : at + 2 * count + 3]
            found += [Segment(total[i] + shift, total[i + 1] + shift, time[i]) for i in range(count)]
            at += 2 * count + 3
        return found

    @property
    def waited_for(self) -> list[Segment]:
        """The copies of the segment that the peer waits for in the end: where it begins, what is acknowledged ends."""
        if self.received is None:
            return []
        return [one for one in self.segments if one.begin <= self.received < one.end]

    @property
    def largest_received(self) -> int:
        """The size of the largest segment that is known to have got through to the peer, as far as it was needed."""
        received = self.received or 0
        return max((min(one.end, received) - one.begin for one in self.segments if one.begin < received), default=0)

    def first(self, position: int) -> int | None:
        """When the byte at a position was seen first; None where that is not remembered."""
        return next((one.time for one in self.segments if one.begin <= position < one.end), None)

    def repeat(self, frame: int, time: int, position: int) -> None:
        """A segment that begins at `position` brought only what had been seen."""
        if not self.is_worn:
            self.repetitions += (Late(frame, time, self.first(position)),)

    def fill(self, frame: int, time: int, behind: int) -> None:
        """A segment came for which what lies at the position `behind` had waited."""
        if len(self.fillings) < _TIMED:
            self.fillings += (Late(frame, time, self.first(behind)),)

    def lose(self, begin: int, end: int) -> None:
        """What lies between two positions never came."""
        if len(self.holes) < _TIMED:
            self.holes += ((begin, end),)
