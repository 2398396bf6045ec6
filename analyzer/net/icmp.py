"""What do ICMP errors say of the packets that they quote (RFC 792; RFC 4443)?"""

import numpy as np
from numpy.typing import NDArray

from analyzer.net.layers import Payloads


def errors(buffer: NDArray[np.uint8], carried: Payloads) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """What the ICMP errors that quote some of `carried` say: `refused` and `too_long` of a batch.

    An error says that host, protocol or port cannot be reached, or is forbidden; or that the packet was too long for a
    link, which does not say that nobody takes another. It is eight bytes long, the last of which hold what the link
    takes (RFC 1191, section 4; RFC 4443, section 3.2), and stands before the quoted IP header, which has no options.
    """
    refused, too_long = np.zeros(len(carried), bool), np.full(len(carried), -1, np.int32)
    if not carried.quoted.any():
        return refused, too_long
    for family, size, unreachable in ((4, 28, _UNREACHABLE), (6, 48, _UNREACHABLE_6)):
        rows = np.flatnonzero(carried.quoted & (carried.family == family) & (carried.offset >= size))
        begin = carried.offset[rows] - size
        kind, code = buffer[begin], buffer[begin + 1]
        is_plain = buffer[begin + 8] == (0x45 if family == 4 else buffer[begin + 8] & 0x0F | 0x60)
        exceeds = (kind == unreachable) & (code == _TOO_LONG) if family == 4 else kind == _TOO_LONG_6
        refused[rows] = is_plain & (kind == unreachable) & ~exceeds
        takes = buffer[begin + 6].astype(np.int32) << 8 | buffer[begin + 7]
        too_long[rows[is_plain & exceeds]] = takes[is_plain & exceeds]
    return refused, too_long


_UNREACHABLE, _UNREACHABLE_6 = 3, 1
_TOO_LONG, _TOO_LONG_6 = 4, 2
"""The code of "fragmentation needed", and the type that IPv6 has for it."""
