"""Where do the records of a capture begin: found one after the other, or many at once where their sizes repeat?"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.records import gather

_STRIDE = 64 << 10
"""So many bytes are read record by record before the next ones are foreseen; twice as many where they were not."""
_LONGEST_STRIDE = 2 << 20
_MOST = 1 << 17
"""Of so many, no more are looked for: of records of a few bytes, the rows take more than the records."""
_LONGEST_PERIOD = 8
_FIRST = 16
"""So many periods are foreseen at first, then more and more: little is lost where they end soon."""

Offsets = NDArray[np.int64]
Fit = Callable[[NDArray[Any], Offsets], NDArray[np.bool_]]
"""Tells of each of some rows whether, if a record begins there, it has the size of the same place.

So they all are records up to the first that has not, and that one too.
"""


class Starts:
    """Collects where records begin, and of each its header, a row.

    Whoever reads them one by one appends to `single`, and asks `foresee` once past `pause`. In a bulk transfer, sizes
    come over and over: two full segments, an acknowledgment, two full segments …
    """

    def __init__(self, buffer: NDArray[np.uint8], row: np.dtype[Any], start: int) -> None:
        self.single: list[int] = []
        """Of those read one by one since the last call of `foresee`."""
        self.pause = start + _STRIDE
        self._stride = _STRIDE
        self._buffer = buffer
        self._row = row
        self._count = 0
        self._found: list[Offsets] = []
        self._rows: list[NDArray[Any]] = []

    def all(self) -> tuple[Offsets, NDArray[Any]]:
        """Every start, in order, and the rows there."""
        self._look()
        if len(self._found) == 1:
            return self._found[0], self._rows[0]
        opaque = [rows.view(f"V{self._row.itemsize}") for rows in self._rows]  # or each field is copied by itself
        return np.concatenate(self._found), np.concatenate(opaque).view(self._row)

    @property
    def full(self) -> bool:
        """Whether there are enough, so that the rest is left for another time."""
        return self._count >= _MOST

    def _look(self) -> None:
        """Gather the rows of those that were read one by one."""
        starts = np.array(self.single, np.int64)
        self._add(starts, gather(self._buffer, starts, self._row))
        self.single.clear()

    def _add(self, starts: Offsets, rows: NDArray[Any]) -> None:
        self._count += len(starts)
        self._found.append(starts)
        self._rows.append(rows)

    def foresee(self, at: int, end: int, fit: Fit) -> int:
        """Take those that from `at` on have the sizes of the latest ones, and end before `end`.

        Returns where the first other one begins.
        """
        begin = at
        sizes = _repeating([after - start for start, after in pairwise([*self.single[-2 * _LONGEST_PERIOD :], at])])
        self._look()
        period, count = sum(sizes), _FIRST
        while sizes and not self.full and (count := min(count, (end - at) // period, _MOST // len(sizes))) > 0:
            size = np.tile(sizes, count)
            after = at + np.cumsum(size)
            start = after - size
            rows = gather(self._buffer, start, self._row)
            wrong = np.flatnonzero(~fit(rows, size))
            if wrong.size:
                self._add(start[: wrong[0]], rows[: wrong[0]])
                at = int(start[wrong[0]])
                break
            self._add(start, rows)
            at, count = int(after[-1]), 4 * count
        self._stride = _STRIDE if at - begin >= self._stride else min(2 * self._stride, _LONGEST_STRIDE)
        self.pause = at + self._stride
        return at


def _repeating(sizes: list[int]) -> list[int]:
    """The latest of these sizes, as many as come over and over, at least twice; none where they do not."""
    for period in range(1, len(sizes) // 2 + 1):
        if sizes[period:] == sizes[:-period]:
            return sizes[-period:]
    return []
