"""Bytes come from files, pipes and file objects, compressed or not, and what is lost of them is said."""

import bz2
import gzip
import io
import lzma
import os
import sys
import threading
import zipfile
import zlib
from random import Random

import pytest
from captured import read
from forge import Frame, pcap

from analyzer.capture import open_capture
from analyzer.capture.source import Source
from analyzer.errors import CaptureError, FormatError, UsageError
from analyzer.issues import Issues

RANDOM = Random(0)
FRAMES = [Frame(RANDOM.randbytes(64), n * 1000) for n in range(3000)]
CAPTURE = pcap(FRAMES)


def zstd(data):
    try:
        from compression import zstd as library
    except ImportError:
        library = pytest.importorskip("backports.zstd")
    return library.compress(data, options={library.CompressionParameter.checksum_flag: 1})


def lz4(data):
    return pytest.importorskip("lz4.frame").compress(data, content_checksum=True)


def bzip2(data):
    return bz2.compress(data, 1)  # in blocks of 100 kB


METHODS = {"gzip": gzip.compress, "bzip2": bzip2, "xz": lzma.compress, "zstd": zstd, "lz4": lz4}
every_method = pytest.mark.parametrize("method", METHODS)


def rows(frames):
    return [frame.data for frame in frames]


def test_path_bytes_and_file_objects(tmp_path):
    path = tmp_path / "a capture.pcap"
    path.write_bytes(CAPTURE)
    for source in (path, str(path), CAPTURE, bytearray(CAPTURE), memoryview(CAPTURE), io.BytesIO(CAPTURE)):
        result = read(source)
        assert result.data == rows(FRAMES)
        assert result.size == result.position == len(CAPTURE)
    with path.open("rb") as buffered, path.open("rb", buffering=0) as raw:
        for file in (buffered, raw):
            assert read(file).size == len(CAPTURE)
            assert not file.closed  # it is the caller's


def test_a_file_object_is_read_from_where_it_stands():
    file = io.BytesIO(b"something else" + CAPTURE)
    file.seek(14)
    result = read(file)
    assert (result.data, result.size) == (rows(FRAMES), len(CAPTURE))


def test_names(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(CAPTURE)
    with path.open("rb") as file:
        for source, name in (
            (path, str(path)),
            (file, str(path)),
            (CAPTURE, "<bytes>"),
            (io.BytesIO(CAPTURE), "<stream>"),
        ):
            with open_capture(source) as capture:
                assert capture.name == name
    with open_capture(CAPTURE, name="inner.pcap") as capture:
        assert capture.name == "inner.pcap"
    with pytest.raises(CaptureError, match=r"^inner\.pcap: empty file$"):
        open_capture(b"", name="inner.pcap")


def test_a_zip_member(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.pcap", CAPTURE)
    with zipfile.ZipFile(path) as archive, archive.open("x.pcap") as member:
        assert read(member).data == rows(FRAMES)


class OnlyRead:
    """A file object with nothing but `read`."""

    def __init__(self, data, *, fails_after=None):
        self.file = io.BytesIO(data)
        self.left = fails_after

    def read(self, size):
        if self.left is not None:
            if self.left <= 0:
                raise RuntimeError("the tape\ntore")
            size = min(size, self.left)
            self.left -= size
        return self.file.read(size)


def test_read_alone_is_enough():
    assert read(OnlyRead(CAPTURE)).data == rows(FRAMES)
    assert read(OnlyRead(gzip.compress(CAPTURE))).format == "pcap+gzip"


def test_input_that_fails():
    with pytest.raises(CaptureError, match="the tape tore"):
        open_capture(OnlyRead(CAPTURE, fails_after=0))
    result = read(OnlyRead(CAPTURE, fails_after=24 + 10 * 80 + 1))
    assert result.data == rows(FRAMES[:10])
    assert result.issues == {"capture-read-error": 1, "capture-cut-short": 1}
    assert "after 825 bytes: the tape tore" in result.messages[0]


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(CaptureError, match="No such file"):
        open_capture(tmp_path / "missing.pcap")
    with pytest.raises(CaptureError, match="directory"):
        open_capture(tmp_path)
    with pytest.raises(CaptureError, match="null byte"):
        open_capture("a\0b")
    closed = io.BytesIO(CAPTURE)
    closed.close()
    with pytest.raises(CaptureError, match="closed"):
        open_capture(closed)


@pytest.mark.parametrize("source", [io.StringIO("text"), None, 7, object()])
def test_what_is_no_input(source):
    with pytest.raises(UsageError):
        open_capture(source)


def test_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CAPTURE)))
    with open_capture("-") as capture:
        assert capture.name == "-"
        assert sum(map(len, capture.batches())) == len(FRAMES)
    assert not sys.stdin.buffer.closed
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CaptureError, match="standard input"):
        open_capture("-")


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot wait for pipes")
def test_a_pipe_yields_what_has_arrived_when_it_pauses():
    out, into = os.pipe()
    proceed = threading.Event()

    def send():
        with os.fdopen(into, "wb", buffering=0) as pipe:
            pipe.write(CAPTURE[: 24 + 80 * 5 + 30])
            proceed.wait(10)
            pipe.write(CAPTURE[24 + 80 * 5 + 30 :])

    sender = threading.Thread(target=send)
    sender.start()
    with os.fdopen(out, "rb") as pipe, open_capture(pipe) as capture:
        batches = capture.batches()
        assert len(next(batches)) == 5  # though the sender has not gone on
        assert capture.size is None
        proceed.set()
        assert 5 + sum(map(len, batches)) == len(FRAMES)
    sender.join()


@every_method
def test_compression(method):
    packed = METHODS[method](CAPTURE)
    result = read(packed)
    assert (result.format, result.data, result.issues) == (f"pcap+{method}", rows(FRAMES), {})
    assert result.size == result.position == len(packed)


@every_method
def test_several_streams_with_padding_between_them(method):
    pack = METHODS[method]
    parts = [CAPTURE[:1000], b"", CAPTURE[1000:1001], CAPTURE[1001:]]
    packed = b"".join(pack(part) + bytes(4 * n) for n, part in enumerate(parts))
    result = read(packed)
    assert (result.data, result.issues) == (rows(FRAMES), {})


@every_method
def test_bytes_after_the_last_stream_are_said(method):
    for rest in (b"garbage that goes on", b"x"):
        result = read(METHODS[method](CAPTURE) + rest)
        assert (result.data, result.issues) == (rows(FRAMES), {"compressed-trailing-bytes": 1})


@every_method
def test_a_compressed_stream_that_is_cut_short(method):
    packed = METHODS[method](CAPTURE)
    result = read(packed[: len(packed) * 3 // 4])
    assert result.data == rows(FRAMES)[: len(result.data)]
    assert "capture-cut-short" in result.issues
    assert method in result.messages[0]
    if method == "gzip":
        assert len(result.data) > 2000


def test_gzip_loses_nothing_that_is_before_the_damage():
    packed = bytearray(gzip.compress(CAPTURE))
    packed[-5] ^= 1  # the checksum: all data is there
    result = read(bytes(packed))
    assert (result.data, result.issues) == (rows(FRAMES), {"capture-damaged": 1})
    deflate = zlib.compressobj(wbits=31)
    before = deflate.compress(CAPTURE[:100_000]) + deflate.flush(zlib.Z_FULL_FLUSH)
    result = read(before + b"\xff" + deflate.compress(CAPTURE[100_000:]) + deflate.flush())
    assert result.data == rows(FRAMES[: (100_000 - 24) // 80])
    assert result.issues == {"capture-damaged": 1, "capture-cut-short": 1}


@every_method
def test_damage_in_a_compressed_stream(method):
    packed = bytearray(METHODS[method](CAPTURE))
    for place in range(len(packed) // 2, len(packed) // 2 + 64):
        packed[place] ^= 0xFF
    try:
        result = read(bytes(packed))
    except FormatError as error:
        assert method in str(error)  # it is all one block: nothing comes out
    else:
        assert result.issues


@every_method
def test_nothing_inside(method):
    packed = METHODS[method](b"")
    with pytest.raises(FormatError, match="empty file"):
        open_capture(packed)
    with pytest.raises(FormatError, match=f"{method} stream ends early"):
        open_capture(METHODS[method](CAPTURE)[:12])


@every_method
def test_a_bomb_is_read_only_so_far_where_that_is_asked(method, monkeypatch):
    monkeypatch.setattr("analyzer.capture.source.FREE_EXPANSION", 1 << 20)
    packed = METHODS[method](pcap([Frame(bytes(60_000), n) for n in range(300)]))
    most = max(1 << 20, 20 * len(packed)) + (8 << 20)  # a batch is read in between
    result = read(packed, expansion=20, batch_bytes=1 << 20)
    assert result.issues["expansion"] == 1 and 0 < sum(map(len, result.data)) < most < 300 * 60_000
    assert len(read(packed, expansion=100_000).data) == len(read(packed).data) == 300


def test_a_zstd_file_may_begin_with_a_skippable_frame():
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0size"
    result = read(skippable + zstd(CAPTURE) + skippable)
    assert (result.data, result.issues) == (rows(FRAMES), {})


@every_method
def test_a_bomb_is_not_unpacked_at_once(method):
    packed = METHODS[method](bytes(64 << 20))
    source = Source(packed, Issues())
    target = memoryview(bytearray(1 << 20))
    first = source.readinto(target)
    assert 0 < first <= len(target)
    count = first
    while more := source.readinto(target):
        count += more
    assert count == 64 << 20


@pytest.mark.parametrize(
    ("method", "modules"), [("zstd", ["compression.zstd", "backports.zstd"]), ("lz4", ["lz4.frame"])]
)
def test_a_missing_library_is_named(method, modules, monkeypatch):
    packed = METHODS[method](CAPTURE)
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(FormatError, match=rf"{method}-compressed.*mtlscope\[compression\]"):
        open_capture(packed)
