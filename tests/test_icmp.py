"""What ICMP errors say of segments that are too long for a link."""

import struct
from dataclasses import replace
from ipaddress import ip_address

import pytest
from forge import Frame, pcap
from talk import (
    RAW_IP,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    Segment,
    Talk,
    certificate,
    client_hello,
    handshake,
    server_hello,
)

from analyzer import api
from analyzer.results import HandshakeReport

MSS, TAKES = 1448, 1400
HELLO = handshake(client_hello(tls13=False), version=0x0301)
FLIGHT = handshake(server_hello(0xC02F, tls13=False), certificate(2000), SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE)
ENDS = [("192.0.2.10", "198.51.100.7"), ("2001:db8::1", "2001:db8::2")]


def too_big(segment: Segment, takes: int) -> bytes:
    """A router's error, which quotes the beginning of a segment."""
    quoted = segment.packet().data[:96]
    router, sender = (ip_address(end[0]) for end in (segment.destination, segment.source))
    if sender.version == 4:
        error = struct.pack(">BBHI", 3, 4, 0, takes) + quoted
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(error), 1, 0, 64, 1, 0)
    else:
        error = struct.pack(">BBHI", 2, 0, 0, takes) + quoted
        head = struct.pack(">IHBB", 6 << 28, len(error), 58, 64)
    return head + router.packed + sender.packed + error


def flight_that_meets_a_smaller_link(
    ends: tuple[str, str] = ENDS[0], *, told: int | None = TAKES, size: int = MSS, arrives: bool = False
) -> HandshakeReport:
    """The server's first flight, its first segment sent again and again in pieces of `size` bytes; the client closes.

    `told`: what an ICMP error says, None where there is none.
    """
    talk = Talk((ends[0], 50000), (ends[1], 443), size=MSS).open().send("client", HELLO).acknowledge("server")
    begin, before = talk.sequence["server"], len(talk.segments)
    talk.send("server", FLIGHT)
    behind, flight = talk.sequence["server"], talk.segments[before:]
    talk.sequence["server"], again = begin, len(talk.segments)
    talk.size = size
    talk.send("server", flight[0].payload)
    pieces = talk.segments[again:]
    talk.sequence["server"] = behind if arrives else begin
    talk.fin("client")
    frames = [replace(one.packet(), time=i * 10**7) for i, one in enumerate(talk.segments[: before + len(flight)])]
    if told is not None:
        frames.append(Frame(too_big(flight[0], told), time=2 * 10**8))
    frames += [replace(one.packet(), time=at * 10**8) for at in (4, 8, 16, 32) for one in pieces]
    frames.append(replace(talk.segments[-1].packet(), time=8 * 10**9))
    start = 10**18
    frames = [replace(frame, time=start + frame.time) for frame in frames]
    [made] = api.analyze(pcap(frames, link_type=RAW_IP, nanoseconds=True), trust="none").handshakes
    return made


def codes(report: HandshakeReport) -> list[tuple[str, str]]:
    wanted = ("packet-too-big", "path-mtu-black-hole")
    return [(one.code, one.confidence) for one in report.findings if one.code in wanted]


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("told", [TAKES, 0])
def test_a_segment_that_a_router_says_is_too_big_is_no_black_hole(ends: tuple[str, str], told: int) -> None:
    report = flight_that_meets_a_smaller_link(ends, told=told)
    assert (report.outcome, report.root_cause) == ("failed", "packet-too-big")
    assert codes(report) == [("packet-too-big", "likely")]
    cause = report.findings[0]
    assert "of the server" in cause.summary
    assert ("takes 1400 bytes" in cause.summary) == (told > 0)
    assert cause.evidence[0].frame == 8


def test_without_the_error_it_is_a_black_hole() -> None:
    assert [code for code, _ in codes(flight_that_meets_a_smaller_link(told=None))] == ["path-mtu-black-hole"]


def test_a_flight_that_arrives_in_smaller_segments_was_not_too_big() -> None:
    assert codes(flight_that_meets_a_smaller_link(size=1300, arrives=True)) == []
