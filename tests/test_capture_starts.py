"""Records are found along many ways at once: the same ones as one by one."""

import numpy as np
import pytest
from captured import read
from forge import Frame, pcap, pcapng
from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture import starts
from analyzer.capture.starts import Starts

T = 1_600_000_000_123_456_000
BULK = (1514, 1514, 54)


def frames(sizes) -> list[Frame]:
    return [Frame(bytes([n % 251]) * size, T + n * 1000) for n, size in enumerate(sizes)]


WRITERS = {
    "pcap": pcap,
    "big-endian pcap": lambda some: pcap(some, order=">"),
    "pcapng": pcapng,
    "big-endian pcapng": lambda some: pcapng(some, order=">"),
}


@pytest.fixture(params=WRITERS)
def write(request):
    return WRITERS[request.param]


def one_by_one(capture: bytes, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starts, "_FEWEST_WAYS", 1 << 40)
        return read(capture, **options)


@pytest.mark.parametrize("at", [100, 101, 102, 150, 151, 152, 400, 997, 998, 999])
@pytest.mark.parametrize("size", [0, 53, 55, 1513, 1515])
def test_one_of_another_size_in_a_long_run(write, at, size):
    sizes = [*BULK * 333, 54]
    sizes[at] = size
    expected = frames(sizes)
    assert read(write(expected)).data == [frame.data for frame in expected]


@pytest.mark.parametrize("cut", [1, 3, 4, 15, 16, 17, 54, 70, 71, 1000, 1600, 3100])
def test_a_run_that_is_cut_off(write, cut):
    capture = write(frames(BULK * 300))[:-cut]
    assert read(capture) == one_by_one(capture)


def test_a_run_of_empty_frames(write):
    assert read(write(frames([0] * 20_000))).data == [b""] * 20_000


@st.composite
def payloads(draw) -> list[bytes]:
    """Of frames of any sizes, some of which look as if a record began in them, wherever one may be sought."""
    seconds = (T // 10**9).to_bytes(4, "little")
    high = (T // 1000 >> 32).to_bytes(4, "little")
    some = st.one_of(
        st.integers(0, 90).map(bytes),
        st.integers(1, 20).map(lambda n: seconds * n),
        st.integers(1, 20).map(lambda n: (bytes(12) + high) * n),
        st.integers(0, 1 << 16).map(lambda size: seconds + bytes(4) + 2 * size.to_bytes(4, "little")),
    )
    return draw(st.lists(some, min_size=1, max_size=9)) * draw(st.integers(40, 80))


@given(
    payloads(),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4),
    st.integers(0, 100),
    st.sampled_from([400, 3000, 1 << 20]),
    st.sampled_from(sorted(WRITERS)),
)
def test_whatever_is_damaged_or_cut_or_misleads_reads_as_if_read_one_by_one(data, damage, cut, batch_bytes, kind):
    capture = bytearray(WRITERS[kind]([Frame(payload, T + n * 10**9) for n, payload in enumerate(data)]))
    head = len(WRITERS[kind]([]))
    for place, value in damage:
        capture[head + place % (len(capture) - head)] = value
    capture = bytes(capture[: max(len(capture) - cut, head)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starts, "_STRIDE", 256)
        patch.setattr(starts, "_WAY", 4)
        patch.setattr(starts, "_FEWEST_WAYS", 2)
        assert read(capture, batch_bytes=batch_bytes) == one_by_one(capture, batch_bytes=batch_bytes)


RECORD = np.dtype([("size", "<i4"), ("mark", "<u4")])
MARK = 0xFEEDBEEF


def starts_of(sizes: dict[int, int], length: int) -> Starts:
    """Of a buffer of so many bytes in which, at these offsets, records of these sizes begin."""
    buffer = np.zeros(length + 100, np.uint8)
    for at, size in sizes.items():
        buffer[at : at + 8].view(RECORD)[0] = size, MARK
    return Starts(buffer, 0, row=RECORD, mark=slice(4, 8), sizes=lambda rows: rows["size"].astype(np.int64))


def records(count: int) -> tuple[dict[int, int], int]:
    """Records of sizes that never repeat, by where they begin, and where the last one ends."""
    sizes = np.random.default_rng(7).integers(10, 400, count)
    ends = np.cumsum(sizes)
    return dict(zip((ends - sizes).tolist(), sizes.tolist(), strict=True)), int(ends[-1])


def leap(sizes: dict[int, int], end: int) -> tuple[int, Starts]:
    """Read ten records one by one, and leap from there."""
    one = starts_of(sizes, end)
    one.single += [*sizes][:10]
    return one.leap([*sizes][10], end), one


def test_records_of_any_sizes_are_found():
    sizes, end = records(5000)
    at, one = leap(sizes, end)
    found, rows = one.all()
    assert at >= end - 400, "all but what the last row reaches past"
    assert found.tolist() == [start for start in sizes if start < at]
    assert rows["size"].tolist() == [*sizes.values()][: len(found)]
    assert one.single == []


def test_a_record_that_is_not_whole_is_not_found():
    sizes, end = records(5000)
    last = [*sizes][-1]
    at, one = leap(sizes, end - 1)
    assert at == last
    assert one.all()[0][-1] < last


def test_what_lies_behind_a_place_that_only_seems_to_be_a_record_is_not_found_yet():
    sizes, end = records(5000)
    misleading = {start + size // 2: 9 for start, size in sizes.items() if start > end // 2 and size > 20}
    at, one = leap(sizes | misleading, end)
    assert at in sizes
    found = one.all()[0]
    assert found.tolist() == [start for start in sizes if start < at]
    assert end // 4 < at < end


def test_a_long_way_of_small_records_ends_in_the_middle():
    sizes = dict.fromkeys(range(0, 400000, 400), 400) | dict.fromkeys(range(400000, 1000000, 10), 10)
    at, one = leap(sizes, 1_000_000)
    assert at in sizes
    assert one.all()[0].tolist() == [start for start in sizes if start < at]


def test_strides_grow_where_no_other_records_are_found_and_only_there():
    sizes, end = records(50_000)
    one = starts_of({}, 11 << 20)
    pauses = [one.pause]
    for _ in range(3):
        one.single += [0, 7, 20]
        assert one.leap(one.pause, one.pause + 100) == pauses[-1]
        pauses.append(one.pause)
    assert np.diff(pauses).tolist() == [2 * pauses[0], 4 * pauses[0], 8 * pauses[0]]
    at, one = leap(sizes, end)
    assert one.pause == at + pauses[0]
