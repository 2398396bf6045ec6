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
    refused, too_long = errors(buffer, carried)
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
        refused=refused,
        too_long=too_long,
    )
    return found, payload


def errors(buffer: NDArray[np.uint8], carried: Payloads) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """What the ICMP errors that quote some of `carried` say: `refused` and `too_long` of a batch.

    An error says that host, protocol or port cannot be reached, or is forbidden; or that the packet was too long for a
    link, which does not say that nobody takes another. It is eight bytes long, the last of which hold what the link
    takes (RFC 1191, section 4; RFC 4443, section 3.2), and stands before the quoted IP header, which has no options.
    """
    refused, too_long = np.zeros(len(carried), bool), np.full(len(carried), -1)
    for family, size, unreachable in ((4, 28, _UNREACHABLE), (6, 48, _UNREACHABLE_6)):
        rows = np.flatnonzero(carried.quoted & (carried.family == family) & (carried.offset >= size))
        begin = carried.offset[rows] - size
        kind, code = buffer[begin], buffer[begin + 1]
        is_plain = buffer[begin + 8] == (0x45 if family == 4 else buffer[begin + 8] & 0x0F | 0x60)
        exceeds = (kind == unreachable) & (code == _TOO_LONG) if family == 4 else kind == _TOO_LONG_6
        refused[rows] = is_plain & (kind == unreachable) & ~exceeds
        takes = buffer[begin + 6].astype(np.int64) << 8 | buffer[begin + 7]
        too_long[rows[is_plain & exceeds]] = takes[is_plain & exceeds]
    return refused, too_long


_UNREACHABLE, _UNREACHABLE_6 = 3, 1
_TOO_LONG, _TOO_LONG_6 = 4, 2
"""The code of "fragmentation needed", and the type that IPv6 has for it."""
