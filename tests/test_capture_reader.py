"""A capture of any format, cut anywhere, read in any pieces, yields the same frames or an error that names it."""

import gzip
import io
import struct

import pytest
from captured import read
from forge import Frame, block, enhanced, interface, obsolete, pcap, pcapng, secret, section, simple, snoop
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.capture import open_capture
from analyzer.errors import AnalyzerError, FormatError
from analyzer.settings import Limits

frames = st.lists(
    st.builds(
        Frame,
        st.binary(max_size=100),
        st.integers(0, 2**32 * 10**6 - 1).map(lambda microseconds: microseconds * 1000),
        st.none() | st.integers(100, 70000),
    ),
    max_size=12,
)
orders = st.sampled_from("<>")


@st.composite
def mixed_pcapng(draw):
    """Sections, interfaces, secrets, unknown blocks and all three kinds of packet blocks in any order."""
    order = draw(orders)
    parts = [section(order), interface(order)]
    for _ in range(draw(st.integers(0, 15))):
        frame = Frame(draw(st.binary(max_size=40)), draw(st.integers(0, 2**50)) * 1000)
        on = draw(st.integers(0, 2))
        kind = draw(st.sampled_from("epspeisubS"))
        if kind == "S":
            order = draw(orders)
        parts.append(
            {
                "e": enhanced(frame, order, on=on),
                "p": obsolete(frame, order, on=on),
                "s": simple(frame, order),
                "i": interface(order, resolution=on * 3, link_type=on),
                "u": block(77, frame.data, order),
                "b": block(0xBAD, frame.data, order),
                "S": section(order) + secret(frame.data, order),
            }[kind]
        )
    return b"".join(parts)


captures = st.one_of(
    st.builds(pcap, frames, order=orders, nanoseconds=st.booleans()),
    st.builds(pcapng, frames, order=orders, resolution=st.sampled_from([6, 9])),
    st.builds(snoop, frames),
    mixed_pcapng(),
)


@settings(deadline=None)
@given(frames, orders, st.booleans(), st.sampled_from([6, 9, 12, 0x80 | 62]))
def test_every_format_yields_the_same_frames(given_frames, order, nanoseconds, resolution):
    if resolution > 9:  # such units would not fit, or would round
        given_frames = [
            Frame(f.data, f.time % (4 * 10**9) // 1953125000 * 1953125000, f.original) for f in given_frames
        ]
    expected = read(pcap(given_frames)).frames
    assert [frame[1:4] for frame in expected] == [(f.time, f.data, f.length) for f in given_frames]
    for data in (
        pcap(given_frames, order=order, nanoseconds=nanoseconds),
        pcapng(given_frames, order=order, resolution=resolution),
        snoop(given_frames),
    ):
        assert read(data).frames == expected


@settings(deadline=None)
@given(captures, st.data())
def test_a_prefix_yields_a_prefix(data, choice):
    whole = read(data)
    cut = choice.draw(st.integers(0, len(data)))
    try:
        part = read(data[:cut], batch_bytes=choice.draw(st.sampled_from([1, 500, 8 << 20])))
    except FormatError as error:
        assert cut == 0 or f"after {cut} bytes" in str(error)
        assert cut < 28
    else:
        assert part.frames == whole.frames[: len(part.frames)]
        assert part.secrets == whole.secrets[: len(part.secrets)]
        if not part.issues.keys() & {"capture-cut-short"}:
            assert read(data[:cut]).frames == part.frames


class Pieces(io.RawIOBase):
    """A file object whose reads are as short as one likes."""

    def __init__(self, data, sizes):
        self.file = io.BytesIO(data)
        self.sizes = sizes

    def readable(self):
        return True

    def readinto(self, target):
        self.sizes.append(size := self.sizes.pop(0))
        return self.file.readinto(memoryview(target)[:size])


@settings(deadline=None)
@given(captures, st.lists(st.integers(1, 100), min_size=1, max_size=5), st.sampled_from([1, 64, 300, 8 << 20]))
def test_any_pieces_yield_the_same(data, sizes, batch_bytes):
    expected = read(data, batch_bytes=batch_bytes)
    result = read(Pieces(data, sizes), batch_bytes=batch_bytes)
    assert result.frames == expected.frames
    assert result.batches == expected.batches
    assert (result.issues, result.messages, result.secrets) == (expected.issues, expected.messages, expected.secrets)
    whole = read(data)
    assert (result.frames, result.issues, result.secrets) == (whole.frames, whole.issues, whole.secrets)


@settings(deadline=None)
@given(captures, st.data())
def test_damaged_bytes_never_raise_anything_else(data, choice):
    damaged = bytearray(data)
    for _ in range(choice.draw(st.integers(1, 4))):
        damaged[choice.draw(st.integers(0, len(data) - 1))] = choice.draw(st.integers(0, 255))
    results = []
    for batch_bytes in (1, 8 << 20):
        try:
            result = read(bytes(damaged), batch_bytes=batch_bytes, frame_bytes=200)
            results.append((result.frames, result.issues, sorted(result.messages), result.secrets))
        except AnalyzerError as error:
            results.append(str(error))
    assert results[0] == results[1]


@settings(deadline=None)
@given(
    st.binary(max_size=60), st.sampled_from([b"", b"\n\r\r\n", b"\xa1\xb2\xc3\xd4", b"snoop\0\0\0", b"\x1f\x8b\x08"])
)
def test_noise_never_raises_anything_else(noise, magic):
    try:
        read(magic + noise)
    except AnalyzerError as error:
        assert "\n" not in str(error)


def test_batches_hold_about_as_much_as_asked():
    result = read(pcap([Frame(bytes(84))] * 1000), batch_bytes=10_000)
    assert len(result.batches) == 11
    assert result.numbers == list(range(1, 1001))


def test_the_buffer_is_used_again():
    with open_capture(pcap([Frame(bytes([n]) * 1000) for n in range(100)]), limits=Limits(batch_bytes=5000)) as capture:
        buffers = {batch.buffer.ctypes.data for batch in capture.batches()}
    assert len(buffers) == 1


def test_progress():
    data = gzip.compress(pcap([Frame(bytes(100_000))] * 100))
    with open_capture(data) as capture:
        assert capture.size == len(data)
        seen = [capture.position for _ in capture.batches()]
    assert seen == sorted(seen)
    assert seen[-1] <= len(data) == capture.position


ELSE = {
    b"": "empty file",
    b"\xd4\xc3": "cut short in the file header, after 2 bytes",
    b"\n\r\r\n\x1c\0\0\0": "cut short in the file header, after 8 bytes",
    section()[:27]: "cut short in the file header, after 27 bytes",
    b"snoop\0\0\0" + bytes(7): "cut short in the file header, after 15 bytes",
    pcap([])[:23]: "cut short in the file header, after 23 bytes",
    b"GMBU\0\3\1\0": "Network Monitor",
    b"iptrace 2.0" + bytes(30): "iptrace",
    b"+---------+---------------+----------+\r\n05:56:00": "K12 text",
    b'[\n  {\n    "_index": "packets"': "JSON",
    b'{"a": 1}': "JSON",
    b"<!DOCTYPE html>\n<html>": "HTML",
    b"<?xml version='1.0'?><pdml>": "XML",
    b"CLIENT_RANDOM " + b"0" * 64 + b" 00\n": "TLS key log",
    b"SERVER_HANDSHAKE_TRAFFIC_SECRET " + b"0" * 64 + b" 00\n": "TLS key log",
    b"SERVER_TRAFFIC_SECRET_0 " + b"0" * 64 + b" 00\n": "TLS key log",
    b"\x7fELF\2\1\1": "ELF",
    b"PK\3\4\x14\0": "zip archive",
    b"7z\xbc\xaf\x27\x1c\0\4": "7z archive",
    b"version https://git-lfs.github.com/spec/v1\n": "Git LFS pointer",
    "a capture".encode("utf-16"): "UTF-16",
    section().replace(b"\r\r", b"\r") + interface(): "damaged by a transfer as text",
    section().replace(b"\n", b"\r\n"): "damaged by a transfer as text",
    bytes(257) + b"ustar\x0000": "tar archive",
    b"-----BEGIN CERTIFICATE-----\n": "PEM",
    b"1970-01-01 something happened\n": "but text",
    b"0000  00 11 22 33 44 55": "hex dump",
    b"\x80\x81\x82\x83\x84\x85\x86\x87\x88": "begins with 80 81 82 83 84 85 86 87",
    struct.pack("<Q", 1_600_000_000 << 32) + b"\2\0\0\x20\0\0\0\x10" + bytes(16)
    + struct.pack("<Q", 1_600_000_001 << 32) + b"\2\0\0\x20\0\0\0\x10" + bytes(16): "ERF",
}  # fmt: skip


@pytest.mark.parametrize(("data", "says"), ELSE.items(), ids=ELSE.values())
def test_what_is_no_capture_is_named(data, says):
    with pytest.raises(FormatError) as caught:
        open_capture(data)
    assert says in str(caught.value)
    if data:
        with pytest.raises(FormatError) as caught:
            open_capture(gzip.compress(data))
        assert says in str(caught.value)


def test_a_compressed_file_inside_a_compressed_file_is_named():
    with pytest.raises(FormatError, match="a gzip file, gzip-compressed"):
        open_capture(gzip.compress(gzip.compress(pcap([]))))


def test_scapy_reads_the_same():
    scapy = pytest.importorskip("scapy.utils")
    given_frames = [Frame(bytes([n]) * (n + 20), 10**18 + n * 1000, 500) for n in range(50)]
    for data in (pcap(given_frames), pcap(given_frames, order=">", nanoseconds=True), pcapng(given_frames, order=">")):
        with scapy.RawPcapReader(io.BytesIO(data)) as reader:
            packets = list(reader)
        result = read(data)
        assert [packet for packet, _ in packets] == result.data
        assert [meta.wirelen for _, meta in packets] == [frame[3] for frame in result.frames]
