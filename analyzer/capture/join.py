"""How do the files of one rotated capture become one again, in time?"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from os import PathLike
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.capture.reader import Capture, Secret
from analyzer.capture.source import Input
from analyzer.errors import CaptureError
from analyzer.filenames import named
from analyzer.issues import Issues
from analyzer.settings import Limits

_PEEK = 1 << 16  # bytes among which a file's first frame is looked for; the buffer grows where they do not suffice


class Joined:
    """Several captures read as one: with the frames, and so the frame and stream numbers, of mergecap's result.

    Like mergecap it takes, of the frames that come next in their files, the earliest. A file is opened when its turn
    comes. One that cannot be read is an issue.

    Raises:
        CaptureError: none can be read.
    """

    live = False

    def __init__(self, sources: Sequence[Input], limits: Limits, name: str) -> None:
        self.name = named(name)
        self.format = ""
        self.issues = Issues()
        self.secrets: list[Secret] = []
        self.frames = self.bytes = self.position = 0
        self.size: int | None = 0
        self._limits = limits
        self._reading: list[_File] = []
        self._waiting: list[tuple[int, int, Input]] = []
        """Time of the first frame, place among the sources, and source; the last one is next."""
        for rank, source in enumerate(sources):
            try:
                self._peek(rank, source)
            except CaptureError as error:
                self.issues.add("capture-unreadable", f"{error}.")
                if rank == len(sources) - 1 and not self.format:
                    raise
        self._waiting.sort(key=lambda waiting: waiting[:2], reverse=True)

    def _peek(self, rank: int, source: Input) -> None:
        """See when the file begins."""
        with Capture(source, Limits(batch_bytes=_PEEK, frame_bytes=self._limits.frame_bytes), None) as capture:
            self.format = self.format or capture.format
            self.size = None if self.size is None or capture.size is None else self.size + capture.size
            for batch in capture.batches():
                self._waiting.append((int(batch.time[0]), rank, source))
                break
        if not isinstance(source, str | bytes | PathLike) and hasattr(source, "seek"):
            source.seek(0)

    def batches(self, *, patience: float | None = None) -> Iterator[FrameBatch]:
        """Yield the frames in order; a batch's buffer is overwritten for the next one."""
        while self._fill():
            until = min(file.last for file in self._reading)
            # The last file of those that end then may go on at the same time, before the frames of earlier files.
            rank = max(file.rank for file in self._reading if file.last == until)
            merged = _merged([file.take(until, including=file.rank >= rank) for file in self._reading])
            merged.number = np.arange(self.frames + 1, self.frames + len(merged) + 1)
            self.frames += len(merged)
            self.bytes += int(merged.captured.sum())
            yield merged

    def _fill(self) -> bool:
        """Have frames ready of every file whose turn has come; False where there are no more."""
        self._reading = [file for file in self._reading if self._ready(file)]
        while self._waiting and (not self._reading or self._waiting[-1][0] <= min(file.last for file in self._reading)):
            _, rank, source = self._waiting.pop()
            # The more there are at the same time, the less each holds.
            limits = replace(self._limits, batch_bytes=max(_PEEK, self._limits.batch_bytes // (len(self._reading) + 1)))
            file = _File(Capture(source, limits, None), rank)
            if self._ready(file):
                self._reading.append(file)
        return bool(self._reading)

    def _ready(self, file: "_File") -> bool:
        before = file.capture.position
        ready = file.fill()
        self.position += file.capture.position - before
        self.secrets += file.new_secrets()
        if not ready:
            for issue in file.capture.issues:
                self.issues.add(issue.code, f"{file.capture.name}: {issue.message}", count=issue.count)
            file.capture.close()
        return ready

    def close(self) -> None:
        """Close the files that are open."""
        for file in self._reading:
            file.capture.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _File:
    """One of the captures, and what of its latest batch has not been taken yet."""

    def __init__(self, capture: Capture, rank: int) -> None:
        self.capture = capture
        self._batches = capture.batches()
        self.rank = rank
        self._batch: FrameBatch | None = None
        self._due: NDArray[np.int64] = np.zeros(0, np.int64)
        """When each frame's turn is: not before the one that precedes it in the file."""
        self._taken = 0
        self._secrets = 0

    @property
    def last(self) -> int:
        """When the last frame of the batch is due."""
        return int(self._due[-1])

    def fill(self) -> bool:
        """Have frames; False where there are no more."""
        if self._taken == len(self._due):
            before = self.last if len(self._due) else 0
            self._batch, self._taken = next(self._batches, None), 0
            if self._batch is not None:
                self._due = np.maximum(np.maximum.accumulate(self._batch.time), before)
        return self._batch is not None

    def new_secrets(self) -> list[Secret]:
        """What the file has brought along since the last call."""
        start, self._secrets = self._secrets, len(self.capture.secrets)
        return self.capture.secrets[start:]

    def take(self, until: int, *, including: bool) -> tuple[FrameBatch, NDArray[np.int64], int]:
        """The frames that are due before then (or also then), when each is, and the file's place among the sources."""
        assert self._batch is not None
        start, self._taken = self._taken, int(np.searchsorted(self._due, until, "right" if including else "left"))
        return self._batch.part(start, self._taken), self._due[start : self._taken], self.rank


def _merged(pieces: list[tuple[FrameBatch, NDArray[np.int64], int]]) -> FrameBatch:
    """Frames of several files in the order in which they are due; at the same time mergecap takes the later file's."""
    pieces = [piece for piece in pieces if len(piece[0])]
    if len(pieces) == 1:
        return pieces[0][0]
    buffers, length = [], 0
    for batch, _, _ in pieces:
        begin, end = int(batch.offset[0]), int(batch.offset[-1] + batch.captured[-1])
        buffers.append(batch.buffer[begin:end])
        batch.offset = batch.offset - begin + length
        length += end - begin
    due = np.concatenate([due for _, due, _ in pieces])
    rank = np.repeat([-rank for _, _, rank in pieces], [len(batch) for batch, _, _ in pieces])
    order = np.lexsort((rank, due))
    columns = [field.name for field in fields(FrameBatch)][1:]
    joined = {name: np.concatenate([getattr(batch, name) for batch, _, _ in pieces])[order] for name in columns}
    return FrameBatch(np.concatenate(buffers), **joined)
