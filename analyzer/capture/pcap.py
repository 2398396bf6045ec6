"""How is a classic pcap file read (draft-ietf-opsawg-pcap)?"""

import struct
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.capture.records import Walk, gather, nanoseconds, numbers
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
        self._captured, self._original = (3, 2) if (major, minor) < (2, 3) or major == 543 else (2, 3)
        self._unpack_length = struct.Struct(f"{self._order}{4 * self._captured}xI").unpack_from
        self._limit = limits.frame_bytes
        self._frames = 0

    def walk(self, buffer: NDArray[np.uint8], start: int, end: int) -> Walk:
        """Read the records between `start`, where one begins, and `end`."""
        header = self._record_header
        starts, at = self._starts(buffer, start, end)
        if not len(starts):
            return Walk(None, start, header)

        rows = gather(buffer, starts, 16, self._order)
        captured = rows[:, self._captured].astype(np.int64)
        too_long = np.flatnonzero(captured > self._limit)
        whole = len(starts)
        walk = Walk(None, at, header)
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
                time=nanoseconds(rows[:, 0], rows[:, 1], self._unit),
                offset=starts[:whole] + header,
                captured=captured[:whole],
                original=rows[:, self._original].astype(np.int64),
                link_type=np.full(whole, self.link_type, dtype=np.uint16),
            )
            self._frames += whole
        return walk

    def _starts(self, buffer: NDArray[np.uint8], start: int, end: int) -> tuple[Offsets, int]:
        """Where records begin whose headers end before `end`, and where the one behind them would."""
        header, unpack, view = self._record_header, self._unpack_length, buffer.data
        starts = Starts(start)
        append = starts.single.append
        at, last = start, end - header
        while at <= last:
            stop = min(starts.pause, last)
            while at <= stop:
                append(at)
                (length,) = unpack(view, at)
                at += header + length
            at = starts.foresee(at, end, partial(self._fit, buffer))
        return starts.all(), at

    def _fit(self, buffer: NDArray[np.uint8], starts: Offsets, sizes: Offsets) -> NDArray[np.bool_]:
        """Whether the records there have these sizes, with their headers."""
        lengths = gather(buffer, starts + 4 * self._captured, 4, self._order)[:, 0]
        fit: NDArray[np.bool_] = lengths == sizes - self._record_header
        return fit


def _variant(head: bytes) -> tuple[str, int, int, int]:
    """Byte order, nanoseconds of a unit, file header and record header of the pcap that begins so."""
    big = int.from_bytes(head[:4], "big")
    return (">", *_VARIANTS[big]) if big in _VARIANTS else ("<", *_VARIANTS[int.from_bytes(head[:4], "little")])
