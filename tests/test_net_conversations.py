"""Conversations of datagrams: numbered as Wireshark numbers them, however the capture is cut into batches."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from datagrams import capture, packet
from decoded import CORPUS, TSHARK, tshark_fields
from forge import Frame
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.capture import open_capture
from analyzer.issues import Issues
from analyzer.net.conversations import ConversationTable, Delivery
from analyzer.net.decode import Decoder
from analyzer.net.segments import DatagramBatch
from analyzer.settings import Limits

ADDRESSES = ["192.0.2.1", "192.0.2.2", "198.51.100.7", "2001:db8::1", "2001:db8::2"]


def sorted_batches(
    data: bytes | Path, limits: Limits, table: ConversationTable
) -> Iterator[tuple[DatagramBatch, list[Delivery]]]:
    """Every datagram followed from the first on."""
    decoder = Decoder(limits, Issues())
    with open_capture(data, limits=limits) as opened:
        for frames in opened.batches():
            _, datagrams = decoder.decode(frames)
            everything = np.ones(len(datagrams), bool)
            yield datagrams, table.sort(datagrams, everything, everything) if len(datagrams) else []


def streams(data: bytes | Path, limits: Limits | None = None) -> dict[int, list[int]]:
    """By frame, the stream of each datagram in it."""
    found: dict[int, list[tuple[int, int]]] = {}
    for batch, deliveries in sorted_batches(data, limits or Limits(), ConversationTable(100_000)):
        for delivery in deliveries:
            for row in delivery.rows.tolist():
                found.setdefault(int(batch.frame[row]), []).append((row, delivery.conversation.stream))
    return {frame: [stream for _, stream in sorted(rows)] for frame, rows in found.items()}


def talk(pairs: list[tuple[int, int, int, int]]) -> list[Frame]:
    """Datagrams between some addresses and ports."""
    frames = []
    for source, destination, by, to in pairs:
        one, other = ADDRESSES[source], ADDRESSES[destination]
        if (":" in one) == (":" in other):
            frames.append(packet((one, 4000 + by), (other, 4000 + to), bytes(20)))
    return frames


PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)), max_size=60)


@settings(deadline=None)
@given(PAIRS, st.sampled_from([60, 400, 1 << 20]))
def test_streams_are_numbered_by_first_appearance(pairs: list[tuple[int, int, int, int]], size: int) -> None:
    frames = talk(pairs)
    numbers: dict[frozenset[tuple[str, int]], int] = {}
    expected = {}
    kept = [p for p in pairs if (":" in ADDRESSES[p[0]]) == (":" in ADDRESSES[p[1]])]
    for frame, (source, destination, by, to) in enumerate(kept, 1):
        ends = frozenset(((ADDRESSES[source], by), (ADDRESSES[destination], to)))
        expected[frame] = [numbers.setdefault(ends, len(numbers))]
    assert streams(capture(frames), Limits(batch_bytes=size)) == expected


@settings(deadline=None, max_examples=30)
@given(PAIRS)
def test_either_direction_is_told_apart(pairs: list[tuple[int, int, int, int]]) -> None:
    for batch, deliveries in sorted_batches(capture(talk(pairs)), Limits(), ConversationTable(1000)):
        for delivery in deliveries:
            ends = [delivery.conversation.endpoint(direction).port for direction in (0, 1)]
            for row, direction in zip(delivery.rows.tolist(), delivery.directions.tolist(), strict=True):
                assert int(batch.source_port[row]) == ends[direction]


def test_what_is_remembered_is_bounded() -> None:
    frames = [packet(("192.0.2.1", 1000 + i), ("192.0.2.2", 53), b"?" * 20) for i in range(500)]
    table = ConversationTable(100)
    for _ in sorted_batches(capture([*frames, *frames[-20:]]), Limits(batch_bytes=500), table):
        pass
    assert table.opened == 500
    assert 350 <= table.forgotten <= 500


def test_a_conversation_that_was_dropped_keeps_its_number() -> None:
    frames = [packet(("192.0.2.1", 1000 + i % 3), ("192.0.2.2", 53), b"?" * 20) for i in range(30)]
    table, found = ConversationTable(100), set()
    for batch, deliveries in sorted_batches(capture(frames), Limits(batch_bytes=100), table):
        for delivery in deliveries:
            found.add((int(batch.source_port[delivery.rows[0]]), delivery.conversation.stream))
            table.drop(delivery.conversation)
    assert found == {(1000, 0), (1001, 1), (1002, 2)}
    assert len(table) == 0


def captures_with_datagrams() -> list[Path]:
    """Some of the corpus, small ones."""
    found = [path for path in sorted(CORPUS.rglob("*")) if path.suffix in (".pcap", ".pcapng")]
    return [path for path in found if path.stat().st_size < 300_000][::8]


@pytest.mark.skipif(TSHARK is None, reason="no tshark")
@pytest.mark.skipif(not CORPUS.is_dir(), reason="no ../shared/corpus")
@pytest.mark.parametrize("path", captures_with_datagrams() or [CORPUS], ids=lambda path: path.name[-60:])
def test_streams_are_those_of_tshark(path: Path) -> None:
    ours = streams(path)
    for fields in tshark_fields(path, "frame.number", "udp.stream"):
        numbers = [int(number) for number in fields["udp.stream"]]
        assert ours.get(int(fields["frame.number"][0]), []) == numbers
