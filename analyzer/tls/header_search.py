"""Where does a record begin in a stream whose beginning, or a part of it, the capture lacks?"""

import re
from struct import Struct

from analyzer.net.rows import Rows
from analyzer.net.stream import Seen, Stretch
from analyzer.tls.record_header import HEADER, MAX_FRAGMENT, plausible_header

_PLAUSIBLE_HEADER = re.compile(rb"[\x14-\x18]\x03[\x00-\x04]", re.DOTALL)
_header = Struct(">BHH").unpack
_header_at = Struct(">BHH").unpack_from
_KEPT = 2 * (HEADER + MAX_FRAGMENT)
"""So many of the latest bytes are kept: a record, and the header behind it."""
_TEST_EVERY = 1024
"""So many bytes must have come for a look, unless a segment begins like a record."""
_MOST = 1 << 20
"""Bytes in which there must be a header."""
_SEGMENT = 200
"""Bytes of memory that a segment takes beside its content, about."""


class HeaderSearch:
    """Looks for the first plausible header that another one follows, or with which a segment begins."""

    def __init__(self) -> None:
        self._searched = self._untested = 0
        self.clear()

    def clear(self) -> None:
        """Forget what came so far: a gap follows."""
        self._data = bytearray()
        self._begin = 0  # stream position of the first byte of `_data`
        self._starts: list[int] = []  # of the segments, in `_data`
        self._seen: list[Seen] = []

    @property
    def is_hopeless(self) -> bool:
        """Whether so much had no header that there is no TLS."""
        return self._searched > _MOST

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about."""
        return len(self._data) + _SEGMENT * len(self._starts)

    def feed(self, stretch: Stretch) -> list[Stretch]:
        """Take bytes that follow the last ones; once a header is found, returns what to read from it on."""
        for row in range(stretch.first, stretch.behind):
            segment = stretch.segment(row)
            begin = max(stretch.rows.total[row] + stretch.shift, stretch.begin)
            if begin >= segment.end:
                continue
            if not self._starts:
                self._begin = begin
            start = len(self._data)
            self._starts.append(start)
            self._seen.append(segment.seen)
            self._data += segment.buffer[segment.offset + begin : segment.offset + segment.end]
            self._searched += segment.end - begin
            self._untested += segment.end - begin
            if self._untested >= _TEST_EVERY or self._is_header(start):
                self._untested = 0
                found = self._first_header()
                if found is not None:
                    rest = [self._from(found)]
                    return [*rest, stretch.after(segment.end)] if segment.end < stretch.end else rest
            if len(self._data) > 2 * _KEPT:
                self._shorten()
            if self.is_hopeless:
                break
        return []

    def finish(self) -> Stretch | None:
        """No more bytes will come: what can be read from a header on, where there may be one after all."""
        found = self._first_header(final=True)
        return None if found is None else self._from(found)

    def _is_header(self, at: int) -> bool:
        return at + HEADER <= len(self._data) and plausible_header(*_header_at(self._data, at))

    def _first_header(self, *, final: bool = False) -> int | None:
        """Where the first header is that is plausible and followed by another or, at the latest, begins a segment."""
        data = self._data
        starts: set[int] | None = None
        for match in _PLAUSIBLE_HEADER.finditer(data):
            at = match.start()
            if at + HEADER > len(data):
                break
            type_, version, length = _header_at(data, at)
            if not plausible_header(type_, version, length):
                continue
            following = at + HEADER + length
            if following + HEADER <= len(data):
                if plausible_header(*_header_at(data, following)):
                    return at
                continue
            starts = starts if starts is not None else set(self._starts)
            if at in starts or (final and following == len(data)):
                return at
        return None

    def _from(self, at: int) -> Stretch:
        """What was kept, from here on."""
        starts, data = self._starts, bytes(self._data)
        captured = [end - start for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
        frames, times = [frame for frame, _ in self._seen], [time for _, time in self._seen]
        rows = Rows(memoryview(data), frames, times, starts, captured, [*starts, len(data)])
        return Stretch(rows, 0, len(starts), self._begin).after(self._begin + at)

    def _shorten(self) -> None:
        """Keep the latest bytes only, in whole segments."""
        surplus = len(self._data) - _KEPT
        count = next((i for i, start in enumerate(self._starts) if start >= surplus), len(self._starts) - 1)
        cut = self._starts[count]
        del self._data[:cut], self._seen[:count]
        self._starts = [start - cut for start in self._starts[count:]]
        self._begin += cut
