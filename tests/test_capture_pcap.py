"""Classic pcap and snoop files are read: every variant, whole, cut and damaged."""

import struct

import pytest
from captured import read
from forge import Frame, pcap, pcap_header, snoop

from analyzer.capture import open_capture
from analyzer.errors import FormatError

T = 1_600_000_000_123_456_000
FRAMES = [Frame(b"a" * 60, T), Frame(b"b" * 96, T + 1000, original=1514), Frame(b"", T + 2000), Frame(b"c", T)]
ROWS = [(n, f.time, f.data, f.length, 1) for n, f in enumerate(FRAMES, 1)]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_both_byte_orders_and_resolutions(order, nanoseconds):
    result = read(pcap(FRAMES, order=order, nanoseconds=nanoseconds))
    assert (result.format, result.frames, result.issues) == ("pcap", ROWS, {})


def test_nanoseconds_are_kept():
    assert read(pcap([Frame(b"x", T + 789)], nanoseconds=True)).times == [T + 789]


def test_a_fraction_of_more_than_a_second_and_the_last_second_do_not_overflow():
    record = struct.pack("<IIII", 0xFFFFFFFF, 0xFFFFFFFF, 1, 0xFFFFFFFF) + b"x"
    (frame,) = read(pcap_header() + record).frames
    assert frame[1] == 0xFFFFFFFF * 10**9 + 0xFFFFFFFF * 1000
    assert frame[3] == 0xFFFFFFFF


@pytest.mark.parametrize("order", "<>")
def test_modified_pcap_has_longer_record_headers(order):
    records = b"".join(
        struct.pack(f"{order}IIII", f.time // 10**9, f.time % 10**9 // 1000, len(f.data), f.length)
        + b"\x02\0\0\0\x08\0\0\0"
        + f.data
        for f in FRAMES
    )
    assert read(pcap_header(order, 0xA1B2CD34) + records).frames == ROWS


@pytest.mark.parametrize(("magic", "unit"), [(0x1C0001AB, 1000), (0x1C0001AC, 1)])
def test_ixia_headers_end_with_the_size_of_the_records(magic, unit):
    record = struct.pack("<IIII", 5, 6, 3, 3) + b"abc"
    result = read(pcap_header(magic=magic) + struct.pack("<I", len(record)) + record)
    assert result.frames == [(1, 5 * 10**9 + 6 * unit, b"abc", 3, 1)]


@pytest.mark.parametrize("version", [(2, 2), (543, 0)])
def test_old_versions_have_the_original_length_first(version):
    record = struct.pack("<IIII", 5, 6, 1514, 3) + b"abc"
    assert read(pcap_header(version=version) + record).frames == [(1, 5_000_006_000, b"abc", 1514, 1)]


def test_aix_counts_nanoseconds_and_names_interface_types():
    record = struct.pack(">IIII", 5, 6, 1514, 3) + b"abc"
    assert read(pcap_header(">", version=(2, 2), network=6) + record).frames == [(1, 5_000_000_006, b"abc", 1514, 1)]


def test_the_length_of_a_frame_check_sequence_is_no_part_of_the_link_type():
    result = read(pcap_header(network=0x24000000 | 113) + pcap(FRAMES)[24:])
    assert {frame[4] for frame in result.frames} == {113}
    assert not result.issues


def test_reserved_bits_of_the_link_type_are_said():
    assert "link-type-reserved-bits" in read(pcap_header(network=0x00200001)).issues


def test_a_version_that_nobody_knows():
    with pytest.raises(FormatError, match=r"pcap of version 1\.0"):
        open_capture(pcap_header(version=(1, 0)))


def test_cut_in_a_record_keeps_what_is_before_and_says_where():
    whole = pcap(FRAMES[:2])
    second = 24 + 16 + 60
    for cut in (second + 1, second + 16, len(whole) - 1):
        result = read(whole[:cut])
        assert result.frames == ROWS[:1]
        assert result.issues == {"capture-cut-short": 1}
        assert f"at byte {second}" in result.messages[0]
    assert read(whole[:second]).issues == {}


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 101])
def test_an_absurd_length_is_damage(claimed):
    data = pcap(FRAMES[:2]) + struct.pack("<IIII", 1, 2, claimed, 60) + bytes(200) + pcap(FRAMES)[24:]
    result = read(data, frame_bytes=100)
    assert result.frames == ROWS[:2]
    assert result.issues == {"capture-damaged": 1}
    assert f"At byte {len(pcap(FRAMES[:2]))} is a frame of {claimed} bytes" in result.messages[0]


def test_a_frame_may_be_larger_than_a_batch():
    frames = [Frame(bytes([n]) * size) for n, size in enumerate([10, 5000, 10, 70000, 10])]
    result = read(pcap(frames), batch_bytes=100)
    assert result.data == [frame.data for frame in frames]
    assert len(result.batches) > 2


def test_snoop():
    for pad in (1, 4, 8):
        result = read(snoop(FRAMES, pad=pad))
        assert (result.format, result.frames, result.issues) == ("snoop", ROWS, {})
    assert read(snoop(FRAMES, datalink=8)).frames[0][4] == 10


def test_snoop_of_an_unknown_datalink_or_version():
    with pytest.raises(FormatError, match="datalink type 99"):
        open_capture(snoop([], datalink=99))
    with pytest.raises(FormatError, match="version 9"):
        open_capture(b"snoop\0\0\0" + struct.pack(">II", 9, 4))


@pytest.mark.parametrize("length", [0, 23, 83, 0xFFFFFFFF])
def test_a_snoop_record_of_an_impossible_length_is_damage(length):
    data = bytearray(snoop(FRAMES))
    second = 16 + 24 + 60
    struct.pack_into(">I", data, second + 8, length)
    result = read(bytes(data))
    assert result.frames == ROWS[:1]
    assert result.issues == {"capture-damaged": 1}
    assert f"At byte {second} is" in result.messages[0]
