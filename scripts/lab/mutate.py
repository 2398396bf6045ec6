"""Damaged copies of captures for fuzzing: a seed and a number always make the same copy."""

import re
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

_PCAP = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
_RECORD = re.compile(rb"[\x14-\x19](?:\x03[\x00-\x04]|\xfe[\xfc-\xff])", re.DOTALL)
"""The beginning of a record's header (RFC 8446, section 5.1; RFC 6347, section 4.1)."""
_MOST_EDITS = 8
_LENGTHS = (3, 6, 7, 43, 44, 76, 78, -20, -38, -24, 9, 11, 14, 19, 22)
"""Where there are lengths, from a record's header on: its own, those of TLS and DTLS messages, of frames before it."""


class Mutator:
    """Makes damaged copies of the captures in a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        files = [path for path in sorted(folder.iterdir()) if ".pcap" in path.name]
        self._seeds = [path.read_bytes() for path in files]
        self._datagrams = [path.read_bytes() for path in files if re.search("dtls|quic", path.name)]
        """The few of them that are none of TCP: a third of the copies are theirs."""
        self._seed = seed

    def copy(self, number: int) -> bytes:
        """The copy of this number."""
        random = Random(f"{self._seed}/{number}")
        data = bytearray(random.choice(self._seeds if random.random() < 2 / 3 else self._datagrams))
        frames = random.random() < 0.5
        if frames and data[:4] in _PCAP:
            data = self._shuffled(data, random)
        for _ in range(random.randrange(0 if frames else 1, _MOST_EDITS)):
            random.choice(_EDITS)(data, random)
        return bytes(data)

    def _shuffled(self, data: bytearray, random: Random) -> bytearray:
        """Its frames dropped, repeated, moved, cut, and some of another capture put between them."""
        frames = _frames(data)
        for _ in range(random.randrange(1, _MOST_EDITS)):
            if not frames:
                break
            at = random.randrange(len(frames))
            match random.randrange(5):
                case 0:
                    del frames[at]
                case 1:
                    frames.insert(random.randrange(len(frames) + 1), frames[at])
                case 2:
                    frames.insert(random.randrange(len(frames)), frames.pop(at))
                case 3:
                    other = random.choice(self._seeds)
                    frames[at:at] = random.choices(_frames(other), k=3) if other[:4] in _PCAP else []
                case 4:
                    head, frame = frames[at][:16], frames[at][16:]
                    kept = random.randrange(len(frame) + 1)
                    frames[at] = head[:8] + struct.pack("<I", kept) + head[12:] + frame[:kept]
        return data[:24] + b"".join(frames)


def _frames(data: bytes | bytearray) -> list[bytes]:
    """The records of a little-endian pcap."""
    frames, at = [], 24
    while at + 16 <= len(data):
        behind = at + 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        if behind > len(data):
            break
        frames.append(bytes(data[at:behind]))
        at = behind
    return frames


def _flip(data: bytearray, random: Random) -> None:
    """Some bits."""
    for _ in range(random.randrange(1, 32)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _overwrite(data: bytearray, random: Random) -> None:
    """A few bytes by remarkable ones."""
    at = random.randrange(len(data))
    value = random.choice((b"\0", b"\xff", b"\x7f\xff", b"\0\0\0\0", b"\xff" * 4, random.randbytes(8)))
    data[at : at + len(value)] = value


def _cut(data: bytearray, random: Random) -> None:
    """The end, or something in the middle."""
    at = random.randrange(len(data))
    del data[at : len(data) if random.random() < 0.3 else at + random.randrange(1, 64)]
    data[:] = data or b"\0"


def _repeat(data: bytearray, random: Random) -> None:
    """A stretch of it, somewhere else."""
    start = random.randrange(len(data))
    at = random.randrange(len(data))
    data[at:at] = data[start : start + random.randrange(1, 2048)]


def _lie_about_length(data: bytearray, random: Random) -> None:
    """A length field of a TLS record, of the message or the vectors in it, or of the frame around it."""
    headers = [match.start() for match in _RECORD.finditer(data)]
    if not headers:
        return
    at = random.choice(headers) + random.choice(_LENGTHS) + random.randrange(2) * random.randrange(200)
    if 0 <= at < len(data) - 2:
        (length,) = struct.unpack_from(">H", data, at)
        lie = random.choice((0, 1, length - 1, length + 1, 2 * length, 0x4000, 0xFFFF, random.randrange(0x10000)))
        struct.pack_into(">H", data, at, lie & 0xFFFF)


def _change_record(data: bytearray, random: Random) -> None:
    """The content type, version or first byte of a TLS record."""
    headers = [match.start() for match in _RECORD.finditer(data)]
    if headers:
        at = random.choice(headers) + random.choice((0, 1, 2, 5))
        if at < len(data):
            data[at] = random.choice((*range(32), 0xFE, random.randrange(256)))


_EDITS: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip,
    _overwrite,
    _cut,
    _repeat,
    _lie_about_length,
    _lie_about_length,
    _change_record,
)
