"""How is a pcapng file read (draft-ietf-opsawg-pcapng)?"""

import struct
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import FrameBatch
from analyzer.capture.records import Walk, numbers, row
from analyzer.capture.starts import Offsets, Starts
from analyzer.issues import Issues
from analyzer.settings import Limits

TLS_KEY_LOG = 0x544C534B
"""The type of a decryption secret that is a key log in NSS's format."""

# Block types, and the bytes that a block of that type has at least
_INTERFACE, _PACKET, _SIMPLE, _ENHANCED, _SECRETS, _SECTION = 1, 2, 3, 6, 10, 0x0A0D0D0A
_LEAST = {_INTERFACE: 20, _PACKET: 32, _SIMPLE: 16, _ENHANCED: 32, _SECRETS: 20, _SECTION: 28}
_FRAMES = {_PACKET, _SIMPLE, _ENHANCED}
_STATE = {_SECTION, _SECRETS}
# No frames, but Wireshark numbers them as if they were: systemd journal, custom blocks, Sysdig events
_EVENTS = {9, 0xBAD, 0x40000BAD, 0x204, 0x216, 0x221}
_NUMBERED = _FRAMES | _EVENTS

# Of an enhanced packet block: its 32-bit words, and where the frame begins
_WORDS = {"kind": 0, "size": 4, "interface": 8, "time_high": 12, "time_low": 16, "captured": 20, "original": 24}
_ROWS = {order: row(order, _WORDS) for order in "<>"}
_FRAME = 28
_HEADS = {order: struct.Struct(f"{order}II") for order in "<>"}
_MARK = slice(12, 16)  # the upper half of its time
_ELSEWHERE = 1 << 40  # no block is that long

_OPTION_BYTES = 128 << 10  # that a block may have beside its frame, as in Wireshark
_SECRETS_BYTES = 64 << 20  # kept of a whole capture
_INTERFACES = 1 << 16  # kept of a section: as many as an obsolete packet block can name
_NONE = 0xFFFFFFFF
_LATEST = np.iinfo(np.int64).max
_MISMATCH = "a block whose two lengths differ"

_Length = TypeVar("_Length", int, NDArray[np.int64])


@dataclass(slots=True, frozen=True)
class _Clock:
    """How an interface counts time."""

    resolution: int = 6
    """if_tsresol: units are 10**-n seconds, or 2**-n where the highest of the 8 bits is set."""
    offset: int = 0
    """if_tsoffset: seconds to add."""

    def nanoseconds(self, units: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Since 1970, rounded down; what 63 bits cannot hold becomes the latest time that they can."""
        exponent = self.resolution & 0x7F
        if self.resolution & 0x80:
            time = _binary(units, exponent)
        elif exponent <= 9:
            factor = 10 ** (9 - exponent)
            time = (units * np.uint64(factor)).astype(np.int64)
            time[units > np.uint64(_LATEST // factor)] = _LATEST
        else:
            divisor = 10 ** (exponent - 9)
            whole = units // np.uint64(divisor) if divisor < 2**64 else np.zeros_like(units)
            time = np.minimum(whole, np.uint64(_LATEST)).astype(np.int64)
        offset = min(self.offset * 10**9, _LATEST)
        if offset > 0:
            time = np.minimum(time, _LATEST - offset)
        return time + max(offset, -_LATEST)


def _binary(units: NDArray[np.uint64], exponent: int) -> NDArray[np.int64]:
    """Nanoseconds of units of 2**-exponent seconds, by a product of 96 bits."""
    billion, half = np.uint64(10**9), np.uint64(32)
    low = (units & np.uint64(0xFFFFFFFF)) * billion
    high = (units >> half) * billion + (low >> half)
    if exponent >= 32:
        return (high >> np.uint64(min(exponent - 32, 63))).astype(np.int64)
    time = high << np.uint64(32 - exponent) | (low & np.uint64(0xFFFFFFFF)) >> np.uint64(exponent)
    time[high >> np.uint64(31 + exponent) != 0] = _LATEST
    return time.astype(np.int64)


class Pcapng:
    """The frames of a pcapng file: made of its first section header, then fed with its blocks.

    Raises:
        ValueError: the section header is of a version that nobody knows, or damaged.
    """

    name = "pcapng"
    magics = (b"\n\r\r\n",)

    @staticmethod
    def header_length(head: bytes) -> int:
        """Bytes of the first section header, which begins with `head` (at least 12 bytes)."""
        order = _byte_order(head[8:12])
        if order is None:
            raise ValueError("pcapng with an unknown byte-order magic")
        length: int = struct.unpack(f"{order}I", head[4:8])[0]
        if not _LEAST[_SECTION] <= length <= _OPTION_BYTES:
            raise ValueError(f"pcapng with a section header of {length} bytes")
        return _round_up(length)

    def __init__(self, header: bytes, limits: Limits, issues: Issues) -> None:
        self.start = len(header)
        self.secrets: list[tuple[int, bytes]] = []
        self._secrets_left = _SECRETS_BYTES
        self._limits = limits
        self._issues = issues
        self._frames = 0
        self._last_time = 0
        self._declared: list[int] = []
        """Where in the buffer the latest run of blocks describes interfaces."""
        self._link_types = np.zeros(_INTERFACES, np.uint16)
        self._clock_of = np.zeros(_INTERFACES, np.uint16)
        if damage := self._section(memoryview(header)):
            raise ValueError(f"pcapng with {damage}")

    def walk(self, buffer: NDArray[np.uint8], start: int, end: int) -> Walk:
        """Read the blocks between `start`, where one begins, and `end`."""
        view = buffer.data[:end]
        walk = Walk(None, start)
        runs: list[FrameBatch] = []
        while not (walk.need or walk.skip or walk.damage):
            starts, rows, kind, block = self._run(buffer, view, walk)
            if len(starts):
                runs += self._columns(buffer, starts, rows, walk)
            if walk.skip:
                self._frames += kind in _NUMBERED
            elif not (walk.need or walk.damage):
                walk.damage = self._change(kind, block)
                walk.stop += 0 if walk.damage else len(block)
        if runs:
            walk.frames = runs[0] if len(runs) == 1 else _concatenate(runs)
        return walk

    def _run(
        self, buffer: NDArray[np.uint8], view: memoryview, walk: Walk
    ) -> tuple[Offsets, NDArray[np.void], int, memoryview]:
        """Where numbered blocks begin, from `walk.stop` to the next section or secret, and their rows.

        `walk.stop` moves to that block, whose type and bytes follow, or to where something is amiss. Interfaces that
        are described on the way are taken in.
        """
        unpack, end = self._unpack, len(view)
        starts = Starts(buffer, walk.stop, row=self._row, mark=_MARK, sizes=_sizes)
        self._declared.clear()
        append = starts.single.append
        at, kind, after = walk.stop, 0, 0
        while True:
            if at + 12 > end:
                walk.need = 12
                break
            kind, length = unpack(view, at)
            after = at + (length + 3 & -4)  # some writers forget to count the padding
            if kind == _ENHANCED and length >= 32 and after <= end:
                append(at)
                at = after if after <= starts.pause else starts.leap(after, end)
                continue
            if kind == _SECTION:
                order = _byte_order(view[at + 8 : at + 12])
                if order is None:
                    walk.damage = "a section of unknown byte order"
                    break
                (length,) = struct.unpack_from(f"{order}I", view, at + 4)
                after = at + _round_up(length)
            if length < _LEAST.get(kind, 12):
                walk.damage = f"a block of type {kind:#x} and {length} bytes"
                break
            if length > self._limits.frame_bytes + _OPTION_BYTES:
                if kind in _FRAMES | _STATE | {_INTERFACE}:
                    walk.damage = f"a block of type {kind:#x} and {length} bytes"
                else:
                    walk.skip = after - at
                break
            if after > end:
                walk.need = after - at
                break
            if kind in _STATE:
                break
            if kind in _NUMBERED:
                append(at)
            elif self._trailer(view[at:after]) != after - at:
                walk.damage = _MISMATCH
                break
            elif kind == _INTERFACE and self._interface(view[at:after]):
                self._declared.append(at)
            at = after
        walk.stop = at
        return *starts.all(), kind, view[at:after]

    def _columns(
        self, buffer: NDArray[np.uint8], starts: Offsets, rows: NDArray[np.void], walk: Walk
    ) -> list[FrameBatch]:
        """The frames among the blocks at `starts`, if there are any; `walk` ends at a damaged block."""
        size = _round_up(rows["size"].astype(np.int64))
        offset = starts + (_FRAME if (rows["kind"] == _ENHANCED).all() else self._unify(rows))
        captured = rows["captured"].astype(np.int64)
        number = numbers(self._frames, len(starts))

        last_word = starts + size - 4
        words = buffer[: len(buffer) & -4].view(self._word)  # blocks begin at multiples of four bytes
        trailer = _round_up(words[last_word >> 2].astype(np.int64))
        too_long = (offset + captured > last_word) | (captured > self._limits.frame_bytes)
        damaged = np.flatnonzero(too_long | (trailer != size))
        known = self._interfaces - len(self._declared) + np.searchsorted(self._declared, starts)
        keep = rows["interface"] < known
        if damaged.size:
            first = int(damaged[0])
            what = f"a frame of {captured[first]} bytes in a block of {size[first]}"
            walk.stop, walk.damage = int(starts[first]), what if too_long[first] else _MISMATCH
            walk.need = walk.skip = 0
            keep[first:] = False
            number = number[:first]
        self._frames += len(number)
        if not keep.all():
            self._note_undeclared(rows[: len(number)], number, known[: len(number)])
            rows, offset, captured = rows[keep], offset[keep], captured[keep]
            number = number[keep[: len(number)]]
        if not len(number):
            return []
        time = self._times(rows, number)
        original = rows["original"].astype(np.int64)
        link_type = self._link_types[rows["interface"]]
        return [FrameBatch(buffer, number, time, offset, captured, original, link_type)]

    def _unify(self, rows: NDArray[np.void]) -> NDArray[np.int64]:
        """Make all rows look like those of enhanced packet blocks; returns where in the block the frame is.

        What is no frame gets the interface `_NONE`.
        """
        kind, interface, captured = rows["kind"], rows["interface"], rows["captured"]
        packet, simple, event = kind == _PACKET, kind == _SIMPLE, np.isin(kind, list(_EVENTS))
        interface[packet] = interface[packet] & 0xFFFF if self._order == "<" else interface[packet] >> 16
        rows["original"][simple] = interface[simple]
        captured[simple] = np.minimum(interface[simple], self._snaplen or _NONE)
        interface[simple] = 0
        interface[event] = _NONE
        captured[event] = 0
        return np.where(simple, 12, np.where(event, 0, _FRAME))

    def _note_undeclared(self, rows: NDArray[np.void], number: NDArray[np.int64], known: NDArray[np.int64]) -> None:
        """Say so where frames are of interfaces past those `known` by then."""
        interface = rows["interface"]
        undeclared = np.flatnonzero((interface >= known) & np.isin(rows["kind"], list(_FRAMES)))
        if undeclared.size:
            first = undeclared[0]
            self._issues.add(
                "interface-undeclared",
                f"Frames of interfaces that are not described, such as {interface[first]}, are left out.",
                frame=int(number[first]),
                count=undeclared.size,
            )

    def _times(self, rows: NDArray[np.void], number: NDArray[np.int64]) -> NDArray[np.int64]:
        units = rows["time_high"].astype(np.uint64) << np.uint64(32) | rows["time_low"]
        clocks = list(self._clocks)
        if len(clocks) == 1:
            time = clocks[0].nanoseconds(units)
        else:
            time = np.empty(len(rows), np.int64)
            clock = self._clock_of[rows["interface"]]
            order = np.argsort(clock, kind="stable")
            for group in np.split(order, np.flatnonzero(np.diff(clock[order])) + 1):
                time[group] = clocks[clock[group[0]]].nanoseconds(units[group])

        simple = rows["kind"] == _SIMPLE
        if simple.any():
            before = np.maximum.accumulate(np.where(simple, -1, np.arange(len(time))))
            time = np.where(before < 0, self._last_time, time[before])
            self._issues.add(
                "frame-without-time",
                "Simple packet blocks have no time: it is taken from the frame before.",
                frame=int(number[simple.argmax()]),
                count=int(simple.sum()),
            )
        self._last_time = int(time[-1])
        return time

    def _trailer(self, block: memoryview) -> int:
        length: int = struct.unpack(f"{self._order}I", block[-4:])[0]
        return _round_up(length)

    def _change(self, kind: int, block: memoryview) -> str | None:
        """Take in a block that frames depend on; says what is wrong with it."""
        if kind == _SECTION:
            return self._section(block)
        if self._trailer(block) != len(block):
            return _MISMATCH
        return self._secret(block)

    def _section(self, block: memoryview) -> str | None:
        order = _byte_order(block[8:12])
        if order is None:
            return "a section of unknown byte order"
        major, minor = struct.unpack_from(f"{order}HH", block, 12)
        if major != 1:
            return f"a section of version {major}.{minor}"
        self._order = order
        if self._trailer(block) != len(block):
            return _MISMATCH
        self._unpack = _HEADS[order].unpack_from
        self._word = _ROWS[order]["kind"]
        self._row = _ROWS[order]
        self._interfaces = 0
        self._snaplen = 0  # of interface 0, the one that simple packet blocks are of
        self._clocks: dict[_Clock, int] = {}
        return None

    def _interface(self, block: memoryview) -> bool:
        """Take in the description of an interface, unless there are too many; whether it was taken."""
        if self._interfaces == _INTERFACES:
            self._issues.add("interfaces", f"Only the first {_INTERFACES} interfaces of a section are kept.")
            return False
        link_type, snaplen = struct.unpack_from(f"{self._order}HxxI", block, 8)
        options = self._options(block[16:-4])
        resolution, offset = options.get(9, b""), options.get(14, b"")
        clock = _Clock(
            resolution[0] if len(resolution) == 1 else 6,
            struct.unpack(f"{self._order}q", offset)[0] if len(offset) == 8 else 0,
        )
        if self._interfaces == 0:
            self._snaplen = snaplen
        self._link_types[self._interfaces] = link_type
        self._clock_of[self._interfaces] = self._clocks.setdefault(clock, len(self._clocks))
        self._interfaces += 1
        return True

    def _options(self, data: memoryview) -> dict[int, bytes]:
        """The options by their code, of several with one code the first."""
        options: dict[int, bytes] = {}
        at = 0
        while at + 4 <= len(data):
            code, length = struct.unpack_from(f"{self._order}HH", data, at)
            if code == 0:
                break
            options.setdefault(code, bytes(data[at + 4 : at + 4 + length]))
            at += 4 + _round_up(length)
        return options

    def _secret(self, block: memoryview) -> str | None:
        kind, length = struct.unpack_from(f"{self._order}II", block, 8)
        if length > len(block) - 20:
            return f"a secret of {length} bytes in a block of {len(block)}"
        self._secrets_left -= length + 64  # and what the list entry takes
        if self._secrets_left < 0:
            self._issues.add("secrets-bytes", f"Secrets past the first {_SECRETS_BYTES} bytes are not kept.")
        else:
            self.secrets.append((kind, bytes(block[16 : 16 + length])))
        return None


def _sizes(rows: NDArray[np.void]) -> Offsets:
    length = rows["size"].astype(np.int64)
    return np.where((rows["kind"] == _ENHANCED) & (length >= 32), _round_up(length), _ELSEWHERE)


def _byte_order(magic: memoryview | bytes) -> str | None:
    """`<` or `>`, by a section header's byte-order magic."""
    return {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}.get(bytes(magic))


def _round_up(length: _Length) -> _Length:
    """Lengths are counted with the padding to 32 bits, though some writers forget it."""
    return length + 3 & -4


def _concatenate(runs: list[FrameBatch]) -> FrameBatch:
    columns = [field.name for field in fields(FrameBatch)][1:]
    joined = {name: np.concatenate([getattr(run, name) for run in runs]) for name in columns}
    return FrameBatch(runs[0].buffer, **joined)
