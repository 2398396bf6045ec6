"""Follows one conversation of datagrams in which QUIC is spoken."""

import numpy as np
from numpy.typing import NDArray

from analyzer.net.conversations import Conversation
from analyzer.net.segments import DatagramBatch
from analyzer.tls.association import SHORTEST_SILENCE, Association, datagrams
from analyzer.tls.quic.session import QuicSession

_OWN = 6 << 10
"""Bytes that keys, ids and streams take, beside what any association takes."""


class QuicAssociation(Association):
    """What is kept of one conversation between batches."""

    __slots__ = ("_quic",)
    silence = SHORTEST_SILENCE
    """As long as the longest wait for an answer; nothing that comes later tells of the handshake."""

    def __init__(self, conversation: Conversation, session: QuicSession) -> None:
        super().__init__(conversation, session)
        self._quic = session

    def _pass_over(self, batch: DatagramBatch, rows: NDArray[np.int64], direction: int) -> None:
        """Of so much data only count it, and keep what may be the end."""
        super()._pass_over(batch, rows, direction)
        most = self._quic.wants_last(direction)
        last = rows[len(rows) - most :] if most else rows[:0]
        for datagram in datagrams(batch, last, np.full(len(last), direction)):
            self._quic.keep_last(datagram)

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about."""
        return _OWN + super().held
