"""Which datagrams of a batch may hold QUIC? Told from a few columns, before anything is done one by one."""

import numpy as np

from analyzer.net.conversations import Look
from analyzer.net.segments import DatagramBatch
from analyzer.tls.quic.packet import LONGEST_ID, SHORTEST_FIRST_ID, SMALLEST_FIRST_DATAGRAM, V2, VERSIONS

_SMALLEST = 19
"""Bytes of the smallest packet: a Version Negotiation with one version, to a client whose id is empty."""
_IDS_AT = 5


def look(batch: DatagramBatch) -> Look:
    """Look at the first bytes (RFC 9000, sections 7.2, 14.1 and 17.2.2).

    Within a connection all that is large enough is a packet, or an ICMP error that quotes one. What has a short header
    is data: no other packet can follow it. The fixed bit says nothing where both sides agreed to grease it (RFC 9287);
    the version does.
    """
    may_hold = batch.captured >= _SMALLEST
    errors = batch.refused | (batch.too_long >= 0)
    begins, is_data = np.zeros(len(batch), bool), np.zeros(len(batch), bool)
    rows = np.flatnonzero(may_hold)
    buffer = batch.buffer
    is_long = buffer[batch.offset[rows]] >= 0x80
    is_data[rows[~is_long]] = True
    rows = rows[is_long & (batch.length[rows] >= SMALLEST_FIRST_DATAGRAM)]
    if not len(rows):
        return Look(may_hold | errors, begins, is_data)
    offset = batch.offset[rows]
    version = np.zeros(len(rows), np.int64)
    for at in range(1, _IDS_AT):
        version = version << 8 | buffer[offset + at]
    kind = buffer[offset] >> 4 & 3
    id_length = buffer[offset + _IDS_AT]
    first = np.isin(version, _VERSIONS) & (kind == (version == V2))
    begins[rows] = first & (id_length >= SHORTEST_FIRST_ID) & (id_length <= LONGEST_ID)
    return Look(may_hold | errors, begins, is_data)


_VERSIONS = np.array(sorted(VERSIONS), np.int64)
