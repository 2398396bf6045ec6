"""How is a snoop file read (RFC 1761)?"""

import struct

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.capture.records import Walk, gather, nanoseconds, numbers, row
from analyzer.issues import Issues
from analyzer.settings import Limits

_RECORD_HEADER = 24
_ROW = row(">", {"original": 0, "captured": 4, "seconds": 16, "microseconds": 20})
# https://www.iana.org/assignments/snoop-datalink-types, and DLPI's types, which Solaris writes
_LINK_TYPES = {
    0: 1,  # IEEE 802.3
    2: 6,  # IEEE 802.5 Token Ring
    4: 1,  # Ethernet
    8: 10,  # FDDI
    16: 122,  # IP over Fibre Channel
    18: 123,  # SunATM
    0x80000005: 226,  # Solaris ipnet: loopback and zones
}


class Snoop:
    """The frames of a snoop file: made of its file header, then fed with its records.

    Raises:
        ValueError: the header's version or datalink type is not known.
    """

    name = "snoop"
    magics = (b"snoop\0\0\0",)

    @staticmethod
    def header_length(head: bytes) -> int:
        """Bytes of the file header."""
        return 16

    def __init__(self, header: bytes, limits: Limits, issues: Issues) -> None:
        version, datalink = struct.unpack(">8xII", header)
        if not 2 <= version <= 5:
            raise ValueError(f"snoop of version {version}")
        if version != 2:  # Shomiti's hardware: a frame check sequence, and more, follows the frame
            issues.add("snoop-version", f"Snoop of version {version} is read as version 2.")
        if datalink not in _LINK_TYPES:
            raise ValueError(f"snoop with datalink type {datalink}")
        self.start = len(header)
        self.link_type = _LINK_TYPES[datalink]
        self._limit = limits.frame_bytes
        self._frames = 0

    def walk(self, buffer: NDArray[np.uint8], start: int, end: int) -> Walk:
        """Read the records between `start`, where one begins, and `end`."""
        unpack, view = struct.Struct(">4xII").unpack_from, buffer.data
        offsets: list[int] = []
        walk = Walk(None, start, _RECORD_HEADER)
        at = start
        while at + _RECORD_HEADER <= end:
            captured, length = unpack(view, at)
            if not _RECORD_HEADER + captured <= length <= _RECORD_HEADER + self._limit:
                walk.damage = f"a frame of {captured} bytes in a record of {length}"
                break
            if at + length > end:
                walk.need = length
                break
            offsets.append(at)
            at += length
        walk.stop = at
        if offsets:
            starts = np.array(offsets, dtype=np.int64)
            rows = gather(buffer, starts, _ROW)
            walk.frames = FrameBatch(
                buffer=buffer,
                number=numbers(self._frames, len(offsets)),
                time=nanoseconds(rows["seconds"], rows["microseconds"], 1000),
                offset=starts + _RECORD_HEADER,
                captured=rows["captured"].astype(np.int64),
                original=rows["original"].astype(np.int64),
                link_type=np.full(len(offsets), self.link_type, dtype=np.uint16),
            )
            self._frames += len(offsets)
        return walk
