"""Who sends to whom, and what do IP packets carry? IPv4, IPv6 and its extension headers, packets in packets."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analyzer.net.layers import Fragments, Packets, Payloads, concatenate, gather
from analyzer.net.links import ETHERNET, IPV4, IPV6, MPLS

# IP protocol numbers (IANA).
HOP_BY_HOP, ICMP, TCP, UDP, ROUTING, FRAGMENT, GRE, AUTHENTICATION = 0, 1, 6, 17, 43, 44, 47, 51
ICMPV6, NO_NEXT_HEADER, DESTINATION_OPTIONS, SHIM6 = 58, 59, 60, 140

INSIDE = {
    4: (0, IPV4),
    41: (0, IPV4),
    97: (2, ETHERNET),  # EtherIP
    137: (0, MPLS),
    143: (0, ETHERNET),
}
"""IP protocol: bytes before the packet that it carries, and what that is. IPV4 stands for either version."""

ERRORS = {ICMP: (3, 4, 11, 12), ICMPV6: (1, 2, 3, 4)}
"""ICMP types that quote a packet eight bytes behind; a redirect quotes one too, but Wireshark reads only its ports."""

MAX_EXTENSIONS = 16
"""Extension headers followed in one packet."""

HEADER4 = np.dtype(
    [
        ("version_length", "u1"),
        ("traffic_class", "u1"),
        ("total_length", ">u2"),
        ("identification", ">u2"),
        ("fragment", ">u2"),
        ("time_to_live", "u1"),
        ("protocol", "u1"),
        ("checksum", ">u2"),
        ("source", ">u4"),
        ("destination", ">u4"),
    ]
)
_IPV6 = np.dtype(
    [
        ("version_class_label", ">u4"),
        ("payload_length", ">u2"),
        ("next_header", "u1"),
        ("hop_limit", "u1"),
        ("source_high", ">u8"),
        ("source_low", ">u8"),
        ("destination_high", ">u8"),
        ("destination_low", ">u8"),
    ]
)
SMALLEST_HEADER = HEADER4.itemsize
"""Bytes of an IP header without options; `payloads` relies on them."""

_ADDRESS = np.dtype([("high", ">u8"), ("low", ">u8")])
_EXTENSION = np.dtype([("next_header", "u1"), ("length", "u1"), ("fragment", ">u2"), ("identification", ">u4")])
"""An extension header's first eight bytes; a routing header has type and segments left where `fragment` is."""
_EXTENSION_UNIT = np.zeros(256, np.uint8)
_EXTENSION_UNIT[[HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, SHIM6, FRAGMENT]] = 8
_EXTENSION_UNIT[AUTHENTICATION] = 4  # RFC 4302, section 2.2
_BYTE = np.dtype("u1")
_UNLIMITED = 1 << 40


def payloads(buffer: NDArray[np.uint8], packets: Packets, fragments: list[Fragments]) -> Payloads:
    """What IP packets carry; what is fragmented goes to `fragments` instead.

    A packet whose header is not whole, or says nonsense, carries nothing. The ethertype of IPv4 announces
    either version, that of IPv6 only the latter, as in Wireshark.
    """
    version = gather(buffer, packets.offset, _BYTE) >> 4
    packets4 = packets.where((version == 4) & (packets.ethertype == IPV4))
    carried = version4(packets4, gather(buffer, packets4.offset, HEADER4), fragments)
    is_version6 = (version == 6) & packets.holds(_IPV6.itemsize)
    if not is_version6.any():
        return carried
    return concatenate([carried, _version6(buffer, packets.where(is_version6))])


def version4(packets: Packets, header: NDArray[np.void], fragments: list[Fragments]) -> Payloads:
    """What IPv4 packets with these headers carry (RFC 791, section 3.1); `fragments` takes what is fragmented."""
    header_length = (header["version_length"] & 15).astype(np.int64) * 4
    total_length = header["total_length"].astype(np.int64)
    total_length[total_length == 0] = _UNLIMITED  # Captured before the network card cut it up: no length yet.
    wire_end = np.minimum(packets.wire_end, packets.offset + total_length)
    zero = np.zeros(len(packets), np.uint64)
    carried = Payloads(
        row=packets.row,
        offset=packets.offset + header_length,
        end=np.minimum(packets.end, wire_end),
        wire_end=wire_end,
        family=np.full(len(packets), 4, np.uint8),
        source_high=zero,
        source_low=header["source"].astype(np.uint64),
        destination_high=zero,
        destination_low=header["destination"].astype(np.uint64),
        protocol=header["protocol"].copy(),
        quoted=packets.quoted,
    )
    sound = (header_length >= 20) & (header_length <= total_length)
    fragment = header["fragment"] & 0x3FFF
    if fragment.any():
        some = sound & (fragment != 0)
        sound &= ~some
        offset_flags = fragment[some].astype(np.int64)
        fragments.append(
            Fragments(
                payload=carried.where(some),
                identification=header["identification"][some].astype(np.uint32),
                position=(offset_flags & 0x1FFF) * 8,
                more=(offset_flags & 0x2000) != 0,
            )
        )
    return carried.where(sound)


def _version6(buffer: NDArray[np.uint8], packets: Packets) -> Payloads:
    """RFC 8200, section 3."""
    header = gather(buffer, packets.offset, _IPV6)
    payload_length = header["payload_length"].astype(np.int64)
    payload_length[payload_length == 0] = _UNLIMITED  # A jumbogram (RFC 2675), or not yet cut up by the card.
    offset = packets.offset + _IPV6.itemsize
    wire_end = np.minimum(packets.wire_end, offset + payload_length)
    return Payloads(
        row=packets.row,
        offset=offset,
        end=np.minimum(packets.end, wire_end),
        wire_end=wire_end,
        family=np.full(len(packets), 6, np.uint8),
        source_high=header["source_high"].astype(np.uint64),
        source_low=header["source_low"].astype(np.uint64),
        destination_high=header["destination_high"].astype(np.uint64),
        destination_low=header["destination_low"].astype(np.uint64),
        protocol=header["next_header"].copy(),
        quoted=packets.quoted,
    )


def skip_extensions(buffer: NDArray[np.uint8], carried: Payloads, fragments: list[Fragments]) -> None:
    """Move `carried` behind its IPv6 extension headers and authentication headers, in place.

    What is fragmented goes to `fragments`; of that, and of what is cut, nothing remains (NO_NEXT_HEADER).
    """
    for _ in range(MAX_EXTENSIONS):
        unit = _EXTENSION_UNIT[carried.protocol]
        index = np.flatnonzero(unit)
        if not len(index):
            return
        protocol = carried.protocol[index]
        offset = carried.offset[index]
        header = gather(buffer, offset, _EXTENSION)
        units = header["length"].astype(np.int64) + np.where(protocol == AUTHENTICATION, 2, 1)
        behind = offset + np.where(protocol == FRAGMENT, 8, units * unit[index])
        whole = behind <= carried.end[index]
        carried.protocol[index] = np.where(whole, header["next_header"], NO_NEXT_HEADER)
        carried.offset[index] = behind
        kind, segments_left = np.divmod(header["fragment"], 256)
        routed = whole & (protocol == ROUTING) & (segments_left > 0) & (carried.family[index] == 6)
        if routed.any():
            _set_final_destination(buffer, carried, index[routed], kind[routed], offset[routed])
        fragmented = whole & (protocol == FRAGMENT) & (header["fragment"] & 0xFFF9 != 0)
        if fragmented.any():
            some, header = index[fragmented], header[fragmented]
            fragments.append(
                Fragments(
                    payload=carried.take(some),
                    identification=header["identification"].astype(np.uint32),
                    position=(header["fragment"] & 0xFFF8).astype(np.int64),
                    more=(header["fragment"] & 1) != 0,
                )
            )
            carried.protocol[some] = NO_NEXT_HEADER


def _set_final_destination(
    buffer: NDArray[np.uint8],
    carried: Payloads,
    index: NDArray[np.int64],
    kind: NDArray[np.uint16],
    offset: NDArray[np.int64],
) -> None:
    """Put the routing header's final destination in the place of the next stop: that is who answers.

    Type 0 (RFC 2460) has it last, segment routing (RFC 8754) first; of type 2 (RFC 6275) it is the only one.
    """
    first_or_last = np.where(kind == 0, carried.offset[index] - _ADDRESS.itemsize, offset + 8)
    known = np.isin(kind, (0, 2, 4)) & (first_or_last >= offset + 8) & (first_or_last + 16 <= carried.offset[index])
    address = gather(buffer, first_or_last[known], _ADDRESS)
    carried.destination_high[index[known]] = address["high"]
    carried.destination_low[index[known]] = address["low"]


def inside(buffer: NDArray[np.uint8], carried: Payloads) -> Iterator[Packets]:
    """The packets within packets: tunnels that are nothing but an IP protocol number, and what ICMP errors quote."""
    for protocol, (skipped, ethertype) in INSIDE.items():
        chosen = carried.protocol == protocol
        if chosen.any():
            yield _packets(carried.where(chosen), skipped, ethertype)
    for protocol, types in ERRORS.items():
        chosen = carried.protocol == protocol
        if chosen.any():
            chosen &= np.isin(gather(buffer, carried.offset, _BYTE), types)
            quotes = _packets(carried.where(chosen), 8, IPV4 if protocol == ICMP else IPV6)
            quotes.quoted = np.ones(len(quotes), bool)
            yield quotes


def _packets(carried: Payloads, skipped: int, ethertype: int) -> Packets:
    return Packets(
        row=carried.row,
        offset=carried.offset + skipped,
        end=carried.end,
        wire_end=carried.wire_end,
        ethertype=np.full(len(carried), ethertype, np.uint16),
        quoted=carried.quoted,
    )
