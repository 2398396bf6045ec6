"""What would a sniffer have seen? TCP conversations as segments, frames around them, and capture files of those."""

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import PcapReader

Sender = Literal["client", "server"]

ETHERNET = 1
"""LINKTYPE_ETHERNET (https://www.tcpdump.org/linktypes.html)."""
SNAP_LENGTH = 262_144
"""tcpdump's default: longer than any frame here."""
MSS = 1460
"""What fits an Ethernet frame beside IPv4 and TCP headers without options."""


class Endpoint(NamedTuple):
    """One end of a connection."""

    ip: str
    port: int


class Frame(NamedTuple):
    """One record of a capture file."""

    time: int
    """Nanoseconds since 1970-01-01 UTC."""
    data: bytes
    """From the link header on."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment."""

    time: int
    """Nanoseconds since 1970-01-01 UTC."""
    source: Endpoint
    destination: Endpoint
    sequence: int
    acknowledgment: int
    flags: str
    """Scapy's letters, such as `SA` or `PA`."""
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram."""

    time: int
    """Nanoseconds since 1970-01-01 UTC."""
    source: Endpoint
    destination: Endpoint
    payload: bytes


@dataclass(slots=True)
class Conversation:
    """Turns what two ends said into the segments of one TCP connection, appended to `segments`."""

    segments: list[Segment]
    client: Endpoint
    server: Endpoint
    _next: dict[Sender, int] = field(default_factory=lambda: {"client": 1000, "server": 5000})
    """The sequence number that each side sends next."""

    def open(self, time: int) -> None:
        """The three-way handshake."""
        self._append(time, "client", "S")
        self._append(time, "server", "SA")
        self._append(time, "client", "A")

    def refuse(self, time: int) -> None:
        """Nobody listens on the server's port (RFC 9293, section 3.5.2)."""
        self._append(time, "client", "S")
        self._next["server"] = 0
        self._append(time, "server", "RA")

    def send(self, time: int, sender: Sender, data: bytes) -> None:
        """One write of a side, cut into segments."""
        for start in range(0, len(data), MSS):
            part = data[start : start + MSS]
            self._append(time, sender, "PA" if start + MSS >= len(data) else "A", part)

    def close(self, time: int, sender: Sender) -> None:
        """A FIN, and its acknowledgment."""
        self._append(time, sender, "FA")
        self._append(time, "server" if sender == "client" else "client", "A")

    def reset(self, time: int, sender: Sender) -> None:
        """An RST."""
        self._append(time, sender, "RA")

    def _append(self, time: int, sender: Sender, flags: str, payload: bytes = b"") -> None:
        if self.segments:  # a capture file knows microseconds, and no two of these at once
            time = max(time, self.segments[-1].time + 1000)
        from_client = sender == "client"
        source, destination = (self.client, self.server) if from_client else (self.server, self.client)
        acknowledgment = self._next["server" if from_client else "client"] if "A" in flags else 0
        segment = Segment(time, source, destination, self._next[sender], acknowledgment, flags, payload)
        self.segments.append(segment)
        self._next[sender] += len(payload) + ("S" in flags) + ("F" in flags)


def internet(segments: Iterable[Segment | Datagram]) -> Iterator[tuple[int, Packet]]:
    """Time and IP packet of each segment; every source counts its IPv4 identifications."""
    identifications: dict[str, Iterator[int]] = {}
    for s in segments:
        above = _above(s)
        if ":" in s.source.ip:
            packet = IPv6(src=s.source.ip, dst=s.destination.ip) / above
        else:
            identification = next(identifications.setdefault(s.source.ip, itertools.count(1)))
            packet = IP(src=s.source.ip, dst=s.destination.ip, id=identification, flags="DF") / above
        yield s.time, packet / s.payload if s.payload else packet


def _above(s: Segment | Datagram) -> Packet:
    """The header above IP."""
    if isinstance(s, Datagram):
        return UDP(sport=s.source.port, dport=s.destination.port)
    return TCP(
        sport=s.source.port,
        dport=s.destination.port,
        seq=s.sequence,
        ack=s.acknowledgment,
        flags=s.flags,
        window=0 if "R" in s.flags else 65535,
        options=[("MSS", MSS)] if "S" in s.flags else [],
    )


def ethernet_header(packet: Packet) -> Packet:
    """With documentation addresses (RFC 7042, section 2.1.2) that end as the IP addresses do."""
    ends = [address.replace(":", ".").rpartition(".")[2].zfill(2)[-2:] for address in (packet.src, packet.dst)]
    return Ether(src=f"00:00:5e:00:53:{ends[0]}", dst=f"00:00:5e:00:53:{ends[1]}")


def ethernet(packet: Packet) -> list[Packet]:
    """An IP packet in an Ethernet frame."""
    return [ethernet_header(packet) / packet]


def frames(segments: Iterable[Segment | Datagram], framing: Callable[[Packet], list[Packet]] = ethernet) -> list[Frame]:
    """The segments, each in the frames that `framing` makes of its IP packet."""
    return [Frame(time, bytes(frame)) for time, packet in internet(segments) for frame in framing(packet)]


def pcap(frames: Iterable[Frame], link_type: int = ETHERNET, snap_length: int = SNAP_LENGTH) -> bytes:
    """A pcap file: little-endian, in microseconds (draft-ietf-opsawg-pcap)."""
    parts = [struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, snap_length, link_type)]
    for frame in frames:
        seconds, nanoseconds = divmod(frame.time, 10**9)
        data = frame.data[:snap_length]
        parts += [struct.pack("<IIII", seconds, nanoseconds // 1000, len(data), len(frame.data)), data]
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a pcapng file, with one Ethernet interface."""

    frames: list[Frame]
    byte_order: Literal["<", ">"] = "<"
    digits: Literal[6, 9] = 6
    """Of the second's fraction."""
    secrets: bytes = b""
    """NSS key log for a Decryption Secrets Block."""


def pcapng(sections: Iterable[Section]) -> bytes:
    """A pcapng file (draft-ietf-opsawg-pcapng)."""
    blocks = []
    for section in sections:
        order = section.byte_order

        def block(kind: int, body: bytes, order: str = order) -> bytes:
            body += bytes(-len(body) % 4)
            length = struct.pack(f"{order}I", len(body) + 12)
            return struct.pack(f"{order}I", kind) + length + body + length

        blocks.append(block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)))
        resolution = struct.pack(f"{order}HHB3xHH", 9, 1, section.digits, 0, 0)
        blocks.append(block(1, struct.pack(f"{order}HHI", ETHERNET, 0, SNAP_LENGTH) + resolution))
        if section.secrets:
            blocks.append(block(10, struct.pack(f"{order}II", 0x544C534B, len(section.secrets)) + section.secrets))
        for frame in section.frames:
            high, low = divmod(frame.time // 10 ** (9 - section.digits), 1 << 32)
            length = len(frame.data)
            blocks.append(block(6, struct.pack(f"{order}IIIII", 0, high, low, length, length) + frame.data))
    return b"".join(blocks)


def read_segments(path: Path) -> list[Segment]:
    """The segments of a capture that `pcap(frames(…))` made."""
    segments = []
    with PcapReader(str(path)) as reader:
        for packet in reader:
            ip, tcp = packet.payload, packet[TCP]
            segments.append(
                Segment(
                    time=int(packet.time * 10**6) * 1000,
                    source=Endpoint(ip.src, tcp.sport),
                    destination=Endpoint(ip.dst, tcp.dport),
                    sequence=tcp.seq,
                    acknowledgment=tcp.ack,
                    flags=str(tcp.flags),
                    payload=bytes(tcp.payload),
                )
            )
    return segments


def read_datagrams(path: Path) -> list[Datagram]:
    """The datagrams of a capture that `pcap(frames(…))` made; none where it holds segments."""
    datagrams = []
    with PcapReader(str(path)) as reader:
        for packet in reader:
            if UDP not in packet:
                return []
            ip, udp = packet.payload, packet[UDP]
            source, destination = Endpoint(ip.src, udp.sport), Endpoint(ip.dst, udp.dport)
            datagrams.append(Datagram(int(packet.time * 10**6) * 1000, source, destination, bytes(udp.payload)))
    return datagrams
