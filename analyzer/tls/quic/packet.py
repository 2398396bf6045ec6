"""Which packets does a datagram of QUIC hold? (RFC 9000, sections 12.2 and 17; RFC 9369, section 3; RFC 8999.)

```
long header                               short header
form 1, fixed 1, type, reserved,   1      form 0, fixed 1, reserved, length of    1
  length of packet number                   packet number
version                            4      destination id, of a known length    0-20
destination id, with a length      1-21   packet number                         1-4
source id, with a length           1-21   protected payload, to the end
token, with a length               Initial only
length                             of all that follows
packet number                      1-4
protected payload
```
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from analyzer.net.conversations import Datagram
from analyzer.tls.codec import Malformed, Reader

V1, V2 = 0x00000001, 0x6B3343CF
LONGEST_ID = 20
SHORTEST_FIRST_ID = 8
"""Bytes of the destination id that a client makes up (RFC 9000, section 7.2)."""
SMALLEST_FIRST_DATAGRAM = 1200
"""Bytes of a datagram with a client's Initial packet (section 14.1)."""

Kind = Literal["initial", "0-rtt", "handshake", "retry", "1-rtt", "version-negotiation"]

_TYPES_V1: tuple[Kind, ...] = ("initial", "0-rtt", "handshake", "retry")
_TYPES_V2: tuple[Kind, ...] = ("retry", "initial", "0-rtt", "handshake")


class Version(NamedTuple):
    """In what versions of QUIC differ, as far as a handshake shows."""

    salt: bytes
    """Makes the keys of Initial packets (RFC 9001, section 5.2)."""
    prefix: str
    """What the labels of keys begin with."""
    types: tuple[Kind, ...]
    """By the bits of the first byte."""
    retry: tuple[bytes, bytes] | None
    """Key and nonce of a Retry packet's tag (RFC 9001, section 5.8); None where not known here."""


_FINAL_SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_DRAFT_29 = Version(
    bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899"),
    "quic ",
    _TYPES_V1,
    (bytes.fromhex("ccce187ed09a09d05728155a6cb96be1"), bytes.fromhex("e54930f97f2136f0530a8c1c")),
)
_DRAFT_23 = Version(bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502"), "quic ", _TYPES_V1, None)
_VERSION_1 = Version(
    _FINAL_SALT,
    "quic ",
    _TYPES_V1,
    (bytes.fromhex("be0c690b9f66575a1d766b54e368c84e"), bytes.fromhex("461599d35d632bf2239825bb")),
)
_VERSION_2 = Version(
    bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
    "quicv2 ",
    _TYPES_V2,
    (bytes.fromhex("8fb4b01b56ac48e260fbcbcead7ccc92"), bytes.fromhex("d86969bc2d7c6d9990efb04a")),
)
VERSIONS: dict[int, Version] = {
    V1: _VERSION_1,
    V2: _VERSION_2,
    **{0xFF000000 | draft: _VERSION_1._replace(retry=None) for draft in (33, 34)},
    **{0xFF000000 | draft: _DRAFT_29 for draft in range(29, 33)},
    **{0xFF000000 | draft: _DRAFT_23 for draft in range(23, 29)},
    **dict.fromkeys((0xFACEB002, 0xFACEB00E), _DRAFT_23),  # mvfst's, of draft 27
    0x54303530: _DRAFT_29._replace(salt=bytes.fromhex("7ff579e5acd072915580304c43a2367c60488310"), retry=None),
    0x54303531: _DRAFT_29._replace(salt=bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d"), retry=None),
}
"""Version 1, 2, drafts 23 to 34, and Google's T050 and T051, which speak TLS as well."""


@dataclass(slots=True, eq=False)
class Packet:
    """One packet, still protected."""

    kind: Kind
    version: int
    """0 of a Version Negotiation, and of a short header, which names none."""
    data: bytes
    """All of it with its header, as captured."""
    destination: bytes = b""
    """Destination connection id."""
    source: bytes = b""
    """Source connection id; a short header has none."""
    token: bytes = b""
    """Of an Initial packet, or what a Retry gives."""
    number_at: int = 0
    """Where its packet number is."""
    length: int = 0
    """Bytes of packet number and protected payload, on the wire."""
    is_cut: bool = False
    """The capture lacks the rest."""
    versions: tuple[int, ...] = ()
    """What a Version Negotiation offers."""


def name_of(version: int) -> str:
    """A version in words."""
    return {V1: "1", V2: "2"}.get(version, f"{version:#010x}")


def packets(datagram: Datagram, id_length: int | None) -> Iterator[Packet]:
    """The packets of a datagram, up to the first byte that cannot begin one.

    `id_length` is that of the receiver's connection id, None where it is not known.
    """
    position, end = 0, len(datagram.data)
    while position < end:
        if not datagram.data[position] & 0x80:
            packet = _short(datagram, position, id_length)
        else:
            packet = _long(datagram, position)
        if packet is None:
            return
        yield packet
        if packet.kind in ("1-rtt", "retry", "version-negotiation"):  # to the end of the datagram
            return
        position += packet.number_at + packet.length


def _short(datagram: Datagram, position: int, id_length: int | None) -> Packet | None:
    data = datagram.data[position:]
    if position and not data[0] & 0x40:  # padding behind the last packet
        return None
    number_at = 1 + (id_length or 0)
    length = datagram.length - position - number_at
    if length <= 0:
        return None
    is_cut = len(datagram.data) < datagram.length
    return Packet("1-rtt", 0, data, data[1:number_at], number_at=number_at, length=length, is_cut=is_cut)


def _long(datagram: Datagram, position: int) -> Packet | None:
    reader = Reader(datagram.data, position)
    try:
        first, version = reader.u8(), reader.u32()
        destination, source = reader.vector8(), reader.vector8()
        if max(len(destination), len(source)) > LONGEST_ID:
            return None
        if version == 0:
            rest = reader.rest()
            offered = tuple(int.from_bytes(rest[at : at + 4]) for at in range(0, len(rest) - 3, 4))
            return Packet("version-negotiation", 0, b"", destination, source, versions=offered)
        known = VERSIONS.get(version)
        if known is None:
            return None
        kind = known.types[first >> 4 & 3]
        if kind == "retry":
            data = reader.data[position:]
            token = reader.rest()[:-16]
            return Packet(kind, version, data, destination, source, token)
        token = reader.take(varint(reader)) if kind == "initial" else b""
        length = varint(reader)
    except Malformed:
        return None
    number_at = reader.position - position
    end = reader.position + length
    if end > datagram.length or not length:
        return None
    data = datagram.data[position:end]
    is_cut = end > len(datagram.data)
    return Packet(kind, version, data, destination, source, token, number_at, length, is_cut)


def varint(reader: Reader) -> int:
    """A number of one to eight bytes (RFC 9000, section 16); raises `Malformed`."""
    first = reader.u8()
    value = first & 0x3F
    for _ in range((1 << (first >> 6)) - 1):
        value = value << 8 | reader.u8()
    return value
