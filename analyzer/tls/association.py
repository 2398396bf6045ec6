"""Follows one conversation of datagrams in which DTLS or QUIC is spoken: what a `Follower` is to a connection."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyzer.net.conversations import Conversation, Datagram, Delivery
from analyzer.net.segments import DatagramBatch
from analyzer.tls.dtls.session import DtlsSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.tls.quic.session import QuicSession

    Session = DtlsSession | QuicSession

SHORTEST_SILENCE = 60 * 1_000_000_000
"""No conversation is let go before it has been silent for so many nanoseconds of capture time."""
_OWN = 6 << 10
"""Bytes that following a conversation takes by itself."""
_CHUNK = 64
"""Datagrams that are read before the question whether there is enough data."""
_MADE_OF_MESSAGES = 3
"""Bytes that a byte of a message takes, with what is made of it."""


class Association:
    """What is kept of one conversation between batches."""

    __slots__ = (
        "connection",
        "counted",
        "first_frame",
        "first_time",
        "last_frame",
        "last_time",
        "reported",
        "session",
    )
    silence = 600 * 1_000_000_000
    """Nanoseconds of capture time for which it must be silent to be let go: nobody closes it for sure."""

    def __init__(self, conversation: Conversation, session: "Session") -> None:
        self.connection = conversation
        self.session = session
        self.reported = 0
        """How many of the session's handshakes are in a report."""
        self.first_frame = self.first_time = self.last_frame = self.last_time = 0
        self.counted = 0
        """What of `held` whoever watches over all conversations has counted."""

    def arrive(self, batch: DatagramBatch, delivery: Delivery, is_data: NDArray[np.bool_]) -> None:
        """Take what a batch brings; of data, once there is enough, only how much there is."""
        rows, directions = delivery.rows, delivery.directions
        while len(rows):
            full = np.array([self.session.is_full_of_data(direction) for direction in (0, 1)])
            passed = is_data[rows] & full[directions]
            run = len(rows) if passed.all() else int(np.argmin(passed))
            for direction in (0, 1) if run else ():
                of_direction = rows[:run][directions[:run] == direction]
                if len(of_direction):
                    self._pass_over(batch, of_direction, direction)
            for datagram in datagrams(batch, rows[run : run + _CHUNK], directions[run : run + _CHUNK]):
                self._note(datagram.frame, datagram.time)
                self.session.process(datagram)
            rows, directions = rows[run + _CHUNK :], directions[run + _CHUNK :]

    def _pass_over(self, batch: DatagramBatch, rows: NDArray[np.int64], direction: int) -> None:
        """Of so much data only count it."""
        last = int(rows[-1])
        frame, time = int(batch.frame[last]), int(batch.time[last])
        self.session.count_data(direction, len(rows), frame, time)
        self._note(frame, time)

    def _note(self, frame: int, time: int) -> None:
        if not self.first_frame:
            self.first_frame, self.first_time = frame, time
        self.last_frame, self.last_time = max(self.last_frame, frame), max(self.last_time, time)

    def pause(self) -> bool:
        """Make the best of what has come; False where something waits for what may yet come."""
        if not self.session.is_complete:
            return False
        self.session.settle()
        return True

    def finish(self) -> None:
        """No more datagrams will come."""
        self.session.settle()

    @property
    def exceeded(self) -> dict[str, int]:
        """The limits that it exceeded, and the frame in which it did so first."""
        return self.session.exceeded

    def defects(self) -> "Iterator[tuple[str, int]]":
        """What the capture lacks of the session: an issue's code, and a frame."""
        for handshake in self.session.handshakes:
            yield from ((_DEFECTS[hole.reason], hole.frame) for _, hole in handshake.holes)

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about."""
        return _OWN + _MADE_OF_MESSAGES * self.session.held


def datagrams(batch: DatagramBatch, rows: NDArray[np.int64], directions: NDArray[np.int64]) -> "Iterator[Datagram]":
    """Those of some rows, with their bytes."""
    buffer = batch.buffer.data
    columns = (batch.frame, batch.time, batch.offset, batch.captured, batch.length, batch.refused, batch.too_long)
    for direction, frame, time, offset, captured, length, *error in zip(
        directions.tolist(), *(column[rows].tolist() for column in columns), strict=True
    ):
        yield Datagram(direction, frame, time, buffer[offset : offset + captured].tobytes(), length, *error)


_DEFECTS = {
    "snap-length": "frames-cut",
    "not-captured": "datagrams-missing",
    "missing": "datagrams-missing",
    "damaged": "records-damaged",
}
