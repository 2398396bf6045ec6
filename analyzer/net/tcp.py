"""Which bytes of a TCP segment are header, and what does the header say (RFC 9293, section 3.1)?"""

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.net import icmp
from analyzer.net.layers import Payloads, gather
from analyzer.net.segments import SegmentBatch

HEADER = np.dtype(
    [
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("sequence", ">u4"),
        ("acknowledgment", ">u4"),
        ("data_offset", "u1"),
        ("flags", "u1"),
        ("window", ">u2"),
    ]
)
"""What Wireshark must see to count a segment; checksum and urgent pointer tell us nothing."""

_SYN, _ACK = 0x02, 0x10


def segments(
    batch: FrameBatch, buffer: NDArray[np.uint8], carried: Payloads, header: NDArray[np.void] | None = None
) -> SegmentBatch:
    """The segments among `carried`, which must hold their HEADER (`header`, where that has been gathered already).

    One whose data offset is impossible has no payload but is a segment nevertheless, as it is to Wireshark.
    Nor has one that an ICMP error quotes: that it was sent is all it says, and that it begins a connection,
    wherefore it keeps the flags of a SYN or SYN-ACK and no others.
    """
    if header is None:
        header = gather(buffer, carried.offset, HEADER)
    header_length = (header["data_offset"] >> 4).astype(np.int64) * 4
    offset = carried.offset + header_length
    length = np.maximum(carried.wire_end - offset, 0)
    length[(header_length < 20) | carried.quoted] = 0
    flags = header["flags"].copy()
    flags[carried.quoted] &= np.where(flags[carried.quoted] & _SYN, _SYN | _ACK, 0).astype(np.uint8)
    return SegmentBatch(
        buffer=buffer,
        frame=batch.number[carried.row],
        time=batch.time[carried.row],
        family=carried.family,
        source_high=carried.source_high,
        source_low=carried.source_low,
        destination_high=carried.destination_high,
        destination_low=carried.destination_low,
        source_port=header["source_port"].astype(np.uint16),
        destination_port=header["destination_port"].astype(np.uint16),
        offset=np.minimum(offset, carried.end),
        captured=np.clip(carried.end - offset, 0, length),
        length=length,
        refused=np.zeros(len(length), bool),
        too_long=icmp.errors(buffer, carried)[1],
        sequence=header["sequence"].astype(np.uint32),
        acknowledgment=header["acknowledgment"].astype(np.uint32),
        flags=flags,
    )
