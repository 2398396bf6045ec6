"""Which IP fragments make up a datagram, and what does it hold?"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.issues import Issues
from analyzer.net.layers import Fragments, Payloads

REASSEMBLY_TIMEOUT = 60 * 1_000_000_000
"""Nanoseconds of capture time that a datagram waits for its fragments (RFC 8200, section 4.5)."""

_LARGEST = 65535
_UNIT = 8

_Key = tuple[int, ...]


@dataclass(slots=True)
class _Pending:
    """A datagram of which some fragments were seen."""

    time: int
    data: bytearray = field(default_factory=bytearray)
    have: int = 0
    """Bit i says that bytes 8i to 8i+7 are there."""
    length: int | None = None
    """Known from the last fragment."""

    def put(self, position: int, data: bytes, *, last: bool) -> str | None:
        """Add a fragment; what is wrong with it, where something is."""
        end = position + len(data)
        if not data or end > _LARGEST or (len(data) % _UNIT and not last):
            return "has an impossible length"
        if last and self.length not in (None, end):
            return "contradicts the datagram's length"
        if last:
            self.length = end
        self.data.extend(bytes(max(end - len(self.data), 0)))
        blocks = range(position // _UNIT, -(-end // _UNIT))
        mask = (1 << blocks.stop) - (1 << blocks.start)
        blame = None
        if not self.have & mask:
            self.data[position:end] = data
        else:
            for block in blocks:
                place = slice(block * _UNIT, min(block * _UNIT + _UNIT, end))
                piece = data[place.start - position : place.stop - position]
                if not self.have >> block & 1:
                    self.data[place] = piece
                elif self.data[place] != piece:
                    blame = "contradicts another that it overlaps"
        self.have |= mask
        return blame

    def complete(self) -> bool:
        """Every byte is there."""
        return self.length is not None and self.have == (1 << -(-self.length // _UNIT)) - 1


class Reassembler:
    """Puts datagrams together again, in the frame of the fragment that completes them (as Wireshark does).

    Where fragments overlap, the bytes that came first stay; where these also contradict each other, an issue
    says so: somebody means to deceive.
    """

    def __init__(self, limit: int, issues: Issues) -> None:
        self._limit = limit
        self._issues = issues
        self._pending: dict[_Key, _Pending] = {}

    def add(
        self, batch: FrameBatch, buffer: NDArray[np.uint8], fragments: Fragments
    ) -> tuple[NDArray[np.uint8], Payloads]:
        """The datagrams that these fragments complete, and a buffer that holds their bytes too.

        Fragments that were not captured whole, or are only quoted, are of no use.
        """
        payload = fragments.payload
        keys = zip(
            payload.family.tolist(),
            payload.source_high.tolist(),
            payload.source_low.tolist(),
            payload.destination_high.tolist(),
            payload.destination_low.tolist(),
            payload.protocol.tolist(),
            fragments.identification.tolist(),
            strict=True,
        )
        useful = (payload.end == payload.wire_end) & ~payload.quoted
        completed: dict[int, bytes] = {}
        for i, key in enumerate(keys):
            if not useful[i]:
                continue
            row = payload.row[i]
            pending = self._waiting(key, int(batch.time[row]))
            data = buffer[payload.offset[i] : payload.end[i]].tobytes()
            blame = pending.put(int(fragments.position[i]), data, last=not fragments.more[i])
            if blame:
                self._issues.add("fragment-malformed", f"an IP fragment {blame}", frame=int(batch.number[row]))
            if pending.complete():
                completed[i] = bytes(pending.data[: pending.length])
                del self._pending[key]
        index = np.array(list(completed), np.int64)
        whole = payload.take(index)
        lengths = np.array([len(datagram) for datagram in completed.values()], np.int64)
        whole.end = len(buffer) + np.cumsum(lengths)
        whole.offset = whole.end - lengths
        whole.wire_end = whole.end.copy()
        if completed:
            buffer = np.concatenate([buffer, np.frombuffer(b"".join(completed.values()), np.uint8)])
        return buffer, whole

    def close(self) -> None:
        """Count what is still pending as incomplete: the capture has ended."""
        for _ in range(len(self._pending)):
            self._drop_oldest()

    def _waiting(self, key: _Key, time: int) -> _Pending:
        """The datagram that `key` names; a new one where there is none, or one that waits for too long."""
        while self._pending and time - next(iter(self._pending.values())).time > REASSEMBLY_TIMEOUT:
            self._drop_oldest()
        pending = self._pending.get(key)
        if pending is None:
            if len(self._pending) >= self._limit:
                self._issues.add("fragments", f"more than {self._limit} IP datagrams wait for fragments")
                self._drop_oldest()
            pending = self._pending[key] = _Pending(time)
        return pending

    def _drop_oldest(self) -> None:
        del self._pending[next(iter(self._pending))]
        self._issues.add("fragments-missing", "an IP datagram lacks fragments")
