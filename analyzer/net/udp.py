"""Which bytes of a UDP datagram are payload (RFC 768)?"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.net import icmp
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
    refused, too_long = icmp.errors(buffer, carried)
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
