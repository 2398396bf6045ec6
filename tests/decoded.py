"""Decodes frames into plain rows that tests can compare, and has tshark and Scapy decode them too."""

import shutil
import subprocess
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

from forge import Frame, pcap

from analyzer.capture import open_capture
from analyzer.issues import Issues
from analyzer.net.decode import Decoder
from analyzer.settings import Limits

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
TSHARK = shutil.which("tshark")


class Segment(NamedTuple):
    """A TCP segment, or with the fields up to `length` a UDP datagram."""

    frame: int
    source: str
    destination: str
    source_port: int
    destination_port: int
    length: int
    payload: bytes = b""
    sequence: int | None = None
    acknowledgment: int | None = None
    flags: int | None = None


@dataclass
class Decoded:
    """All that a capture holds; issues by code with their counts."""

    segments: list[Segment] = field(default_factory=list)
    datagrams: list[Segment] = field(default_factory=list)
    issues: dict[str, int] = field(default_factory=dict)

    @property
    def only(self) -> Segment:
        assert len(self.segments) == 1, self
        return self.segments[0]


def decode_capture(source, *, scapy_links: bool = False, limits: Limits | None = None) -> Decoded:
    """Decode to the end; also checks what must hold of every batch."""
    result = Decoded()
    issues = Issues()
    decoder = Decoder(limits or Limits(), issues, scapy_links=scapy_links)
    with open_capture(source, limits=limits or Limits()) as capture:
        for frames in capture.batches():
            for batch, rows in zip(decoder.decode(frames), (result.segments, result.datagrams), strict=True):
                names = [name for name in batch.__dataclass_fields__ if name != "buffer"]
                columns = {name: getattr(batch, name).tolist() for name in names}
                assert len({len(column) for column in columns.values()}) == 1
                assert columns["frame"] == sorted(columns["frame"])
                assert {str(getattr(batch, name).dtype) for name in ("frame", "offset", "captured")} == {"int64"}
                for row in (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)):
                    begin, captured = row["offset"], row["captured"]
                    assert 0 <= captured <= row["length"]
                    assert 0 <= begin <= begin + captured <= len(batch.buffer)
                    rows.append(
                        Segment(
                            row["frame"],
                            _address(row["family"], row["source_high"], row["source_low"]),
                            _address(row["family"], row["destination_high"], row["destination_low"]),
                            row["source_port"],
                            row["destination_port"],
                            row["length"],
                            batch.buffer[begin : begin + captured].tobytes(),
                            row.get("sequence"),
                            row.get("acknowledgment"),
                            row.get("flags"),
                        )
                    )
    decoder.close()
    result.issues = {issue.code: issue.count for issue in issues}
    return result


def decode(*frames: bytes | Frame, link_type: int = 1, **options) -> Decoded:
    """Decode those frames."""
    return decode_capture(capture_of(*frames, link_type=link_type), **options)


def capture_of(*frames: bytes | Frame, link_type: int = 1) -> bytes:
    """A pcap file of those frames."""
    return pcap([frame if isinstance(frame, Frame) else Frame(bytes(frame)) for frame in frames], link_type=link_type)


def _address(family: int, high: int, low: int) -> str:
    return str(IPv4Address(low) if family == 4 else IPv6Address(high << 64 | low))


def tshark_fields(capture: bytes | Path, *names: str) -> list[dict[str, list[str]]]:
    """Each frame's values of those fields, of the outermost layer first."""
    assert TSHARK
    command = [TSHARK, "-n", "-r", "-" if isinstance(capture, bytes) else str(capture)]
    command += ["-o", "tcp.desegment_tcp_streams:FALSE", "-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]
    for name in names:
        command += ["-e", name]
    given = capture if isinstance(capture, bytes) else None
    run = subprocess.run(command, input=given, capture_output=True, check=False)
    lines = run.stdout.decode().splitlines()
    return [
        {name: value.split(",") if value else [] for name, value in zip(names, line.split("|"), strict=True)}
        for line in lines
    ]


def differences(capture: bytes | Path, decoded: Decoded) -> list[str]:
    """Where tshark sees other TCP segments and UDP datagrams than `decoded` has.

    Wireshark numbers streams by first appearance, so it must give a stream number to as many layers of each
    frame as there are rows. Of a segment that an ICMP error quotes only the ports and addresses count.
    """
    tcp = ("tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.len")
    addresses = ("ip.src", "ipv6.src", "ip.dst", "ipv6.dst")
    names = ("frame.number", "frame.protocols", "tcp.stream", "udp.stream", "udp.dstport", *addresses, *tcp)
    found = []
    for fields in tshark_fields(capture, *names):
        frame = int(fields["frame.number"][0])
        protocols = fields["frame.protocols"][0] if fields["frame.protocols"] else ""
        segments = [row for row in decoded.segments if row.frame == frame]
        datagrams = [row for row in decoded.datagrams if row.frame == frame]
        for kind, rows in (("tcp.stream", segments), ("udp.stream", datagrams)):
            if len(rows) != len(fields[kind]):
                found.append(f"{frame}: {kind} {fields[kind]} but {rows} in {protocols}")
        if len(segments) != 1 or len(fields["tcp.stream"]) != 1:
            continue
        row = segments[0]
        if row.source not in fields["ip.src"] + fields["ipv6.src"]:
            found.append(f"{frame}: {fields['ip.src']} {fields['ipv6.src']} but {row}")
        ours = (row.source_port, row.destination_port, row.sequence, row.acknowledgment, row.flags, row.length)
        for name, value in zip(tcp, ours, strict=True):
            theirs = [int(text, 0) & (0xFF if name == "tcp.flags" else -1) for text in fields[name]]
            quoted = ":icmp:ip" in protocols or ":icmpv6:ipv6" in protocols
            if theirs and not (quoted and name not in tcp[:2]) and theirs[-1] != value:
                found.append(f"{frame}: {name} {theirs} but {row} in {protocols}")
    return found
