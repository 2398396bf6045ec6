"""What does a stretch of a capture's bytes hold: the frames of its whole records, and where they end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch


@dataclass(slots=True)
class Walk:
    """What a format found between two offsets of a buffer."""

    frames: FrameBatch | None
    """The frames of all whole records; None where there is none."""
    stop: int
    """Where in the buffer the first record begins that is not whole."""
    need: int = 0
    """Bytes that this record takes at least, as far as its header is there to tell."""
    damage: str | None = None
    """Why nothing can be read from `stop` on."""
    skip: int = 0
    """Bytes from `stop` on that hold no frame and need not be kept to be passed over."""


def gather(buffer: NDArray[np.uint8], offsets: NDArray[np.int64], header: np.dtype[Any]) -> NDArray[Any]:
    """A copy of the header that begins at each offset.

    All of them must lie within the buffer, though not within its filled part.
    """
    return opaque(buffer, header)[offsets].view(header)


def opaque(buffer: NDArray[np.uint8], header: np.dtype[Any]) -> NDArray[np.void]:
    """The buffer as items of a header's size that begin at every byte.

    To index them is by far the fastest way to have NumPy copy unaligned headers; the copy is then viewed as such.
    """
    return np.ndarray((len(buffer) - header.itemsize + 1,), f"V{header.itemsize}", buffer, strides=(1,))


def row(order: str, words: dict[str, int]) -> np.dtype[Any]:
    """The 32-bit words of a record's header that are gathered, by name and offset; `order` is `<` or `>`."""
    return np.dtype({"names": [*words], "formats": [f"{order}u4"] * len(words), "offsets": [*words.values()]})


def numbers(before: int, count: int) -> NDArray[np.int64]:
    """The numbers of `count` frames that follow the first `before` ones."""
    return np.arange(before + 1, before + count + 1, dtype=np.int64)


def nanoseconds(seconds: NDArray[np.uint32], fraction: NDArray[np.uint32], unit: int) -> NDArray[np.int64]:
    """Nanoseconds since 1970 of seconds and a fraction whose unit is `unit` nanoseconds.

    Where the fraction is a second or more, what is over counts as time.
    """
    return seconds.astype(np.int64) * 1_000_000_000 + fraction.astype(np.int64) * unit
