"""Which connection does each segment belong to? Streams are numbered as Wireshark numbers them."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.net.bygone import Bygone
from analyzer.net.endpoints import Ends, RawEndpoint, endpoint
from analyzer.net.rows import ACK, MARKS, SYN, Rows
from analyzer.net.segments import SegmentBatch, endpoint_of
from analyzer.results import Endpoint

# Odd constants that spread addresses over 64 bits (from the golden ratio, from e and from pi).
_MIX_HIGH = np.uint64(0x9E3779B97F4A7C15)
_MIX_LOW = np.uint64(0xB7E151628AED2A6B)
_MIX_PAIR = np.uint64(0x243F6A8885A308D3)
_MODULUS = 1 << 32

Span = tuple[int, int, int]
"""(direction, first row, row behind the last) of `Rows`."""
Opening = tuple[int, int, int, int, int]
"""Frame, time, direction, flags and sequence number of a SYN."""
TooLong = tuple[int, int, int]
"""Direction of a segment, frame of the ICMP error, and bytes that the link takes (0: it does not say)."""
Acknowledged = tuple[int | None, int | None]


@dataclass(slots=True, eq=False)
class Connection:
    """A TCP connection. Direction d (0 or 1) is what `endpoint(d)` sends; the addresses decide which."""

    order: int
    """How many connections began before it."""
    first_frame: int
    """The frame in which it begins."""
    raw_endpoints: Ends
    """Family, upper and lower half of the address, and port of either side."""
    initial_sequence: list[int | None]
    """Per direction, what Wireshark takes for the initial sequence number."""
    acknowledged: Acknowledged = (None, None)
    """Per direction, the last acknowledgment number that it carried."""
    reached: Acknowledged = (None, None)
    """Per direction, the sequence number of the segment with that: as far as its sender had come."""
    opening: Opening | None = None
    """Its SYN, as long as nothing else has come."""
    too_long: TooLong | None = None
    """The last of its segments that an ICMP error quotes as too long for a link."""
    follower: Any = None
    """What the floors above keep of it."""

    @property
    def over(self) -> bool:
        """Whether it is followed no more: of such a one only the initial sequence numbers are known."""
        return self.order < 0

    def acknowledge(self, numbers: Sequence[int | None], reached: Sequence[int | None]) -> None:
        """Per direction, a later acknowledgment number and the sequence number beside it, where there are any."""
        self.acknowledged = _latest(self.acknowledged, numbers)
        self.reached = _latest(self.reached, reached)

    def endpoint(self, direction: int) -> Endpoint:
        """Address and port of the side that sends in `direction`."""
        return endpoint(*self.raw_endpoints[direction])


def _latest(before: Acknowledged, now: Sequence[int | None]) -> Acknowledged:
    (one, other), (first, second) = before, now
    return one if first is None else first, other if second is None else second


@dataclass(slots=True)
class Arrivals:
    """What one batch brings to one connection."""

    connection: Connection
    spans: list[Span]
    """Of one direction in frame order."""
    lone: bool = False
    """It is the SYN that `Connection.opening` keeps, and nothing more."""


class _Group:
    """What a batch holds of one pair of endpoints, or of one of its successive connections."""

    __slots__ = ("_told", "acknowledged", "first_row", "initial_sequence", "reached", "slices", "spans")

    def __init__(self, first_row: int, spans: list[Span]) -> None:
        self.first_row = first_row
        self.spans = spans
        self.slices: list[int] = []
        self.initial_sequence: list[int | None] = [None, None]
        self.acknowledged: list[int | None] = [None, None]
        self.reached: list[int | None] = [None, None]
        self._told = [0, 0]

    def learn(self, row: int, direction: int, initial_sequence: int) -> None:
        """Row `row` tells of a direction; what the first row says counts, whether it is a SYN or not."""
        if self.initial_sequence[direction] is None or row < self._told[direction]:
            self.initial_sequence[direction], self._told[direction] = initial_sequence % _MODULUS, row


class ConnectionTable:
    """Sorts each batch by connection.

    A reused port starts a new connection where Wireshark 4.0 starts one: at a SYN in a direction whose initial
    sequence number is known and another one. (At a SYN+ACK it merely takes the new number for granted.)
    """

    def __init__(self, capacity: int, remembered: int) -> None:
        """Follow `capacity` connections at once, and know late segments of `remembered` others that are over."""
        self._followed: OrderedDict[Ends, Connection] = OrderedDict()
        self._capacity = capacity
        self.bygone = Bygone(remembered)
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
        """Forget and return the connections idle longest, as many as exceed the capacity; half-open ones first."""
        excess = len(self._followed) - self._capacity
        if excess <= 0:
            return []
        half_open = (connection for connection in self._followed.values() if connection.opening is not None)
        others = (connection for connection in self._followed.values() if connection.opening is None)
        dropped = list(islice(chain(half_open, others), excess))
        for connection in dropped:
            self.drop(connection)
        return dropped

    def drop(self, connection: Connection) -> None:
        """Follow it no more: what still comes of it is left out, and is no connection of its own."""
        if self._followed.get(connection.raw_endpoints) is connection:
            del self._followed[connection.raw_endpoints]
            self.bygone.remember(connection.raw_endpoints, connection.initial_sequence)

    def _known(self, key: Ends) -> Connection | None:
        """The connection of these ends; of one that is over, what is left of it."""
        connection = self._followed.get(key)
        if connection is None and (initial := self.bygone.find(key)) is not None:
            connection = Connection(-1, 0, key, initial)
        return connection

    def sort(self, batch: SegmentBatch) -> tuple[Rows, list[Arrivals], list[Connection]]:
        """Group the rows that carry payload or SYN, FIN or RST by connection, in order of first appearance.

        The third part are the connections whose ports were reused: they get no more rows.
        """
        slices = _Slices(batch)
        rows = slices.rows()
        groups = _groups(slices)
        pieces: list[tuple[int, Ends, Connection | None, _Group]] = []
        for key, group in groups.items():
            connection = self._known(key)
            if connection is not None:
                if not connection.over:
                    self._followed.move_to_end(key)
                learned = zip(connection.initial_sequence, group.initial_sequence, strict=True)
                group.initial_sequence = [new if old is None else old for old, new in learned]
            pieces.append((group.first_row, key, connection, group))
        other = [
            key for key, direction, sequence in slices.syns() if groups[key].initial_sequence[direction] != sequence
        ]
        for key in dict.fromkeys(other):
            for reopened in _reopened(groups[key], self._known(key), slices, rows):
                pieces.append((reopened.first_row, key, None, reopened))
        pieces.sort(key=lambda piece: piece[0])

        arrivals: list[Arrivals] = []
        displaced: list[Connection] = []
        for row, key, known, group in pieces:
            connection = known
            if connection is None:
                connection = Connection(self.opened, int(batch.frame[row]), key, group.initial_sequence)
                self.opened += 1
                before = self._followed.pop(key, None)
                if before is not None:
                    displaced.append(before)
                self._followed[key] = connection
                connection.opening = _lone_syn(group, rows)
            elif connection.initial_sequence != group.initial_sequence:
                connection.initial_sequence = group.initial_sequence
                if connection.over:
                    self.bygone.remember(key, connection.initial_sequence)
            if group.acknowledged != [None, None]:
                connection.acknowledge(group.acknowledged, group.reached)
            if group.spans and not connection.over:
                lone = known is None and connection.opening is not None
                arrivals.append(Arrivals(connection, group.spans, lone))
        self._note_errors(batch)
        return rows, arrivals, displaced

    def _note_errors(self, batch: SegmentBatch) -> None:
        """Keep what ICMP errors say of segments that were too long."""
        for row in np.flatnonzero(batch.too_long >= 0).tolist():
            by, to = (endpoint_of(batch, side, row) for side in _SIDES)
            connection = self._followed.get((by, to) if by <= to else (to, by))
            if connection is not None:
                connection.too_long = (int(by > to), int(batch.frame[row]), int(batch.too_long[row]))


def _lone_syn(group: _Group, rows: Rows) -> Opening | None:
    """What opens a connection of which there is nothing else."""
    if len(group.spans) != 1 or group.acknowledged != [None, None]:
        return None
    direction, row, behind = group.spans[0]
    if behind - row > 1 or rows.length[row] or rows.flags[row] & (MARKS | ACK) != SYN:
        return None
    return rows.frame[row], rows.time[row], direction, rows.flags[row], rows.sequence[row]


class _Slices:
    """The rows of a batch in such an order that those of a connection's direction follow one another.

    A slice is a run of rows of one direction; a connection has one a direction, or a few.
    """

    def __init__(self, batch: SegmentBatch) -> None:
        source = _hashes(batch.source_high, batch.source_low, batch.source_port)
        destination = _hashes(batch.destination_high, batch.destination_low, batch.destination_port)
        mixed = ((source + destination) ^ (source * destination)) * _MIX_PAIR >> np.uint64(48)
        # 15 bits of hash, then the direction. A stable sort of 16-bit keys is a radix sort; connections that
        # share a bucket merely come in more slices.
        bucket = (mixed.astype(np.uint16) & np.uint16(0xFFFE)) | (source > destination)
        self._batch = batch
        self.order = np.argsort(bucket, kind="stable")
        """The batch's rows in this order."""
        self.flags = batch.flags[self.order]
        self.starts = np.flatnonzero(self._fresh(source[self.order], destination[self.order]))
        """Where in the order each slice begins."""
        self._kept = np.flatnonzero((batch.length[self.order] > 0) | ((self.flags & MARKS) != 0))
        self.bounds = np.append(np.searchsorted(self._kept, self.starts), len(self._kept))
        """How many rows with payload or marks there are before each slice, and in all."""
        self.behind = np.append(self.starts[1:], len(self.order))
        self.first_row: list[int] = self.order[self.starts].tolist()
        ends = zip(self._endpoints("source"), self._endpoints("destination"), strict=True)
        self.keys, self.direction = [], []
        for by, to in ends:
            self.keys.append((by, to) if by <= to else (to, by))
            self.direction.append(int(by > to))

    def _fresh(self, source: NDArray[np.uint64], destination: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which rows have other ends than their predecessors."""
        fresh = np.ones(len(self.order), bool)
        fresh[1:] = (source[1:] != source[:-1]) | (destination[1:] != destination[:-1])
        if (self._batch.family != 4).any():  # the hashes of IPv6 addresses may collide
            for name in _COLUMNS:
                column = getattr(self._batch, name)[self.order]
                fresh[1:] |= column[1:] != column[:-1]
        return fresh

    def _endpoints(self, side: str) -> Iterable[RawEndpoint]:
        batch, rows = self._batch, self.order[self.starts]
        columns = (batch.family, *(getattr(batch, f"{side}_{part}") for part in ("high", "low", "port")))
        return zip(*(column[rows].tolist() for column in columns), strict=True)

    def rows(self) -> Rows:
        """Those that carry payload or a mark."""
        bounds = self.bounds[:-1]
        return Rows.of(self._batch, self.order[self._kept], bounds[bounds < len(self._kept)])

    def initial(self) -> list[int]:
        """The initial sequence number that each slice's first row tells of its own direction."""
        first = self.order[self.starts]
        before: list[int] = (self._batch.sequence[first] - ((self._batch.flags[first] & SYN) == 0)).tolist()
        return before

    def acknowledging(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """Of each slice, the first row with an acknowledgment (-1 where there is none), its number, the last number,
        and the sequence number beside that."""
        with_ack = np.flatnonzero(self.flags & ACK)
        first = np.searchsorted(with_ack, self.starts)
        last = np.searchsorted(with_ack, self.behind) - 1
        if not len(with_ack):
            return ([-1] * len(first),) * 4
        rows = self.order[with_ack[np.minimum(first, len(with_ack) - 1)]]
        latest = self.order[with_ack[last]]
        numbers, later = (self._batch.acknowledgment[some].tolist() for some in (rows, latest))
        return np.where(first <= last, rows, -1).tolist(), numbers, later, self._batch.sequence[latest].tolist()

    def syns(self) -> Iterator[tuple[Ends, int, int]]:
        """Ends, direction and sequence number of every SYN."""
        at = self._kept[(self.flags[self._kept] & SYN) != 0]
        indexes = np.searchsorted(self.starts, at, "right") - 1
        for index, sequence in zip(indexes.tolist(), self._batch.sequence[self.order[at]].tolist(), strict=True):
            yield self.keys[index], self.direction[index], sequence

    def all_rows(self, indexes: list[int]) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Row, direction, frame, flags, sequence and acknowledgment number of all that slices hold, in frame order."""
        rows = sorted(
            (row, self.direction[index])
            for index in indexes
            for row in self.order[self.starts[index] : self.behind[index]].tolist()
        )
        batch = self._batch
        for row, direction in rows:
            values = (batch.frame[row], batch.flags[row], batch.sequence[row], batch.acknowledgment[row])
            yield row, direction, *map(int, values)


_SIDES = ("source", "destination")
_COLUMNS = [f"{side}_{part}" for side in _SIDES for part in ("high", "low", "port")] + ["family"]


def _hashes(high: NDArray[np.uint64], low: NDArray[np.uint64], port: NDArray[np.uint16]) -> NDArray[np.uint64]:
    """One number an endpoint: exact for IPv4."""
    hashes: NDArray[np.uint64] = (low << np.uint64(16) | port) + (low >> np.uint64(48)) * _MIX_LOW + high * _MIX_HIGH
    return hashes


def _groups(slices: _Slices) -> dict[Ends, _Group]:
    """Slices by pair of endpoints."""
    groups: dict[Ends, _Group] = {}
    initial = slices.initial()
    acknowledging, acknowledgment, acknowledged, reached = slices.acknowledging()
    bounds = slices.bounds.tolist()
    for index, key in enumerate(slices.keys):
        direction, row = slices.direction[index], slices.first_row[index]
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(row, [])
        elif row < group.first_row:
            group.first_row = row
        group.slices.append(index)
        group.learn(row, direction, initial[index])
        if acknowledging[index] >= 0:
            group.learn(acknowledging[index], 1 - direction, acknowledgment[index] - 1)
            group.acknowledged[direction], group.reached[direction] = acknowledged[index], reached[index]
        if bounds[index] < bounds[index + 1]:
            group.spans.append((direction, bounds[index], bounds[index + 1]))
    return groups


def _reopened(group: _Group, connection: Connection | None, slices: _Slices, rows: Rows) -> list[_Group]:
    """Go through the rows of `group` one by one and cut it where Wireshark does; returns what follows the cuts."""
    result: list[_Group] = []
    latest = group
    group.acknowledged, group.reached = [None, None], [None, None]
    group.initial_sequence = [None, None] if connection is None else list(connection.initial_sequence)
    for row, direction, frame, flags, sequence, acknowledgment in slices.all_rows(group.slices):
        known = latest.initial_sequence[direction]
        if flags & SYN and known is not None and sequence != known:
            if flags & ACK:
                latest.initial_sequence[direction] = sequence
            else:
                kept, moved = cut(latest.spans, frame, rows)
                latest.spans = kept
                latest = _Group(row, moved)
                result.append(latest)
        latest.learn(row, direction, sequence if flags & SYN else sequence - 1)
        if flags & ACK:
            latest.learn(row, 1 - direction, acknowledgment - 1)
            latest.acknowledged[direction], latest.reached[direction] = acknowledgment, sequence
    return result


def cut(spans: list[Span], frame: int, rows: Rows) -> tuple[list[Span], list[Span]]:
    """The spans before `frame`, and those from it on."""
    before, after = [], []
    for direction, first, behind in spans:
        cut = bisect_left(rows.frame, frame, first, behind)
        if first < cut:
            before.append((direction, first, cut))
        if cut < behind:
            after.append((direction, cut, behind))
    return before, after
