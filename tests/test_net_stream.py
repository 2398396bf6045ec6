"""One direction put in order: whatever order the segments come in, the bytes are the same, and what lacks is said."""

from dataclasses import replace
from itertools import accumulate, pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import ACK, FIN, MODULUS, SYN, Segment, capture

from analyzer.capture import open_capture
from analyzer.issues import Issues
from analyzer.net.decode import Decoder
from analyzer.net.rows import MARKS, Rows
from analyzer.net.segments import SegmentBatch
from analyzer.net.stream import ByteStream, Gap, Piece, Stretch
from analyzer.settings import Limits

BY, TO = ("192.0.2.1", 1000), ("198.51.100.1", 443)
LIMIT = 4096
DATA = Random(1).randbytes(3000)


def at(position: int, payload: bytes, *, base: int = 0, flags: int = ACK, captured: int | None = None) -> Segment:
    """A segment of the stream whose first byte has the sequence number `base`."""
    return Segment(BY, TO, (base + position) % MODULUS, payload, flags, captured=captured)


def syn(sequence: int) -> Segment:
    return Segment(BY, TO, sequence % MODULUS, b"", SYN)


def only_rows(batch: SegmentBatch) -> Rows:
    """The rows that matter, of a batch with a single direction."""
    kept = np.flatnonzero((batch.length > 0) | ((batch.flags & MARKS) != 0))
    return Rows.of(batch, kept, np.zeros(min(len(kept), 1), np.int64))


class Reading:
    """What a stream makes of segments, fed batch by batch."""

    def __init__(
        self,
        segments: list[Segment],
        *,
        batch_bytes: int = 8 << 20,
        limit: int = LIMIT,
        expected: int | None = None,
    ) -> None:
        limits = Limits(batch_bytes=batch_bytes)
        decoder = Decoder(limits, Issues())
        self.stream = ByteStream(limit, expected)
        self.pieces: list[tuple[str, int, int, bytes | str]] = []
        self.seen: list[tuple[int, int]] = []
        """Position and frame of every byte that begins a piece or a row of one."""
        self._frame = 0
        with open_capture(capture(segments), limits=limits) as opened:
            for batch in opened.batches():
                rows = only_rows(decoder.decode(batch)[0])
                for start, stop in pairwise(rows.run_starts):
                    if rows.length[start] or rows.flags[start] & FIN:
                        self._take(self.stream.feed(rows, start, stop))
                    elif rows.flags[start] & SYN:
                        self.stream.synchronize(rows.sequence[start])
                    self._frame = rows.frame[stop - 1]

    def finish(self, acknowledged: int | None = None, reset: int | None = None) -> "Reading":
        self._take(self.stream.finish(acknowledged, self._frame, reset))
        return self

    def _take(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if isinstance(piece, Gap):
                self.pieces.append((piece.reason, piece.begin, piece.end, str(piece.frame)))
                self.seen.append((piece.begin, piece.frame))
            else:
                data = piece.read(piece.begin, piece.end - piece.begin)
                assert len(data) == piece.end - piece.begin
                self.pieces.append(("data", piece.begin, piece.end, data))
                self.seen += [(start, piece.seen(start)[0]) for start in (piece.begin, *piece.segment_starts())]

    @property
    def data(self) -> bytes:
        """All bytes before the first gap."""
        parts: list[bytes] = []
        for _, _, _, held in self.pieces:
            if not isinstance(held, bytes):
                break
            parts.append(held)
        return b"".join(parts)

    @property
    def gaps(self) -> list[tuple[str, int, int]]:
        return [piece[:3] for piece in self.pieces if piece[0] != "data"]

    @property
    def whole(self) -> dict[int, int]:
        """Every byte by its position; and that pieces join without overlap."""
        ends = [(begin, end) for _, begin, end, _ in self.pieces]
        assert all(left[1] == right[0] for left, right in pairwise(ends))
        return {
            begin + i: byte
            for _, begin, _, held in self.pieces
            if isinstance(held, bytes)
            for i, byte in enumerate(held)
        }


@st.composite
def segmentations(draw: st.DrawFn) -> list[Segment]:
    """DATA cut somehow, segments repeated and overlapping, in any order; all of it is there."""
    base = draw(st.sampled_from([0, 1, 2**31, MODULUS - 1, MODULUS - 700]))
    cuts = sorted({0, len(DATA), *draw(st.lists(st.integers(1, len(DATA) - 1), max_size=12))})
    spans = list(pairwise(cuts))
    spans += draw(
        st.lists(st.tuples(st.integers(0, 2900), st.integers(1, 900)).map(lambda s: (s[0], s[0] + s[1])), max_size=5)
    )
    order = draw(st.permutations(spans))
    return [syn(base - 1), *(at(begin, DATA[begin:end], base=base) for begin, end in order)]


@settings(deadline=None)
@given(segmentations(), st.sampled_from([1, 300, 8 << 20]))
def test_any_segmentation_order_and_repetition_yields_the_same_bytes(segments: list[Segment], batch_bytes: int) -> None:
    reading = Reading(segments, batch_bytes=batch_bytes).finish()
    assert reading.data == DATA
    assert not reading.gaps
    assert not reading.stream.conflicts
    frames = [frame for _, frame in reading.seen]
    assert frames == sorted(frames)
    assert reading.stream.synchronized


@settings(deadline=None)
@given(segmentations(), st.randoms(use_true_random=False))
def test_batches_do_not_matter(segments: list[Segment], random: Random) -> None:
    kept = [segment for segment in segments if random.random() < 0.8]
    readings = [Reading(kept, batch_bytes=size, limit=600).finish() for size in (1, 500, 8 << 20)]
    assert readings[0].whole == readings[1].whole == readings[2].whole
    assert readings[0].gaps == readings[1].gaps == readings[2].gaps
    assert readings[0].stream.conflicts == readings[2].stream.conflicts


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), min_size=1, max_size=12), st.sampled_from([1, 8 << 20])
)
def test_of_overlapping_bytes_the_first_to_arrive_count(spans: list[tuple[int, int]], batch_bytes: int) -> None:
    """Every segment brings bytes of its own, so that it shows whose were taken."""
    segments = [at(0, b"\0")] + [at(begin + 1, bytes([n]) * length) for n, (begin, length) in enumerate(spans, 1)]
    expected: dict[int, int] = {}
    conflict = False
    for n, segment in enumerate(segments):
        for position in range(segment.sequence, segment.sequence + len(segment.payload)):
            conflict |= position in expected
            expected.setdefault(position, n)
    reading = Reading(segments, batch_bytes=batch_bytes, limit=1 << 20).finish()
    assert reading.whole == expected
    one_byte_again = any(len(segment.payload) == 1 for segment in segments[1:])
    assert bool(reading.stream.conflicts) == conflict or one_byte_again


def test_a_conflict_names_the_frame_that_brought_other_bytes() -> None:
    reading = Reading(
        [syn(-1), at(0, b"hello"), at(0, b"hello"), at(0, b"HELLO"), at(9, b"xyz"), at(8, b"abcd")]
    ).finish()
    assert reading.data == b"hello"
    assert reading.stream.conflicts == [4, 6]
    assert [one.frame for one in reading.stream.passage.repetitions] == [3, 4]


def test_a_repetition_is_timed_against_the_first_copy() -> None:
    """Also where the batch of that is gone, where the copies lie otherwise, and where a snap length cuts them."""
    segments = [syn(-1), at(0, b"hello"), at(5, b" world", captured=1), at(0, b"hello wo"), at(6, b"worl")]
    for batch_bytes in (1, 8 << 20):
        passage = Reading(segments, batch_bytes=batch_bytes).finish(acknowledged=11).stream.passage
        first, second = (one.time for one in passage.segments[:2])
        assert [(one.frame, one.first) for one in passage.repetitions] == [(4, first), (5, second)]
        assert [(one.begin, one.size) for one in passage.segments] == [(0, 5), (5, 6), (0, 8), (6, 4)]
        assert passage.received == 11
        assert not passage.fillings
        assert not passage.holes


def test_what_fills_a_hole_is_timed_against_what_waited() -> None:
    segments = [syn(-1), at(0, b"abc"), at(9, b"xyz"), at(3, b"def"), at(6, b"ghi"), at(20, b"!")]
    for batch_bytes in (1, 8 << 20):
        passage = Reading(segments, batch_bytes=batch_bytes).finish().stream.passage
        assert [(one.frame, one.first) for one in passage.fillings] == [(5, passage.segments[1].time)]
        assert passage.holes == ((12, 20),)
        assert not passage.repetitions


def test_what_the_sender_had_come_to_and_nobody_has_seen_is_missing_in_the_passage_alone() -> None:
    """A FIN counts as a byte: it may be that."""
    for reached, fin, holes in (
        (9, False, ((3, 8),)),
        (4, False, ()),
        (4, True, ()),
        (3, False, ()),
        (2**31, False, ()),
    ):
        segments = [syn(-1), at(0, b"abc"), *([at(3, b"", flags=FIN | ACK)] if fin else [])]
        reading = Reading(segments)
        assert reading.stream.finish(None, 9, reached=reached) == []
        assert reading.stream.passage.holes == holes


def test_of_a_long_stream_the_first_segments_are_timed() -> None:
    segments = [syn(-1), *(at(n * 10, bytes(10)) for n in range(100)), at(0, bytes(10)), at(900, bytes(10))]
    for batch_bytes in (1, 8 << 20):
        reading = Reading(segments, batch_bytes=batch_bytes)
        passage = reading.stream.passage
        assert len(passage.segments) == 64
        assert [one.first is None for one in passage.repetitions] == [False, True]
        assert reading.stream.held >= passage.held > 64 * 16, "where they begin and when they came"
        assert passage.held <= 64 * 40


def test_a_keep_alive_is_no_repetition() -> None:
    assert not Reading([syn(-1), at(0, b"hello"), at(4, b"\0")]).finish().stream.passage.repetitions


def test_a_keep_alive_is_no_conflict() -> None:
    reading = Reading([syn(-1), at(0, b"hello"), at(4, b"\0"), at(5, b" world")]).finish()
    assert reading.data == b"hello world"
    assert not reading.stream.conflicts


def test_without_a_syn_the_stream_begins_with_the_first_segment() -> None:
    reading = Reading([at(0, b"abc", base=MODULUS - 2), at(3, b"def", base=MODULUS - 2)]).finish()
    assert reading.data == b"abcdef"
    assert not reading.stream.synchronized


def test_of_two_initial_sequence_numbers_the_first_data_tell_which_holds() -> None:
    second = 3_000_000_000
    late = [at(5, b" world", base=second + 1), at(0, b"hello", base=second + 1)]
    assert Reading([syn(100), syn(second), *reversed(late)]).finish().data == b"hello world"
    assert Reading([syn(100), syn(second), *late]).finish().data == b"hello world"
    assert Reading([syn(100), syn(second), at(0, b"hello", base=101)]).finish().data == b"hello"


def test_bytes_in_a_syn_come_first() -> None:
    assert Reading([Segment(BY, TO, 7, b"hello", SYN), at(0, b" world", base=13)]).finish().data == b"hello world"


def test_the_payload_of_a_reset_is_no_data() -> None:
    assert Reading([syn(-1), at(0, b"hello"), at(5, b"Go away", flags=ACK | 4)]).finish().data == b"hello"


# ---- gaps


def test_a_hole_is_a_gap_at_the_end() -> None:
    segments = [syn(-1), at(0, b"abc"), at(5, b"fgh")]
    assert Reading(segments).gaps == []
    assert Reading(segments).finish().gaps == [("missing", 3, 5)]
    assert Reading(segments).finish(acknowledged=4).gaps == [("missing", 3, 5)]
    assert Reading(segments).finish(acknowledged=8).gaps == [("not-captured", 3, 5)]
    assert Reading(segments).finish().whole == dict(enumerate(b"abc")) | {5: 102, 6: 103, 7: 104}


def test_the_first_bytes_may_be_missing() -> None:
    assert Reading([syn(-1), at(4, b"efgh")]).finish().gaps == [("missing", 0, 4)]


def test_the_peer_may_tell_where_the_first_bytes_would_be() -> None:
    for base, expected, gaps in (
        (90, 90, [("not-captured", 0, 4)]),
        (MODULUS - 2, MODULUS - 2, [("not-captured", 0, 4)]),
        (90, 94, []),
        (90, 95, []),  # it had more than the capture shows
        (90, MODULUS // 2, []),  # a damaged number
    ):
        reading = Reading([at(4, b"efgh", base=base)], expected=expected).finish()
        assert reading.gaps == gaps
        assert list(reading.whole.values()) == list(b"efgh")
    assert Reading([syn(93), at(4, b"efgh", base=90)], expected=90).finish().gaps == []


def test_the_last_bytes_may_be_missing() -> None:
    segments = [syn(-1), at(0, b"abc")]
    assert Reading([*segments, at(9, b"", flags=FIN | ACK)]).finish().gaps == [("missing", 3, 9)]
    assert Reading([*segments, at(9, b"", flags=FIN | ACK)]).finish(10).gaps == [("not-captured", 3, 9)]
    assert Reading([*segments, at(3, b"", flags=FIN | ACK)]).finish(4).gaps == []
    assert Reading(segments).finish(acknowledged=9).gaps == [("not-captured", 3, 8)]  # or was the last a FIN?
    assert Reading(segments).finish(acknowledged=4).gaps == []
    assert Reading(segments).finish(acknowledged=2**31).gaps == []  # nobody sends so much unseen
    assert Reading(segments).finish(reset=9).gaps == [("missing", 3, 8)]
    assert Reading(segments).finish(acknowledged=9, reset=9).gaps == [("not-captured", 3, 8)]
    assert Reading(segments).finish(reset=4).gaps == Reading(segments).finish(reset=2**31).gaps == []
    assert Reading([*segments, at(3, b"", flags=FIN | ACK)]).finish(4, reset=9).gaps == []


def test_what_the_snap_length_cuts_is_a_gap() -> None:
    segments = [syn(-1), at(0, b"abcdef", captured=2), at(6, b"ghi"), at(9, b"jklmno", captured=0), at(15, b"p")]
    reading = Reading(segments).finish()
    assert reading.gaps == [("snap-length", 2, 6), ("snap-length", 9, 15)]
    assert reading.whole == {0: 97, 1: 98, 6: 103, 7: 104, 8: 105, 15: 112}
    shuffled = Reading([segments[0], *reversed(segments[1:])]).finish()
    assert shuffled.gaps == reading.gaps
    assert shuffled.whole == reading.whole


def test_a_hole_is_given_up_when_too_much_waits_behind_it() -> None:
    big = [at(0, b"a"), *(at(2 + n * 100, bytes(100)) for n in range(41))]
    reading = Reading([syn(-1), *big])
    assert reading.gaps == [("not-captured", 1, 2)]
    assert Reading([syn(-1), *big, at(1, b"late")]).finish().data == b"a"
    assert Reading([syn(-1), *big[:-2], at(1, b"b")]).finish().gaps == []


def test_a_run_beyond_the_limit_need_not_wait() -> None:
    segments = [syn(-1), at(0, b"a"), at(10, b"waits"), *(at(20 + n * 1000, bytes(1000)) for n in range(9))]
    reading = Reading(segments)
    assert reading.gaps == [("not-captured", 1, 10), ("not-captured", 15, 20)]
    assert reading.stream.next == 9020


def test_millions_of_tiny_pieces_behind_holes_are_bounded() -> None:
    """What waits stays small, and is never gone through as a whole."""
    segments = [at(0, b"a"), *(at(2 * n, b"x") for n in range(1, 30_000))]
    reading = Reading(segments, limit=1 << 20)
    assert len(reading.stream._waiting) <= 512
    assert len(reading.finish().gaps) == 29_999


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50, 400), st.binary(max_size=40), st.integers(0, 0x1F)), max_size=30),
    st.integers(0, 99),
)
def test_anything_may_arrive(segments: list[tuple[int, bytes, int]], limit: int) -> None:
    forged = [at(p, data, base=MODULUS - 20, flags=flags, captured=len(data) * 2 // 3) for p, data, flags in segments]
    reading = Reading(forged, limit=limit).finish()
    assert reading.whole is not None
    again = Reading(forged, limit=limit, batch_bytes=1).finish()
    assert reading.whole == again.whole
    assert reading.gaps == again.gaps


# ---- what a stretch gives


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=10), st.data())
def test_parts_of_a_stretch_hold_the_same_bytes(lengths: list[int], data: st.DataObject) -> None:
    starts = [0, *accumulate(lengths)]
    segments = [at(start, DATA[start : start + length]) for start, length in zip(starts, lengths, strict=False)]
    limits = Limits()
    with open_capture(capture(segments)) as opened:
        [batch] = opened.batches()
        rows = only_rows(Decoder(limits, Issues()).decode(batch)[0])
        stretch = Stretch(rows, 0, len(segments), 0)
        begin = data.draw(st.integers(0, starts[-1] - 1))
        end = data.draw(st.integers(begin + 1, starts[-1]))
        part = stretch.part(begin, end)
        wanted = DATA[begin:end]
        assert part.read(begin, end - begin) == wanted
        assert b"".join(piece.read(piece.begin, piece.end - piece.begin) for piece in part.pieces()) == wanted
        assert [piece.seen(piece.begin) for piece in part.pieces()] == [part.seen(p.begin) for p in part.pieces()]
        held = [part.segment(row) for row in range(part.first, part.behind)]
        assert (
            b"".join(s.read(max(begin, e), s.end) for s, e in zip(held, starts, strict=False) if s.end > begin)
            == wanted
        )
        assert list(part.segment_starts()) == [start for start in starts[:-1] if begin <= start < end]
        assert part.after(end - 1).read(end - 1, 1) == wanted[-1:]


def test_the_frames_of_bytes_that_waited_are_those_that_let_them_go() -> None:
    reading = Reading([syn(-1), at(0, b"a"), at(5, b"ef"), at(3, b"cd"), at(1, b"bb")]).finish()
    assert reading.data == b"abbcdef"
    assert dict(reading.seen) == {0: 2, 1: 5, 3: 5, 5: 5}
    given_up = Reading([syn(-1), at(5, b"e"), at(0, b"a")]).finish()
    assert dict(given_up.seen) == {0: 3, 1: 3, 5: 3}  # never before what precedes it


def test_replaced_segments_are_equal() -> None:
    """The forging itself: a captured length cuts the frame, not the length on the wire."""
    segment = at(0, b"hello", captured=2)
    assert segment.packet().length == replace(segment, captured=None).packet().length
    assert segment.packet().data.endswith(b"he")
