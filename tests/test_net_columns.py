"""Ethernet and its like, IP, TCP and UDP, decoded as columns."""

import struct
from itertools import permutations

import numpy as np
import pytest
from decoded import TSHARK, Segment, capture_of, decode, decode_capture, differences
from forge import Frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, fragment
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    IPv6ExtHdrSegmentRouting,
    fragment6,
)
from scapy.layers.ipsec import AH
from scapy.packet import Raw

from analyzer.capture.batch import no_frames
from analyzer.issues import Issues
from analyzer.net.decode import Decoder
from analyzer.settings import Limits

SEGMENT = TCP(sport=50000, dport=443, seq=4000000000, ack=7, flags="PA", options=[("NOP", None)] * 12) / b"hello"
WANTED = Segment(1, "192.0.2.1", "198.51.100.2", 50000, 443, 5, b"hello", 4000000000, 7, 0x18)
WANTED6 = WANTED._replace(source="2001:db8::1", destination="2001:db8::2")
DATAGRAM = UDP(sport=50000, dport=4433) / b"hello"

MAC = bytes.fromhex("020000000001 020000000002")


def ip4(**fields):
    return IP(src="192.0.2.1", dst="198.51.100.2", **fields)


def ip6(**fields):
    return IPv6(src="2001:db8::1", dst="2001:db8::2", **fields)


def ether(payload, ethertype: int = 0x0800) -> bytes:
    return MAC + struct.pack(">H", ethertype) + bytes(payload)


V4, V6 = bytes(ip4() / SEGMENT), bytes(ip6() / SEGMENT)
SNAP = bytes.fromhex("aaaa03 000000")

FRAMES = {
    "Ethernet": (1, MAC, 0x0800, V4),
    "Ethernet, IPv6": (1, MAC, 0x86DD, V6),
    "IPv6 under the ethertype of IPv4": (1, MAC, 0x0800, V6),
    "802.1Q": (1, MAC + b"\x81\x00\x00\x05", 0x0800, V4),
    "QinQ": (1, MAC + b"\x88\xa8\x00\x05\x81\x00\x00\x06", 0x86DD, V6),
    "old QinQ, three tags": (1, MAC + b"\x91\x00\x00\x05\x91\x00\x00\x06\x81\x00\x00\x07", 0x0800, V4),
    "VN-Tag": (1, MAC + b"\x89\x26\0\0\0\0", 0x0800, V4),
    "Cisco MetaData": (1, MAC + b"\x89\x09\1\1\0\1\0\1", 0x0800, V4),
    "802.1ah": (1, MAC + b"\x88\xe7\0\0\0\1" + MAC, 0x0800, V4),
    "LLC and SNAP": (1, MAC + struct.pack(">H", len(V4) + 8) + SNAP, 0x0800, V4),
    "LLC and SNAP, bridged": (1, MAC + struct.pack(">H", len(V4) + 8) + SNAP[:-1] + b"\xf8", 0x0800, V4),
    "LLC and SNAP in 802.1Q": (1, MAC + b"\x81\0\0\5" + struct.pack(">H", len(V4) + 8) + SNAP, 0x0800, V4),
    "LLC alone": (1, MAC + struct.pack(">H", len(V4) + 3) + b"\6\6\3", None, V4),
    "LLC in a jumbo frame": (1, MAC + b"\x88\x70" + SNAP, 0x0800, V4),
    "PPPoE": (1, MAC + b"\x88\x64\x11\0\0\1" + struct.pack(">H", len(V4) + 2), 0x0021, V4),
    "PPPoE in QinQ, IPv6": (
        1,
        MAC + b"\x88\xa8\0\5\x81\0\0\6\x88\x64\x11\0\0\1" + struct.pack(">H", len(V6) + 2),
        0x0057,
        V6,
    ),
    "PPPoE, protocol of one byte": (
        1,
        MAC + b"\x88\x64\x11\0\0\1" + struct.pack(">H", len(V4) + 1) + b"\x21",
        None,
        V4,
    ),
    "PPPoE as link": (51, b"\x11\0\0\1" + struct.pack(">H", len(V4) + 2), 0x0021, V4),
    "loopback, little-endian": (0, b"\2\0\0\0", None, V4),
    "loopback, big-endian": (0, b"\0\0\0\2", None, V4),
    "loopback, IPv6 of macOS": (0, b"\x1e\0\0\0", None, V6),
    "loopback, IPv6 of FreeBSD, big-endian": (0, b"\0\0\0\x1c", None, V6),
    "loopback, an ethertype": (0, b"\0\0\x08\0", None, V4),
    "loopback of OpenBSD": (108, b"\0\0\0\x18", None, V6),
    "raw": (101, b"", None, V4),
    "raw, IPv6": (12, b"", None, V6),
    "raw, of OpenBSD": (14, b"", None, V4),
    "raw IPv4": (228, b"", None, V4),
    "raw IPv6": (229, b"", None, V6),
    "cooked": (113, b"\0\0\0\1\0\6" + MAC[:6] + b"\0\0", 0x0800, V4),
    "cooked, 802.1Q": (113, b"\0\0\0\1\0\6" + MAC[:6] + b"\0\0\x81\0\0\5", 0x86DD, V6),
    "cooked, LLC": (113, b"\0\0\0\1\0\6" + MAC[:6] + b"\0\0\0\4" + SNAP, 0x0800, V4),
    "cooked 2": (276, b"\x08\0\0\0\0\0\0\1\0\1\0\6" + MAC[:8], None, V4),
    "cooked 2, a tunnel of Ethernet": (276, b"\x65\x58\0\0\0\0\0\1\3\x0a\0\6" + MAC[:8] + MAC, 0x86DD, V6),
    "Cisco HDLC": (104, b"\x0f\0", 0x0800, V4),
    "FDDI": (10, b"\x50" + MAC + SNAP, 0x0800, V4),
    "ATM": (100, SNAP, 0x0800, V4),
    "IP over Fibre Channel": (122, bytes(16) + SNAP, 0x0800, V4),
    "IP over IEEE 1394": (138, bytes(16), 0x0800, V4),
    "IP over InfiniBand": (242, bytes(40) + b"\x08\0\0\0", None, V4),
    "EPON": (259, bytes.fromhex("5555d55555000000") + MAC, 0x0800, V4),
    "OpenBSD's encapsulation": (109, b"\2\0\0\0" + bytes(8), None, V4),
}
"""Link type, header without its last ethertype, that ethertype, and the packet."""


def frame_of(name: str) -> tuple[int, bytes]:
    link_type, header, ethertype, packet = FRAMES[name]
    return link_type, header + (b"" if ethertype is None else struct.pack(">H", ethertype)) + packet


@pytest.mark.parametrize("name", FRAMES)
def test_link_layers(name):
    link_type, frame = frame_of(name)
    decoded = decode(frame, link_type=link_type)
    assert decoded.segments == [WANTED6 if FRAMES[name][3] is V6 else WANTED]
    assert not decoded.issues


@pytest.mark.parametrize("name", FRAMES)
def test_a_link_header_that_is_cut_carries_nothing(name):
    link_type, frame = frame_of(name)
    header = len(frame) - len(FRAMES[name][3])
    for size in range(header):
        assert not decode(Frame(frame[:size], original=len(frame)), link_type=link_type).segments


@pytest.mark.skipif(TSHARK is None, reason="no tshark")
@pytest.mark.parametrize("link_type", sorted({frame[0] for frame in FRAMES.values()}))
def test_tshark_finds_the_same_behind_each_link_layer(link_type):
    frames = [frame_of(name)[1] for name in FRAMES if FRAMES[name][0] == link_type]
    capture = capture_of(*frames, link_type=link_type)
    assert differences(capture, decode_capture(capture)) == []


def test_what_is_no_ip_carries_nothing():
    arp = ether(bytes(46), 0x0806)
    spanning_tree = MAC + b"\0\x26\x42\x42\3" + bytes(35)
    novell = MAC + b"\0\x40\xff\xff" + V4
    wrong_version = ether(V4, 0x86DD)
    decoded = decode(arp, spanning_tree, novell, wrong_version, ether(V4))
    assert [row.frame for row in decoded.segments] == [5]
    assert not decoded.issues


def test_many_tags_are_followed_and_a_frame_of_nothing_else_ends():
    assert decode(MAC + b"\x81\0\0\5" * 12 + b"\x08\0" + V4).only == WANTED
    assert not decode(MAC + b"\x81\0\0\5" * 100_000).segments


# ---- IP ----------------------------------------------------------------------------------------------


def test_ethernet_padding_is_no_payload():
    decoded = decode(ether(bytes(ip4() / TCP(sport=1, dport=2, flags="A"))) + bytes(6))
    assert (decoded.only.length, decoded.only.payload) == (0, b"")


def test_ip_options_are_passed_over():
    assert decode(ether(ip4(options=[IPOption_NOP()] * 40) / SEGMENT)).only == WANTED


@pytest.mark.parametrize("packet", [ip4(len=0) / SEGMENT, ip6(plen=0) / SEGMENT, ip4(len=65535) / SEGMENT])
def test_a_length_that_is_zero_or_too_large_means_the_frame(packet):
    """Segmentation offload leaves it zero; Wireshark does not trust it beyond the frame either."""
    assert decode(ether(packet, 0x0800)).only.payload == b"hello"


@pytest.mark.parametrize(
    "fields", [{"version": 5}, {"ihl": 4}, {"ihl": 0}, {"len": 19}, {"len": 20}, {"len": 35}, {"proto": 50}]
)
def test_an_ip_header_that_makes_no_sense_carries_nothing(fields):
    assert not decode(ether(ip4(**fields) / SEGMENT)).segments


EXTENDED = {
    "hop by hop": ip6() / IPv6ExtHdrHopByHop() / SEGMENT,
    "destination, routing": ip6()
    / IPv6ExtHdrDestOpt()
    / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=0)
    / SEGMENT,
    "long": ip6(nh=60) / Raw(b"\6\xff" + bytes(2046)) / SEGMENT,
    "fragment that is the whole": ip6() / IPv6ExtHdrFragment(id=9) / SEGMENT,
    "authentication": ip6() / AH(nh=6, payloadlen=4, icv=bytes(12)) / SEGMENT,
    "shim": ip6(nh=140) / Raw(b"\6\0" + bytes(6)) / SEGMENT,
}


@pytest.mark.parametrize("name", EXTENDED)
def test_ipv6_extension_headers(name):
    packet = bytes(EXTENDED[name])
    assert decode(ether(packet, 0x86DD)).only == WANTED6
    payload = len(bytes(SEGMENT))
    for size in range(40, len(packet) - payload):
        assert not decode(Frame(ether(packet[:size], 0x86DD), original=14 + len(packet))).segments


def test_authentication_header_in_ipv4():
    assert decode(ether(ip4(proto=51) / AH(nh=6, payloadlen=4, icv=bytes(12)) / SEGMENT)).only == WANTED


@pytest.mark.parametrize(
    "header",
    [
        IPv6ExtHdrRouting(addresses=["2001:db8::8", "2001:db8::9"], segleft=1),
        IPv6ExtHdrSegmentRouting(addresses=["2001:db8::9", "2001:db8::8"], segleft=1),
    ],
)
def test_a_routing_header_says_who_will_answer(header):
    capture = capture_of(
        ether(ip6() / header / SEGMENT, 0x86DD),
        ether(IPv6(src="2001:db8::9", dst="2001:db8::1") / TCP(sport=443, dport=50000), 0x86DD),
    )
    there, back = decode_capture(capture).segments
    assert (there.source, there.destination) == (back.destination, back.source)


INSIDE = {
    "IP in IP": ip4() / IP(src="10.0.0.1", dst="10.0.0.2") / SEGMENT,
    "IPv6 in IP": ip4() / IPv6(src="2001:db8::a", dst="2001:db8::b") / SEGMENT,
    "IP in IPv6": ip6() / IP(src="10.0.0.1", dst="10.0.0.2") / SEGMENT,
    "EtherIP": ip4(proto=97) / Raw(b"\x30\0" + ether(IP(src="10.0.0.1", dst="10.0.0.2") / SEGMENT)),
    "Ethernet in IPv6": ip6(nh=143) / Raw(ether(IP(src="10.0.0.1", dst="10.0.0.2") / SEGMENT)),
}


@pytest.mark.parametrize("name", INSIDE)
def test_the_innermost_addresses_count(name):
    segment = decode(ether(INSIDE[name])).only
    assert segment.source in ("10.0.0.1", "2001:db8::a")
    assert segment.payload == b"hello"


def test_packets_in_packets_end():
    packet = bytes(SEGMENT)
    for _ in range(300):
        packet = bytes(ip4(proto=4) / Raw(packet))
    decoded = decode(ether(packet))
    assert not decoded.segments
    assert decoded.issues == {"tunnels-too-deep": 1}


# ---- TCP ---------------------------------------------------------------------------------------------


def test_what_the_snap_length_cuts_off():
    frame = ether(V4)
    headers = len(frame) - 5
    for size in range(14, len(frame)):
        decoded = decode(Frame(frame[:size], original=len(frame)))
        if size < 14 + 20 + 16:  # Wireshark wants to see the window
            assert not decoded.segments
            assert decoded.issues == {"headers-cut": 1}
        else:
            assert decoded.only == WANTED._replace(payload=frame[headers:size])
            assert not decoded.issues


@pytest.mark.parametrize("data_offset", [0, 4, 10, 15])
def test_an_impossible_data_offset_leaves_a_segment_without_payload(data_offset):
    segment = TCP(sport=1, dport=2, dataofs=data_offset) / b"hello, server"
    decoded = decode(ether(ip4() / segment))
    assert (decoded.only.length, decoded.only.payload) == (0, b"")


def test_all_flags():
    flags = [decode(ether(ip4() / TCP(flags=bit))).only.flags for bit in "FSRPAUEC"]
    assert flags == [1, 2, 4, 8, 16, 32, 64, 128]


# ---- UDP ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packet", [ip4() / DATAGRAM, ip6() / DATAGRAM])
def test_datagrams(packet):
    decoded = decode(ether(packet, 0x0800))
    assert not decoded.segments
    (datagram,) = decoded.datagrams
    assert datagram[3:7] == (50000, 4433, 5, b"hello")


def test_the_length_of_a_datagram():
    def lengths(packet):
        return [row.length for row in decode(ether(packet, 0x0800)).datagrams]

    assert lengths(ip4() / UDP(len=8) / b"hello") == [0]
    assert lengths(ip4() / UDP(len=10) / b"hello") == [2]
    assert lengths(ip4() / UDP(len=99) / b"hello") == [5]
    assert lengths(ip4() / UDP(len=7) / b"hello") == []
    assert lengths(ip4() / UDP(len=0) / b"hello") == []
    assert lengths(ip6() / UDP(len=0) / b"hello") == [5]  # a jumbogram


# ---- ICMP errors -------------------------------------------------------------------------------------


def quote(packet, size: int) -> Raw:
    return Raw(bytes(packet)[:size])


def test_an_icmp_error_that_quotes_enough_opens_a_stream_but_carries_nothing():
    sent = ip4() / TCP(sport=50000, dport=443, seq=9, flags="SFR") / b"hello"
    error = IP(src="203.0.113.1", dst="192.0.2.1") / ICMP(type=3)
    assert not decode(ether(error / quote(sent, 28))).segments
    row = decode(ether(error / quote(sent, 36))).only
    assert row[1:7] == ("192.0.2.1", "198.51.100.2", 50000, 443, 0, b"")
    assert (row.sequence, row.flags) == (9, 0x02)
    sent[TCP].flags = "FPA"
    assert decode(ether(error / quote(sent, 36))).only.flags == 0


def test_what_else_icmp_carries_opens_none():
    sent = ip4() / SEGMENT
    for kind in (0, 5, 8):
        assert not decode(ether(ip4() / ICMP(type=kind) / quote(sent, 60))).segments


def test_an_icmpv6_error_and_a_quoted_datagram():
    error = IPv6(src="2001:db8::f", dst="2001:db8::1") / ICMPv6DestUnreach()
    assert decode(ether(error / quote(ip6() / SEGMENT, 60), 0x86DD)).only.length == 0
    (datagram,) = decode(ether(error / quote(ip6() / DATAGRAM, 60), 0x86DD)).datagrams
    assert (datagram.source, datagram.length, datagram.payload) == ("2001:db8::1", 0, b"")


# ---- fragments ---------------------------------------------------------------------------------------

LONG = bytes(range(256)) * 8
FRAGMENTS4 = [ether(piece) for piece in fragment(ip4(id=77) / TCP(sport=50000, dport=443) / LONG, 600)]
FRAGMENTS6 = [
    ether(piece, 0x86DD)
    for piece in fragment6(
        ip6() / IPv6ExtHdrFragment(id=77) / IPv6ExtHdrDestOpt() / TCP(sport=50000, dport=443) / LONG, 800
    )
]


@pytest.mark.parametrize("pieces", [FRAGMENTS4, FRAGMENTS6])
@pytest.mark.parametrize("batch_bytes", [1, 1 << 20])
def test_fragments_in_any_order_make_a_segment_in_the_last_frame(pieces, batch_bytes):
    assert 3 <= len(pieces) <= 4
    for order in permutations(pieces):
        decoded = decode(*order, limits=Limits(batch_bytes=batch_bytes))
        assert (decoded.only.frame, decoded.only.length, decoded.only.payload) == (len(pieces), 2048, LONG)
        assert not decoded.issues


def test_fragments_that_come_twice():
    first, *rest = FRAGMENTS4
    assert decode(first, first, *rest[:-1], *rest[:-1], rest[-1]).only.payload == LONG


def test_another_datagram_with_the_same_identification():
    assert [row.frame for row in decode(*FRAGMENTS4, *FRAGMENTS4).segments] == [4, 8]


def test_of_fragments_that_contradict_each_other_the_first_stays():
    head = ip4(proto=6, flags="MF") / Raw(bytes(TCP(sport=1, dport=2)) + b"A" * 20)
    tail = ip4(proto=6, frag=4) / Raw(b"B" * 16)
    decoded = decode(ether(head), ether(tail))
    assert decoded.only.payload == b"A" * 20 + b"B" * 8
    assert decoded.issues == {"fragment-malformed": 1}


def test_nothing_lies_behind_the_last_fragment():
    last = ip4(proto=6, frag=3) / Raw(b"B" * 5)
    beyond = ip4(proto=6, frag=3, flags="MF") / Raw(b"B" * 5 + b"C" * 3)
    head = ip4(proto=6, flags="MF") / Raw(bytes(TCP(sport=1, dport=2)) + b"A" * 4)
    assert decode(ether(last), ether(beyond), ether(head)).only.payload == b"AAAABBBBB"


@pytest.mark.parametrize("odd", [ip4(proto=6, flags="MF") / Raw(bytes(41)), ip4(proto=6, frag=8190) / Raw(bytes(64))])
def test_fragments_of_impossible_length(odd):
    decoded = decode(ether(odd))
    assert decoded.issues == {"fragment-malformed": 1, "fragments-missing": 1}


def test_a_fragment_that_is_cut_goes_into_no_datagram_but_the_first_is_read():
    cut = Frame(FRAGMENTS4[0][:60], original=len(FRAGMENTS4[0]))
    decoded = decode(cut, *FRAGMENTS4[1:])
    assert (decoded.only.frame, decoded.only.length, decoded.only.payload) == (1, 580, LONG[:6])
    assert decoded.issues == {"fragments-missing": 1}


def test_fragments_wait_a_minute():
    late = [Frame(FRAGMENTS4[0])] + [Frame(piece, time=61 * 10**9) for piece in FRAGMENTS4[1:]]
    decoded = decode(*late)
    assert not decoded.segments
    assert decoded.issues == {"fragments-missing": 2}


def test_only_so_many_datagrams_wait():
    firsts = [ether(ip4(id=number, flags="MF", proto=6) / Raw(bytes(8))) for number in range(20)]
    decoded = decode(*firsts, *FRAGMENTS4, limits=Limits(fragments=5))
    assert decoded.only.payload == LONG
    assert decoded.issues == {"fragments": 16, "fragments-missing": 20}


def test_a_quoted_fragment_is_none():
    error = ip4() / ICMP(type=11)
    decoded = decode(*(ether(error / quote(piece[14:], 600)) for piece in FRAGMENTS4))
    assert (decoded.segments, decoded.issues) == ([], {})


# ---- together ----------------------------------------------------------------------------------------

MIXED = [
    ether(V4),
    ether(V6, 0x86DD),
    ether(bytes(46), 0x0806),
    frame_of("QinQ")[1],
    ether(ip4() / DATAGRAM),
    *FRAGMENTS4,
    ether(INSIDE["IP in IP"]),
    *FRAGMENTS6,
    ether(ip4() / ICMP(type=3) / quote(V4, 60)),
]


@given(st.permutations(MIXED), st.integers(1, 4000))
@settings(deadline=None)
def test_rows_come_in_frame_order_however_the_capture_is_cut_into_batches(frames, batch_bytes):
    whole = decode(*frames)
    assert decode(*frames, limits=Limits(batch_bytes=batch_bytes)) == whole
    assert len(whole.segments) == 7


def test_a_batch_without_frames():
    batch = no_frames(np.zeros(0, np.uint8))
    assert [len(rows) for rows in Decoder(Limits(), Issues()).decode(batch)] == [0, 0]


@pytest.mark.skipif(TSHARK is None, reason="no tshark")
def test_tshark_numbers_the_same_segments():
    odd = [
        *MIXED,
        *(Frame(ether(V4)[:size], original=len(V4) + 14) for size in range(30, 70)),
        *(ether(ip4() / TCP(sport=size, dataofs=size) / b"hello, server") for size in (9, 15)),
        *(ether(ip4(len=size) / TCP(sport=size) / b"hello") for size in (0, 19, 20, 21, 35, 36, 40, 41, 60)),
        *(ether(ip4(ihl=size) / TCP(sport=size) / b"hello") for size in range(16)),
        *(ether(ip4() / UDP(len=size) / b"hello") for size in range(20)),
        *(ether(ip6() / UDP(len=size) / b"hello", 0x86DD) for size in range(20)),
        *(ether(packet, 0x86DD) for packet in EXTENDED.values()),
        *(ether(packet) for packet in INSIDE.values()),
        *(ether(ip4() / ICMP(type=kind) / quote(V4, size)) for kind in range(20) for size in (28, 35, 36, 60)),
        FRAGMENTS4[2],
        FRAGMENTS4[0],
        *FRAGMENTS4[1:],
    ]
    capture = capture_of(*odd)
    assert differences(capture, decode_capture(capture)) == []


@given(st.sampled_from([*range(20), *range(100, 130), 138, 149, 163, 239, 242, 258, 259, 276]), st.data())
@settings(deadline=None)
def test_any_bytes_yield_rows_or_nothing(link_type, data):
    """`decode` checks that every row lies within its buffer."""
    frames = [frame_of(name)[1] for name in FRAMES if FRAMES[name][0] == link_type] or MIXED
    damaged = []
    for frame in data.draw(st.lists(st.sampled_from(frames), min_size=1, max_size=6)):
        changed = bytearray(frame)
        for position in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=4)):
            changed[position] = data.draw(st.integers(0, 255))
        damaged.append(Frame(bytes(changed[: data.draw(st.integers(0, len(frame)))]), original=len(frame)))
    decode(*damaged, data.draw(st.binary(max_size=100)), link_type=link_type)
