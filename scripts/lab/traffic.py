"""Large captures for the benchmark: real handshakes of captures/, multiplied and followed by bulk data."""

import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

from lab.wire import ETHERNET, MSS, SNAP_LENGTH, Segment, read_segments

_FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP_LENGTH, ETHERNET)
_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}
_RECORDS = [
    struct.pack(">BHH", 23, 0x303, size + 17) + (bytes(range(256)) * 64)[:size] + bytes(17)
    for size in (1 << 14, 1 << 14, 1 << 13, 1 << 12, 1370)
]
_TIMESTAMPS = b"\x01\x01\x08\x0a" + bytes(8)
_FULL = MSS - len(_TIMESTAMPS)
"""Bytes of TLS in a full segment."""
_HANDSHAKES = (
    "one-way-tls12.pcap",
    "one-way-tls13.pcap",
    "mutual-tls12.pcap",
    "mutual-tls13.pcap",
    "requested-not-provided-tls13.pcap",
)
_PARALLEL = 20
_GAP = 12_000
"""Nanoseconds between two frames."""


def bulk(captures: Path, size: int) -> Iterator[bytes]:
    """A capture of about `size` bytes: twenty downloads at once, in bursts of any lengths, as stacks send them."""
    random = Random(20)
    yield _FILE_HEADER
    written, time, connection = 0, 0, 0
    download = size // 60
    while written < size:
        streams = [_Stream(captures, connection + i, download, random) for i in range(_PARALLEL)]
        connection += _PARALLEL
        while streams:
            stream = random.choice(streams)
            chunk, frames = stream.next(time)
            if not frames:
                streams.remove(stream)
            time += frames * _GAP
            written += len(chunk)
            yield chunk


def dense(captures: Path, handshakes: int) -> Iterator[bytes]:
    """A capture of so many handshakes, one after the other."""
    yield _FILE_HEADER
    time = 0
    for connection in range(handshakes):
        for segment in _template(captures, connection):
            yield _frame(segment, connection, time, segment.payload, 0)
            time += _GAP


class _Stream:
    """A connection that goes on sending once its handshake is done."""

    def __init__(self, captures: Path, connection: int, size: int, random: Random) -> None:
        template = _template(captures, connection)
        self._connection = connection
        self._server = template[0].destination
        data = [s for s in template if s.payload]
        closing = next((i for i, s in enumerate(template) if "F" in s.flags or "R" in s.flags), len(template))
        self._opening, self._closing = template[:closing], template[closing:]
        self._down = max(data, key=lambda s: (s.source == self._server, s.time))
        self._position = 0
        self._size = size
        self._random = random
        self._record = random.choice(_RECORDS)

    def next(self, time: int) -> tuple[bytes, int]:
        """The next frames and how many they are; none at the end."""
        if self._opening:
            segments, self._opening = self._opening, []
            return self._frames(segments, time, 0), len(segments)
        if self._position < self._size:
            segments = self._burst()
            return self._frames(segments, time, 0), len(segments)
        segments, self._closing = self._closing, []
        return self._frames(segments, time, self._position), len(segments)

    def _burst(self) -> list[Segment]:
        """Full segments up to the end of a record, or of what the window takes, and acknowledgments in between."""
        down, segments, record, pick = self._down, [], self._record, self._random.randint
        base = down.sequence + len(down.payload)
        end = self._position + pick(2, 40) * _FULL
        if pick(0, 1):
            end = -(-end // len(record)) * len(record)
        unacknowledged = pick(1, 12)
        while self._position < end:
            start = self._position % len(record)
            length = min(_FULL, end - self._position)
            payload = (record * (2 + length // len(record)))[start : start + length]
            segments.append(
                Segment(0, down.source, down.destination, base + self._position, down.acknowledgment, "A", payload)
            )
            self._position += length
            unacknowledged -= 1
            if not unacknowledged or self._position == end:
                segments.append(
                    Segment(0, down.destination, down.source, down.acknowledgment, base + self._position, "A")
                )
                unacknowledged = pick(1, 12)
        return segments

    def _frames(self, segments: list[Segment], time: int, shift: int) -> bytes:
        return b"".join(
            _frame(s, self._connection, time + i * _GAP, s.payload, shift if s.source == self._server else 0)
            for i, s in enumerate(segments)
        )


_templates: dict[Path, list[Segment]] = {}


def _template(captures: Path, connection: int) -> list[Segment]:
    path = captures / _HANDSHAKES[connection % len(_HANDSHAKES)]
    if path not in _templates:
        _templates[path] = list(_acknowledged(read_segments(path)))
    return _templates[path]


def _acknowledged(segments: list[Segment]) -> Iterator[Segment]:
    """With the bare acknowledgments that the relay leaves out and that real stacks send."""
    for segment in segments:
        yield segment
        if segment.payload:
            behind = segment.sequence + len(segment.payload)
            yield Segment(segment.time, segment.destination, segment.source, segment.acknowledgment, behind, "A")


def _frame(segment: Segment, connection: int, time: int, payload: bytes, shift: int) -> bytes:
    """Record header, Ethernet, IPv4 and TCP header (without checksums) and payload; `shift` moves the sequence."""
    to_server = segment.destination.port < 10_000
    client = 0x0A000000 + connection // 50_000
    port = 10_000 + connection % 50_000
    addresses = struct.pack(">II", client, 0xC6336407)
    source, destination = (addresses[:4], addresses[4:]) if to_server else (addresses[4:], addresses[:4])
    ports = (port, segment.destination.port) if to_server else (segment.source.port, port)
    flags = sum(_FLAGS[flag] for flag in segment.flags)
    length = 54 + len(_TIMESTAMPS) + len(payload)
    ethernet = bytes(10) + b"\x5e\x01" + b"\x08\x00"
    internet = struct.pack(">BBHHHBBH", 0x45, 0, length - 14, 0, 0x4000, 64, 6, 0) + source + destination
    sequence = (segment.sequence + shift) & 0xFFFFFFFF
    tcp = struct.pack(">HHIIBBHHH", *ports, sequence, segment.acknowledgment & 0xFFFFFFFF, 0x80, flags, 0xFFFF, 0, 0)
    seconds, nanoseconds = divmod(1_795_000_000 * 10**9 + time, 10**9)
    record = struct.pack("<IIII", seconds, nanoseconds // 1000, length, length)
    return record + ethernet + internet + tcp + _TIMESTAMPS + payload
