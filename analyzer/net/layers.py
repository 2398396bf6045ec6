"""How a protocol layer of many frames is held: as columns over the buffer, a row a frame."""

from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from analyzer.capture import records
from analyzer.capture.batch import FrameBatch


@dataclass(slots=True)
class Layer:
    """What one layer carries: bytes `offset` to `end` of the buffer, of the frame in row `row` of its batch.

    `end <= wire_end` always; `offset` may lie behind `end` where the capture holds less than the headers.
    """

    row: NDArray[np.int64]
    """Row of the frame in its batch."""
    offset: NDArray[np.int64]
    """Where the layer's first byte lies in the buffer."""
    end: NDArray[np.int64]
    """Where its captured bytes end."""
    wire_end: NDArray[np.int64]
    """Where its bytes ended on the wire, by the length fields below it and the frame's original length."""

    def __len__(self) -> int:
        return len(self.row)

    def where(self, selected: NDArray[np.bool_]) -> Self:
        """The selected rows; itself where that is all of them."""
        return self if selected.all() else self.take(np.flatnonzero(selected))

    def take(self, index: NDArray[np.int64]) -> Self:
        """The rows of those indices."""
        return type(self)(*(column[index] for column in columns(self)))

    def holds(self, size: int) -> NDArray[np.bool_]:
        """Which rows have their first `size` bytes captured."""
        return self.offset + size <= self.end


@dataclass(slots=True)
class Packets(Layer):
    """What an ethertype announces: an IP packet, a VLAN tag, a whole Ethernet frame …"""

    ethertype: NDArray[np.uint16]
    """What begins at `offset`."""
    quoted: NDArray[np.bool_]
    """It is not sent but quoted by an ICMP error."""


@dataclass(slots=True)
class Payloads(Layer):
    """What IP packets carry: TCP segments, UDP datagrams, tunnels …"""

    family: NDArray[np.uint8]
    """4 or 6."""
    source_high: NDArray[np.uint64]
    """As in `DatagramBatch`."""
    source_low: NDArray[np.uint64]
    """As in `DatagramBatch`."""
    destination_high: NDArray[np.uint64]
    """As in `DatagramBatch`."""
    destination_low: NDArray[np.uint64]
    """As in `DatagramBatch`."""
    protocol: NDArray[np.uint8]
    """What begins at `offset`, by its IP protocol number."""
    quoted: NDArray[np.bool_]
    """It is not sent but quoted by an ICMP error."""


@dataclass(slots=True)
class Fragments:
    """Fragments of what IP packets carry (RFC 791, section 2.3; RFC 8200, section 4.5)."""

    payload: Payloads
    """What the fragments carry; in all but a datagram's first one, `protocol` is not that of what begins there."""
    identification: NDArray[np.uint32]
    """Equal in all fragments of a datagram."""
    position: NDArray[np.int64]
    """Bytes of the datagram's payload before this fragment."""
    more: NDArray[np.bool_]
    """It is not the last one."""


L = TypeVar("L", bound=Layer)


def columns(batch: Any) -> list[NDArray[Any]]:
    """The columns of a dataclass of arrays, in the order of its constructor."""
    return [getattr(batch, name) for name in batch.__dataclass_fields__]


def concatenate(layers: list[L]) -> L:
    """The rows of all of them; there is at least one."""
    if len(layers) == 1:
        return layers[0]
    return type(layers[0])(*map(np.concatenate, zip(*map(columns, layers), strict=True)))


def frames(batch: FrameBatch, ethertype: int) -> Packets:
    """All frames of the batch, taken for what `ethertype` says."""
    end = batch.offset + batch.captured
    return Packets(
        row=np.arange(len(batch)),
        offset=batch.offset.copy(),
        end=end,
        wire_end=np.maximum(end, batch.offset + batch.original),
        ethertype=np.full(len(batch), ethertype, np.uint16),
        quoted=np.zeros(len(batch), bool),
    )


def gather(buffer: NDArray[np.uint8], offset: NDArray[np.int64], header: np.dtype[Any]) -> NDArray[Any]:
    """The header that begins at each offset.

    One that reaches beyond the buffer reads as other bytes: whoever cares asks `Layer.holds` before.
    """
    last = len(buffer) - header.itemsize
    if last < 0:
        return np.zeros(len(offset), header)
    return records.gather(buffer, np.minimum(offset, last), header)
