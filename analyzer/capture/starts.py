"""Where do the records of a capture begin: found one after the other, or many at once where their sizes repeat?"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_STRIDE = 64 << 10
"""So many bytes are read record by record before the next ones are foreseen; twice as many where they were not."""
_LONGEST_PERIOD = 8
_FIRST = 16
"""So many periods are foreseen at first, then more and more: little is lost where they end soon."""

Offsets = NDArray[np.int64]
Fit = Callable[[Offsets, Offsets], NDArray[np.bool_]]
"""Tells of each of some offsets whether, if a record begins there, it has the size of the same place.

So they all are starts up to the first that has not, and that one too.
"""


class Starts:
    """Collects where records begin.

    Whoever reads them one by one appends to `single`, and asks `foresee` once past `pause`. In a bulk transfer, sizes
    come over and over: two full segments, an acknowledgment, two full segments …
    """

    def __init__(self, start: int) -> None:
        self.single: list[int] = []
        """Of those read one by one since the last call of `foresee`."""
        self.pause = start + _STRIDE
        self._stride = _STRIDE
        self._found: list[Offsets] = []

    def all(self) -> Offsets:
        """Every start, in order."""
        return np.concatenate([*self._found, np.array(self.single, np.int64)])

    def foresee(self, at: int, end: int, fit: Fit) -> int:
        """Take those that from `at` on have the sizes of the latest ones, and end before `end`.

        Returns where the first other one begins.
        """
        begin = at
        sizes = _repeating([after - start for start, after in pairwise([*self.single[-2 * _LONGEST_PERIOD :], at])])
        self._found.append(np.array(self.single, np.int64))
        self.single.clear()
        period, count = sum(sizes), _FIRST
        while sizes and (count := min(count, (end - at) // period)) > 0:
            size = np.tile(sizes, count)
            after = at + np.cumsum(size)
            start = after - size
            wrong = np.flatnonzero(~fit(start, size))
            if wrong.size:
                self._found.append(start[: wrong[0]])
                at = int(start[wrong[0]])
                break
            self._found.append(start)
            at, count = int(after[-1]), 4 * count
        self._stride = _STRIDE if at - begin >= self._stride else 2 * self._stride
        self.pause = at + self._stride
        return at


def _repeating(sizes: list[int]) -> list[int]:
    """The latest of these sizes, as many as come over and over, at least twice; none where they do not."""
    for period in range(1, len(sizes) // 2 + 1):
        if sizes[period:] == sizes[:-period]:
            return sizes[-period:]
    return []
