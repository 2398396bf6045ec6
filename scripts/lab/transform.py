"""What can befall a conversation on its way into a capture file? Pure functions on segments, and framings of packets.

Where sides matter there is a single connection, and the client's segment is the first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import GRE, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from lab.wire import Datagram, Segment, Sender, ethernet, ethernet_header

SLL, SLL2, RAW = 113, 276, 101
"""LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2 and LINKTYPE_RAW."""


def in_time(segments: Iterable[Segment]) -> list[Segment]:
    """The same, each a microsecond or more after the one before it."""
    spaced: list[Segment] = []
    for s in segments:
        earliest = spaced[-1].time + 1000 if spaced else s.time
        spaced.append(replace(s, time=max(s.time, earliest)))
    return spaced


def runs(segments: list[Segment]) -> Iterator[list[Segment]]:
    """Runs of segments with payload of one sender, and the runs of others between them."""
    for _, run in groupby(segments, key=lambda s: s.source if s.payload else None):
        yield list(run)


def split(segments: Iterable[Segment], size: int) -> list[Segment]:
    """Payloads of at most `size` bytes."""
    parts = []
    for s in segments:
        cuts = range(0, len(s.payload), size) or [0]
        for start in cuts:
            parts.append(
                replace(
                    s,
                    sequence=(s.sequence + start) % 2**32,
                    payload=s.payload[start : start + size],
                    flags=s.flags if start == cuts[-1] else "A",
                )
            )
    return in_time(parts)


def reorder(segments: list[Segment]) -> list[Segment]:
    """Every run of payload segments arrives last first."""
    arrived = [s for run in runs(segments) for s in (reversed(run) if run[0].payload else run)]
    return [replace(s, time=slot.time) for s, slot in zip(arrived, segments, strict=True)]


def shuffle(datagrams: list[Datagram]) -> list[Datagram]:
    """Every run of one sender's datagrams arrives last first, and its first one twice."""
    arrived = []
    for _, run in groupby(datagrams, key=lambda d: d.source):
        first, *others = run
        arrived += [*reversed(others), first, first]
    start = datagrams[0].time
    return [replace(d, time=start + index * 1_000_000) for index, d in enumerate(arrived)]


def retransmit(segments: list[Segment]) -> list[Segment]:
    """Every run of payload segments is sent twice."""
    return in_time(s for run in runs(segments) for s in (run * 2 if run[0].payload else run))


def contradict(segments: list[Segment]) -> list[Segment]:
    """The second half of every payload is sent once more, with other bytes: a receiver keeps what it has."""
    sent = []
    for s in segments:
        sent.append(s)
        if half := len(s.payload) // 2:
            other = bytes(byte ^ 0xFF for byte in s.payload[half:])
            sent.append(replace(s, sequence=(s.sequence + half) % 2**32, payload=other))
    return in_time(sent)


def lose(segments: list[Segment], sender: Sender, payload: int) -> list[Segment]:
    """Without the sender's payload segment of that index: the capture has a gap."""
    spoken = [s for s in only(segments, sender) if s.payload]
    return [s for s in segments if s is not spoken[payload]]


def only(segments: list[Segment], sender: Sender) -> list[Segment]:
    """One direction."""
    client = segments[0].source
    return [s for s in segments if (s.source == client) == (sender == "client")]


def without_beginning(segments: list[Segment]) -> list[Segment]:
    """From the server's first payload on."""
    client = segments[0].source
    first = next(i for i, s in enumerate(segments) if s.payload and s.source != client)
    return segments[first:]


def wrap_around(segments: list[Segment], after: int = 300) -> list[Segment]:
    """Both sequence numbers pass 2**32 after so many bytes."""
    ends = {s.source: s.sequence for s in reversed(segments)}
    shift = {end: 2**32 - after - first for end, first in ends.items()}
    return [
        replace(
            s,
            sequence=(s.sequence + shift[s.source]) % 2**32,
            acknowledgment=(s.acknowledgment + shift[s.destination]) % 2**32 if "A" in s.flags else 0,
        )
        for s in segments
    ]


def readdress(segments: Iterable[Segment], addresses: dict[str, str]) -> list[Segment]:
    """The same between other hosts."""
    return [
        replace(
            s,
            source=s.source._replace(ip=addresses[s.source.ip]),
            destination=s.destination._replace(ip=addresses[s.destination.ip]),
        )
        for s in segments
    ]


def vlan(packet: Packet) -> list[Packet]:
    """With an 802.1Q tag."""
    return [ethernet_header(packet) / Dot1Q(vlan=101) / packet]


def qinq(packet: Packet) -> list[Packet]:
    """With an 802.1ad and an 802.1Q tag."""
    return [ethernet_header(packet) / Dot1AD(vlan=202) / Dot1Q(vlan=101) / packet]


def sll(packet: Packet) -> list[Packet]:
    """As from Linux's `any` device."""
    header = CookedLinux(pkttype="sent-by-us", lladdrtype=1, lladdrlen=6, src=cooked_address(packet))
    return [header / packet]


def sll2(packet: Packet) -> list[Packet]:
    """As from Linux's `any` device since libpcap 1.10."""
    header = CookedLinuxV2(pkttype="sent-by-us", ifindex=2, lladdrtype=1, lladdrlen=6, src=cooked_address(packet))
    return [header / packet]


def cooked_address(packet: Packet) -> bytes:
    """The Ethernet source address, padded to eight bytes."""
    return bytes.fromhex(ethernet_header(packet).src.replace(":", "")) + bytes(2)


def raw(packet: Packet) -> list[Packet]:
    """Without a link header."""
    return [packet]


def fragments(packet: Packet) -> list[Packet]:
    """As IPv4 fragments of at most 576 bytes."""
    packet = packet.copy()
    packet.flags = 0
    return [ethernet_header(part) / part for part in fragment(packet, fragsize=552)]


def tunnel() -> Packet:
    """The outer headers of a tunnel between documentation hosts."""
    return ethernet(IP(src="203.0.113.1", dst="203.0.113.2", id=1, flags="DF"))[0]


def vxlan(packet: Packet) -> list[Packet]:
    """In a VXLAN tunnel (RFC 7348)."""
    outer = tunnel() / UDP(sport=49152, dport=4789, chksum=0) / VXLAN(vni=5000, flags="Instance")
    return [outer / frame for frame in ethernet(packet)]


def gre(packet: Packet) -> list[Packet]:
    """In a GRE tunnel (RFC 2784)."""
    return [tunnel() / GRE() / packet]
