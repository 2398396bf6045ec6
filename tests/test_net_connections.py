"""Which connection a segment belongs to: numbered as Wireshark does, whatever the batches and whatever collides."""

import subprocess
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from decoded import CORPUS, TSHARK
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import ACK, FIN, MODULUS, PSH, RST, SYN, Segment, Talk, capture

from analyzer.capture import open_capture
from analyzer.issues import Issues
from analyzer.net.connections import _MIX_HIGH, Connection, ConnectionTable
from analyzer.net.decode import Decoder
from analyzer.results import Endpoint
from analyzer.settings import Limits

MARKS = FIN | SYN | RST


class Sorted:
    """What the table makes of a capture."""

    def __init__(self, source: bytes | str, *, batch_bytes: int = 8 << 20, capacity: int = 10_000) -> None:
        limits = Limits(batch_bytes=batch_bytes)
        self.table = ConnectionTable(capacity, 10_000)
        self.streams: dict[int, set[int]] = defaultdict(set)
        """By frame; of those with payload or a mark."""
        self.connections: dict[int, Connection] = {}
        self.dropped: list[int] = []
        decoder = Decoder(limits, Issues())
        with open_capture(source, limits=limits) as opened:
            for batch in opened.batches():
                segments, _ = decoder.decode(batch)
                if not len(segments):
                    continue
                rows, arrivals, displaced = self.table.sort(segments)
                for arrived in arrivals:
                    stream = self.table.stream(arrived.connection)
                    assert self.connections.setdefault(stream, arrived.connection) is arrived.connection
                    for _, first, behind in arrived.spans:
                        assert first < behind
                        for row in range(first, behind):
                            self.streams[rows.frame[row]].add(stream)
                for connection in (*self.table, *displaced):
                    if connection.opening is not None:  # a SYN alone is no arrival yet
                        self.streams[connection.opening[0]].add(self.table.stream(connection))
                self.dropped += [self.table.stream(connection) for connection in displaced]
                self.table.drop_idle()

    @property
    def numbers(self) -> dict[int, int]:
        return {frame: number for frame, [number] in sorted(self.streams.items())}


def reference(segments: list[Segment]) -> dict[int, int]:
    """What Wireshark does, row by row (`dissect_tcp` of packet-tcp.c, in words)."""
    current: dict[frozenset[tuple[str, int]], tuple[int, dict[tuple[str, int], int]]] = {}
    numbers: dict[int, int] = {}
    count = 0
    for frame, one in enumerate(segments, 1):
        ends = frozenset((one.source, one.destination))
        known = current.get(ends)
        flags = one.flags & (SYN | ACK)
        if known is None or (flags == SYN and known[1].get(one.source, one.sequence) != one.sequence):
            known = current[ends] = count, {}
            count += 1
        number, initial = known
        if flags == SYN | ACK:
            initial[one.source] = one.sequence
        initial.setdefault(one.source, one.sequence if one.flags & SYN else (one.sequence - 1) % MODULUS)
        if one.flags & ACK:
            initial.setdefault(one.destination, (one.acknowledgment - 1) % MODULUS)
        if one.payload or one.flags & MARKS:
            numbers[frame] = number
    return numbers


ends = st.tuples(st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"]), st.sampled_from([443, 1000]))
numbers = st.tuples(st.sampled_from([100, 5000, MODULUS - 2]), st.integers(0, 2)).map(lambda n: sum(n) % MODULUS)
flags = st.sampled_from([SYN, SYN, SYN | ACK, ACK, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK, 0])
anything = st.builds(Segment, ends, ends, numbers, st.sampled_from([b"", b"", b"hello"]), flags, numbers).filter(
    lambda one: (":" in one.source[0]) == (":" in one.destination[0])
)


@settings(deadline=None)
@given(st.lists(anything, max_size=60), st.sampled_from([1, 150, 8 << 20]))
def test_streams_are_numbered_as_wireshark_does_whatever_the_batches(segments: list[Segment], batch_bytes: int) -> None:
    found = Sorted(capture(segments), batch_bytes=batch_bytes) if segments else None
    assert (found.numbers if found else {}) == reference(segments)


def wild(seed: int) -> list[Segment]:
    """Two hundred segments between few ends, most of them nonsense."""
    random = Random(seed)
    made = []
    for _ in range(200):
        by, to = random.sample([(f"10.0.0.{host}", port) for host in (1, 2, 3) for port in (443, 1000)], 2)
        number, acknowledged = (
            random.choice([100, 5000, 900_000, MODULUS - 6]) + random.choice([0, 0, 1, 6]) for _ in "ab"
        )
        kind = random.choice([SYN, SYN, SYN | ACK, SYN | ACK, ACK, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK, 0])
        made.append(Segment(by, to, number, random.choice([b"", b"hello"]), kind, acknowledged if kind & ACK else 0))
    return made


def wireshark(file: Path) -> dict[int, set[int]]:
    command = [TSHARK, "-r", str(file), "-Y", "tcp", "-T", "fields", "-e", "frame.number", "-e", "tcp.stream"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    shown = (line.split("\t") for line in lines)
    return {int(frame): {int(number) for number in streams.split(",") if number} for frame, streams in shown}


@pytest.mark.skipif(not TSHARK, reason="no tshark")
@pytest.mark.parametrize("seed", range(3))
def test_the_reference_is_what_tshark_does(seed: int, tmp_path: Path) -> None:
    segments = wild(seed)
    file = tmp_path / "wild.pcap"
    file.write_bytes(capture(segments))
    streams = wireshark(file)
    expected = reference(segments)
    assert {frame: streams[frame] for frame in expected} == {frame: {number} for frame, number in expected.items()}
    assert Sorted(str(file), batch_bytes=700).numbers == expected


corpus = sorted(file for folder in ("lab", "public") for file in (CORPUS / folder).glob("*.pcap*"))


@pytest.mark.slow
@pytest.mark.skipif(not TSHARK, reason="no tshark")
@pytest.mark.skipif(not corpus, reason="no ../shared/corpus")
@pytest.mark.parametrize("file", [pytest.param(file, id=file.name) for file in corpus[::9]])
def test_the_corpus_is_numbered_as_tshark_numbers_it(file: Path) -> None:
    if "tls_heur" in file.name:
        pytest.skip("SOCKS, for which Wireshark skips numbers: a matter of the floors above")
    streams = wireshark(file)
    assert not {frame: ours for frame, ours in Sorted(str(file)).streams.items() if not ours <= streams[frame]}


# ---- ports used again


def reused(isn: int) -> list[Segment]:
    first, second = Talk().open().send("client", b"one"), Talk(sequence={"client": isn, "server": 9000}).open()
    return first.segments + second.send("client", b"two").segments


def test_a_reused_port_starts_a_new_connection() -> None:
    for batch_bytes in (1, 100, 8 << 20):
        found = Sorted(capture(reused(2000)), batch_bytes=batch_bytes)
        assert found.numbers == {1: 0, 2: 0, 4: 0, 5: 1, 6: 1, 8: 1}
        assert found.dropped == [0]
        assert found.table.opened == 2


def test_the_same_syn_again_does_not() -> None:
    for batch_bytes in (1, 8 << 20):
        assert set(Sorted(capture(reused(1000)), batch_bytes=batch_bytes).numbers.values()) == {0}


def test_each_connection_of_a_reused_port_has_its_own_acknowledgments() -> None:
    for batch_bytes in (1, 8 << 20):
        found = Sorted(capture(reused(2000)), batch_bytes=batch_bytes)
        assert [sorted(found.connections[stream].reached) for stream in (0, 1)] == [[1001, 70000], [2001, 9000]]
        [server, client] = [found.connections[stream].acknowledged for stream in (0, 1)]
        direction = int(found.connections[0].endpoint(1).port == 50000)
        assert (server[direction], client[direction]) == (70001, 9001)
        assert (server[1 - direction], client[1 - direction]) == (1001, 2001)


def test_an_acknowledgment_counts_also_where_a_batch_brings_nothing_else() -> None:
    talk = Talk().open().send("client", b"hello").acknowledge("server")
    for batch_bytes in (1, 8 << 20):
        [connection] = Sorted(capture(talk.segments), batch_bytes=batch_bytes).connections.values()
        assert sorted(number or 0 for number in connection.acknowledged) == [1006, 70001]
        assert sorted(number or 0 for number in connection.reached) == [1001, 70001]


def test_what_the_peer_acknowledged_tells_an_unseen_initial_sequence_number() -> None:
    talk = Talk().open().send("client", b"hello")
    one_sided = [segment for segment in talk.segments if segment.source == talk.client]
    for batch_bytes in (1, 8 << 20):
        [connection] = Sorted(capture(one_sided), batch_bytes=batch_bytes).connections.values()
        ports = [connection.endpoint(direction).port for direction in (0, 1)]
        assert dict(zip(ports, connection.initial_sequence, strict=True)) == {50000: 1000, 443: 70000}


# ---- ends that are hard to tell apart


def interleaved(pairs: list[tuple[tuple[str, int], tuple[str, int]]]) -> list[Segment]:
    """Connections between these ends, in both directions, segment by segment."""
    talks = [Talk(*pair).open().send("client", b"a").send("server", b"b").segments for pair in pairs]
    return [segment for round_ in zip(*talks, strict=True) for segment in round_]


def test_many_connections_share_a_bucket() -> None:
    pairs = [((f"10.1.{n >> 8}.{n & 255}", 1024 + n), ("10.0.0.1", 443)) for n in range(1500)]
    found = Sorted(capture(interleaved(pairs)))
    assert found.table.opened == len(pairs)
    assert {stream: connection.endpoint(1).ip for stream, connection in found.connections.items()} == {
        n: ip for n, ((ip, _), _) in enumerate(pairs)
    }
    assert found.numbers == reference(interleaved(pairs))


@pytest.mark.parametrize("other", ["2001:db8::2:0:0:1", "2001:db8:0:1::1", "2001:db8::1:1", "2001:db8:0:2:1::1"])
def test_similar_ipv6_addresses_are_different(other: str) -> None:
    servers = [("2001:db8::1:0:0:1", 443), (other, 443), ("2001:db8::1", 443)]
    segments = interleaved([(("2001:db8::99", 50000), server) for server in servers])
    assert Sorted(capture(segments)).numbers == reference(segments)


def test_ipv6_addresses_may_be_chosen_so_that_their_hashes_are_equal() -> None:
    first = int.from_bytes(bytes.fromhex("20010db8000000000000000000000001"))
    low = (1 - int(_MIX_HIGH)) % (1 << 48)
    second = ((first >> 64) + (1 << 16)) << 64 | low
    ends = [(":".join(f"{n:032x}"[i : i + 4] for i in range(0, 32, 4)), 443) for n in (first, second)]
    segments = interleaved([(("2001:db8::99", 50000), end) for end in ends])
    segments += interleaved([(ends[0], ends[1])])
    found = Sorted(capture(segments))
    assert found.numbers == reference(segments)
    assert len(set(found.numbers.values())) == 3


def test_an_ipv4_address_is_no_ipv6_address() -> None:
    segments = interleaved([(("10.0.0.1", 1000), ("10.0.0.2", 443)), (("::a00:1", 1000), ("::a00:2", 443))])
    found = Sorted(capture(segments))
    assert found.numbers == reference(segments)
    assert found.connections[1].endpoint(0) == Endpoint("::a00:1", 1000)


def test_a_host_may_talk_to_itself() -> None:
    end = ("127.0.0.1", 443)
    segments = [
        replace(segment, source=end, destination=end) for segment in Talk().open().send("client", b"a").segments
    ]
    assert set(Sorted(capture(segments)).numbers.values()) == {0}


def test_those_idle_longest_are_let_go() -> None:
    talks = [Talk(client=("192.0.2.1", 50000 + n)).open() for n in range(4)]
    segments = [segment for talk in talks for segment in talk.segments] + talks[0].send("client", b"x").segments[-1:]
    found = Sorted(capture(segments), batch_bytes=1, capacity=2)
    assert found.table.opened == 4
    assert len(list(found.table)) == 2
