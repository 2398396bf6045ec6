"""Records that come in the same sizes over and over are found many at once: the same ones as one by one."""

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
        patch.setattr(starts, "_repeating", lambda sizes: [])
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


@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=9),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4),
    st.integers(0, 100),
    st.sampled_from([400, 3000, 1 << 20]),
    st.sampled_from(sorted(WRITERS)),
)
def test_whatever_is_damaged_or_cut_reads_as_if_read_one_by_one(sizes, damage, cut, batch_bytes, kind):
    capture = bytearray(WRITERS[kind](frames(sizes * 60)))
    head = len(WRITERS[kind]([]))
    for place, value in damage:
        capture[head + place % (len(capture) - head)] = value
    capture = bytes(capture[: max(len(capture) - cut, head)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starts, "_STRIDE", 256)
        assert read(capture, batch_bytes=batch_bytes) == one_by_one(capture, batch_bytes=batch_bytes)


SIZE = np.dtype([("size", "<i8")])


def starts_of(sizes: dict[int, int]) -> Starts:
    """Of a buffer in which, at these offsets, records of these sizes begin."""
    buffer = np.zeros(max(sizes, default=0) + 1000, np.uint8)
    for at, size in sizes.items():
        buffer[at : at + 8] = np.frombuffer(size.to_bytes(8, "little"), np.uint8)
    return Starts(buffer, SIZE, 0)


def fit(rows, sizes):
    return rows["size"] == sizes


def test_what_comes_over_and_over_is_foreseen():
    places = np.cumsum([0, *(10, 20, 30) * 400]).tolist()
    sizes = {at: (10, 20, 30)[i % 3] for i, at in enumerate(places)}
    one = starts_of(sizes)
    one.single += [0, 10, 30, 60, 70, 90]
    assert one.foresee(120, 60 * 400, fit) == 60 * 400
    starts, rows = one.all()
    assert starts.tolist() == places[:-1]
    assert rows["size"].tolist() == np.diff(places).tolist()
    assert one.single == []


@pytest.mark.parametrize("latest", [[0], [0, 10, 30], [0, 10, 20, 35], [0, 10, 20, 30, 45]])
def test_nothing_is_foreseen_where_sizes_do_not_repeat(latest):
    one = starts_of(dict.fromkeys(latest, 7))
    one.single += latest
    assert one.foresee(1000, 5000, lambda *_: pytest.fail("there is nothing to look at")) == 1000
    starts, rows = one.all()
    assert starts.tolist() == latest
    assert rows["size"][-1] == 7


def test_strides_grow_where_nothing_is_foreseen_and_only_there():
    one = Starts(np.zeros(11 << 20, np.uint8), SIZE, 0)
    pauses = [one.pause]
    for _ in range(3):
        one.single += [0, 7, 20]
        one.foresee(one.pause, 1 << 30, lambda *_: pytest.fail("there is nothing to look at"))
        pauses.append(one.pause)
    assert np.diff(pauses).tolist() == [2 * pauses[0], 4 * pauses[0], 8 * pauses[0]]
    one.single += [0, 10, 20, 30]
    at = one.foresee(40, 40 + 1_000_000, lambda rows, sizes: sizes == 10)
    assert (at, one.pause) == (40 + 1_000_000, at + pauses[0])
