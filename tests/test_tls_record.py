"""Where records begin and end, however the bytes are cut, and what happens where bytes are missing or wrong."""

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import ALERT, APPLICATION_DATA, CCS, HANDSHAKE, alert, handshake, message, protected, record, vector

from analyzer.net.rows import held
from analyzer.net.stream import Gap, Piece, Stretch
from analyzer.tls.record import (
    HEARTBEAT,
    MAX_FRAGMENT,
    SSLV2,
    Event,
    Hole,
    Record,
    RecordReader,
    looks_like_tls,
    plausible_header,
    sslv2_hello_length,
)

READ = frozenset((20, 21, 22))


def stretches(data: bytes, cuts: list[int], start: int = 0) -> list[Stretch]:
    """The data in segments that end at the cuts; segment n is frame n + 1 and comes at second n + 1."""
    ends = sorted({0, *(cut for cut in cuts if 0 < cut < len(data)), len(data)})
    return [
        Stretch(held(data[begin:end], n, n * 10**9), 0, 1, start + begin)
        for n, (begin, end) in enumerate(pairwise(ends), 1)
    ]


@dataclass
class Reading:
    """What a reader makes of pieces."""

    pieces: list[Piece]
    detailed: int = 256
    search: bool = False
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = RecordReader(0, READ, self.detailed)
        if self.search:
            self.reader.search()
        for piece in self.pieces:
            self.reader.feed(piece, self.events)
        self.reader.finish(self.events)

    @property
    def records(self) -> list[Record]:
        return [event for event in self.events if isinstance(event, Record)]

    @property
    def holes(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, Hole)]

    @property
    def values(self) -> list[tuple[Any, ...]]:
        return [(one.type, one.version, one.length, one.fragment) for one in self.records]


SAMPLES: list[bytes] = [
    handshake(message(1, bytes(300)), version=0x0301),
    CCS,
    alert(2, 40),
    protected(0),
    protected(53, 1),
    record(HANDSHAKE, bytes(MAX_FRAGMENT)),
    protected(16401),
    record(24, b"\1\0\2ab"),
    handshake(message(2), message(11, bytes(20)), version=0x0304),
]
samples = st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=8)


def expected(parts: list[bytes]) -> list[tuple[Any, ...]]:
    """The records of the samples but heartbeats, which nobody reads, by the plainest of readers."""
    data, found, at = b"".join(parts), [], 0
    while at < len(data):
        kind, version = data[at], int.from_bytes(data[at + 1 : at + 3])
        length = int.from_bytes(data[at + 3 : at + 5])
        fragment = data[at + 5 : at + 5 + length] if kind in READ else None
        if kind != HEARTBEAT:
            found.append((kind, version, length, fragment))
        at += 5 + length
    return found


@given(st.lists(st.integers(0, 12), min_size=4, max_size=30), st.lists(st.integers(1, 400), max_size=9))
def test_application_data_too_short_to_be_opened_is_only_counted(lengths: list[int], cuts: list[int]) -> None:
    reader, events = RecordReader(0, READ | {APPLICATION_DATA}, 3), list[Event]()
    for piece in stretches(b"".join(protected(length) for length in lengths), cuts):
        reader.feed(piece, events)
    assert reader.application_data == len(lengths)
    assert [one.length for one in events if isinstance(one, Record)] == [
        length for at, length in enumerate(lengths) if at < 3 or length >= 9
    ]


def test_of_application_data_that_is_opened_what_is_lost_is_told_however_much_came_before() -> None:
    reader, events = RecordReader(0, READ | {APPLICATION_DATA}, 1), list[Event]()
    reader.feed(*stretches(protected(20) * 5 + protected(20)[:9], []), events)
    reader.feed(Gap(134, 150, "not-captured", 7), events)
    assert [(one.fragment is None, one.lost) for one in events if isinstance(one, Record)] == [
        *[(False, None)] * 5,
        (True, "not-captured"),
    ]


@settings(deadline=None)
@given(samples, st.lists(st.integers(1, 60_000), max_size=30))
def test_any_segmentation_yields_the_same_records(parts: list[bytes], cuts: list[int]) -> None:
    assert Reading(stretches(b"".join(parts), cuts)).values == expected(parts)


@pytest.mark.parametrize("sample", SAMPLES, ids=range(len(SAMPLES)))
def test_byte_by_byte(sample: bytes) -> None:
    data = (sample + CCS)[:2000] if len(sample) > 2000 else sample + CCS
    whole = Reading(stretches(data, [])).values
    assert Reading(stretches(data, list(range(len(data))))).values == whole


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([s for s in SAMPLES if len(expected([s])) == 1]), min_size=1, max_size=8),
    st.lists(st.integers(1, 60_000), max_size=10),
)
def test_frames_of_records(parts: list[bytes], cuts: list[int]) -> None:
    pieces = stretches(b"".join(parts), cuts)

    def frame(position: int) -> int:
        return next(n for n, piece in enumerate(pieces, 1) if piece.begin <= position < piece.end)

    ends = [0, *accumulate(map(len, parts))]
    for one, (begin, end) in zip(Reading(pieces).records, pairwise(ends), strict=True):
        assert (one.first_frame, one.frame) == (frame(begin), frame(end - 1))
        assert (one.first_time, one.time) == (frame(begin) * 10**9, frame(end - 1) * 10**9)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 53, 4000, 16401]), min_size=1, max_size=30),
    st.lists(st.integers(1, 90_000), max_size=20),
)
def test_past_the_limit_application_data_are_only_counted(lengths: list[int], cuts: list[int]) -> None:
    data = protected(*lengths) + alert(1, 0)
    for detailed in (0, 3, 100):
        reading = Reading(stretches(data, cuts), detailed=detailed)
        assert reading.reader.application_data == len(lengths)
        assert reading.reader.records == len(lengths) + 1
        assert [one.length for one in reading.records] == [*lengths[:detailed], 2]


# ---- what is missing


def without(data: bytes, begin: int, end: int, cuts: list[int] | None = None, reason: Any = "missing") -> list[Piece]:
    """The data with a gap, the segment behind which is frame 50."""
    before = stretches(data[:begin], cuts or [])
    behind = stretches(data[end:], [cut - end for cut in cuts or []], end)
    for n, piece in enumerate(behind):
        piece.rows.frame = (50 + n,)
    return [*before, Gap(begin, end, reason, 50), *behind]


def test_a_gap_within_a_record_loses_this_record_only() -> None:
    data = handshake(message(1, bytes(100))) + handshake(message(2, bytes(100))) + CCS
    reading = Reading(without(data, 20, 40))
    assert [one.fragment is None for one in reading.records] == [True, False, False]
    assert reading.records[0].known == message(1, bytes(100))[:15]
    assert not reading.holes


def test_a_gap_within_application_data_loses_nothing() -> None:
    data = protected(500) + CCS
    assert Reading(without(data, 100, 505)).values == expected([data])
    assert Reading(without(data, 10, 400)).values == expected([data])


@pytest.mark.parametrize("reason", ["missing", "not-captured", "snap-length"])
def test_a_gap_over_a_header_is_a_hole(reason: Any) -> None:
    data = protected(300) + handshake(message(1, bytes(100))) + alert(2, 40) + CCS
    begin = len(protected(300))
    reading = Reading(without(data, begin - 100, begin + 20, [begin + 109], reason))
    assert reading.holes == [reason]
    assert [one.type for one in reading.records] == [ALERT, 20]
    assert [event.frame for event in reading.events if isinstance(event, Hole)] == [50]


def test_behind_a_hole_a_header_at_a_segment_start_counts() -> None:
    data = handshake(message(1, bytes(100))) + protected(700)
    at = len(handshake(message(1, bytes(100))))
    assert [one.length for one in Reading(without(data, 3, at)).records] == [700]


def test_behind_a_hole_a_header_within_a_segment_must_be_followed_by_another() -> None:
    noise = b"\x17\x03\x03\x00\x09 looks like a header"
    data = bytes(50) + noise + handshake(message(2, bytes(90))) + CCS
    reading = Reading([Gap(0, 10, "missing", 50), *stretches(data, [], 10)])
    assert [one.type for one in reading.records] == [HANDSHAKE, 20]


def test_at_the_end_a_header_may_be_the_last() -> None:
    data = bytes(50) + handshake(message(2, bytes(90)))
    reading = Reading([Gap(0, 10, "missing", 50), *stretches(data, [], 10)])
    assert [one.type for one in reading.records] == [HANDSHAKE]


def test_in_a_search_each_gap_begins_anew_and_one_hole_is_told() -> None:
    pieces: list[Piece] = []
    for n in range(20):
        pieces += [Gap(n * 100, n * 100 + 60, "missing", n), *stretches(bytes(40), [], n * 100 + 60)]
    reading = Reading([*pieces, *stretches(CCS, [], 2000)])
    assert reading.holes == ["missing"]
    assert [one.type for one in reading.records] == [20]


def test_what_is_no_record_is_foreign_from_the_beginning() -> None:
    reading = Reading(stretches(b"HTTP/1.1 400 Bad Request\r\n\r\n", [9]))
    assert reading.reader.foreign is not None
    assert b"HTTP/".startswith(reading.reader.foreign[:5])
    assert not reading.events


def test_what_is_no_record_later_is_damage() -> None:
    data = CCS + bytes(30) + alert(2, 40)
    reading = Reading(stretches(data, [6, 36]))
    assert [one.type for one in reading.records] == [20, ALERT]
    assert reading.holes == ["damaged"]


def test_endless_damage_ends_the_reading() -> None:
    assert Reading(stretches(CCS + (bytes(20) + CCS * 2) * 100, [])).reader.foreign is not None
    assert Reading(stretches(CCS + bytes(3 << 20), list(range(1000, 3 << 20, 1000)))).reader.foreign is not None


@settings(deadline=None)
@given(st.data())
def test_anything_may_be_read(data: st.DataObject) -> None:
    parts = data.draw(
        st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([CCS, alert(1, 0), protected(9)])), max_size=12)
    )
    whole = b"".join(parts)
    pieces: list[Piece] = list(stretches(whole, data.draw(st.lists(st.integers(1, 500), max_size=12))))
    if data.draw(st.booleans()) and whole:
        begin = data.draw(st.integers(0, len(whole) - 1))
        pieces = without(whole, begin, data.draw(st.integers(begin + 1, len(whole))))
    reading = Reading(pieces, detailed=data.draw(st.integers(0, 3)), search=data.draw(st.booleans()))
    for one in reading.records:
        assert one.fragment is None or len(one.fragment) == one.length or one.type == SSLV2
        assert one.first_frame <= max(one.frame, 50)


# ---- where a stream begins in the midst of records


@settings(deadline=None)
@given(st.integers(0, 400), st.lists(st.integers(1, 900), max_size=4))
def test_a_search_finds_the_next_record(skipped: int, cuts: list[int]) -> None:
    first = record(APPLICATION_DATA, bytes(range(5, 250)) + bytes(150))
    data = first + protected(40) + alert(1, 0) + CCS
    begins = [0, *accumulate([len(first), 45, 7])]
    reading = Reading(stretches(data[skipped:], cuts), search=True)
    left = sum(begin >= skipped for begin in begins)
    assert left - 1 <= len(reading.records) <= left


# ---- SSLv2


def sslv2_client_hello(version: int = 0x0301) -> bytes:
    body = b"\1" + version.to_bytes(2) + b"\0\3\0\0\0\x10" + b"\0\0\x2f" + bytes(16)
    return (0x8000 | len(body)).to_bytes(2) + body


def test_a_hello_in_the_format_of_sslv2() -> None:
    data = sslv2_client_hello() + handshake(message(16, vector(1, bytes(9)))) + CCS
    for cuts in ([], list(range(len(data)))):
        values = Reading(stretches(data, cuts)).values
        assert [kind for kind, *_ in values] == [SSLV2, HANDSHAKE, 20]
        assert values[0][3] == sslv2_client_hello()[2:]


def test_sslv2_goes_on_in_its_own_records() -> None:
    padded = b"\x00\x0b\x03" + bytes(11)
    data = sslv2_client_hello(2) + b"\x80\x05\2\1\2\3\4" + padded
    for cuts in ([], list(range(len(data)))):
        values = Reading(stretches(data, cuts)).values
        assert [(kind, length) for kind, _, length, _ in values] == [(SSLV2, 28), (SSLV2, 5), (SSLV2, 11)]


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x16", b"\x16\x03", b"\x17\x03\x03\x00"])
def test_too_few_bytes_do_not_tell(data: bytes) -> None:
    assert looks_like_tls(data) is None


def test_what_looks_like_tls() -> None:
    assert looks_like_tls(handshake(message(1))) is True
    assert looks_like_tls(sslv2_client_hello()) is True
    for other in (
        b"GET / HTTP",
        b"\x16\x03\x09\0\5hello",
        b"\x16\x03\x01\0\0 empty",
        b"\x80\x80\x80\x80\x80\x80\x80\x80",
        b"SSH-2.0-",
    ):
        assert looks_like_tls(other) is False
    assert sslv2_hello_length(b"\x80\x2e\x01\x00\x02\x00\x15") == 46
    assert sslv2_hello_length(b"\x80\x2e\x09\x00\x02\x00\x15") is None


def test_plausible_headers() -> None:
    assert plausible_header(22, 0x0301, 100)
    assert plausible_header(23, 0x0303, 0)
    for wrong in (
        (19, 0x0303, 1),
        (25, 0x0303, 1),
        (22, 0x0305, 1),
        (22, 0x0203, 1),
        (22, 0x0303, 0),
        (23, 0x0303, MAX_FRAGMENT + 1),
    ):
        assert not plausible_header(*wrong)
