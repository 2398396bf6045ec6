"""Reads a whole capture into plain values that tests can compare."""

from dataclasses import dataclass, field

from analyzer.capture import open_capture
from analyzer.settings import Limits


@dataclass
class Captured:
    """All that a capture gave; a row of `frames` is number, time, bytes, original length, link type."""

    format: str
    frames: list[tuple[int, int, bytes, int, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    """Frames in each batch."""
    issues: dict[str, int] = field(default_factory=dict)
    """How often each code occurred."""
    messages: list[str] = field(default_factory=list)
    secrets: list[tuple[int, bytes]] = field(default_factory=list)
    position: int = 0
    size: int | None = None

    @property
    def data(self) -> list[bytes]:
        return [frame[2] for frame in self.frames]

    @property
    def times(self) -> list[int]:
        return [frame[1] for frame in self.frames]

    @property
    def numbers(self) -> list[int]:
        return [frame[0] for frame in self.frames]


def read(source, *, batch_bytes: int = 8 << 20, frame_bytes: int = 16 << 20, expansion: int | None = None) -> Captured:
    """Open and read to the end; also checks what must hold of every capture."""
    with open_capture(source, limits=Limits(batch_bytes, frame_bytes, expansion)) as capture:
        result = Captured(capture.format, size=capture.size)
        for batch in capture.batches():
            columns = (batch.number, batch.time, batch.offset, batch.captured, batch.original, batch.link_type)
            assert len({len(column) for column in columns}) == 1
            assert [column.dtype.str[1:] for column in columns] == ["i8"] * 5 + ["u2"]
            assert batch.buffer.dtype == "u1"
            result.batches.append(len(batch))
            for number, time, offset, captured, original, link_type in zip(
                *(column.tolist() for column in columns), strict=True
            ):
                data = batch.buffer[offset : offset + captured].tobytes()
                assert len(data) == captured
                result.frames.append((number, time, data, original, link_type))
        assert capture.frames == len(result.frames)
        assert capture.bytes == sum(map(len, result.data))
        result.issues = {issue.code: issue.count for issue in capture.issues}
        result.messages = [issue.message for issue in capture.issues]
        result.secrets = capture.secrets
        result.position = capture.position
    return result
