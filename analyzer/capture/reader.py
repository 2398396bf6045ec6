"""How does a capture of any format become batches of frames?"""

import builtins
from collections.abc import Iterator
from time import monotonic
from types import TracebackType
from typing import Self

import numpy as np

from analyzer.capture.batch import FrameBatch, no_frames
from analyzer.capture.pcap import Pcap
from analyzer.capture.pcapng import Pcapng
from analyzer.capture.snoop import Snoop
from analyzer.capture.source import Input, Source
from analyzer.errors import FormatError
from analyzer.issues import Issues
from analyzer.settings import Limits

Secret = tuple[int, bytes]
"""Type (`pcapng.TLS_KEY_LOG`, …) and bytes of a decryption secret."""

_PAUSE = 0.05  # seconds for which a live capture's frames wait for others to share their batch
_BATCH_FRAMES = 1 << 15  # in a batch at most: floods have small frames, each of a connection of its own
_CHUNK = 64 << 10  # what the buffer of a small file has beyond its size: the file may grow
_SLACK = 32  # bytes behind the buffer's end that `gather` may look at
_DEFAULTS = Limits()
_FORMATS = (Pcap, Pcapng, Snoop)
_MAGICS = [magic for kind in _FORMATS for magic in kind.magics]


class Capture:
    """An open capture: a context manager that yields its frames once, batch by batch."""

    name: str
    """As given: the path, `-`, or what the file object is called."""
    format: str
    """pcap, pcapng or snoop, with the compression after a plus sign: `pcap+gzip`."""
    issues: Issues
    """What the capture lacks, as far as it has been read."""
    secrets: list[Secret]
    """The decryption secrets that a pcapng file brought along, as far as it has been read."""
    frames: int
    """Frames yielded so far."""
    bytes: int
    """Captured bytes of those frames."""

    def __init__(self, source: Input, limits: Limits, name: str | None) -> None:
        self.issues = Issues()
        self.frames = self.bytes = 0
        self._limits = limits
        self._base = 0  # the buffer's first byte, counted from the capture's
        self._start = self._end = 0  # what is read and not yet yielded
        self._source = Source(source, self.issues, name=name, expansion=limits.expansion)
        self.name = self._source.name
        capacity = max(limits.batch_bytes, 1)
        if self._source.size is not None and self._source.compression is None:
            capacity = min(capacity, self._source.size + _CHUNK)  # small files are many, and memory costs time
        self._allocate(capacity)
        try:
            self._format = self._open()
            self._start = self._format.start
            self.secrets = self._format.secrets if isinstance(self._format, Pcapng) else []
        except BaseException:
            self.close()
            raise

    @property
    def live(self) -> bool:
        """Whether it is still being made, for all one knows: a pipe, a socket or a terminal."""
        return self._source.live

    @property
    def position(self) -> int:
        """Bytes of the input read so far, before decompression; for progress."""
        return self._source.position

    @property
    def size(self) -> int | None:
        """Bytes of the whole input, before decompression; None where that is not known."""
        return self._source.size

    def batches(self, *, patience: float | None = None) -> Iterator[FrameBatch]:
        """Yield the frames in order; a batch's buffer is overwritten for the next one.

        A live capture (a pipe) yields what has arrived whenever it pauses, and an empty batch whenever nothing has
        arrived for `patience` seconds.
        """
        while True:
            walk = self._format.walk(self._buffer, self._start, self._end)
            self._start = walk.stop
            if walk.frames is not None:
                self.frames += len(walk.frames)
                self.bytes += int(walk.frames.captured.sum())
                yield from walk.frames.parts(_BATCH_FRAMES)
            at = self._base + self._start
            if walk.damage:
                self.issues.add("capture-damaged", f"At byte {at} is {walk.damage}: nothing from there on is read.")
                return
            if walk.frames is not None and 0 < walk.need <= self._end - self._start:
                continue  # they were very many, and there are more
            while patience is not None and self.live and not self._source.wait(patience):
                yield no_frames(self._buffer)
            if walk.skip and self._discard(walk.skip):
                continue
            if walk.skip or not self._fill(walk.need):
                if walk.skip or self._end > self._start:
                    self.issues.add("capture-cut-short", f"The capture ends within the record at byte {at}.")
                return

    def close(self) -> None:
        """Close the file, unless the caller opened it."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Pcap | Pcapng | Snoop:
        """Read the file header and choose the format by it."""
        compression = self._source.compression
        head = self._peek(12)
        kind = next((kind for kind in _FORMATS if head.startswith(kind.magics)), None)
        if kind is None and not any(magic.startswith(head) for magic in _MAGICS):
            from analyzer.capture.recognize import recognize

            found = recognize(self._peek(512)) + (f", {compression}-compressed" if compression else "")
            raise FormatError(self.name, f"no pcap, pcapng or snoop file but {found}")
        if kind is None or len(head) < 12:
            raise FormatError(self.name, self._too_short(len(head)))
        self.format = f"{kind.name}+{compression}" if compression else kind.name
        try:
            length = kind.header_length(head)
            header = self._peek(length)
            if len(header) < length:
                raise FormatError(self.name, self._too_short(len(header)))
            return kind(header, self._limits, self.issues)
        except ValueError as error:
            raise FormatError(self.name, str(error)) from error

    def _too_short(self, length: int) -> str:
        if length:
            return f"cut short in the file header, after {length} bytes"
        lack = next((issue.message for issue in self.issues), "Empty file.")
        return lack[:1].lower() + lack[1:-1]  # an error's text is no sentence of its own

    def _peek(self, length: int) -> builtins.bytes:
        """The capture's first bytes, so many of them or all that there are; `batches` begins with them."""
        while self._end < length and self._fill(length):
            pass
        return self._buffer[: min(length, self._end)].tobytes()

    def _allocate(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer = np.zeros(capacity + _SLACK, np.uint8)

    def _fill(self, need: int) -> bool:
        """Move what is left to the buffer's start and read on, of a regular file until the buffer is full.

        The buffer grows to `need` bytes where it is smaller. False where the input has ended.
        """
        # Mapping the file would save the copy, a sixth of the time at best. But whoever cuts it short would kill us
        # (SIGBUS), and a lease against that (`F_SETLEASE`) makes others wait, and is lost after 45 seconds.
        left = self._buffer[self._start : self._end]
        if need > self._capacity:
            self._allocate(need)
        self._buffer[: len(left)] = left
        self._base += self._start
        self._start, self._end = 0, len(left)
        target = self._buffer.data[: self._capacity]
        deadline = None
        while self._end < self._capacity:
            count = self._source.readinto(target[self._end :])
            if not count:
                break
            self._end += count
            if self._source.live:
                deadline = deadline or monotonic() + _PAUSE
                if not self._source.wait(deadline - monotonic()):
                    break
        return self._end > len(left)

    def _discard(self, length: int) -> bool:
        """Pass over bytes that need not be kept; False where the input ends before."""
        while length > self._end - self._start:
            length -= self._end - self._start
            self._start = self._end
            if not self._fill(0):
                return False
        self._start += length
        return True


def open_capture(source: Input, *, limits: Limits = _DEFAULTS, name: str | None = None) -> Capture:
    """Open a capture: a path, `-` for stdin, a binary file object, the capture's bytes, or Scapy's `PacketList`.

    `name` is what reports and errors call it. Compression (gzip, bzip2, xz; with the extra
    `compression` also zstd and lz4) is undone on the way.

    Raises:
        CaptureError: it cannot be opened, or its beginning cannot be read.
        FormatError: it is empty, no capture, or of a format that is not read; the text names it.
        UsageError: it is nothing that one can read bytes from.
    """
    return Capture(source, limits, name)
