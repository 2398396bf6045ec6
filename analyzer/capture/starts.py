"""Where do the records of a capture begin: found one after the other, or along many ways at once?"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.records import opaque

_STRIDE = 64 << 10
"""So many bytes are read record by record before others are looked for; twice as many where they were not found."""
_LONGEST_STRIDE = 2 << 20
_MOST = 1 << 17
"""Of so many, no more are looked for: of records of a few bytes, the rows take more than the records."""
_WAY = 64
"""Records that a way has by and by: what it takes to begin one, and to take a step on all of them, are then alike."""
_LONGEST_WAY = 16 * _WAY
_FEWEST_WAYS = 16
_REACH = 4
"""Within so many records of the usual size one is to be found that begins."""

Offsets = NDArray[np.int64]
_NONE: Offsets = np.empty(0, np.int64)
Sizes = Callable[[NDArray[Any]], Offsets]
"""Tells of each row the size of the record that begins with it: past all buffers where it has to be read by itself."""


class Starts:
    """Collects where records begin, and of each its header, a row.

    Whoever reads them one by one appends to `single`, and asks `leap` once past `pause`.

    `mark` says which bytes of a header hold of all records of the same minutes: where they are found, one begins, most
    likely.
    """

    def __init__(self, buffer: NDArray[np.uint8], start: int, *, row: np.dtype[Any], mark: slice, sizes: Sizes) -> None:
        self.single: list[int] = []
        """Of those read one by one since the last call of `leap`."""
        self.pause = start + _STRIDE
        self._stride = _STRIDE
        self._view = buffer.data
        self._items = opaque(buffer, row)
        self._row = row
        self._mark = mark
        self._sizes = sizes
        self._count = 0
        self._found: list[Offsets] = []
        self._rows: list[NDArray[Any]] = []

    def all(self) -> tuple[Offsets, NDArray[Any]]:
        """Every start, in order, and the rows there."""
        if self.single:
            self._look()
        if len(self._found) < 2:
            return (self._found[0], self._rows[0]) if self._found else (_NONE, np.empty(0, self._row))
        whole = [rows.view(f"V{self._row.itemsize}") for rows in self._rows]  # or each field is copied by itself
        return np.concatenate(self._found), np.concatenate(whole).view(self._row)

    @property
    def full(self) -> bool:
        """Whether there are enough, so that the rest is left for another time."""
        return self._count >= _MOST

    def _look(self) -> None:
        """Gather the rows of those that were read one by one."""
        self._add(np.array(self.single, np.int64))
        self.single.clear()

    def _add(self, starts: Offsets) -> None:
        self._count += len(starts)
        self._found.append(starts)
        self._rows.append(self._items[starts].view(self._row))

    def leap(self, at: int, end: int) -> int:
        """Find the records from `at` on, where one begins, as far as they go and end before `end`.

        Returns where the first one begins that was not found.
        """
        begin = at
        ways = self._ways(at, end)
        self._look()
        if len(ways) >= _FEWEST_WAYS:
            at = self._follow(np.array(ways, np.int64), end)
        self._stride = _STRIDE if at - begin >= self._stride else min(2 * self._stride, _LONGEST_STRIDE)
        self.pause = at + self._stride
        return at

    def _ways(self, at: int, end: int) -> list[int]:
        """`at`, and at about even distances from there where records seem to begin."""
        view, mark = self._view, self._mark
        usual = (at - self.single[0]) // len(self.single)
        wanted = view[self.single[-1] :][mark].tobytes()
        reach = _REACH * usual
        ways = [at]
        for place in range(at + _WAY * usual, min(end - reach, at + _MOST * usual), _WAY * usual):
            found = bytes(view[place : place + reach]).find(wanted)
            if found >= mark.start:
                ways.append(place + found - mark.start)
        return ways

    def _follow(self, begins: Offsets, end: int) -> int:
        """Go along ways that begin at these places, on all a record at a time, each to where the next one begins.

        The first begins with a record. So does the next, if the first ends there, and so on: what lies behind a way
        that ends elsewhere is not found.
        """
        ends = np.append(begins[1:], end - self._row.itemsize + 1)
        way, at, stop = np.arange(len(begins), dtype=np.uint16), begins, ends
        items, row, sizes = self._items, self._row, self._sizes
        ways: list[NDArray[np.uint16]] = []
        places: list[Offsets] = []
        count = 0
        while at.size and count < _MOST and len(places) < _LONGEST_WAY:
            ways.append(way)
            places.append(at)
            count += at.size
            at = at + sizes(items[at].view(row))
            on = at < stop
            if np.count_nonzero(on) < at.size:
                way, at, stop = way[on], at[on], stop[on]

        joined = np.concatenate(ways)
        starts = np.concatenate(places)[np.argsort(joined, kind="stable")]
        upto = np.cumsum(np.bincount(joined))
        last = starts[upto - 1]
        landing = last + sizes(items[last].view(row))
        astray = landing != ends
        astray[-1] = True
        first = int(astray.argmax())
        after, starts = int(landing[first]), starts[: upto[first]]
        if after > end:
            after, starts = int(starts[-1]), starts[:-1]
        self._add(starts)
        return after
