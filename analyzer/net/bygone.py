"""Which connections are over, so that a late segment of one is not taken for a connection of its own?"""

_NUMBERS = (1 << 32) + 1
"""Sequence numbers, and none."""
_Initial = list[int | None]


class Bygone:
    """Remembers the initial sequence numbers of connections by their ends; of very many, in little memory."""

    def __init__(self, capacity: int) -> None:
        self._recent: dict[int, int] = {}
        self._earlier: dict[int, int] = {}
        self._capacity = capacity
        self.forgotten = 0
        """Connections that were too many to remember."""

    def remember(self, ends: object, initial: _Initial) -> None:
        """Connection between these ends is over."""
        if len(self._recent) > self._capacity // 2:
            self.forgotten += len(self._earlier)
            self._recent, self._earlier = {}, self._recent
        first, second = (0 if number is None else number + 1 for number in initial)
        self._recent[hash(ends)] = first * _NUMBERS + second

    def find(self, ends: object) -> _Initial | None:
        """What the connection between these ends began with; None where none is known that is over."""
        if not self._recent and not self._earlier:
            return None
        name = hash(ends)
        numbers = self._recent.get(name, self._earlier.get(name))
        if numbers is None:
            return None
        return [number - 1 if number else None for number in divmod(numbers, _NUMBERS)]
