"""Whatever a capture holds, memory is bounded; and where a bound bites, an issue of its name says so."""

import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FunctionType

import pytest
from forge import pcap, pcap_header
from talk import (
    APPLICATION_DATA,
    CCS,
    HANDSHAKE,
    RAW_IP,
    SYN,
    Segment,
    Talk,
    alert,
    capture,
    certificate,
    client_hello,
    handshake,
    message,
    record,
    server_hello,
    tls12,
)

from analyzer import api
from analyzer.net.rows import held
from analyzer.net.stream import Stretch
from analyzer.results import CaptureReport
from analyzer.settings import Limits
from analyzer.tls.header_search import HeaderSearch
from analyzer.tls.record import RecordReader
from analyzer.tls.session import COPIED

CAPTURES = Path(__file__).parents[1] / "captures"

SERVER = ("198.51.100.7", 443)


def analyzed(segments: list[Segment], *, apart: int = 1_000_000, **limits: int) -> CaptureReport:
    return api.analyze(capture(segments, apart=apart), trust="none", limits=Limits(**limits))


def codes(report: CaptureReport) -> set[str]:
    return {issue.code for issue in report.issues}


def client(number: int) -> tuple[str, int]:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 40000


def syns(count: int) -> list[Segment]:
    """A flood of SYNs, each from another client."""
    return [Segment(client(number), SERVER, 7 * number, b"", SYN) for number in range(count)]


def test_half_open_connections_are_let_go_before_others():
    """A flood does not end the connections that talk."""
    talk = tls12(answer=False)
    segments = [*talk.segments, *syns(300), *tls12().segments[len(talk.segments) :]]
    report = analyzed(segments, connections=100, batch_bytes=2000)
    assert "connections" in codes(report)
    assert [handshake.outcome for handshake in report.handshakes] == ["established"]
    assert report.connections == 301


def test_of_too_many_connections_that_talk_the_longest_idle_are_let_go():
    talks = [tls12(talk=Talk(client=client(number)).open(), answer=False) for number in range(50)]
    segments = [segment for talk in talks for segment in talk.segments]
    report = analyzed(segments, connections=10, batch_bytes=2000)
    assert "connections" in codes(report)
    assert len(report.handshakes) == 50


def test_failed_attempts_are_listed_up_to_a_bound():
    segments = []
    for number in range(50):
        segments += Talk(client=client(number)).open().send("client", b"GET / HTTP/1.1\r\n\r\n").segments
    report = analyzed(segments + tls12(talk=Talk(client=client(99)).open()).segments, attempts=20)
    assert "attempts" in codes(report)
    assert sum(handshake.facts is None for handshake in report.handshakes) == 20
    assert sum(handshake.facts is not None for handshake in report.handshakes) == 1


def test_segments_behind_a_hole():
    talk = tls12(talk=Talk(size=100).open())
    segments = [segment for segment in talk.segments if segment.payload]
    missing = next(s for s in segments if s.source == SERVER)
    report = analyzed([s for s in talk.segments if s is not missing], pending_bytes=500)
    assert "pending-bytes" in codes(report)
    assert "pending-bytes" not in codes(analyzed(talk.segments, pending_bytes=500))


def proxied(size: int) -> Talk:
    """A request for a tunnel that does not come to its end."""
    talk = Talk(server=("198.51.100.7", 3128), size=size).open()
    return talk.send("client", b"CONNECT service.example.com:443 HTTP/1.1\r\nCookie: " + b"a" * 20_000)


def test_an_endless_prologue():
    assert "prologue-bytes" in codes(analyzed(proxied(1460).segments, prologue_bytes=10_000))
    assert "prologue-bytes" not in codes(analyzed(proxied(1460).segments))


def test_a_prologue_of_very_many_segments():
    """Their number is bounded too, for each takes memory of its own."""
    assert "prologue-bytes" in codes(analyzed(proxied(1).segments[:4000], batch_bytes=1))


@pytest.mark.parametrize("length", [5000, 0xFFFFFF])
def test_a_message_that_is_too_long(length):
    hello = handshake(client_hello(tls13=False))
    long = bytes([11]) + length.to_bytes(3) + bytes(6000)
    talk = Talk().open().send("client", hello).send("server", handshake(server_hello(tls13=False)))
    report = analyzed(talk.send("server", record(HANDSHAKE, long)).segments, message_bytes=4000)
    assert "message-bytes" in codes(report)
    assert report.handshakes[0].version == "TLSv1.2"


def test_a_handshake_of_very_many_messages():
    talk = Talk().open().send("client", handshake(client_hello(tls13=False)))
    talk.send("server", handshake(server_hello(tls13=False)))
    for _ in range(60):
        talk.send("server", handshake(certificate(900)))
    report = analyzed(talk.segments, handshake_bytes=10_000)
    assert "handshake-bytes" in codes(report)
    assert len(report.handshakes[0].messages) < 20


def test_bytes_kept_of_all_connections_together():
    talks = [tls12(talk=Talk(client=client(number)).open(), answer=False) for number in range(50)]
    segments = [segment for talk in talks for segment in talk.segments]
    report = analyzed(segments, held_bytes=20_000, batch_bytes=5000)
    assert "held-bytes" in codes(report)
    assert len(report.handshakes) == 50
    assert "held-bytes" not in codes(analyzed(segments, batch_bytes=5000))


def plaintext(number: int) -> Talk:
    talk = Talk(client=client(number), server=("198.51.100.7", 80)).open()
    talk.send("client", b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
    return talk.send("server", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(5000))


def test_of_a_connection_without_tls_nothing_is_kept():
    segments = [segment for number in range(100) for segment in plaintext(number).segments]
    report = analyzed(segments, held_bytes=600_000, batch_bytes=5000)
    assert report.connections == 100
    assert not codes(report)


def test_tls_behind_plaintext_that_nobody_knows():
    """Nothing is kept, and yet a ClientHello that begins a segment is found, whatever the batches."""
    talk = Talk().open().send("server", b"READY\n").send("client", b"secure, please\n").send("server", b"GO\n")
    segments = tls12(talk=talk).segments
    for batch_bytes in (1, 1 << 20):
        [found] = analyzed(segments, batch_bytes=batch_bytes).handshakes
        assert (found.outcome, found.version, found.preamble) == ("established", "TLSv1.2", None)


def test_a_search_for_records_among_tiny_segments():
    """Where a connection began before the capture, records are looked for in bounded memory."""
    talk = Talk(size=1).send("server", bytes(95_000))
    search = HeaderSearch()
    for number, segment in enumerate(talk.segments):
        search.feed(Stretch(held(segment.payload, number, 0), 0, 1, number))
        assert search.held < 16_000_000
    assert search.finish() is None
    assert "held-bytes" in codes(analyzed(talk.segments, held_bytes=1_000_000, batch_bytes=100_000))


def test_connections_that_were_closed_are_let_go_before_any_that_goes_on():
    talks = [tls12(talk=Talk(client=client(number)).open()).fin("client").fin("server") for number in range(50)]
    lasting = tls12(talk=Talk(client=client(50)).open())
    segments = [*lasting.segments, *(segment for talk in talks for segment in talk.segments)]
    segments += lasting.fin("client").segments[len(lasting.segments) - 1 :]
    report = analyzed(segments, held_bytes=60_000, batch_bytes=5000)
    assert not codes(report) & {"held-bytes"}
    assert len(report.handshakes) == 51
    assert report.handshakes[0].closed_by is not None


def test_a_connection_that_never_stops_renegotiating():
    talk = Talk().open()
    for _ in range(1000):
        talk.send("client", handshake(client_hello(tls13=False))).send("server", handshake(server_hello(tls13=False)))
    assert len(analyzed(talk.segments).handshakes) == 256


def fragments(count: int) -> bytes:
    """First fragments of so many datagrams, the rest of which never comes."""
    frames = []
    for number in range(count):
        packet = bytearray(Segment(client(number), SERVER, 1, bytes(64)).packet().data)
        packet[6:8] = (0x2000).to_bytes(2)
        frames.append(replace(Segment(client(0), SERVER, 1).packet(), data=bytes(packet), original=None))
    return pcap(frames, link_type=RAW_IP)


def test_datagrams_that_wait_for_fragments():
    report = api.analyze(fragments(50), trust="none", limits=Limits(fragments=20))
    assert "fragments" in codes(report)


def test_a_frame_that_is_too_long():
    data = pcap_header() + (1).to_bytes(4, "little") * 2 + (1 << 30).to_bytes(4, "little") * 2 + bytes(1000)
    assert "capture-damaged" in codes(api.analyze(data, trust="none"))


def one_byte_records() -> Iterator[bytes]:
    """A handshake message of 60 kB, a byte a record."""
    body = message(11, bytes(60_000))
    return (record(HANDSHAKE, body[at : at + 1]) for at in range(len(body)))


def endless_record() -> list[Segment]:
    hello = Talk().open().send("client", handshake(client_hello())).send("server", handshake(server_hello()))
    return hello.send("server", record(APPLICATION_DATA, bytes(16384))[:-1]).segments


def test_a_record_that_never_ends_and_one_that_takes_many():
    assert analyzed(endless_record()).handshakes[0].outcome == "incomplete"
    talk = Talk().open().send("client", handshake(client_hello(tls13=False)))
    talk.send("server", handshake(server_hello(tls13=False)), b"".join(one_byte_records()))
    [report] = analyzed(talk.segments).handshakes
    assert [one.message for one in report.messages] == ["client_hello", "server_hello", "certificate"]


FLOODS = {
    "alternating": CCS + alert(1, 90),
    "change cipher specs": CCS,
    "hello requests": record(HANDSHAKE, message(0)),
    "many hello requests in a record": record(HANDSHAKE, message(0) * 50),
    "one byte of a message, and one of none": record(HANDSHAKE, b"\x0b") + record(HANDSHAKE, b"\xff"),
    "warnings": alert(1, 0),
}
"""What a peer may send without end, none of which says anything new."""


def flood(name: str, count: int, number: int = 0) -> list[Segment]:
    talk = Talk(client=client(number), size=60_000).open().send("client", handshake(client_hello(tls13=False)))
    return talk.send("server", handshake(server_hello(tls13=False)) + FLOODS[name] * count).segments


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_tiny_records(name):
    report = analyzed(flood(name, 300), handshake_records=200)
    assert "handshake-records" in codes(report)
    assert [handshake.version for handshake in report.handshakes] == ["TLSv1.2"]
    assert "handshake-records" not in codes(analyzed(flood(name, 300)))


@pytest.mark.parametrize("name", FLOODS)
def test_records_past_the_limit_become_no_events(name):
    reader, events = RecordReader(0, COPIED, 64, 200), []
    data = FLOODS[name] * 300
    reader.feed(Stretch(held(data, 7, 0), 0, 1, 0), events)
    assert (len(events), reader.overflowed) == (200, 7)
    assert reader.records == data.count(b"\3\3\0")
    reader.feed(Stretch(held(record(APPLICATION_DATA, b"data"), 8, 0), 0, 1, len(data)), events)
    assert [event.type for event in events[200:]] == [APPLICATION_DATA]


def test_heartbeats_become_no_events():
    reader, events = RecordReader(0, COPIED, 64, 200), []
    data = record(24, b"\1\0\1x") * 300
    reader.feed(Stretch(held(data[:-2], 7, 0), 0, 1, 0), events)
    reader.feed(Stretch(held(data[-2:], 8, 0), 0, 1, len(data) - 2), events)
    assert (events, reader.records, reader.overflowed) == ([], 300, None)


def test_floods_of_several_connections_in_one_batch():
    """The events of one are gone before those of the next are made."""

    def floods(count: int) -> bytes:
        talks = [Talk(client=client(number), size=60_000).open() for number in range(count)]
        for talk in talks:
            talk.send("client", handshake(client_hello(tls13=False))).send(
                "server", handshake(server_hello(tls13=False))
            )
        rounds = [segment for talk in talks for segment in talk.segments]
        for _ in range(2):
            for talk in talks:
                known = len(talk.segments)
                rounds += talk.send("server", alert(1, 0) * 20_000).segments[known:]
        return capture(rounds)

    few, many = floods(1), floods(6)
    peak(few, batch_bytes=900_000)  # what is loaded late is loaded now
    assert peak(many, batch_bytes=900_000) < 2 * peak(few, batch_bytes=900_000)


def test_a_capture_of_nothing_but_zeros():
    """Each 16 bytes are a frame of no bytes, of which much more is kept while it is read."""
    data = pcap_header() + bytes(16 * 600_000)
    report = api.analyze(data, trust="none")
    assert (report.frames, report.issues) == (600_000, [])
    assert peak(data, batch_bytes=16 << 20) < len(data) + 60_000_000


def peak(data: bytes, batch_bytes: int = 50_000) -> int:
    """Bytes that an analysis takes at most, beside what it loads once."""
    tracemalloc.start()
    try:
        for _ in api.handshakes(data, trust="none", limits=Limits(batch_bytes=batch_bytes, handshakes=10)):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_capture():
    """Connections that come and go leave nothing behind but what numbering needs."""

    def talks(count: int) -> bytes:
        made = (tls12(talk=Talk(client=client(number)).open()).fin("client").fin("server") for number in range(count))
        return capture((segment for talk in made for segment in talk.segments), apart=3 * 10**9)

    few, many = talks(50), talks(400)
    peak(few)  # what is loaded late is loaded now
    assert peak(many) < 1.5 * peak(few)


@pytest.mark.parametrize(
    "file", sorted([*CAPTURES.glob("*.pcap"), *CAPTURES.glob("*.pcapng")]), ids=lambda file: file.name
)
def test_nothing_waits_for_the_garbage_collector(file):
    """Of a connection that is over all is gone at once: what refers to itself in a circle would stay."""
    api.analyze(file, trust="none")  # what is loaded late is loaded now
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        api.analyze(file, trust="none")
        gc.collect()
        # Threads of the test runner leave things behind at any time: these are not the analyzer's.
        assert [each for each in gc.garbage if is_ours(each)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def is_ours(thing: object) -> bool:
    """Whether it is of the analyzer's making: an object of its classes, or a function of its own."""
    made_by = thing.__module__ if isinstance(thing, FunctionType) else type(thing).__module__
    return (made_by or "").partition(".")[0] == "analyzer"
