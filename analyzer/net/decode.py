"""From frames to TCP segments and UDP datagrams, whatever they are wrapped in."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.issues import Issues
from analyzer.net import ip, links, tcp, udp
from analyzer.net.dissect import HEADERS, Announced, Dissector
from analyzer.net.fragments import Reassembler
from analyzer.net.layers import Fragments, Layer, Packets, Payloads, columns, concatenate, frames, gather
from analyzer.net.segments import DatagramBatch, SegmentBatch, no_datagrams
from analyzer.settings import Limits

MAX_TUNNELS = 16
"""Packets within packets that are followed."""

_IS_FOREIGN_ETHERTYPE = np.zeros(1 << 16, bool)
_IS_FOREIGN_ETHERTYPE[[number for kind, number in HEADERS if kind == "ethertype"]] = True
_IS_TUNNEL_PORT = np.zeros(1 << 16, bool)
_IS_TUNNEL_PORT[[number for kind, number in HEADERS if kind == "UDP port"]] = True

_PLAIN = np.dtype([("addresses", "V12"), ("ethertype", ">u2"), ("ip", ip.HEADER4), ("tcp", tcp.HEADER)])
"""Ethernet, IPv4 without options and TCP: all headers of most frames."""
_SAMPLE = 64
"""Every so many frames are looked at first; where one is not plain, the others need no look."""

_Foreign = list[tuple[Announced, Layer]]
_P = TypeVar("_P", Packets, Payloads)
_D = TypeVar("_D", bound=DatagramBatch)


class Decoder:
    """Decodes batch after batch of one capture; keeps the IP fragments that wait for others.

    The columns decode all frames of a batch at once, layer by layer. What they do not know, Scapy passes over,
    and the columns go on behind it. So most frames take one round, and those in tunnels one more a tunnel.

    With `scapy_links`, Scapy dissects every frame up to IP, where it can: a second opinion on the columns.
    """

    def __init__(self, limits: Limits, issues: Issues, *, scapy_links: bool = False) -> None:
        self._issues = issues
        self._reassembler = Reassembler(limits.fragments, issues)
        self._dissector = Dissector(issues, to_ip=scapy_links)
        self._scapy_links = scapy_links

    def decode(self, batch: FrameBatch) -> tuple[SegmentBatch, DatagramBatch]:
        """The TCP segments and UDP datagrams of the batch in frame order, of one frame the outer ones first.

        They are those to which Wireshark gives a `tcp.stream` or `udp.stream`. Where datagrams were
        reassembled, these lie behind a copy of the batch's buffer.
        """
        if (plain := self._plain(batch)) is not None:
            return plain, no_datagrams(batch.buffer)
        buffer = batch.buffer
        packets = links.packets(batch)
        foreign = self._foreign_links(batch, packets)
        segments: list[SegmentBatch] = []
        datagrams: list[DatagramBatch] = []
        for _ in range(MAX_TUNNELS):
            links.untag(buffer, packets)
            internet = (packets.ethertype == links.IPV4) | (packets.ethertype == links.IPV6)
            if not internet.all():
                foreign += _foreign_ethertypes(packets)
            buffer, carried = self._carried(batch, buffer, packets.where(internet))

            is_tcp = carried.protocol == ip.TCP
            payload = self._captured(batch, carried.where(is_tcp), tcp.HEADER.itemsize)
            segments.append(tcp.segments(batch, buffer, payload))
            is_udp = carried.protocol == ip.UDP
            payload = self._captured(batch, carried.where(is_udp), udp.HEADER.itemsize)
            found, payload = udp.datagrams(batch, buffer, payload)
            datagrams.append(found)
            foreign += _foreign_ports(found, payload)
            within: list[Packets] = []
            others = ~(is_tcp | is_udp)
            if others.any():
                carried = carried.where(others)
                within += ip.inside(buffer, carried)
                foreign += _foreign("IP protocol", carried, carried.protocol, carried.protocol == ip.GRE)

            within += [self._dissector.pass_over(batch, buffer, *some) for some in foreign]
            within = [some for some in within if len(some)]
            if not within:
                break
            packets, foreign = concatenate(within), []
        else:
            self._issues.add("tunnels-too-deep", f"packets in packets are followed {MAX_TUNNELS} times")
        return _in_frame_order(segments, buffer), _in_frame_order(datagrams, buffer)

    def close(self) -> None:
        """Say which datagrams the capture leaves incomplete."""
        self._reassembler.close()

    def _plain(self, batch: FrameBatch) -> SegmentBatch | None:
        """The segments of a batch in which every frame is `_PLAIN`, by one look at each; None where one is not."""
        if self._scapy_links or not ((batch.link_type == 1) & (batch.captured >= _PLAIN.itemsize)).all():
            return None
        for offset in (batch.offset[::_SAMPLE], batch.offset):
            headers = gather(batch.buffer, offset, _PLAIN)
            plain = (headers["ethertype"] == links.IPV4) & (headers["ip"]["version_length"] == 0x45)
            if not (plain & (headers["ip"]["protocol"] == ip.TCP)).all():
                return None
        packets = frames(batch, links.IPV4)
        packets.offset += links.TAGS[links.ETHERNET]
        carried = ip.version4(packets, headers["ip"], [])
        if len(carried) < len(batch) or not carried.holds(tcp.HEADER.itemsize).all():  # fragmented, cut or damaged
            return None
        return tcp.segments(batch, batch.buffer, carried, headers["tcp"])

    def _foreign_links(self, batch: FrameBatch, packets: Packets) -> _Foreign:
        """The frames whose link type is Scapy's; the columns get to see none of them."""
        foreign: _Foreign = []
        for link_type in links.link_types(batch):
            announced = ("link type", link_type)
            if self._dissector.knows(announced):
                chosen = batch.link_type == link_type
                foreign.append((announced, frames(batch, links.NOTHING).where(chosen)))
                packets.ethertype[chosen] = links.NOTHING
        return foreign

    def _carried(
        self, batch: FrameBatch, buffer: NDArray[np.uint8], packets: Packets
    ) -> tuple[NDArray[np.uint8], Payloads]:
        """What IP packets carry, put together where it is fragmented, and the buffer that holds it all."""
        fragments: list[Fragments] = []
        packets = self._captured(batch, packets, ip.SMALLEST_HEADER)
        carried = ip.payloads(buffer, packets, fragments)
        ip.skip_extensions(buffer, carried, fragments)
        for some in fragments:
            buffer, whole = self._reassembler.add(batch, buffer, some)
            # Wireshark too reads a first fragment that was not captured whole, for it goes into no datagram.
            cut = (some.payload.end < some.payload.wire_end) & (some.position == 0) & ~some.payload.quoted
            first = some.payload.where(cut)
            again = concatenate([whole, first])
            ip.skip_extensions(buffer, again, [])
            carried = concatenate([carried, again])
        return buffer, carried

    def _captured(self, batch: FrameBatch, layer: _P, size: int) -> _P:
        """The rows of which the first `size` bytes were captured; the others are an issue where they were sent."""
        holds = layer.holds(size)
        if not holds.all():
            cut = np.flatnonzero(~holds & (layer.offset + size <= layer.wire_end) & ~layer.quoted)
            if len(cut):
                frame = int(batch.number[layer.row[cut[0]]])
                self._issues.add(
                    "headers-cut", "the capture cuts frames off within their headers", frame=frame, count=len(cut)
                )
        return layer.where(holds)


def _foreign_ethertypes(packets: Packets) -> _Foreign:
    return _foreign("ethertype", packets, packets.ethertype, _IS_FOREIGN_ETHERTYPE[packets.ethertype])


def _foreign_ports(datagrams: DatagramBatch, payload: Payloads) -> _Foreign:
    """The datagrams to a port that tunnels use, or from one."""
    to, by = _IS_TUNNEL_PORT[datagrams.destination_port], _IS_TUNNEL_PORT[datagrams.source_port]
    return _foreign("UDP port", payload, np.where(to, datagrams.destination_port, datagrams.source_port), to | by)


def _foreign(kind: str, layer: _P, number: NDArray[np.generic], chosen: NDArray[np.bool_]) -> _Foreign:
    """The chosen rows by what announces them; what is only quoted is not looked into."""
    chosen &= ~layer.quoted
    if not chosen.any():
        return []
    return [((kind, some), layer.where(chosen & (number == some))) for some in np.unique(number[chosen]).tolist()]


def _in_frame_order(batches: list[_D], buffer: NDArray[np.uint8]) -> _D:
    """All rows in one batch, those of one frame in the order given."""
    joined = batches[0]
    if len(batches) > 1:
        parts = [columns(batch)[1:] for batch in batches]
        joined = type(joined)(buffer, *map(np.concatenate, zip(*parts, strict=True)))
    if (joined.frame[1:] >= joined.frame[:-1]).all():
        return joined
    order = np.argsort(joined.frame, kind="stable")
    return type(joined)(buffer, *(column[order] for column in columns(joined)[1:]))
