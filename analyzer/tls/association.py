"""Follows one conversation of datagrams in which DTLS is spoken: what a `Follower` is to a connection."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyzer.net.conversations import Conversation, Delivery
from analyzer.net.segments import DatagramBatch
from analyzer.settings import Limits
from analyzer.tls.dtls import DtlsSession
from analyzer.tls.dtls_record import Datagram
from analyzer.tls.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = 6 << 10
"""Bytes that following a conversation takes by itself."""
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
        "remembered",
        "reported",
        "session",
    )

    def __init__(self, conversation: Conversation, limits: Limits, keyring: Keyring | None = None, first: int = 0):
        """`first` is the number of its first handshake."""
        self.connection = conversation
        self.session = DtlsSession(limits, keyring, first=first)
        self.reported = self.remembered = 0
        """How many of the session's handshakes are in a report, and in the lineage."""
        self.first_frame = self.first_time = self.last_frame = self.last_time = 0
        self.counted = 0
        """What of `held` whoever watches over all conversations has counted."""

    def arrive(self, batch: DatagramBatch, delivery: Delivery, is_data: NDArray[np.bool_]) -> None:
        """Take what a batch brings; of application data, once there is enough, only how much there is."""
        rows, directions = delivery.rows, delivery.directions
        for direction in (0, 1):
            if self.session.is_full_of_data(direction):
                passed = is_data[rows] & (directions == direction)
                if passed.any():
                    last = int(rows[passed][-1])
                    count, frame, time = int(passed.sum()), int(batch.frame[last]), int(batch.time[last])
                    self.session.count_data(direction, count, frame, time)
                    self._note(frame, time)
                    rows, directions = rows[~passed], directions[~passed]
        buffer = batch.buffer.data
        columns = (batch.frame, batch.time, batch.offset, batch.captured, batch.length)
        for direction, frame, time, offset, captured, length in zip(
            directions.tolist(), *(column[rows].tolist() for column in columns), strict=True
        ):
            self._note(frame, time)
            self.session.process(Datagram(direction, frame, time, buffer[offset : offset + captured].tobytes(), length))

    def _note(self, frame: int, time: int) -> None:
        if not self.first_frame:
            self.first_frame, self.first_time = frame, time
        self.last_frame, self.last_time = max(self.last_frame, frame), max(self.last_time, time)

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


_DEFECTS = {
    "snap-length": "frames-cut",
    "not-captured": "datagrams-missing",
    "missing": "datagrams-missing",
    "damaged": "records-damaged",
}
