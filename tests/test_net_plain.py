"""Batches of nothing but TCP over IPv4 over Ethernet take a short way to the same segments."""

import struct

import numpy as np
import pytest
from forge import Frame, pcap
from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture import open_capture
from analyzer.issues import Issues
from analyzer.net import links
from analyzer.net.decode import Decoder
from analyzer.net.layers import columns
from analyzer.settings import Limits

MAC = bytes.fromhex("020000000001 020000000002")


def tcp(payload: bytes = b"", *, sequence: int = 7, offset: int = 5, flags: int = 0x18) -> bytes:
    head = struct.pack(">HHIIBBHHH", 50000, 443, sequence, 9, offset << 4, flags, 1000, 0, 0)
    return head + bytes(4 * max(offset - 5, 0)) + payload


def ip4(body: bytes, *, total: int | None = None, fragment: int = 0, protocol: int = 6, options: bytes = b"") -> bytes:
    length = 20 + len(options)
    total = length + len(body) if total is None else total
    head = struct.pack(">BBHHHBBH", 0x40 | length // 4, 0, total, 1, fragment, 64, protocol, 0)
    return MAC + b"\x08\0" + head + bytes([192, 0, 2, 1, 198, 51, 100, 2]) + options + body


PLAIN = [
    Frame(ip4(tcp(b"hello"))),
    Frame(ip4(tcp(b"hello", sequence=0xFFFFFFFF))),
    Frame(ip4(tcp())),
    Frame(ip4(tcp()) + bytes(6)),  # padding
    Frame(ip4(tcp(b"hello"), total=0)),  # not yet cut up by the network card
    Frame(ip4(tcp(b"hello"))[:50], original=59),
    Frame(ip4(tcp(b"hello"))[:57], original=59),
    Frame(ip4(tcp(b"hello", offset=8))),
    Frame(ip4(tcp(b"hello", offset=15)[:30])),  # options longer than the segment
    Frame(ip4(tcp(b"hello", offset=4))),
    Frame(ip4(tcp(b"hello"), total=41)),
    Frame(ip4(tcp(b"hello"), fragment=0x4000)),  # not to be fragmented
    Frame(ip4(tcp(flags=2))),
]
OTHERS = [
    Frame(ip4(tcp(b"hello"))[:49], original=59),
    Frame(ip4(tcp(b"hello"), total=35)),
    Frame(ip4(tcp(b"hello"), total=19)),
    Frame(ip4(tcp(b"hello"), options=b"\1\1\1\1")),
    Frame(ip4(tcp(bytes(20)), fragment=0x2000)),
    Frame(ip4(tcp(bytes(20)), fragment=5)),
    Frame(ip4(struct.pack(">HHHH", 5000, 53, 26, 0) + bytes(18), protocol=17)),
    Frame(ip4(ip4(tcp(b"hello"))[14:], protocol=4)),
    Frame(MAC + b"\x81\0\0\5\x08\0" + ip4(tcp(b"hello"))[14:]),
    Frame(MAC + b"\x08\6" + bytes(46)),
    Frame(b""),
]


def decoded(frames: list[Frame], *, plain: bool = True, link_type: int = 1):
    """The columns of segments and datagrams, and the issues; with `plain=False` the long way only."""
    issues = Issues()
    decoder = Decoder(Limits(), issues)
    with pytest.MonkeyPatch.context() as patch, open_capture(pcap(frames, link_type=link_type)) as capture:
        if not plain:
            patch.setattr(Decoder, "_plain", lambda *_: None)
        (batch,) = capture.batches()
        both = [columns(batch)[1:] for batch in decoder.decode(batch)]
    types = [[column.dtype for column in some] for some in both]
    return [[column.tolist() for column in some] for some in both], types, [(i.code, i.count, i.frame) for i in issues]


@given(st.data())
def test_the_short_way_leads_to_the_same_segments(data):
    frames = data.draw(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=8)) * data.draw(st.sampled_from([1, 40]))
    if data.draw(st.booleans()):
        frames.insert(data.draw(st.integers(0, len(frames))), data.draw(st.sampled_from(OTHERS)))
    at = data.draw(st.integers(0, len(frames) - 1))
    damaged = bytearray(frames[at].data)
    for place, value in data.draw(st.lists(st.tuples(st.integers(12, 60), st.integers(0, 255)), max_size=2)):
        damaged[place : place + 1] = bytes([value])
    frames[at] = Frame(bytes(damaged), 0, max(frames[at].length, len(damaged)))
    assert decoded(frames) == decoded(frames, plain=False)


@pytest.mark.parametrize("frame", range(len(PLAIN)))
def test_plain_frames_take_the_short_way(frame, monkeypatch):
    expected = decoded([PLAIN[frame]], plain=False)
    monkeypatch.setattr(links, "packets", lambda *_: pytest.fail("this is the long way"))
    assert decoded([PLAIN[frame]]) == expected
    assert len(expected[0][0][0]) == 1


@pytest.mark.parametrize("frame", range(len(OTHERS)))
@pytest.mark.parametrize("place", [0, 70, 99])
def test_one_other_frame_among_many(frame, place):
    frames = [*PLAIN[:1] * 100]
    frames[place] = OTHERS[frame]
    assert decoded(frames) == decoded(frames, plain=False)


def test_frames_of_another_link_type_are_not_taken_for_ethernet():
    assert decoded(PLAIN, link_type=101) == decoded(PLAIN, link_type=101, plain=False)


def test_an_empty_batch():
    with open_capture(pcap(PLAIN)) as capture:
        (batch,) = capture.batches()
        segments, datagrams = Decoder(Limits(), Issues()).decode(batch.part(0, 0))
    assert (len(segments), len(datagrams)) == (0, 0)
    assert np.array_equal(segments.buffer, datagrams.buffer)
