"""Handshakes appear as they end, whether the capture is at its end or still being made."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial

import pytest
from datagrams import capture as datagram_capture
from datagrams import whole as datagrams
from manifest import CAPTURES
from quictalk import Connection
from talk import Talk, capture, client_hello, server_hello, tls12, tls13

from analyzer import analysis, api
from analyzer.cli import main
from analyzer.report import serialize
from analyzer.results import HandshakeReport
from analyzer.settings import Limits

ESTABLISHED = tls12().send("server", b"\x17\x03\x03\x00\x20" + bytes(32))
"""A connection that goes on."""


def told(handshakes: list[HandshakeReport]) -> list[str]:
    return [json.dumps(serialize.handshake(handshake)) for handshake in handshakes]


@pytest.mark.parametrize("file", ["two-servers.pcap", "resumption-psk-mutual.pcap", "connection-refused.pcap"])
def test_the_handshakes_are_those_of_the_whole_analysis(file):
    path = str(CAPTURES / file)
    assert told(list(api.handshakes(path))) == told(api.analyze(path).handshakes)


def test_only_so_many_are_kept_to_be_judged_together():
    talks = [tls12(talk=Talk(client=("192.0.2.10", port)).open()).fin("client").fin("server") for port in (7, 6, 5, 4)]
    data = capture([segment for talk in talks for segment in talk.segments], apart=10**9)
    whole = api.analyze(data, trust="none").handshakes
    parts = list(api.handshakes(data, trust="none", limits=Limits(batch_bytes=1, handshakes=1)))
    assert told(parts) == told(whole)
    assert [handshake.client.port for handshake in parts] == [7, 6, 5, 4]


def test_a_session_is_known_while_its_connection_goes_on():
    """The one that resumes it ends first."""
    first = tls13([23, 100, 900, 281, 69], [69], ("server", [230, 230]), ("client", [100]))
    again = Talk(client=("192.0.2.10", 50001)).open()
    hello, answer = client_hello(identity=bytes(190)), server_hello(psk=0)
    tls13([23, 69], [69], ("server", [230]), hello=hello, answer=answer, talk=again).fin("client").fin("server")
    more = Talk(client=("192.0.2.10", 50002)).open()
    rest = first.send("client", b"\x17\x03\x03\x00\x20" + bytes(32)).segments
    data = capture([*rest[:-1], *again.segments, *more.segments, rest[-1]], apart=4 * 10**9)
    whole = api.analyze(data, trust="none").handshakes
    assert whole[1].resumes is not None and whole[1].resumes.stream == 0
    streamed = list(api.handshakes(data, trust="none", limits=Limits(batch_bytes=1, handshakes=1)))
    assert sorted(told(streamed)) == sorted(told(whole))
    assert [handshake.stream for handshake in streamed] == [1, 0]


class Pipe:
    """A capture that is written while it is read."""

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        self.file = open(reading, "rb", buffering=0)  # noqa: PTH123, SIM115

    def write(self, data: bytes) -> None:
        os.write(self._writing, data)

    def end(self) -> None:
        os.close(self._writing)


@pytest.fixture
def pipe(monkeypatch):
    """One whose reader does not wait for long."""
    monkeypatch.setattr(analysis, "_PATIENCE", 0.005)
    monkeypatch.setattr(analysis, "_SETTLING", 0)
    made = Pipe()
    yield made
    made.file.close()


def test_a_live_capture_tells_what_has_ended(pipe):
    data = capture(ESTABLISHED.segments)
    pipe.write(data)
    parts = api.analyze_live(pipe.file, trust="none")
    part = next(parts)
    assert part.part and [handshake.outcome for handshake in part.handshakes] == ["established"]
    pipe.write(capture([tls12(talk=Talk(client=("192.0.2.10", 7)).open()).rst("server").segments[-1]])[24:])
    pipe.end()
    rest = list(parts)
    assert not rest[-1].part and rest[-1].frames == len(ESTABLISHED.segments) + 1
    assert not any(report.handshakes for report in rest)  # each handshake is told once


def test_a_live_capture_waits_for_what_is_not_over(pipe):
    """A handshake that nobody has finished comes with the end of the capture."""
    pipe.write(capture(tls12(answer=False).segments))
    parts = api.analyze_live(pipe.file, trust="none")
    threading.Timer(0.1, pipe.end).start()
    [*_, last] = told_parts = list(parts)
    assert [report.part for report in told_parts] == [True, False]
    assert told_parts[0].handshakes[0].outcome == "incomplete"
    assert last.frames == len(tls12(answer=False).segments)


def test_a_live_capture_of_datagrams_tells_what_is_established_and_waits_for_what_is_sent_again(pipe):
    """One handshake has lost a message, which comes again behind the report of the other."""
    other = replace(datagrams(), client=("192.0.2.10", 50001))
    lost = other.datagrams.pop(4)
    frames = [made.frame(sent) for made in (datagrams(), other) for sent in made.datagrams]
    pipe.write(datagram_capture(frames))
    parts = api.analyze_live(pipe.file, trust="none")
    part = next(parts)
    assert [(handshake.client.port, handshake.outcome) for handshake in part.handshakes] == [(50000, "established")]
    pipe.write(datagram_capture([replace(other.frame(lost), time=10**18 + 10**9)])[24:])
    pipe.end()
    told_parts = [handshake for report in parts for handshake in report.handshakes]
    assert [(one.client.port, one.outcome, one.authentication) for one in told_parts] == [
        (50001, "established", "one-way")
    ]
    assert not told_parts[0].facts.holes


def test_a_live_capture_tells_of_quic_before_it_ends(pipe):
    pipe.write(Connection().whole().exchange.capture())
    parts = api.analyze_live(pipe.file, trust="none")
    [handshake] = next(parts).handshakes
    assert (handshake.transport, handshake.outcome, handshake.authentication) == ("quic", "established", "one-way")
    pipe.end()
    assert not [one for part in parts for one in part.handshakes]


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "analyzer", "analyze", "-", "--trust", "none", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def feed(process: "subprocess.Popen[bytes]", data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


@pytest.mark.parametrize("arguments", [["--format", "jsonl"], []])
def test_the_command_line_writes_each_at_once(arguments):
    process = start(*arguments)
    feed(process, (CAPTURES / "mutual-tls12.pcap").read_bytes())
    seen = []
    while not seen or "192.0.2.10" not in seen[-1]:
        seen.append(process.stdout.readline().decode())  # the end of the input is yet to come
    rest, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert not any(line.startswith(b"{") for line in rest.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_an_interrupt_ends_the_capture_and_not_the_report():
    process = start("--format", "jsonl")
    feed(process, (CAPTURES / "two-servers.pcap").read_bytes()[:-500])
    assert b"tcp" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [json.loads(line)["stream"] for line in rest.splitlines()] == [1]


def test_a_large_capture_comes_in_parts(monkeypatch, capsys):
    monkeypatch.setattr(api, "Limits", partial(Limits, handshakes=1, batch_bytes=1))
    path = str(CAPTURES / "two-servers.pcap")
    assert [report.part for report in api.analyze_live(path, trust="none")] == [True, True, False]
    assert main(["analyze", path, "--format", "jsonl", "--trust", "none"]) == 0
    assert [json.loads(line)["stream"] for line in capsys.readouterr().out.splitlines()] == [0, 1]


def test_a_small_capture_comes_whole():
    path = str(CAPTURES / "two-servers.pcap")
    [report] = api.analyze_live(path, trust="none")
    assert report == api.analyze(path, trust="none")


def test_secrets_behind_the_traffic_open_it_all_the_same():
    """A capture that comes whole is read again once they are known."""
    data = (CAPTURES / "embedded-secrets.pcapng").read_bytes()
    blocks, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        blocks.append(data[at : at + length])
        at += length
    blocks.sort(key=lambda block: block[:4] == (10).to_bytes(4, "little"))
    [report] = api.analyze_live(b"".join(blocks), trust="none")
    assert report.handshakes[0].authentication_basis == "decrypted"
