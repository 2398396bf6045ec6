"""When connections are over they are let go, and what comes late counts neither for them nor as new ones."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from forge import pcap
from talk import ACK, RAW_IP, Segment, Talk, tls12

from analyzer import api
from analyzer.net.bygone import Bygone
from analyzer.results import CaptureReport
from analyzer.settings import Limits

SECOND = 10**9


def capture(*timed: tuple[float, Segment]) -> bytes:
    """A capture of segments at these seconds."""
    frames = [replace(segment.packet(), time=1_800_000_000 * SECOND + int(at * SECOND)) for at, segment in timed]
    return pcap(frames, link_type=RAW_IP, nanoseconds=True)


def said(talk: Talk, start: float) -> list[tuple[float, Segment]]:
    """The segments, a millisecond apart."""
    return [(start + i / 1000, segment) for i, segment in enumerate(talk.segments)]


def analyzed(data: bytes, **limits: int) -> CaptureReport:
    return api.analyze(data, trust="none", limits=Limits(**limits))


def passing(start: float) -> list[tuple[float, Segment]]:
    """Another connection, by which time passes."""
    talk = Talk(client=("192.0.2.99", 40000 + int(start))).open().fin("client").fin("server")
    return said(talk, start)


def closed_without_answer(at: float) -> list[tuple[float, Segment]]:
    """A handshake whose last flight comes so many seconds after both FINs."""
    talk = tls12(answer=False)
    flight = tls12().segments[len(talk.segments) :]
    return [*said(talk.fin("client").fin("server"), 0), (at, flight[0])]


@pytest.mark.parametrize("batch_bytes", [1, 4 << 20])
@pytest.mark.parametrize(("at", "counts"), [(3, True), (9, False), (30, False)])
def test_what_comes_long_after_the_end_does_not_count(batch_bytes, at, counts):
    """Whether the connection has been let go by then (its batches tell) or not."""
    data = capture(*closed_without_answer(at), *passing(at + 1))
    [report] = analyzed(data, batch_bytes=batch_bytes).handshakes
    assert (report.messages[-1].sender == "server") is counts
    assert report.outcome == "failed", "the client had left before"


@pytest.mark.parametrize("batch_bytes", [1, 4 << 20])
def test_late_segments_are_no_connections_but_new_syns_are(batch_bytes):
    first = tls12().fin("client").fin("server")
    late = first.segments[-1]
    again = tls12(talk=Talk(sequence={"client": 99_000, "server": 88_000}).open())
    timed = [*said(first, 0), *passing(60), (90, late), *passing(120), *said(again, 150), *passing(200)]
    report = analyzed(capture(*timed), batch_bytes=batch_bytes)
    assert [handshake.stream for handshake in report.handshakes] == [0, 3]
    assert report.connections == 5
    if shutil.which("tshark"):
        assert tshark_streams(capture(*timed)) == 5


def tshark_streams(data: bytes) -> int:
    command = ["tshark", "-r", "-", "-T", "fields", "-e", "tcp.stream"]
    output = subprocess.run(command, input=data, capture_output=True, check=True, timeout=60).stdout
    return len(set(output.split()))


def test_a_connection_that_was_let_go_is_remembered_in_bounds():
    first = said(Talk().open().fin("client").fin("server"), 0)
    others = [one for second in range(60, 80) for one in passing(second)]
    data = capture(*first, *others, (1000, first[-1][1]), *passing(1100))
    assert analyzed(data, batch_bytes=1).connections == 22
    forgetful = analyzed(data, batch_bytes=1, bygone_connections=4)
    assert forgetful.connections == 23
    assert "bygone-connections" in {issue.code for issue in forgetful.issues}


def test_a_reset_that_nobody_had_answered_closes_nothing():
    """The client resets what a challenge acknowledgment is about, and repeats its SYN (RFC 9293, section 3.10.7.4)."""
    talk = tls12()
    syn = talk.segments[0]
    reset = replace(syn, flags=4, sequence=1)
    challenge = Segment(syn.destination, syn.source, 555, b"", ACK, 1)
    data = capture((0, syn), (0.01, challenge), (0.02, reset), *passing(30), *said(talk, 60))
    for batch_bytes in (1, 4 << 20):
        [report] = analyzed(data, batch_bytes=batch_bytes).handshakes
        assert (report.stream, report.outcome) == (0, "established")


def test_a_reset_of_a_connection_that_was_answered_closes_it():
    talk = Talk().open().rst("client")
    late = tls12().segments[3:]
    data = capture(*said(talk, 0), *passing(30), *((60 + i, segment) for i, segment in enumerate(late)))
    assert analyzed(data).handshakes == []


def test_bygone_knows_what_it_was_told():
    bygone = Bygone(1000)
    bygone.remember(("a", "b"), [0, 0xFFFFFFFF])
    bygone.remember(("a", "c"), [None, 7])
    assert bygone.find(("a", "b")) == [0, 0xFFFFFFFF]
    assert bygone.find(("a", "c")) == [None, 7]
    assert bygone.find(("a", "d")) is None
