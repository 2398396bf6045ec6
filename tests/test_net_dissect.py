"""Headers that Scapy, or a small table, passes over; and Scapy's and tshark's second opinion on the columns."""

import logging
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from decoded import CORPUS, TSHARK, Segment, capture_of, decode, decode_capture, differences
from forge import Frame
from scapy.contrib.avs import AVSWLANHeader
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.dot11 import Dot11, Dot11QoS, PrismHeader, RadioTap
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, GRE_PPTP, LLC, SNAP, Ether
from scapy.layers.l2tp import L2TP
from scapy.layers.ppi import PPI
from scapy.layers.ppp import HDLC, PPP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from test_net_columns import FRAMES as LINK_FRAMES
from test_net_columns import frame_of as link_frame

from analyzer.errors import AnalyzerError

CAPTURES = sorted((Path(__file__).parents[1] / "captures").glob("*.pcap*"))
CORPUS_CAPTURES = sorted(
    path
    for folder in ("lab", "odd", "public", "public-keys")
    for path in (CORPUS / folder).glob("*")
    if path.suffix not in (".txt", ".json", ".jsonl", ".key", ".keys", ".pem", ".log", ".md")
)

TSHARK_DIFFERS = ("bug-6875", "crash-exception", "of13_ericsson")

IP4 = IP(src="192.0.2.1", dst="198.51.100.2") / TCP(sport=50000, dport=443, seq=9, ack=7, flags="PA") / b"hello"
IP6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=50000, dport=443, seq=9, ack=7, flags="PA") / b"hello"
WANTED = Segment(1, "192.0.2.1", "198.51.100.2", 50000, 443, 5, b"hello", 9, 7, 0x18)
WANTED6 = WANTED._replace(source="2001:db8::1", destination="2001:db8::2")

ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
OUTER = ETHER / IP(src="203.0.113.1", dst="203.0.113.2")
WIFI = Dot11(type=2, FCfield=0x01, addr1="02:00:00:00:00:01", addr2="02:00:00:00:00:02", addr3="02:00:00:00:00:03")
SNAP_IP = LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x0800)


def udp(port: int):
    return OUTER / UDP(sport=50001, dport=port)


def raw(text: str) -> Raw:
    return Raw(bytes.fromhex(text))


def sized(before: str, after: str = "", *, order: str = ">", more: int = 0) -> Raw:
    """Bytes around the length of what follows."""
    return Raw(bytes.fromhex(before) + struct.pack(f"{order}H", len(bytes(IP4)) + more) + bytes.fromhex(after))


PACKETS = {
    "VXLAN": udp(4789) / VXLAN(vni=1) / ETHER / IP4,
    "VXLAN-GPE": udp(4790) / VXLAN(vni=1, flags=0x0C, NextProtocol=1) / IP4,
    "GENEVE": udp(6081) / GENEVE(proto=0x6558, options=[GeneveOptions(classid=0x0110, data=b"abcdefgh")]) / ETHER / IP6,
    "GENEVE of IP": udp(6081) / GENEVE(proto=0x0800) / IP4,
    "GTP-U": OUTER / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=5) / IP6,
    "GTP-U of 5G": udp(2152) / GTP_U_Header(teid=5, E=1, S=1) / GTPPDUSessionContainer(type=1, QFI=3) / IP4,
    "L2TP": udp(1701) / L2TP(tunnel_id=1, session_id=2) / HDLC() / PPP(proto=0x21) / IP4,
    "Teredo": udp(3544) / IP6,
    "Teredo with indications": udp(3544) / raw("00010000" + "00" * 9 + "0000111101020304") / IP6,
    "LISP": udp(4341) / raw("0800000000000000") / IP4,
    "TZSP": udp(37008) / raw("01000001 0a01ff 00 01") / ETHER / IP4,
    "CAPWAP": udp(5247) / raw("00100200 00000000") / ETHER / IP4,
    "CAPWAP of Wi-Fi": udp(5247) / raw("00100300 00000000 0108" + "00" * 22) / SNAP_IP / IP4,
    "MPLS in UDP": udp(6635) / MPLS(label=16, s=1) / IP4,
    "GRE in UDP": udp(4754) / GRE() / IP4,
    "GRE": OUTER / GRE() / IP4,
    "GRE with all": OUTER / GRE(chksum_present=1, key_present=1, seqnum_present=1) / IP6,
    "GRE of Ethernet": OUTER / GRE(proto=0x6558, key_present=1, key=77) / ETHER / IP4,
    "GRE of old QinQ": OUTER / GRE(proto=0x6558) / raw("020000000001 020000000002 9100 0005 0800") / IP4,
    "GRE of MPLS": OUTER / GRE(proto=0x8847) / MPLS(s=1) / IP4,
    "GRE of WCCP": OUTER / GRE(proto=0x883E) / raw("00010000") / IP4,
    "PPTP": OUTER / GRE_PPTP(seqnum_present=1) / PPP() / IP4,
    "ERSPAN I": OUTER / GRE(proto=0x88BE) / ETHER / IP4,
    "ERSPAN II": OUTER / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II() / ETHER / IP4,
    "ERSPAN III": OUTER
    / GRE(proto=0x22EB, seqnum_present=1)
    / ERSPAN_III(o=1)
    / ERSPAN_PlatformSpecific()
    / ETHER
    / IP4,
    "MPLS": ETHER / MPLS(label=16, s=0) / MPLS(label=17, s=1) / IP4,
    "MPLS to many": Raw(bytes(ETHER)[:12] + b"\x88\x48") / MPLS(s=1) / IP6,
    "MPLS in IP": ETHER / IP(proto=137) / MPLS(s=1) / IP4,
    "TRILL": Raw(bytes(ETHER)[:12] + b"\x22\xf3") / raw("000000010002") / ETHER / IP4,
    "NSH": Raw(bytes(ETHER)[:12] + b"\x89\x4f") / raw("0fc60101 00000001" + "00" * 16) / IP4,
    "VXLAN in GRE in QinQ": Raw(bytes(ETHER)[:12] + b"\x88\xa8\0\1\x81\0\0\2\x08\0")
    / IP()
    / GRE()
    / udp(4789)[IP]
    / VXLAN()
    / ETHER
    / IP4,
}

FRAMES = {
    "token ring": (6, raw("1040 020000000001 020000000002") / SNAP_IP / IP4),
    "token ring with a route": (6, raw("1040 020000000001 820000000002 068000010002") / SNAP_IP / IP4),
    "PPP": (9, PPP() / IP4),
    "PPP in HDLC": (9, HDLC() / PPP(proto=0x57) / IP6),
    "PPP, protocol of one byte": (9, raw("21") / IP4),
    "serial PPP": (50, HDLC() / PPP() / IP4),
    "serial Cisco HDLC": (50, raw("0f000800") / IP4),
    "PPP with direction": (204, raw("01ff030021") / IP4),
    "MPLS in Cisco HDLC": (104, raw("0f008847") / MPLS(s=1) / IP4),
    "frame relay": (107, raw("184103cc") / IP4),
    "frame relay, IPv6": (107, raw("1841038e") / IP6),
    "frame relay, SNAP": (107, raw("1841 0300800000000800") / IP4),
    "frame relay of Cisco": (107, raw("18410800") / IP4),
    "Wi-Fi": (105, WIFI / SNAP_IP / IP4),
    "Wi-Fi with QoS": (105, Dot11(bytes(WIFI).replace(b"\x08", b"\x88", 1)) / Dot11QoS() / SNAP_IP / IP4),
    "radiotap": (127, RadioTap() / WIFI / SNAP_IP / IP4),
    "radiotap with a checksum": (127, raw("0000090002000000 10") / WIFI / SNAP_IP / Raw(bytes(IP4) + b"\1\2\3\4")),
    "Prism": (119, PrismHeader() / WIFI / SNAP_IP / IP4),
    "AVS": (163, AVSWLANHeader(version=0x80211001) / WIFI / SNAP_IP / IP4),
    "PPI": (192, PPI(dlt=1) / ETHER / IP4),
    "PPI of Wi-Fi": (192, PPI(dlt=105) / WIFI / SNAP_IP / IP4),
    "pflog": (117, Raw(bytes([61, 2]) + bytes(62)) / IP4),
    "NFLOG": (239, sized("02000000 0800 0100 00000000", "0900", order="<", more=4) / IP4),
    "pktap": (258, Raw(struct.pack("<III", 108, 1, 1) + bytes(96)) / ETHER / IP4),
    "pktap as user 2": (149, Raw(struct.pack("<III", 108, 1, 12) + bytes(96)) / IP4),
    "Juniper Ethernet": (178, raw("4d474381 0006 010105030104") / ETHER / IP4),
    "Juniper without link header": (178, raw("4d474303 02000000") / IP4),
    "Juniper PPP": (179, raw("4d474301 ff03 0021") / IP4),
    "Juniper frame relay": (180, raw("4d474301 184103cc") / IP4),
    "Juniper HDLC": (181, raw("4d474301 0f000800") / IP4),
}

ALL = {**{name: (1, packet) for name, packet in PACKETS.items()}, **FRAMES}


@pytest.mark.parametrize("name", ALL)
def test_what_is_wrapped_is_found(name):
    link_type, packet = ALL[name]
    decoded = decode(bytes(packet), link_type=link_type)
    wanted = WANTED6 if IPv6 in packet or bytes(IP6) in bytes(packet) else WANTED
    assert decoded.segments == [wanted]
    assert not decoded.issues
    assert len(decoded.datagrams) == bytes(packet).count(struct.pack(">H", 50001)) + (name == "GTP-U")


@pytest.mark.parametrize("name", ALL)
def test_a_frame_that_is_cut_yields_what_is_left_of_its_segment_or_none(name):
    link_type, packet = ALL[name]
    frame = bytes(packet)
    for size in range(len(frame)):
        for segment in decode(Frame(frame[:size], original=len(frame)), link_type=link_type).segments:
            assert segment.sequence == 9
            assert b"hello".startswith(segment.payload)


@pytest.mark.skipif(TSHARK is None, reason="no tshark")
@pytest.mark.parametrize("link_type", sorted({link_type for link_type, _ in ALL.values()}))
def test_tshark_finds_the_same(link_type):
    frames = [bytes(packet) for kind, packet in ALL.values() if kind == link_type]
    capture = capture_of(*frames, link_type=link_type)
    assert differences(capture, decode_capture(capture)) == []


def test_headers_that_come_again_are_not_confused():
    """Results are remembered by the header's bytes; these differ in what follows, or how long they are."""
    frames = [bytes(packet) for packet in PACKETS.values()] * 2
    decoded = decode(*frames)
    assert [row.payload for row in decoded.segments] == [b"hello"] * len(frames)
    half = len(decoded.segments) // 2
    assert [row[1:] for row in decoded.segments[:half]] == [row[1:] for row in decoded.segments[half:]]


def test_a_tunnel_in_fragments():
    whole = PACKETS["VXLAN"][IP]
    pieces = [bytes(ETHER / piece) for piece in fragment(whole, 24)]
    decoded = decode(*pieces)
    assert decoded.only == WANTED._replace(frame=len(pieces))
    assert [row.frame for row in decoded.datagrams] == [len(pieces)]


def test_a_protected_or_empty_wifi_frame_carries_nothing():
    protected = WIFI.copy()
    protected.FCfield = 0x41
    nothing = Dot11(type=2, subtype=4)
    beacon = Dot11(type=0, subtype=8)
    for frame in (protected / SNAP_IP / IP4, nothing, beacon / Raw(bytes(60))):
        assert not decode(bytes(frame), link_type=105).segments


def test_what_cannot_be_dissected_is_said(caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        decoded = decode(bytes(udp(6081) / raw("3f")), bytes(udp(2152) / raw("30ff00")), *map(bytes, PACKETS.values()))
    assert decoded.issues == {"frame-not-dissected": 2}
    assert not [record for record in caplog.records if record.name.startswith("scapy")]
    assert capfd.readouterr() == ("", "")


def test_scapy_is_imported_for_the_first_frame_that_needs_it():
    program = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}
from decoded import decode
assert decode(bytes.fromhex({bytes(ETHER / IP4).hex()!r})).segments
assert not [name for name in sys.modules if name.startswith("scapy")]
assert decode(bytes.fromhex({bytes(PACKETS["VXLAN"]).hex()!r})).segments
assert "scapy.layers.vxlan" in sys.modules
assert "scapy.all" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# ---- second opinions ---------------------------------------------------------------------------------


SCAPY_LACKS = {
    "GRE of old QinQ",
    "MPLS to many",
    "MPLS in Cisco HDLC",
    "TRILL",
    "NSH",
    "IPv6 under the ethertype of IPv4",
    "old QinQ, three tags",
    "VN-Tag",
    "Cisco MetaData",
    "LLC and SNAP in 802.1Q",
    "LLC alone",
    "cooked, LLC",
    "cooked 2, a tunnel of Ethernet",
    "loopback of OpenBSD",
    "loopback, IPv6 of macOS",
}
"""What Scapy 2.8 does not read up to IP, or not without importing all of it."""


SCAPY_DIFFERS = {
    "FoxIO-LLC+ja4__pcap__ipv6.pcapng": "IPv6 has another number in the loopback of macOS than in Scapy on Linux",
    "zeek+zeek__testing__btest__Traces__pppoe-over-qinq.pcap": "Scapy does not trim what is behind PPPoE's length",
}


def both(path: Path) -> None:
    if path.name in SCAPY_DIFFERS:
        pytest.skip(SCAPY_DIFFERS[path.name])
    try:
        columns = decode_capture(path)
    except AnalyzerError as error:
        pytest.skip(str(error))
    scapy = decode_capture(path, scapy_links=True)
    assert scapy.segments == columns.segments
    assert scapy.datagrams == columns.datagrams


@pytest.mark.parametrize("name", sorted({*ALL, *LINK_FRAMES} - SCAPY_LACKS))
def test_scapy_up_to_ip_yields_the_same_rows(name):
    link_type, frame = ALL[name] if name in ALL else link_frame(name)
    capture = capture_of(bytes(frame), link_type=link_type)
    assert decode_capture(capture, scapy_links=True) == decode_capture(capture)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_scapy_agrees_on_committed_captures(path):
    both(path)


@pytest.mark.skipif(not CORPUS_CAPTURES, reason="no ../shared/corpus")
@pytest.mark.parametrize("path", CORPUS_CAPTURES[::20], ids=lambda path: path.name)
def test_scapy_agrees_on_the_corpus(path):
    both(path)


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS_CAPTURES, reason="no ../shared/corpus")
@pytest.mark.parametrize("path", CORPUS_CAPTURES, ids=lambda path: path.name)
def test_scapy_agrees_on_the_whole_corpus(path):
    both(path)


def same_as_tshark(path: Path) -> None:
    if any(word in path.name for word in TSHARK_DIFFERS):
        pytest.skip("tshark and we read another file format, or tshark looks for packets in OpenFlow messages")
    try:
        decoded = decode_capture(path)
    except AnalyzerError as error:
        pytest.skip(str(error))
    assert differences(path, decoded) == []


@pytest.mark.skipif(TSHARK is None, reason="no tshark")
@pytest.mark.skipif(not CORPUS_CAPTURES, reason="no ../shared/corpus")
@pytest.mark.parametrize("path", CORPUS_CAPTURES[::40], ids=lambda path: path.name)
def test_tshark_agrees_on_the_corpus(path):
    same_as_tshark(path)


@pytest.mark.slow
@pytest.mark.skipif(TSHARK is None, reason="no tshark")
@pytest.mark.skipif(not CORPUS_CAPTURES, reason="no ../shared/corpus")
@pytest.mark.parametrize("path", CORPUS_CAPTURES, ids=lambda path: path.name)
def test_tshark_agrees_on_the_whole_corpus(path):
    same_as_tshark(path)
