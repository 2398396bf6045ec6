"""How do several processes analyze one capture together?

Each reads and decodes all of it, and numbers all connections alike; but each follows its own share of them only. What
one of them finds and another may need, such as a session that is resumed on another connection, they tell each other
in step, at the end of a batch or of the capture. So all of them know what one process would know, and their reports
together are the reports that one would make.
"""

import os
from heapq import heappush, heappushpop
from itertools import chain
from typing import Generic, TypeVar

_T = TypeVar("_T")


class AloneError(Exception):
    """The capture can be analyzed by one process only.

    It holds secrets, which open one connection by another; or it changes, so that not all of them read the same.
    """


class Share:
    """One of the processes, or the only one. The first of them leads: it has what it shows from all."""

    index = 0
    """Which of them; 0 is the first."""
    count = 1

    def owns(self, order: int) -> bool:
        """Whether it follows the connection of this number."""
        return order % self.count == self.index

    def exchange(self, step: str, mine: _T) -> list[_T]:
        """What each has to say, in their order; all of them must ask, and wait for each other.

        `step` says where in the capture and the analysis this is. Raises AloneError where another is somewhere else.
        """
        return [mine]

    def pool(self, step: str, mine: list[_T]) -> list[_T]:
        """The same, where each has several things to say: all of them in one list."""
        return list(chain.from_iterable(self.exchange(step, mine)))

    def gather(self, step: str, mine: _T) -> list[_T]:
        """What each has to say, for the first one only; the others go on at once, with nothing."""
        return [mine]


ALONE = Share()


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Earliest(Generic[_T]):
    """Keeps one thing each of so many connections of all shares: those that began first."""

    def __init__(self, most: int, share: Share) -> None:
        self._most = most
        self._share = share
        self._kept: list[tuple[int, _T]] = []
        """A heap with the latest connection on top: by its number below zero."""
        self._dropped = 0

    def add(self, order: int, thing: _T) -> None:
        """Keep something of the connection of this number, and let go of that of the latest if they are too many."""
        if len(self._kept) < self._most:
            heappush(self._kept, (-order, thing))
        else:
            heappushpop(self._kept, (-order, thing))
            self._dropped += 1

    def settle(self) -> tuple[list[_T], int]:
        """What is this share's of those that are kept, and how many it dropped; all shares must ask."""
        numbers = sorted(self._share.pool("attempts", [-number for number, _ in self._kept]))
        beyond = numbers[self._most] if len(numbers) > self._most else None
        kept = [thing for number, thing in self._kept if beyond is None or -number < beyond]
        return kept, self._dropped + len(self._kept) - len(kept)
