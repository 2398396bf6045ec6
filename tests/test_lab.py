"""The laboratory tells the truth: its relay records what passed and who ended it, its transformations lose nothing."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import transform
from lab.relay import Relay, abort
from lab.wire import Conversation, Endpoint, Segment, frames, pcap, read_segments

CLIENT, SERVER = Endpoint("192.0.2.10", 50000), Endpoint("198.51.100.7", 443)


def converse(said: list[tuple[bool, bytes]]) -> list[Segment]:
    """A connection in which client (True) and server speak in turn."""
    segments: list[Segment] = []
    conversation = Conversation(segments, CLIENT, SERVER)
    conversation.open(0)
    for by_client, data in said:
        conversation.send(0, "client" if by_client else "server", data)
    conversation.close(0, "client")
    return segments


def heard(segments: list[Segment], end: Endpoint) -> bytes:
    """What a receiver makes of an end's segments: by sequence number, the first copy of each byte."""
    first = min(s.sequence for s in segments if s.source == end and "S" in s.flags) + 1
    received: dict[int, int] = {}
    for s in segments:
        for i, byte in enumerate(s.payload if s.source == end else b""):
            received.setdefault((s.sequence + i - first) % 2**32, byte)
    assert sorted(received) == list(range(len(received)))
    return bytes(received[i] for i in range(len(received)))


TRANSFORMATIONS: list[Callable[[list[Segment]], list[Segment]]] = [
    lambda s: transform.split(s, 7),
    lambda s: transform.reorder(transform.split(s, 7)),
    lambda s: transform.retransmit(transform.split(s, 7)),
    lambda s: transform.contradict(transform.split(s, 7)),
    lambda s: transform.wrap_around(s, after=20),
]


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=60)), max_size=6))
def test_transformations_change_the_segments_and_not_what_was_said(said: list[tuple[bool, bytes]]) -> None:
    segments = converse(said)
    for change in TRANSFORMATIONS:
        changed = change(segments)
        for end, by_client in ((CLIENT, True), (SERVER, False)):
            assert heard(changed, end) == b"".join(data for who, data in said if who == by_client)
        assert [s.time for s in changed] == sorted({s.time for s in changed})


def test_a_capture_reads_back_as_it_was_written(tmp_path: Path) -> None:
    segments = converse([(True, b"hello" * 600), (False, b"world")])
    (tmp_path / "a.pcap").write_bytes(pcap(frames(segments)))
    assert read_segments(tmp_path / "a.pcap") == segments


def echo_and(end: Callable[[socket.socket], None]) -> socket.socket:
    """A server that echoes once and then ends the connection its way."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(connection.recv(100))
        end(connection)

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize(("end", "flags"), [(socket.socket.close, "FA"), (abort, "RA")])
def test_relay_keeps_bytes_and_the_way_the_server_closes(end: Callable[[socket.socket], None], flags: str) -> None:
    segments: list[Segment] = []
    with (
        echo_and(end) as listener,
        Relay(segments, listener.getsockname()[1], iter([CLIENT]), SERVER) as relay,
        socket.create_connection(("127.0.0.1", relay.port), timeout=10) as client,
    ):
        client.sendall(b"hello")
        with contextlib.suppress(ConnectionError):
            while client.recv(100):
                pass
    assert [s.flags for s in segments[:3]] == ["S", "SA", "A"]
    assert heard(segments, CLIENT) == heard(segments, SERVER) == b"hello"
    closing = next(s for s in segments if set(s.flags) & {"F", "R"})
    assert (closing.source, closing.flags) == (SERVER, flags)


def test_relay_records_a_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]
    segments: list[Segment] = []
    with (
        Relay(segments, closed, iter([CLIENT]), SERVER, patience=0) as relay,
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", relay.port), timeout=10) as client,
    ):
        client.recv(1)
    assert [(s.source, s.flags) for s in segments] == [(CLIENT, "S"), (SERVER, "RA")]
