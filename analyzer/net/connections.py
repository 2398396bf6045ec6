"""Which connection does each segment belong to? Streams are numbered as Wireshark numbers them."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.net.rows import ACK, MARKS, SYN, Rows
from analyzer.net.segments import SegmentBatch
from analyzer.results import Endpoint

# Odd constants that spread addresses over 64 bits (from the golden ratio and from pi).
_MIX_HIGH = np.uint64(0x9E3779B97F4A7C15)
_MIX_PAIR = np.uint64(0x243F6A8885A308D3)

Span = tuple[int, int, int]
"""(direction, first row, row behind the last) of `Rows`."""
_Key = tuple[int, int]
_RawEndpoint = tuple[int, int, int, int]


@dataclass(slots=True, eq=False)
class Connection:
    """A TCP connection. Direction d (0 or 1) is what `endpoint(d)` sends; the addresses decide which."""

    order: int
    """How many connections began before it."""
    first_frame: int
    """The frame in which it begins."""
    raw_endpoints: tuple[_RawEndpoint, _RawEndpoint]
    """Family, upper and lower half of the address, and port of either side."""
    initial_sequence: list[int | None]
    """Per direction, what Wireshark takes for the initial sequence number."""
    follower: Any = None
    """What the floors above keep of it."""

    def endpoint(self, direction: int) -> Endpoint:
        """Address and port of the side that sends in `direction`."""
        family, high, low, port = self.raw_endpoints[direction]
        address = IPv4Address(low) if family == 4 else IPv6Address(high << 64 | low)
        return Endpoint(str(address), port)


@dataclass(slots=True)
class Arrivals:
    """What one batch brings to one connection."""

    connection: Connection
    spans: list[Span]
    """Of one direction in frame order."""
    acknowledged: list[int | None]
    """Per direction, the last acknowledgment number that it carried."""


@dataclass(slots=True)
class _Group:
    """What a batch holds of one pair of endpoints, or of one of its successive connections."""

    first_frame: int
    first_slice: int
    initial_sequence: list[int | None]
    spans: list[Span]
    acknowledged: list[int | None]


class ConnectionTable:
    """Sorts each batch by connection.

    A reused port starts a new connection where Wireshark 4.0 starts one: at a SYN in a direction whose initial
    sequence number is known and another one.
    """

    def __init__(self, capacity: int) -> None:
        self._followed: OrderedDict[_Key, Connection] = OrderedDict()
        self._capacity = capacity
        self._skipped: list[int] = []
        self.opened = 0
        """Connections seen so far."""

    def __iter__(self) -> Iterator[Connection]:
        """Those that are followed at present, the longest idle first."""
        return iter(self._followed.values())

    def stream(self, connection: Connection) -> int:
        """Wireshark's tcp.stream."""
        return connection.order + bisect_left(self._skipped, connection.first_frame)

    def skip_number(self, frame: int) -> None:
        """Wireshark gives away a number at this frame without a connection of its own.

        Its SOCKS dissector does, when it hands on the first bytes of a tunnel under the port of the destination.
        """
        insort(self._skipped, frame)

    def drop_idle(self) -> list[Connection]:
        """Forget and return the connections idle longest, as many as exceed the capacity."""
        excess = len(self._followed) - self._capacity
        return [self._followed.popitem(last=False)[1] for _ in range(excess)]

    def sort(self, batch: SegmentBatch) -> tuple[Rows, list[Arrivals], list[Connection]]:
        """Group the rows that carry payload or SYN, FIN or RST by connection, in order of first appearance.

        The third part are the connections whose ports were reused: they get no more rows.
        """
        source = _endpoint_keys(batch.source_high, batch.source_low, batch.source_port)
        destination = _endpoint_keys(batch.destination_high, batch.destination_low, batch.destination_port)
        mixed = ((source + destination) ^ (source * destination)) * _MIX_PAIR >> np.uint64(48)
        # 15 bits of hash, then the direction. A stable sort of 16-bit keys is a radix sort; connections that
        # share a bucket merely come in more slices.
        bucket = (mixed.astype(np.uint16) & np.uint16(0xFFFE)) | (source > destination)
        order = np.argsort(bucket, kind="stable")
        source, destination = source[order], destination[order]
        fresh = np.ones(len(order), bool)
        fresh[1:] = (source[1:] != source[:-1]) | (destination[1:] != destination[:-1])
        starts = np.flatnonzero(fresh)
        kept = np.flatnonzero((batch.length[order] > 0) | ((batch.flags[order] & MARKS) != 0))
        bounds = np.searchsorted(kept, starts)
        rows = Rows.of(batch, order[kept], bounds[bounds < len(kept)])
        ends = np.append(starts[1:], len(order)) - 1
        heads = _Heads(batch, order[starts], order[ends], source[starts], destination[starts])
        groups = _groups(heads, [*bounds.tolist(), len(kept)])

        pieces: list[tuple[int, _Key, Connection | None, _Group]] = []
        for key, group in groups.items():
            connection = self._followed.get(key)
            if connection is not None:
                self._followed.move_to_end(key)
            pieces.append((group.first_frame, key, connection, group))
        opening = np.flatnonzero((batch.flags[order[kept]] & (SYN | ACK)) == SYN)
        for index in set((np.searchsorted(bounds, opening, "right") - 1).tolist()):
            key = heads.keys[index]
            for reopened in _reopened(groups[key], self._followed.get(key), rows):
                pieces.append((reopened.first_frame, key, None, reopened))
        pieces.sort(key=lambda piece: piece[0])

        arrivals: list[Arrivals] = []
        displaced: list[Connection] = []
        for _, key, known, group in pieces:
            connection = known
            if connection is None:
                endpoints = heads.endpoints(group.first_slice)
                connection = Connection(self.opened, group.first_frame, endpoints, group.initial_sequence)
                self.opened += 1
                before = self._followed.pop(key, None)
                if before is not None:
                    displaced.append(before)
                self._followed[key] = connection
            elif None in connection.initial_sequence:
                connection.initial_sequence = [
                    new if old is None else old
                    for old, new in zip(connection.initial_sequence, group.initial_sequence, strict=True)
                ]
            if group.spans:
                arrivals.append(Arrivals(connection, group.spans, group.acknowledged))
        return rows, arrivals, displaced


class _Heads:
    """The first row of each slice (and the last one's acknowledgment), whether it carries payload or not."""

    def __init__(
        self,
        batch: SegmentBatch,
        first: NDArray[np.int64],
        last: NDArray[np.int64],
        source: NDArray[np.uint64],
        destination: NDArray[np.uint64],
    ) -> None:
        self._batch = batch
        self._first = first
        self.frame: list[int] = batch.frame[first].tolist()
        self.sequence: list[int] = batch.sequence[first].tolist()
        self.acknowledgment: list[int] = batch.acknowledgment[first].tolist()
        self.flags: list[int] = batch.flags[first].tolist()
        self.last_acknowledgment: list[int] = batch.acknowledgment[last].tolist()
        self.last_flags: list[int] = batch.flags[last].tolist()
        self.direction: list[int] = (source > destination).astype(np.int64).tolist()
        lower, upper = np.minimum(source, destination), np.maximum(source, destination)
        self.keys: list[_Key] = list(zip(lower.tolist(), upper.tolist(), strict=True))

    def endpoints(self, index: int) -> tuple[_RawEndpoint, _RawEndpoint]:
        """Of slice `index`, in the order of the directions."""
        row, batch = int(self._first[index]), self._batch
        family = int(batch.family[row])
        source = (
            family,
            int(batch.source_high[row]),
            int(batch.source_low[row]),
            int(batch.source_port[row]),
        )
        destination = (
            family,
            int(batch.destination_high[row]),
            int(batch.destination_low[row]),
            int(batch.destination_port[row]),
        )
        return (destination, source) if self.direction[index] else (source, destination)

    def initial_sequences(self, index: int) -> tuple[int, int | None]:
        """What the first row of slice `index` tells of its own direction and of the other."""
        flags = self.flags[index]
        own = self.sequence[index] if flags & SYN else (self.sequence[index] - 1) & 0xFFFFFFFF
        return own, (self.acknowledgment[index] - 1) & 0xFFFFFFFF if flags & ACK else None


def _endpoint_keys(high: NDArray[np.uint64], low: NDArray[np.uint64], port: NDArray[np.uint16]) -> NDArray[np.uint64]:
    """One number an endpoint: exact for IPv4, as good as unique for IPv6."""
    return (low << np.uint64(16) | port) + high * _MIX_HIGH


def _groups(heads: _Heads, bounds: list[int]) -> dict[_Key, _Group]:
    """Slices by unordered pair of endpoints."""
    groups: dict[_Key, _Group] = {}
    for index, key in enumerate(heads.keys):
        direction, frame = heads.direction[index], heads.frame[index]
        own, other = heads.initial_sequences(index)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(frame, index, [None, None], [], [None, None])
        if frame <= group.first_frame:
            group.first_frame, group.first_slice = frame, index
            if other is not None:
                group.initial_sequence[1 - direction] = other
            group.initial_sequence[direction] = own
        elif group.initial_sequence[direction] is None:
            group.initial_sequence[direction] = own
        if heads.last_flags[index] & ACK:
            group.acknowledged[direction] = heads.last_acknowledgment[index]
        if bounds[index] < bounds[index + 1]:
            group.spans.append((direction, bounds[index], bounds[index + 1]))
    return groups


def _reopened(group: _Group, connection: Connection | None, rows: Rows) -> list[_Group]:
    """Cut `group` at each SYN that opens a new connection; returns what follows the cuts."""
    marks = sorted(
        (rows.frame[row], direction, row)
        for direction, first, behind in group.spans
        for row in range(first, behind)
        if rows.flags[row] & MARKS
    )
    initial: list[int | None] = [None, None]
    if connection is not None:
        initial = list(connection.initial_sequence)
    elif marks and group.first_frame < marks[0][0]:
        initial = list(group.initial_sequence)
    result: list[_Group] = []
    for frame, direction, row in marks:
        flags, sequence = rows.flags[row], rows.sequence[row]
        known = initial[direction]
        if flags & (SYN | ACK) == SYN and known is not None and sequence != known:
            latest = result[-1] if result else group
            kept, moved = _cut(latest.spans, frame, rows)
            latest.spans = kept
            initial = [None, None]
            result.append(_Group(frame, group.first_slice, initial, moved, [None, None]))
        if initial[direction] is None:
            initial[direction] = sequence if flags & SYN else (sequence - 1) & 0xFFFFFFFF
        if flags & ACK and initial[1 - direction] is None:
            initial[1 - direction] = (rows.acknowledgment[row] - 1) & 0xFFFFFFFF
    return result


def _cut(spans: list[Span], frame: int, rows: Rows) -> tuple[list[Span], list[Span]]:
    """The spans before `frame`, and those from it on."""
    before, after = [], []
    for direction, first, behind in spans:
        cut = bisect_left(rows.frame, frame, first, behind)
        if first < cut:
            before.append((direction, first, cut))
        if cut < behind:
            after.append((direction, cut, behind))
    return before, after
