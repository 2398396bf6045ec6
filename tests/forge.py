"""Builds what the tests read: captures, byte by byte."""

import struct
from dataclasses import dataclass

# ---- captures ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """One frame to put into a capture."""

    data: bytes = b""
    time: int = 0
    """Nanoseconds since 1970."""
    original: int | None = None
    """Its length on the wire, where that is not all of `data`."""

    @property
    def length(self) -> int:
        return len(self.data) if self.original is None else self.original


def pcap_header(order: str = "<", magic: int = 0xA1B2C3D4, version=(2, 4), network: int = 1) -> bytes:
    return struct.pack(f"{order}IHHiIII", magic, *version, 0, 0, 262144, network)


def pcap(frames: list[Frame], *, order: str = "<", nanoseconds: bool = False, link_type: int = 1) -> bytes:
    """A classic pcap file."""
    unit = 1 if nanoseconds else 1000
    parts = [pcap_header(order, 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, network=link_type)]
    for frame in frames:
        seconds, rest = divmod(frame.time, 10**9)
        parts.append(struct.pack(f"{order}IIII", seconds, rest // unit, len(frame.data), frame.length))
        parts.append(frame.data)
    return b"".join(parts)


def snoop(frames: list[Frame], *, datalink: int = 4, pad: int = 4) -> bytes:
    """A snoop file (RFC 1761), its records padded to multiples of `pad`."""
    parts = [b"snoop\0\0\0" + struct.pack(">II", 2, datalink)]
    for frame in frames:
        seconds, rest = divmod(frame.time, 10**9)
        padding = bytes(-len(frame.data) % pad)
        length = 24 + len(frame.data) + len(padding)
        lengths = (frame.length, len(frame.data), length, 0)
        parts += [struct.pack(">6I", *lengths, seconds, rest // 1000), frame.data, padding]
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<", *, trailer: int | None = None) -> bytes:
    """A pcapng block around `body`; `trailer` is its second length, where that shall be wrong."""
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    last = struct.pack(f"{order}I", length if trailer is None else trailer)
    return struct.pack(f"{order}II", kind, length) + body + last


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", *, version=(1, 0), length: int = -1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, *version, length), order)


def interface(
    order: str = "<",
    *,
    link_type: int = 1,
    snaplen: int = 0,
    resolution: int | None = None,
    offset: int | None = None,
) -> bytes:
    """`resolution` is if_tsresol, `offset` is if_tsoffset in seconds."""
    body = struct.pack(f"{order}HHI", link_type, 0, snaplen)
    if resolution is not None:
        body += option(9, bytes([resolution]), order)
    if offset is not None:
        body += option(14, struct.pack(f"{order}q", offset), order)
    return block(1, body + option(0, b"", order), order)


def enhanced(
    frame: Frame,
    order: str = "<",
    *,
    units: int | None = None,
    on: int = 0,
    options: bytes = b"",
    captured: int | None = None,
    trailer: int | None = None,
) -> bytes:
    """An enhanced packet block on interface `on`; its time is `units`, or microseconds."""
    units = frame.time // 1000 if units is None else units
    held = len(frame.data) if captured is None else captured
    head = struct.pack(f"{order}5I", on, units >> 32, units & 0xFFFFFFFF, held, frame.length)
    body = head + frame.data + bytes(-len(frame.data) % 4) + options
    return block(6, body, order, trailer=trailer)


def obsolete(frame: Frame, order: str = "<", *, on: int = 0) -> bytes:
    """A packet block of the obsolete kind, with drops counted."""
    units = frame.time // 1000
    lengths = (len(frame.data), frame.length)
    head = struct.pack(f"{order}HHIIII", on, 7, units >> 32, units & 0xFFFFFFFF, *lengths)
    return block(2, head + frame.data, order)


def simple(frame: Frame, order: str = "<") -> bytes:
    return block(3, struct.pack(f"{order}I", frame.length) + frame.data, order)


def secret(data: bytes, order: str = "<", *, kind: int = 0x544C534B, length: int | None = None) -> bytes:
    """A decryption-secrets block."""
    held = len(data) if length is None else length
    return block(10, struct.pack(f"{order}II", kind, held) + data, order)


def pcapng(frames: list[Frame], *, order: str = "<", resolution: int = 6, link_type: int = 1) -> bytes:
    """A pcapng file of one section and one interface."""
    base = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    head = section(order) + interface(order, link_type=link_type, resolution=resolution)
    return head + b"".join(enhanced(frame, order, units=frame.time * base // 10**9) for frame in frames)
