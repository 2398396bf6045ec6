"""Segments of a batch sorted by connection and direction, with every run of consecutive bytes known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.net.segments import SegmentBatch

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
MARKS = FIN | SYN | RST
"""Segments with one of these matter even without payload."""


@dataclass(slots=True)
class Rows:
    """The segments that carry payload or a mark, as columns that index to plain Python integers.

    Within a connection's direction they stand in frame order. `total` counts payload bytes before each row,
    so that in a run the stream position of row i is that of the run's first row plus a difference of totals.
    """

    buffer: memoryview
    """What `offset` points into; valid until the next batch is read."""
    frame: Sequence[int]
    time: Sequence[int]
    """Nanoseconds since 1970-01-01 UTC."""
    offset: Sequence[int]
    captured: Sequence[int]
    """Payload bytes in the capture."""
    total: Sequence[int]
    """Payload bytes on the wire before this row; one entry more than rows."""
    # Of rows that are kept beyond their batch, nobody asks for what follows.
    length: Sequence[int] = ()
    """Payload bytes on the wire."""
    sequence: Sequence[int] = ()
    acknowledgment: Sequence[int] = ()
    flags: Sequence[int] = ()
    run_starts: Sequence[int] = ()
    """Rows whose first byte does not follow their predecessor's last one; at the end the number of rows."""
    closings: Sequence[int] = ()
    """Rows with FIN or RST."""

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def of(cls, batch: SegmentBatch, selected: NDArray[np.int64], slice_starts: NDArray[np.int64]) -> "Rows":
        """The rows `selected` of the batch, in that order; a run never spans the `slice_starts`."""
        length = batch.length[selected]
        captured = batch.captured[selected]
        sequence = batch.sequence[selected]
        flags = batch.flags[selected]
        total = np.zeros(len(selected) + 1, np.int64)
        np.cumsum(length, out=total[1:])
        fresh = np.ones(len(selected) + 1, bool)
        if len(selected):
            follows = sequence[1:] == sequence[:-1] + length[:-1].astype(np.uint32)
            follows &= captured[:-1] == length[:-1]
            plain = ((flags & MARKS) == 0) & (length > 0)
            follows &= plain[1:] & plain[:-1]
            fresh[1:-1] = ~follows
            fresh[slice_starts] = True
        return cls(
            buffer=batch.buffer.data,
            frame=batch.frame[selected].data,
            time=batch.time[selected].data,
            offset=batch.offset[selected].data,
            captured=captured.data,
            length=length.data,
            sequence=sequence.data,
            acknowledgment=batch.acknowledgment[selected].data,
            flags=flags.data,
            total=total.data,
            run_starts=np.flatnonzero(fresh).data,
            closings=np.flatnonzero(flags & (FIN | RST)).data,
        )


def held(data: bytes, frame: int, time: int) -> Rows:
    """One row of bytes of our own, which outlives the batch."""
    return Rows(memoryview(data), (frame,), (time,), (0,), (len(data),), (0, len(data)))
