"""Which bytes of a UDP datagram are payload (RFC 768)?"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.net.layers import Payloads, gather
from analyzer.net.segments import DatagramBatch

HEADER = np.dtype([("source_port", ">u2"), ("destination_port", ">u2"), ("length", ">u2"), ("checksum", ">u2")])


def datagrams(batch: FrameBatch, buffer: NDArray[np.uint8], carried: Payloads) -> tuple[DatagramBatch, Payloads]:
    """The datagrams among `carried`, which must hold their HEADER; and once more as what they carry.

    One whose length field is impossible is none; in a jumbogram it is 0 (RFC 2675, section 4). One that an
    ICMP error quotes has no payload: it only says that such a datagram was sent.
    """
    header = gather(buffer, carried.offset, HEADER)
    length = header["length"].astype(np.int64)
    rest = carried.wire_end - carried.offset
    length = np.where((length == 0) & (carried.family == 6), rest, np.minimum(length, rest))
    sound = length >= HEADER.itemsize
    carried, header, length = carried.where(sound), header[sound], length[sound]
    length[carried.quoted] = HEADER.itemsize
    wire_end = carried.offset + length
    payload = replace(
        carried,
        offset=carried.offset + HEADER.itemsize,
        end=np.minimum(carried.end, wire_end),
        wire_end=wire_end,
    )
    found = DatagramBatch(
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
        offset=payload.offset,
        captured=payload.end - payload.offset,
        length=payload.wire_end - payload.offset,
        refused=_refused(buffer, carried),
    )
    return found, payload


def _refused(buffer: NDArray[np.uint8], carried: Payloads) -> NDArray[np.bool_]:
    """Which datagrams an ICMP error quotes that says that host, protocol or port cannot be reached, or is forbidden.

    It is eight bytes long and stands before the quoted IP header, which has no options (RFC 792; RFC 4443, section
    3.1). That a datagram was too long, or too long on its way, does not say that nobody takes another.
    """
    refused = np.zeros(len(carried), bool)
    for family, type_, size in ((4, _UNREACHABLE, 28), (6, _UNREACHABLE_6, 48)):
        rows = np.flatnonzero(carried.quoted & (carried.family == family) & (carried.offset >= size))
        begin = carried.offset[rows] - size
        is_plain = buffer[begin + 8] == (0x45 if family == 4 else buffer[begin + 8] & 0x0F | 0x60)
        unreachable = (buffer[begin] == type_) & (buffer[begin + 1] != (_TOO_LONG if family == 4 else 255))
        refused[rows] = is_plain & unreachable
    return refused


_UNREACHABLE, _UNREACHABLE_6 = 3, 1
_TOO_LONG = 4
"""The code of "fragmentation needed", which IPv6 has another type for."""
