"""How is a classic pcap file read (draft-ietf-opsawg-pcap)?"""

import struct

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.capture.records import Walk, nanoseconds, numbers, row
from analyzer.capture.starts import Offsets, Starts
from analyzer.issues import Issues
from analyzer.settings import Limits

# magic: nanoseconds of a unit of the time's fraction, bytes of the file header and of a record header
_VARIANTS = {
    0xA1B2C3D4: (1000, 24, 16),
    0xA1B23C4D: (1, 24, 16),
    0xA1B2CD34: (1000, 24, 24),  # Kuznetzov's patch: interface, protocol and packet type follow the lengths
    0x1C0001AB: (1000, 28, 16),  # Ixia lcap, software: the file header ends with the size of all records
    0x1C0001AC: (1, 28, 16),  # Ixia lcap, hardware
}
# AIX writes version 2.2 with interface types of RFC 1573 instead of link types, and nanoseconds.
_AIX_LINK_TYPES = {6: 1, 9: 6, 24: 0}


class Pcap:
    """The frames of a pcap file: made of its file header, then fed with its records.

    Raises:
        ValueError: the header is of a version that nobody knows.
    """

    name = "pcap"
    magics = tuple(magic.to_bytes(4, order) for magic in _VARIANTS for order in ("big", "little"))

    @staticmethod
    def header_length(head: bytes) -> int:
        """Bytes of the file header, of which `head` is the beginning."""
        return _variant(head)[2]

    def __init__(self, header: bytes, limits: Limits, issues: Issues) -> None:
        self._order, self._unit, self.start, self._record_header = _variant(header)
        major, minor, network = struct.unpack(f"{self._order}4xHH12xI", header[:24])
        if major < 2:
            raise ValueError(f"pcap of version {major}.{minor}")
        self.link_type = network & 0xFFFF  # the highest bits may tell the length of a frame check sequence
        if network & 0x03FF0000:
            issues.add("link-type-reserved-bits", f"Reserved bits of the link type {network:#x} are not read.")
        if (major, minor) == (2, 2) and network in _AIX_LINK_TYPES:
            self.link_type = _AIX_LINK_TYPES[network]
            self._unit = 1
        # Before version 2.3, and in DG/UX's 543.0, the original length came first.
        captured, original = (12, 8) if (major, minor) < (2, 3) or major == 543 else (8, 12)
        self._unpack_length = struct.Struct(f"{self._order}{captured}xI").unpack_from
        words = {"seconds": 0, "fraction": 4, "captured": captured, "original": original}
        self._row = row(self._order, words)
        self._mark = slice(0, 3) if self._order == ">" else slice(1, 4)  # of the seconds all but the lowest byte
        self._limit = limits.frame_bytes
        self._frames = 0

    def walk(self, buffer: NDArray[np.uint8], start: int, end: int) -> Walk:
        """Read the records between `start`, where one begins, and `end`."""
        before = self._record_header
        starts, rows, at = self._starts(buffer, start, end)
        if not len(starts):
            return Walk(None, start, before)

        captured = rows["captured"].astype(np.int64)
        too_long = np.flatnonzero(captured > self._limit)
        whole = len(starts)
        walk = Walk(None, at, before)
        if too_long.size:
            whole = int(too_long[0])
            walk = Walk(None, int(starts[whole]), damage=f"a frame of {captured[whole]} bytes")
        elif at > end:
            whole -= 1
            walk = Walk(None, int(starts[whole]), at - int(starts[whole]))
        if whole:
            rows = rows[:whole]
            walk.frames = FrameBatch(
                buffer=buffer,
                number=numbers(self._frames, whole),
                time=nanoseconds(rows["seconds"], rows["fraction"], self._unit),
                offset=starts[:whole] + before,
                captured=captured[:whole],
                original=rows["original"].astype(np.int64),
                link_type=np.full(whole, self.link_type, dtype=np.uint16),
            )
            self._frames += whole
        return walk

    def _starts(self, buffer: NDArray[np.uint8], start: int, end: int) -> tuple[Offsets, NDArray[np.void], int]:
        """Where records begin whose headers end before `end`, their rows, and where the one behind them would.

        There may be more: then the one behind them has its header before `end` as well.
        """
        before, unpack, view = self._record_header, self._unpack_length, buffer.data
        starts = Starts(buffer, start, row=self._row, mark=self._mark, sizes=self._sizes)
        append = starts.single.append
        at, last = start, end - before
        while at <= last and not starts.full:
            stop = min(starts.pause, last)
            while at <= stop:
                append(at)
                (length,) = unpack(view, at)
                at += before + length
            at = starts.leap(at, end)
        return *starts.all(), at

    def _sizes(self, rows: NDArray[np.void]) -> Offsets:
        sizes: Offsets = rows["captured"].astype(np.int64)
        sizes += self._record_header
        return sizes


def _variant(head: bytes) -> tuple[str, int, int, int]:
    """Byte order, nanoseconds of a unit, file header and record header of the pcap that begins so."""
    big = int.from_bytes(head[:4], "big")
    return (">", *_VARIANTS[big]) if big in _VARIANTS else ("<", *_VARIANTS[int.from_bytes(head[:4], "little")])
