"""A batch of frames as columns over one buffer: what every capture format yields."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class FrameBatch:
    """Consecutive frames of a capture; row i of every column is frame `number[i]`.

    The buffer belongs to the reader, which may overwrite it for the next batch: whoever
    keeps bytes beyond the current iteration copies them.
    """

    buffer: NDArray[np.uint8]
    """The bytes that `offset` points into."""
    number: NDArray[np.int64]
    """Frame numbers, counted from 1 over the whole capture as Wireshark's `frame.number`."""
    time: NDArray[np.int64]
    """Nanoseconds since 1970-01-01 UTC."""
    offset: NDArray[np.int64]
    """Where the frame's first byte lies in `buffer`."""
    captured: NDArray[np.int64]
    """Bytes of the frame that the capture holds."""
    original: NDArray[np.int64]
    """Bytes that the frame had on the wire."""
    link_type: NDArray[np.uint16]
    """LINKTYPE_ value (https://www.tcpdump.org/linktypes.html) of the file's header or interface block."""

    def __len__(self) -> int:
        return len(self.number)

    def parts(self, size: int) -> Iterator[Self]:
        """Itself in pieces of at most `size` frames."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            yield self.part(start, start + size)

    def part(self, start: int, stop: int) -> Self:
        """Rows `start` to `stop` over the same buffer."""
        columns = [getattr(self, field.name) for field in fields(self)][1:]
        return type(self)(self.buffer, *(column[start:stop] for column in columns))


def no_frames(buffer: NDArray[np.uint8]) -> FrameBatch:
    """A batch without any."""
    none = np.zeros(0, np.int64)
    return FrameBatch(buffer, none, none, none, none, none, none.astype(np.uint16))
