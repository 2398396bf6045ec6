"""Where does the network layer of a frame begin, and which ethertype says so?"""

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.net.layers import Packets, frames, gather

# Ethertypes (IEEE registry), the common language of everything below IP.
IPV4 = 0x0800
IPV6 = 0x86DD
MPLS = 0x8847
PPP = 0x880B
ETHERNET = 0x6558
"""Transparent Ethernet bridging: a whole frame follows."""
PPPOE = 0x8864
"""A PPPoE session."""
LLC = 0x8870
"""IEEE 802.2 logical link control follows (in jumbo frames, which have no room for a length)."""
NOTHING = 0xFFFF
"""Reserved; here what cannot be read."""

ETHERTYPE_LINKS = {
    104: (2, 4),  # Cisco HDLC
    113: (14, 16),  # Linux cooked capture
    138: (16, 18),  # Apple IP over IEEE 1394
    242: (40, 44),  # IP over InfiniBand
    276: (0, 20),  # Linux cooked capture, version 2
}
"""Link type: where its ethertype is, and how long its header."""

FIXED_LINKS = {
    1: (0, ETHERNET),
    9: (0, PPP),
    10: (13, LLC),  # FDDI
    11: (0, LLC),  # RFC 1483 ATM, as some BSDs number it
    12: (0, IPV4),  # raw IP, as most systems number it
    14: (0, IPV4),  # raw IP, as OpenBSD numbers it
    51: (0, PPPOE),
    100: (0, LLC),  # RFC 1483 ATM
    101: (0, IPV4),  # raw IP
    109: (12, IPV4),  # OpenBSD's encapsulating interface
    122: (16, LLC),  # IP over Fibre Channel
    204: (1, PPP),  # behind a byte that says who sent it
    228: (0, IPV4),
    229: (0, IPV6),
    259: (8, ETHERNET),  # EPON with its preamble
}
"""Link type: how long its header is, and what always follows. IPV4 stands for either version."""

LOOPBACK_LINKS = (0, 108)
"""BSD loopback: four bytes of address family in either byte order."""

TAGS = {
    ETHERNET: 14,
    0x8100: 4,  # IEEE 802.1Q
    0x88A8: 4,  # IEEE 802.1ad
    0x9100: 4,  # the same before there was a standard
    0x88E7: 18,  # IEEE 802.1ah: a tag, then a whole frame
    0x8903: 16,  # Cisco FabricPath: a tag, then a whole frame
    0x8909: 8,  # Cisco MetaData
    0x8926: 6,  # Cisco VN-Tag
    LLC: 8,  # with SNAP
    PPPOE: 8,  # with PPP
}
"""Ethertype: bytes to the next layer, the last two of which say what it is, mostly by an ethertype."""

MAX_TAGS = 16
"""Tags followed in one frame; Wireshark gives up not far beyond."""

_TAG_LENGTH = np.zeros(1 << 16, np.uint8)
_TAG_LENGTH[list(TAGS)] = list(TAGS.values())
_TAG_LENGTH[:1501] = TAGS[LLC]  # It is a length then (IEEE 802.3, section 3.2.6), and LLC follows.

_ETHERTYPE = np.dtype(">u2")
_PPPOE = np.dtype([("version_code_session", ">u4"), ("length", ">u2"), ("protocol", ">u2")])


def link_types(batch: FrameBatch) -> list[int]:
    """The link types that occur in the batch."""
    return np.flatnonzero(np.bincount(batch.link_type)).tolist()


def packets(batch: FrameBatch) -> Packets:
    """What each frame's link header announces; NOTHING where its link type is not among those above."""
    if link_types(batch) == [1]:
        return frames(batch, ETHERNET)
    all_frames = frames(batch, NOTHING)
    for link_type in link_types(batch):
        index = np.flatnonzero(batch.link_type == link_type)
        offset = all_frames.offset[index]
        ethertype: NDArray[np.uint16] | int
        if link_type in FIXED_LINKS:
            length, ethertype = FIXED_LINKS[link_type]
        elif link_type in ETHERTYPE_LINKS:
            position, length = ETHERTYPE_LINKS[link_type]
            ethertype = gather(batch.buffer, offset + position, _ETHERTYPE).astype(np.uint16)
            if link_type in (113, 276):
                ethertype = _cooked(ethertype)
        elif link_type in LOOPBACK_LINKS:
            length, ethertype = 4, _address_family(gather(batch.buffer, offset, np.dtype("<u4")))
        else:
            continue
        whole = offset + length <= all_frames.end[index]
        all_frames.offset[index] = offset + length
        all_frames.ethertype[index] = np.where(whole, ethertype, NOTHING)
    return all_frames


def untag(buffer: NDArray[np.uint8], packets: Packets) -> None:
    """Move `packets` behind Ethernet headers, VLAN tags, LLC and PPPoE, in place."""
    for _ in range(MAX_TAGS):
        length = _TAG_LENGTH[packets.ethertype]
        index = np.flatnonzero(length)
        if not len(index):
            break
        outer = packets.ethertype[index]
        behind = packets.offset[index] + length[index]
        inner = gather(buffer, behind - 2, _ETHERTYPE)
        packets.offset[index] = behind
        packets.ethertype[index] = np.where(behind <= packets.end[index], inner, NOTHING)
        is_length = outer <= 1500
        logical = is_length | (outer == LLC)
        if logical.any():
            _limit(packets, index[is_length], behind[is_length] - TAGS[LLC] + outer[is_length])
            _logical_link(buffer, packets, index[logical])
        sessions = outer == PPPOE
        if sessions.any():
            _pppoe_session(buffer, packets, index[sessions])


def _logical_link(buffer: NDArray[np.uint8], packets: Packets, index: NDArray[np.int64]) -> None:
    """The eight bytes passed must be LLC with SNAP (RFC 1042); or LLC alone, of which three are enough for IP."""
    header = gather(buffer, packets.offset[index] - TAGS[LLC], np.dtype(">u8"))
    snap = np.isin(header >> 16, (0xAAAA03000000, 0xAAAA030000F8))
    ip = header >> 40 == 0x060603
    # A length in SNAP would stand for LLC again.
    packets.ethertype[index[~snap | (packets.ethertype[index] <= 1500)]] = NOTHING
    packets.ethertype[index[ip]] = IPV4
    packets.offset[index[ip]] -= 5


def _pppoe_session(buffer: NDArray[np.uint8], packets: Packets, index: NDArray[np.int64]) -> None:
    """The eight bytes passed are PPPoE (RFC 2516, section 4) with its length, and PPP's protocol.

    Where that is odd in its first byte, it has no second one (RFC 1661, section 6.5).
    """
    header = gather(buffer, packets.offset[index] - TAGS[PPPOE], _PPPOE)
    _limit(packets, index, packets.offset[index] - 2 + header["length"])
    short = header["protocol"] & 0x0100 != 0
    protocol = np.where(short, header["protocol"] >> 8, header["protocol"])
    packets.offset[index[short]] -= 1
    cut = packets.ethertype[index] == NOTHING
    packets.ethertype[index] = np.select([cut, protocol == 0x21, protocol == 0x57], [NOTHING, IPV4, IPV6], NOTHING)


def _limit(packets: Packets, index: NDArray[np.int64], wire_end: NDArray[np.int64]) -> None:
    """The packets of those rows end at the latest where a length field says; padding may follow."""
    packets.wire_end = packets.wire_end.copy()
    packets.wire_end[index] = np.minimum(packets.wire_end[index], wire_end)
    packets.end = np.minimum(packets.end, packets.wire_end)


def _cooked(protocol: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The ethertype of a Linux cooked header's protocol, which has a few values of its own."""
    protocol[protocol == 3] = ETHERNET
    protocol[protocol == 4] = LLC
    protocol[protocol <= 1500] = NOTHING
    return protocol


def _address_family(family: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """The ethertype of a BSD address family, or of an ethertype in its place."""
    value = np.where(family > 0xFFFF, family.byteswap(), family).astype(np.int64)
    known = [value == 2, np.isin(value, (10, 24, 28, 30)), (value > 1500) & (value < NOTHING)]
    return np.select(known, [IPV4, IPV6, value], NOTHING).astype(np.uint16)
