"""Which conversation does each datagram belong to? Streams are numbered as Wireshark numbers them (udp.stream)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.net.endpoints import Ends, endpoint
from analyzer.net.segments import DatagramBatch, endpoint_of
from analyzer.results import Endpoint
from analyzer.shares import ALONE, Share

_SLOTS = 16
"""Bits of the place that a conversation has among those seen last."""
# Constants of SplitMix64 (Steele, Lea and Flood, 2014), and one from pi to tell the halves of an address apart.
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_HIGH = np.uint64(0x243F6A8885A308D3)


@dataclass(slots=True, eq=False)
class Conversation:
    """All datagrams between two ends. Direction d (0 or 1) is what `endpoint(d)` sends; the addresses decide which."""

    name: int
    """What the table knows it by."""
    stream: int
    """Wireshark's udp.stream."""
    raw_endpoints: Ends
    """Family, upper and lower half of the address, and port of either side."""
    follower: Any = None
    """What the floors above keep of it."""

    def endpoint(self, direction: int) -> Endpoint:
        """Address and port of the side that sends in `direction`."""
        return endpoint(*self.raw_endpoints[direction])


@dataclass(slots=True)
class Delivery:
    """What one batch brings to one conversation."""

    conversation: Conversation
    rows: NDArray[np.int64]
    """Rows of the batch, in frame order."""
    directions: NDArray[np.int64]
    """Of each row."""


class Datagram(NamedTuple):
    """The payload of one UDP datagram."""

    direction: int
    frame: int
    time: int
    """Nanoseconds since 1970-01-01 UTC."""
    data: bytes
    """As captured."""
    length: int
    """Bytes on the wire; more than `data` where the capture cuts."""
    refused: bool = False
    """Nothing of it is there but an ICMP error that says that nobody took it."""
    too_long: int = -1
    """Nothing of it is there but an ICMP error that says that a link takes packets of so many bytes (0: it does not say
    of how many)."""

    @property
    def is_error(self) -> bool:
        """Whether nothing of it is there but an ICMP error."""
        return self.refused or self.too_long >= 0


class Look(NamedTuple):
    """What the first bytes of each datagram of a batch say of one protocol, before anything is done one by one."""

    may_hold: NDArray[np.bool_]
    """It may be one of the protocol's."""
    begins: NDArray[np.bool_]
    """It begins like the first ones of a conversation."""
    is_data: NDArray[np.bool_]
    """It begins like application data, and holds nothing else."""


class ConversationTable:
    """Numbers all conversations, and sorts the datagrams of those that somebody follows.

    Most datagrams are nobody's business: of them a few columns are computed, and nothing is done one by one.
    """

    def __init__(self, remembered: int, share: Share = ALONE) -> None:
        """Know the numbers of about so many conversations; only those of `share` are followed."""
        self._share = share
        self._half = max(remembered // 2, 1)
        self._recent: dict[int, int] = {}
        self._earlier: dict[int, int] = {}
        self._latest = np.zeros(1 << _SLOTS, np.uint64)
        self._followed: dict[int, Conversation] = {}
        self._names: NDArray[np.uint64] | None = None
        """Names of those followed; None where they have changed."""
        self.opened = 0
        """Conversations seen so far."""
        self.forgotten = 0
        """Those whose numbers were too many to remember."""

    def drop(self, conversation: Conversation) -> None:
        """Follow it no more, until its datagrams begin something again."""
        if self._followed.get(conversation.name) is conversation:
            del self._followed[conversation.name]
            self._names = None

    def sort(self, batch: DatagramBatch, wanted: NDArray[np.bool_], begins: NDArray[np.bool_]) -> list[Delivery]:
        """Number the conversations of a batch, and sort the `wanted` rows of those followed, longest idle first.

        From a row that `begins` something on, a conversation is followed.
        """
        names = _names(batch)
        self._number(names)
        if self._share.count > 1:
            own = (names >> np.uint64(1)) % np.uint64(self._share.count) == self._share.index
            wanted, begins = wanted & own, begins & own
        if self._names is None:
            self._names = np.fromiter(self._followed, np.uint64, len(self._followed))
        beginning = np.unique(names[begins])
        if not len(beginning) and not len(self._names):
            return []
        candidates = np.flatnonzero(wanted | begins)
        chosen = candidates[np.isin(names[candidates], np.concatenate([self._names, beginning]))]
        if not len(chosen):
            return []
        order = chosen[np.argsort(names[chosen], kind="stable")]
        cuts = np.flatnonzero(np.diff(names[order])) + 1
        deliveries = [self._deliver(batch, int(names[rows[0]]), rows, begins) for rows in np.split(order, cuts)]
        deliveries.sort(key=lambda delivery: int(delivery.rows[-1]))
        for delivery in deliveries:
            self._followed[delivery.conversation.name] = self._followed.pop(delivery.conversation.name)
        return deliveries

    def idle(self) -> list[Conversation]:
        """Those that are followed, the longest idle first."""
        return list(self._followed.values())

    def __len__(self) -> int:
        """How many are followed."""
        return len(self._followed)

    def _deliver(self, batch: DatagramBatch, name: int, rows: NDArray[np.int64], begins: NDArray[np.bool_]) -> Delivery:
        conversation = self._followed.get(name)
        if conversation is None:
            rows = rows[int(np.argmax(begins[rows])) :]
            source, destination = (endpoint_of(batch, side, int(rows[0])) for side in ("source", "destination"))
            ends = (source, destination) if source <= destination else (destination, source)
            conversation = self._followed[name] = Conversation(name, self._stream(name), ends)
            self._names = None
        _, high, low, port = conversation.raw_endpoints[0]
        from_lower = (batch.source_low[rows] == low) & (batch.source_port[rows] == port)
        from_lower &= batch.source_high[rows] == high
        return Delivery(conversation, rows, np.where(from_lower, 0, 1))

    def _number(self, names: NDArray[np.uint64]) -> None:
        """Give numbers to conversations that are new; those seen last need no look at the table."""
        slots = names >> np.uint64(64 - _SLOTS)
        unsure = np.flatnonzero(self._latest[slots] != names)
        if not len(unsure):
            return
        self._latest[slots[unsure]] = names[unsure]
        recent, earlier = self._recent, self._earlier
        for name in names[unsure].tolist():
            if name in recent:
                continue
            stream = earlier.get(name)
            if stream is None:
                stream = self.opened
                self.opened += 1
            recent[name] = stream
            if len(recent) > self._half:
                self.forgotten += sum(name not in recent for name in earlier)
                recent, earlier = {}, recent
                self._recent, self._earlier = recent, earlier
                self._latest[:] = 0

    def _stream(self, name: int) -> int:
        stream = self._recent.get(name, self._earlier.get(name))
        assert stream is not None, "its datagram has just been numbered"
        return stream


def _names(batch: DatagramBatch) -> NDArray[np.uint64]:
    """One number a conversation, the same for both directions."""
    ends = [
        _mixed(low << np.uint64(16) | port, (high * _HIGH) ^ (low >> np.uint64(48)))
        for high, low, port in (
            (batch.source_high, batch.source_low, batch.source_port),
            (batch.destination_high, batch.destination_low, batch.destination_port),
        )
    ]
    names: NDArray[np.uint64] = (ends[0] + ends[1]) | np.uint64(1)  # 0 is no name
    return names


def _mixed(end: NDArray[np.uint64], rest: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = end + rest * _SECOND + _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))
