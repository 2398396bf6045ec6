"""Which datagrams of a batch may hold DTLS? Told from a few columns, before anything is done one by one."""

import numpy as np
from numpy.typing import NDArray

from analyzer.net.conversations import Look
from analyzer.net.segments import DatagramBatch
from analyzer.tls.dtls.record import HEADER, MESSAGE_HEADER, VERSIONS

_SMALLEST = 13
"""Bytes of the smallest datagram that matters: a header, or a record of DTLS 1.3 of one byte with the shortest tag."""
_HANDSHAKE, _APPLICATION_DATA = 22, 23


def look(batch: DatagramBatch) -> Look:
    """Look at the first bytes (RFC 6347, section 4.1; RFC 9147, section 4; RFC 7983, section 7)."""
    none = np.zeros(len(batch), bool)
    result = Look(batch.refused | (batch.too_long >= 0), none, none.copy())
    rows = np.flatnonzero(batch.captured >= _SMALLEST)
    buffer, offset = batch.buffer, batch.offset[rows]
    first = buffer[offset]
    near = (first >= 20) & (first < 64)
    rows, offset, first = rows[near], offset[near], first[near]
    if not len(rows):
        return result
    version = _u16(buffer, offset + 1)
    plain = (first <= 26) & np.isin(version, VERSIONS)
    unified = first >> 5 == 1
    result.may_hold[rows] = plain | unified

    size = batch.length[rows]
    length = _u16(buffer, offset + 11)
    lone = plain & (first == _APPLICATION_DATA) & (HEADER + length == size)
    result.is_data[rows] = lone | (unified & ((first & 3) == 3))

    is_message = plain & (first == _HANDSHAKE) & (HEADER + length <= size) & (length >= MESSAGE_HEADER)
    is_message &= batch.captured[rows] >= HEADER + MESSAGE_HEADER
    rows, offset, length = rows[is_message], offset[is_message], length[is_message]
    in_clear = _u16(buffer, offset + 3) == 0
    message = offset + HEADER
    whole, begin, part = (_u24(buffer, message + at) for at in (1, 6, 9))
    in_clear &= (begin + part <= whole) & (part <= length - MESSAGE_HEADER)
    result.begins[rows] = in_clear
    return result


def _u16(buffer: NDArray[np.uint8], offset: NDArray[np.int64]) -> NDArray[np.int64]:
    return buffer[offset].astype(np.int64) << 8 | buffer[offset + 1]


def _u24(buffer: NDArray[np.uint8], offset: NDArray[np.int64]) -> NDArray[np.int64]:
    return _u16(buffer, offset) << 8 | buffer[offset + 2]
