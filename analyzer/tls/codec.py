"""How are numbers and vectors read from a message? (RFC 8446, section 3.)"""

from collections.abc import Callable
from struct import unpack_from
from typing import TypeVar

T = TypeVar("T")


class Malformed(Exception):  # noqa: N818 - never leaves the parsers: they turn it into a value
    """The bytes are not what the format says; the text tells what was expected and what was there."""


class Reader:
    """A cursor over bytes; every method raises `Malformed` where there are too few of them."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def u8(self) -> int:
        """One byte."""
        position = self.position
        try:
            value = self.data[position]
        except IndexError:
            raise self._short(1) from None
        self.position = position + 1
        return value

    def u16(self) -> int:
        """Two bytes in network order."""
        data, position = self.data, self.position
        try:
            value = data[position] << 8 | data[position + 1]
        except IndexError:
            raise self._short(2) from None
        self.position = position + 2
        return value

    def u24(self) -> int:
        """Three bytes in network order."""
        return int.from_bytes(self.take(3))

    def u32(self) -> int:
        """Four bytes in network order."""
        return int.from_bytes(self.take(4))

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        start = self.position
        end = start + length
        if end > len(self.data):
            raise self._short(length)
        self.position = end
        return self.data[start:end]

    def vector8(self) -> bytes:
        """A vector with one byte of length."""
        return self.take(self.u8())

    def vector16(self) -> bytes:
        """A vector with two bytes of length."""
        return self.take(self.u16())

    def vector24(self) -> bytes:
        """A vector with three bytes of length."""
        return self.take(self.u24())

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self.data) - self.position)

    def end(self) -> None:
        """Nothing may be left."""
        left = len(self.data) - self.position
        if left:
            raise Malformed(f"{left} bytes too many after {self.position}")

    def __bool__(self) -> bool:
        """Whether bytes are left."""
        return self.position < len(self.data)

    def _short(self, length: int) -> Malformed:
        left = len(self.data) - self.position
        return Malformed(f"{length} bytes expected at {self.position}, {left} left")


def u16s(data: bytes) -> tuple[int, ...]:
    """The two-byte numbers that fill `data`; raises `Malformed` where its length is odd."""
    if len(data) & 1:
        raise Malformed(f"two-byte numbers expected in {len(data)} bytes")
    return unpack_from(f">{len(data) >> 1}H", data)


def whole(data: bytes, read: Callable[[Reader], T]) -> T:
    """What `read` finds in `data`, which it must use up; raises `Malformed` where it does not."""
    reader = Reader(data)
    found = read(reader)
    reader.end()
    return found


def repeated(data: bytes, read: Callable[[Reader], T]) -> tuple[T, ...]:
    """What `read` finds in `data`, again and again until nothing is left; raises `Malformed` as it does."""
    reader, found = Reader(data), []
    while reader:
        found.append(read(reader))
    return tuple(found)
