"""How do the fragments of one side's handshake messages become messages, in the order of their numbers?

Datagrams come in any order, twice, or not at all (RFC 6347, section 4.2.4): a message is taken when all before it
have been taken, like a receiver does; what was lost is sent again, and what comes again says nothing new.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from analyzer.net.conversations import Datagram
from analyzer.results import Protection
from analyzer.tls.dtls.record import Fragment
from analyzer.tls.record import Reason

HELLO_REQUEST, CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY_REQUEST = range(4)
_HELLOS = (CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY_REQUEST)
_COMPARED = 64
"""Bytes of a message by which a repetition is known: of a hello, they hold its random."""
_OWN = 200
"""Bytes that a waiting fragment takes by itself."""
_WINDOW = 64
"""A message so far ahead of its turn is damage."""


class Whole(NamedTuple):
    """A message that is complete, and has its turn."""

    type: int
    number: int
    raw: bytes
    """With its header, as if it had come in one piece."""
    protection: Protection
    frame: int
    """In which it had its turn."""
    time: int
    first_frame: int
    """In which it begins."""
    first_time: int
    behind_gap: Reason | None = None
    """Why messages before it are missing."""


class Lack(NamedTuple):
    """A message of which the capture holds only a part."""

    type: int
    first_frame: int
    first_time: int
    frame: int
    """The last that brought some of it."""
    reason: Reason


_begin, _end = itemgetter(0), itemgetter(1)


class _Message:
    """A message that is not complete, or not in turn."""

    __slots__ = ("complete", "first", "fragment", "held", "known", "last", "parts", "protection")

    def __init__(self, fragment: Fragment, seen: Datagram, protection: Protection) -> None:
        self.fragment = fragment
        self.protection = protection
        self.first = self.last = (seen.frame, seen.time)
        self.parts: list[tuple[int, bytes]] = []
        self.known: list[tuple[int, int]] = []
        """What of the body is there, in order, neither overlapping nor touching."""
        self.complete = False
        self.held = 0

    def add(self, fragment: Fragment, seen: Datagram) -> bool:
        """Whether it brings anything new; of bytes that come twice the first count."""
        begin, end = fragment.offset, fragment.offset + len(fragment.body)
        known = self.known
        last = bisect_right(known, begin, key=_begin) - 1
        if self.complete or (last >= 0 and end <= known[last][1]):
            return False
        self.last = (seen.frame, seen.time)
        self.parts.append((begin, fragment.body))
        self.held += len(fragment.body) + _OWN
        first, behind = bisect_left(known, begin, key=_end), bisect_right(known, end, key=_begin)
        if first < behind:
            begin, end = min(begin, known[first][0]), max(end, known[behind - 1][1])
        known[first:behind] = [(begin, end)]
        self.complete = known == [(0, self.fragment.length)]
        return True

    def raw(self) -> bytes:
        """All of it, with its header."""
        body = bytearray(self.fragment.length)
        for begin, part in reversed(self.parts):
            body[begin : begin + len(part)] = part
        return self.fragment.header() + body


class Reassembler:
    """Puts one side's messages together."""

    def __init__(self, limit: int) -> None:
        """Keep so many bytes of what waits."""
        self._limit = limit
        self.overflowed: int | None = None
        """The frame in which more would have waited."""
        self.restart()

    def restart(self) -> None:
        """Another handshake begins: numbers count from 0 again."""
        self._expected: int | None = None
        self._waiting: dict[int, _Message] = {}
        self._taken: dict[int, tuple[int, int, bytes]] = {}
        self._lost: Reason | None = None
        self.held = 0
        """Bytes that wait."""

    def accept(self, whole: Whole) -> None:
        """Go on behind this message, which began another handshake."""
        self._expected = whole.number + 1
        self._taken[whole.number] = _mark(whole.type, whole.raw)

    def lose(self, reason: Reason) -> None:
        """The capture cuts what carries a fragment."""
        self._lost = reason

    def add(self, fragment: Fragment, seen: Datagram, protection: Protection) -> list[Whole] | None:
        """The messages that are complete now and have their turn; None where it is but a repetition."""
        number = fragment.number
        taken = self._taken.get(number)
        if taken is not None:
            if _repeats(fragment, taken):
                return None
            if fragment.type == HELLO_REQUEST:
                self._waiting[number] = _Message(fragment, seen, protection)
                return [self._take(number, seen)] if self._complete(number, fragment, seen) else []
            if fragment.type not in _HELLOS:
                return []
            # Another handshake, or a second hello of a stack that does not count on.
            self._expected = number
        elif fragment.type in _HELLOS and (self._expected is None or number > self._expected):
            self._expected = number
        elif number > (self._expected or 0) + _WINDOW:
            return []
        waiting = self._waiting.get(number)
        if waiting is None or (waiting.fragment.type, waiting.fragment.length) != (fragment.type, fragment.length):
            self._forget(number)
            self._waiting[number] = _Message(fragment, seen, protection)
        elif waiting.complete:
            return None
        self._complete(number, fragment, seen)
        if self.held > self._limit:
            self.overflowed = self.overflowed or seen.frame
            return list(self.flush())
        return list(self._in_turn(number, seen))

    def flush(self) -> Iterator[Whole]:
        """What is complete, whether it has its turn or not: what is missing before it will not come."""
        lost: Reason | None = None
        for number in sorted(self._waiting):
            if self._expected is None or number != self._expected:
                lost = self._lost or "missing"
            message = self._waiting[number]
            if not message.complete:
                self._forget(number)
                continue
            yield self._take(number, Datagram(0, *message.last, b"", 0), lost)
            self._expected = max(self._expected or 0, number + 1)
            lost = None

    @property
    def lacks(self) -> Lack | None:
        """The first message of which only a part has come."""
        for number in sorted(self._waiting):
            message = self._waiting[number]
            if not message.complete:
                return Lack(message.fragment.type, *message.first, message.last[0], self._lost or "missing")
        return None

    def _in_turn(self, number: int, seen: Datagram) -> Iterator[Whole]:
        if self._expected is None:
            return
        if number < self._expected:  # it comes late, when it was already taken for lost
            if self._waiting[number].complete:
                yield self._take(number, seen)
            return
        while (message := self._waiting.get(self._expected)) is not None and message.complete:
            self._expected += 1
            yield self._take(self._expected - 1, seen)

    def _complete(self, number: int, fragment: Fragment, seen: Datagram) -> bool:
        message = self._waiting[number]
        before = message.held
        message.add(fragment, seen)
        self.held += message.held - before
        return message.complete

    def _take(self, number: int, seen: Datagram, lost: Reason | None = None) -> Whole:
        message = self._waiting[number]
        self._forget(number)
        raw, kind = message.raw(), message.fragment.type
        if kind != HELLO_REQUEST:
            self._taken[number] = _mark(kind, raw)
        return Whole(kind, number, raw, message.protection, seen.frame, seen.time, *message.first, lost)

    def _forget(self, number: int) -> None:
        message = self._waiting.pop(number, None)
        if message is not None:
            self.held -= message.held


def _mark(kind: int, raw: bytes) -> tuple[int, int, bytes]:
    body = raw[12 : 12 + _COMPARED]
    return kind, len(raw) - 12, body


def _repeats(fragment: Fragment, taken: tuple[int, int, bytes]) -> bool:
    kind, length, begin = taken
    if (fragment.type, fragment.length) != (kind, length):
        return False
    part = begin[fragment.offset : fragment.offset + len(fragment.body)]
    return fragment.body[: len(part)] == part
