"""TCP segments and UDP datagrams as columns: what both lanes (NumPy columns and Scapy) end in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.net.endpoints import RawEndpoint


@dataclass(slots=True)
class DatagramBatch:
    """UDP datagrams in frame order; row i of every column is one datagram.

    Valid as long as the `FrameBatch` that it was decoded from: the buffer may be reused.
    """

    buffer: NDArray[np.uint8]
    """The bytes that `offset` points into."""
    frame: NDArray[np.int64]
    """Frame number, counted from 1; of a reassembled IP datagram that of its last fragment."""
    time: NDArray[np.int64]
    """Nanoseconds since 1970-01-01 UTC."""
    family: NDArray[np.uint8]
    """4 or 6."""
    source_high: NDArray[np.uint64]
    """Upper half of the IPv6 source address; 0 for IPv4."""
    source_low: NDArray[np.uint64]
    """Lower half of the IPv6 source address; the whole IPv4 address."""
    destination_high: NDArray[np.uint64]
    """As `source_high`."""
    destination_low: NDArray[np.uint64]
    """As `source_low`."""
    source_port: NDArray[np.uint16]
    """As on the wire."""
    destination_port: NDArray[np.uint16]
    """As on the wire."""
    offset: NDArray[np.int64]
    """Where the payload's first byte lies in `buffer`."""
    captured: NDArray[np.int64]
    """Payload bytes that the capture holds."""
    length: NDArray[np.int64]
    """Payload bytes on the wire, by the IP (and UDP) length fields; at least `captured`."""
    refused: NDArray[np.bool_]
    """It is only quoted, by an ICMP error that says that nobody took it; never of segments."""
    too_long: NDArray[np.int32]
    """It is only quoted, by an ICMP error that says that a link takes packets of so many bytes, or 0 where it does not
    say of how many; -1 of all others."""

    def __len__(self) -> int:
        return len(self.frame)


def no_datagrams(buffer: NDArray[np.uint8]) -> DatagramBatch:
    """A batch without any."""
    none = np.zeros(0, np.int64)
    byte, half, port = none.astype(np.uint8), none.astype(np.uint64), none.astype(np.uint16)
    return DatagramBatch(
        buffer, none, none, byte, half, half, half, half, port, port, none, none, none, none > 0, byte.astype(np.int32)
    )


@dataclass(slots=True)
class SegmentBatch(DatagramBatch):
    """TCP segments in frame order (RFC 9293, section 3.1); also those without payload."""

    sequence: NDArray[np.uint32]
    """Sequence number of the segment's first byte (or of its SYN)."""
    acknowledgment: NDArray[np.uint32]
    """Acknowledgment number; meaningful where the ACK flag is set."""
    flags: NDArray[np.uint8]
    """CWR ECE URG ACK PSH RST SYN FIN, from the highest bit to the lowest."""


def endpoint_of(batch: DatagramBatch, side: str, row: int) -> RawEndpoint:
    """One end of a row; `side` is source or destination."""
    high, low, port = (int(getattr(batch, f"{side}_{part}")[row]) for part in ("high", "low", "port"))
    return int(batch.family[row]), high, low, port
