"""pcapng files are read: blocks, sections, interfaces and clocks, whole, cut and damaged."""

import struct

import pytest
from captured import read
from forge import (
    Frame,
    block,
    enhanced,
    interface,
    obsolete,
    option,
    pcapng,
    secret,
    section,
    simple,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.capture import open_capture
from analyzer.capture import pcapng as reader
from analyzer.errors import FormatError

T = 1_600_000_000_123_456_000
A, B, C = Frame(b"a" * 60, T), Frame(b"b" * 61, T + 1000, original=1514), Frame(b"", T + 2000)
START = section() + interface()


@pytest.mark.parametrize("order", "<>")
def test_enhanced_and_obsolete_packet_blocks(order):
    data = section(order) + interface(order, link_type=113)
    data += enhanced(A, order, options=option(1, b"a comment", order)) + obsolete(B, order) + enhanced(C, order)
    result = read(data)
    assert result.format == "pcapng"
    assert result.frames == [(n, f.time, f.data, f.length, 113) for n, f in enumerate((A, B, C), 1)]
    assert not result.issues


def test_sections_have_their_own_byte_order_and_interfaces():
    data = START + interface(link_type=101) + enhanced(A) + enhanced(B, on=1)
    data += section(">", length=0) + interface(">", link_type=228, resolution=9)
    data += enhanced(B, ">", units=T) + enhanced(A, ">", on=1)
    data += section(version=(1, 2)) + interface() + enhanced(C)
    result = read(data)
    assert [(number, time, link) for number, time, _, _, link in result.frames] == [
        (1, A.time, 1),
        (2, B.time, 101),
        (3, T, 228),
        (5, C.time, 1),
    ]
    assert result.issues == {"interface-undeclared": 1}  # frame 4: the interface is of the section before


def test_an_interface_counts_from_its_block_on():
    result = read(START + enhanced(A) + enhanced(B, on=1) + interface() + enhanced(B, on=1))
    assert result.numbers == [1, 3]
    assert result.issues == {"interface-undeclared": 1}


def test_frames_before_any_interface_are_left_out():
    result = read(section() + enhanced(A) + simple(A) + obsolete(B) + interface() + enhanced(B))
    assert result.frames == [(4, B.time, B.data, 1514, 1)]
    assert result.issues == {"interface-undeclared": 3}


@settings(deadline=None)
@given(
    st.sampled_from([*range(20), 28, 29, 127]) | st.integers(0, 127).map(lambda n: n | 0x80),
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 1, -1, 1000, -1_600_000_000, 2**62, -(2**63)]),
)
def test_clocks(resolution, units, offset):
    base = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    latest = 2**63 - 1
    expected = min(units * 10**9 // base, latest) + max(min(offset * 10**9, latest), -latest)
    data = section() + interface(resolution=resolution, offset=offset) + enhanced(A, units=units)
    assert read(data).times == [min(expected, latest)]


def test_several_clocks_in_one_batch():
    data = START + interface(resolution=9, offset=1) + interface(resolution=0x80 | 10) + interface(resolution=6)
    data += b"".join(enhanced(Frame(b"x"), units=1024 * n, on=n % 4) for n in range(8))
    nanoseconds = {0: 1000, 1: 1, 2: 10**9 / 1024, 3: 1000}
    assert read(data).times == [int(1024 * n * nanoseconds[n % 4]) + 10**9 * (n % 4 == 1) for n in range(8)]


def test_of_an_option_given_twice_the_first_counts_and_options_end():
    body = struct.pack("<HHI", 1, 0, 0) + option(9, b"\x03") + option(9, b"\x06") + option(0, b"")
    data = section() + block(1, body + option(14, struct.pack("<q", 5))) + enhanced(A, units=7)
    assert read(data).times == [7_000_000]


def test_simple_packet_blocks_take_the_time_of_the_frame_before():
    data = START + simple(Frame(b"early")) + enhanced(A) + simple(Frame(b"later")) + simple(Frame(b"later"))
    data += section(">") + interface(">") + simple(Frame(b"swapped"), ">") + enhanced(B, ">")
    result = read(data)
    assert result.times == [0, A.time, A.time, A.time, A.time, B.time]
    assert result.data[0] == b"early"
    assert result.data[4] == b"swapped"
    assert result.issues == {"frame-without-time": 4}


def test_simple_packet_blocks_are_cut_at_the_interface_snaplen():
    data = section() + interface(snaplen=20) + interface(snaplen=5)
    data += simple(Frame(b"x" * 20, original=60)) + simple(Frame(b"y" * 7))
    assert [frame[2:4] for frame in read(data).frames] == [(b"x" * 20, 60), (b"y" * 7, 7)]


def test_a_simple_packet_block_shorter_than_its_frame_is_damage():
    result = read(START + enhanced(A) + simple(Frame(b"x" * 8, original=13)) + enhanced(B))
    assert (result.data, result.issues) == ([A.data], {"capture-damaged": 1})


def test_other_blocks_are_skipped_but_some_count_as_frames_as_in_wireshark():
    data = START + enhanced(A)
    for kind in (4, 5, 7, 8, 0x201, 0x12345678, 0x80000001):
        data += block(kind, bytes(24))
    data += enhanced(B)
    for kind in (9, 0xBAD, 0x40000BAD, 0x204, 0x216, 0x221):
        data += block(kind, b"")
    assert read(data + enhanced(C)).numbers == [1, 2, 9]


def test_secrets_are_kept():
    log = b"CLIENT_RANDOM " + b"0" * 64 + b" " + b"1" * 96 + b"\n"
    data = section(">") + interface(">") + secret(log, ">") + enhanced(A, ">")
    data += section() + secret(b"other", kind=0x57474B4C)
    assert read(data).secrets == [(reader.TLS_KEY_LOG, log), (0x57474B4C, b"other")]


def test_a_secret_longer_than_its_block_is_damage():
    result = read(START + enhanced(A) + secret(b"abcd", length=400) + enhanced(B))
    assert (result.data, result.secrets, result.issues) == ([A.data], [], {"capture-damaged": 1})


def test_the_secrets_that_are_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(reader, "_SECRETS_BYTES", 1000)
    result = read(START + secret(b"x" * 500) * 3)
    assert len(result.secrets) == 1
    assert result.issues == {"secrets-bytes": 2}


DAMAGE = {
    "trailer of a frame": enhanced(A, trailer=44),
    "trailer of an unknown block": block(0x77, bytes(8), trailer=99),
    "trailer of an interface": block(1, bytes(8), trailer=99),
    "trailer of secrets": block(10, struct.pack("<II", 0x544C534B, 0), trailer=99),
    "frame longer than its block": enhanced(A, captured=64),
    "too short for a frame": block(6, bytes(8)),
    "too short for an interface": block(1, bytes(4)),
    "too short for a block": struct.pack("<III", 0x77, 8, 8),
    "of length 0": struct.pack("<III", 6, 0, 0),
    "frame of absurd length": struct.pack("<II", 6, 0xFFFFFF00) + bytes(100),
    "section of no byte order": block(0x0A0D0D0A, bytes(16)),
    "section of a version to come": section(version=(2, 0)),
    "section of absurd length": struct.pack("<III", 0x0A0D0D0A, 0xFFFFFF00, 0x1A2B3C4D) + bytes(100),
}


@pytest.mark.parametrize("bad", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("batch_bytes", [1, 8 << 20])
def test_what_is_before_damage_is_kept_and_nothing_after(bad, batch_bytes):
    before = START + enhanced(A) + enhanced(B)
    after = interface() + secret(b"unreachable") + enhanced(C)
    result = read(before + bad + after, batch_bytes=batch_bytes)
    assert result.data == [A.data, B.data]
    assert result.issues == {"capture-damaged": 1}
    assert f"At byte {len(before)} is" in result.messages[0]
    assert not result.secrets


def test_a_captured_length_past_the_limit_is_damage_even_where_it_fits():
    result = read(START + enhanced(A) + enhanced(Frame(bytes(300))) + enhanced(B), frame_bytes=100)
    assert (result.data, result.issues) == ([A.data], {"capture-damaged": 1})


@pytest.mark.parametrize("batch_bytes", [1, 100_000, 8 << 20])
def test_a_block_too_large_to_keep_is_passed_over(batch_bytes):
    huge = block(0x77, bytes(500_000)) + block(0xBAD, bytes(300_000))
    data = START + enhanced(A) + huge + enhanced(B)
    result = read(data, batch_bytes=batch_bytes, frame_bytes=1000)
    assert (result.numbers, result.data, result.issues) == ([1, 3], [A.data, B.data], {})
    cut = read(data[: len(START) + 300_000], batch_bytes=batch_bytes, frame_bytes=1000)
    assert (cut.data, cut.issues) == ([A.data], {"capture-cut-short": 1})


def test_a_length_that_forgets_the_padding():
    body = struct.pack("<5I", 0, 0, 5, 13, 13) + b"thirteen byte" + bytes(3)
    data = START + struct.pack("<II", 6, 45) + body + struct.pack("<I", 45) + enhanced(B)
    assert read(data).data == [b"thirteen byte", B.data]


def test_many_interfaces_and_sections():
    data = START + b"".join(
        interface(offset=n % 50) + enhanced(Frame(b"x"), units=0, on=n + 1) + (section() + interface()) * (n == 150)
        for n in range(300)
    )
    result = read(data, batch_bytes=2000)
    assert result.times == [n % 50 * 10**9 for n in range(151)]
    assert result.issues == {"interface-undeclared": 149}


def test_the_interfaces_that_are_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(reader, "_INTERFACES", 3)
    result = read(START + interface() * 4 + enhanced(A, on=2) + enhanced(B, on=3))
    assert result.data == [A.data]
    assert result.issues == {"interfaces": 2, "interface-undeclared": 1}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (block(0x0A0D0D0A, bytes(16)), "byte-order"),
        (section(version=(2, 0)), "version 2.0"),
        (struct.pack("<III", 0x0A0D0D0A, 27, 0x1A2B3C4D) + bytes(16), "27 bytes"),
        (struct.pack("<III", 0x0A0D0D0A, 0xFFFFFFF0, 0x1A2B3C4D) + bytes(16), "4294967280 bytes"),
        (section()[:-4] + bytes(4), "lengths differ"),
    ],
)
def test_a_first_section_that_cannot_be_read(data, says):
    with pytest.raises(FormatError, match=says):
        open_capture(data)


def test_an_empty_section():
    assert read(section()).frames == []
    assert read(pcapng([])).issues == {}
