"""How do several processes analyze one capture together?

Each reads and decodes all of it, and numbers all connections alike; but each follows its own share of them only. What
one of them finds and another may need, such as a session that is resumed on another connection, they tell each other
in step, at the end of a batch or of the capture. So all of them know what one process would know, and their reports
together are the reports that one would make.
"""

from typing import TypeVar

_T = TypeVar("_T")


class AloneError(Exception):
    """The capture can be analyzed by one process only: it holds secrets, which open one connection by another."""


class Share:
    """One of the processes, or the only one. The first of them leads: it has what it shows from all."""

    index = 0
    """Which of them; 0 is the first."""
    count = 1

    def owns(self, order: int) -> bool:
        """Whether it follows the connection of this number."""
        return order % self.count == self.index

    def exchange(self, mine: _T) -> list[_T]:
        """What each has to say, in their order; all of them must ask, and wait for each other."""
        return [mine]

    def gather(self, mine: _T) -> list[_T] | None:
        """The same for the first one only; the others go on at once, with None."""
        return [mine]


ALONE = Share()
