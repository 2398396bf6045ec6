"""Where do a capture's bytes come from: a file, stdin, bytes or a file object, compressed or not?"""

import bz2
import importlib
import io
import lzma
import os
import re
import select
import stat
import sys
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Union

from analyzer.capture.packets import is_packet_list, written
from analyzer.errors import CaptureError, FormatError, UsageError
from analyzer.filenames import named
from analyzer.issues import Issues

if TYPE_CHECKING:
    from scapy.plist import PacketList

Input = Union[str, os.PathLike[str], bytes, bytearray, memoryview, BinaryIO, "PacketList"]
"""What `Source` opens: a path, `-` for stdin, the capture itself, a binary file object, or Scapy's packets."""

_CHUNK = 64 << 10  # compressed bytes read at once
_PIECE = 64 << 10  # decompressed bytes made at once: what damage can cost at most, where the library cannot step back
FREE_EXPANSION = 256 << 20
"""So many bytes a compressed input may become, however few it has."""
_XZ_MEMORY = 256 << 20  # `xz -9` needs 65 MiB; a header may claim a dictionary of 4 GiB


class Source:
    """The decompressed bytes of a capture, in order, through `readinto`.

    Memory is bounded whatever the input decompresses to. What the input lacks is recorded in
    `issues`; only the beginning raises.

    Raises:
        CaptureError: it cannot be opened or its beginning cannot be read.
        FormatError: it is compressed by a method whose library is not installed.
        UsageError: it is nothing that one can read bytes from.
    """

    name: str
    """The path, `-` for stdin, a file object's or packet list's own name, else `<bytes>` or `<stream>`; as text."""
    size: int | None
    """Bytes of the input, before decompression; None where that is not known."""
    position: int
    """Bytes of the input that have been read."""
    live: bool
    """A read may wait for a sender: a pipe, a socket or a terminal."""
    compression: str | None
    """gzip, bzip2, xz, zstd or lz4; None where the bytes are taken as they are."""

    def __init__(self, source: Input, issues: Issues, *, name: str | None = None, expansion: int | None = None) -> None:
        """`expansion`: how many bytes one byte may become; an input that does more is not read on, with an issue."""
        self._issues = issues
        self._expansion = expansion
        self._made = 0
        self.position = 0
        self._owned = False
        self._file = self._open(source, name)
        self.name = named(self.name)
        self.live = is_live(self._file)
        self.size = None if self.live else _size(self._file)
        self._read = _reader(self._file, self.live)
        self._head = b""
        self._failed = False
        self._stream: _Stream | None = None
        self.compression = None
        try:
            self._detect()
        except BaseException:
            self.close()
            raise

    def _open(self, source: Input, name: str | None) -> BinaryIO:
        if isinstance(source, bytes | bytearray | memoryview):
            self.name = name or "<bytes>"
            return io.BytesIO(source)
        if isinstance(source, str | os.PathLike):
            path = os.fsdecode(source)
            self.name = named(name or path)
            if path == "-":
                if not hasattr(sys.stdin, "buffer"):
                    raise CaptureError(self.name, "there is no standard input")
                return sys.stdin.buffer
            try:
                file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115  (closed by close)
            except (OSError, ValueError) as error:
                raise CaptureError(self.name, _reason(error)) from error
            self._owned = True
            return file
        if is_packet_list(source):
            self.name = name or source.listname
            return io.BytesIO(written(source))
        if isinstance(source, io.TextIOBase):
            raise UsageError("a capture is binary: open the file with mode 'rb'")
        if not (hasattr(source, "readinto") or hasattr(source, "read")):
            raise UsageError(f"cannot read a capture from {type(source).__name__}")
        own = getattr(source, "name", None)
        self.name = name or (own if isinstance(own, str) else "<stream>")
        return source

    def _detect(self) -> None:
        """Read the first bytes and choose the decompressor by them."""
        first = bytearray(_CHUNK)
        length = 0
        while length < 8 and (count := self._fetch(memoryview(first)[length:])):
            length += count
        self._head = bytes(first[:length])
        for compression, (pattern, new) in _COMPRESSIONS.items():
            if pattern.match(self._head):
                try:
                    self._stream = _Stream(compression, pattern, new, self._chunk, self._issues)
                except ImportError as error:
                    needed = "pip install 'mtlscope[compression]', in a checkout scripts/setup compression"
                    raise FormatError(self.name, f"{compression}-compressed; reading it needs: {needed}") from error
                self.compression = compression
                return

    def _fetch(self, target: memoryview) -> int:
        """Read input into `target`; 0 at the end, or where the input fails."""
        if self._failed:
            return 0
        try:
            count = self._read(target)
            if count is None:
                raise BlockingIOError(0, "non-blocking input has no data yet")
        except Exception as error:  # a file object of the caller's may raise anything
            if self.position == 0:
                raise CaptureError(self.name, _reason(error)) from error
            self._failed = True
            self._issues.add("capture-read-error", f"Reading failed after {self.position} bytes: {_reason(error)}.")
            return 0
        self.position += count
        return count

    def _chunk(self) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        chunk = bytearray(_CHUNK)
        return bytes(memoryview(chunk)[: self._fetch(memoryview(chunk))])

    def readinto(self, target: memoryview) -> int:
        """Put the next bytes into `target` and say how many; 0 at the end.

        Like a raw file's `readinto` it may stop short of the whole target; it waits only for the
        first byte. An input that fails, is cut short or damaged ends early, with an issue.
        """
        if self._stream is not None:
            if self._is_bomb():
                return 0
            count = self._stream.readinto(target)
            self._made += count
            return count
        if self._head:
            count = min(len(self._head), len(target))
            target[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        return self._fetch(target)

    def _is_bomb(self) -> bool:
        if self._expansion is None or self._made <= max(FREE_EXPANSION, self._expansion * self.position):
            return False
        if "expansion" not in self._issues:
            message = f"It expands more than {self._expansion} times, like a bomb, and was not read on."
            self._issues.add("expansion", message)
        return True

    def wait(self, seconds: float) -> bool:
        """Whether a live input has more within so many seconds (or has ended)."""
        try:
            return bool(select.select([self._file], [], [], max(seconds, 0))[0])
        except (OSError, ValueError):  # not a socket on Windows; a descriptor past FD_SETSIZE
            return False

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned:
            self._file.close()


class _Decompressor(Protocol):
    """How bz2, lzma, zstd and lz4 speak of one compressed stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """Zlib's decompressor in the words of `_Decompressor`; gives all that comes before damage."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._rest = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data = self._rest + data
        fed = len(data)
        while True:
            before = self._zlib.copy()
            try:
                output = self._zlib.decompress(data[:fed], max_length)
                break
            except zlib.error:  # what this call has made is lost: go back, and only so far
                if fed <= 1:
                    raise
                self._zlib = before
                fed //= 2
        self._rest = self._zlib.unconsumed_tail + data[fed:]
        self.needs_input = not self._rest and len(output) < max_length
        return output


class _Stream:
    """One compressed stream after another (`cat a.gz b.gz`), decompressed in bounded pieces."""

    def __init__(
        self,
        compression: str,
        pattern: re.Pattern[bytes],
        new: Callable[[], _Decompressor],
        read: Callable[[], bytes],
        issues: Issues,
    ) -> None:
        self._compression = compression
        self._pattern = pattern
        self._new = new
        self._read = read
        self._issues = issues
        self._current = new()
        self._pending = b""
        self._ended = False

    def readinto(self, target: memoryview) -> int:
        filled = 0
        while filled < len(target) and not self._ended:
            if not self._pending and (self._current.eof or self._current.needs_input):
                if filled:
                    break
                self._pending = self._read()
                if not self._pending:
                    self._end(None if self._current.eof else "capture-cut-short", "ends early")
                    break
            if self._current.eof and not self._next():
                continue
            try:
                output = self._current.decompress(self._pending, min(_PIECE, len(target) - filled))
            except Exception as error:  # each library has its own exceptions
                self._end("capture-damaged", f"is damaged: {_reason(error)}")
                break
            self._pending = self._current.unused_data if self._current.eof else b""
            target[filled : filled + len(output)] = output
            filled += len(output)
        return filled

    def _next(self) -> bool:
        """Go on to the stream that follows one that has ended; False where there is none (yet)."""
        self._pending = self._pending.lstrip(b"\0")  # padding: tapes, and xz's stream padding
        while len(self._pending) < 8 and (more := self._read()):
            self._pending = (self._pending + more).lstrip(b"\0")
        if not self._pending:
            return False
        if not self._pattern.match(self._pending):
            self._end("compressed-trailing-bytes", "is followed by bytes of something else, which are not read")
            return False
        self._current = self._new()
        return True

    def _end(self, code: str | None, what: str) -> None:
        self._ended = True
        if code:
            self._issues.add(code, f"The {self._compression} stream {what}.")


def _library(*names: str) -> Any:
    """Import the first of several modules that is installed; raises ImportError."""
    for name in names[:-1]:
        try:
            return importlib.import_module(name)
        except ImportError:
            pass
    return importlib.import_module(names[-1])


# zstd and lz4 streams may begin with, or be parted by, skippable frames (RFC 8878, section 3.1.2).
_COMPRESSIONS: dict[str, tuple[re.Pattern[bytes], Callable[[], _Decompressor]]] = {
    "gzip": (re.compile(rb"\x1f\x8b\x08"), _Gzip),
    "bzip2": (re.compile(rb"BZh[1-9]"), bz2.BZ2Decompressor),
    "xz": (re.compile(rb"\xfd7zXZ\0"), lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)),
    "zstd": (
        re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
        lambda: _library("compression.zstd", "backports.zstd").ZstdDecompressor(),
    ),
    "lz4": (
        re.compile(rb"\x04\x22\x4d\x18|[\x50-\x5f]\x2a\x4d\x18"),
        lambda: _library("lz4.frame").LZ4FrameDecompressor(),
    ),
}


def is_live(source: Input) -> bool:
    """Whether a read of it may wait for a sender: a pipe, a socket or a terminal."""
    try:
        if isinstance(source, str | os.PathLike) and source != "-":
            mode = os.stat(source).st_mode  # noqa: PTH116
        else:
            file = sys.stdin if isinstance(source, str) else source
            mode = os.fstat(file.fileno()).st_mode  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):  # bytes have no descriptor
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _size(file: BinaryIO) -> int | None:
    """Bytes from the current position on, where that is cheap to know."""
    if not isinstance(file, io.BytesIO | io.FileIO | io.BufferedReader):
        return None
    try:
        start = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(start)
    except (OSError, ValueError):
        return None
    return max(end - start, 0)


def _reader(file: BinaryIO, live: bool) -> Callable[[memoryview], int | None]:
    """The file's way to read into memory; of a live one, whatever has arrived."""
    for method in ("readinto1", "readinto") if live else ("readinto",):
        if hasattr(file, method):
            read: Callable[[memoryview], int | None] = getattr(file, method)
            return read

    def readinto(target: memoryview) -> int:
        data = file.read(min(len(target), 1 << 20))
        target[: len(data)] = data
        return len(data)

    return readinto


def _reason(error: Exception) -> str:
    """What went wrong, in the operating system's words where they are its own, on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
