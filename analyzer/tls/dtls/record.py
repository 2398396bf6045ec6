"""Where do records and fragments of messages begin and end in a datagram? (RFC 6347, section 4; RFC 9147, section 4.)

DTLSPlaintext, DTLSCiphertext up to 1.2                 DTLSCiphertext of 1.3

type             1   20 … 26                            001CSLEE         1
version          2   fefd, feff, 0100                   connection id    where C is set
epoch            2   0: in clear                        sequence number  2 where S is set, else 1; encrypted
sequence number  6                                      length           2 where L is set, else all that is left
connection id        type 25 only (RFC 9146)            encrypted record
length           2
fragment
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from analyzer.net.conversations import Datagram
from analyzer.tls.record import Reason

HEADER = 13
MESSAGE_HEADER = 12
VERSIONS = (0xFEFD, 0xFEFF, 0xFEFC, 0x0100)
"""0x0100 is DTLS 1.0 of OpenSSL before 0.9.8f, and so of Cisco AnyConnect."""
MAX_FRAGMENT = (1 << 14) + 2048
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT, WITH_ID, ACK = range(20, 27)
UNIFIED = 32
"""Our own record type for a unified header, whose record hides its type."""
_SHORTEST_CIPHERTEXT = 9
"""A type, and the shortest tag (RFC 9147, section 4.2.3, wants 16 for the mask)."""


@dataclass(slots=True, eq=False)
class DtlsRecord:
    """One record; of one with a unified header, epoch and number are only what is in clear of them."""

    type: int
    """ContentType, or `UNIFIED`."""
    version: int
    """As in the header; 0xfefc of a unified one."""
    epoch: int
    """Of a unified header its last two bits."""
    sequence: int
    """Record number in the epoch; of a unified header encrypted."""
    length: int
    """Of the fragment on the wire."""
    fragment: bytes | None
    """None where the capture lacks some of it."""
    header: bytes = b""
    """As sent; the last two bytes of a unified header without length are of the sequence number."""
    number_at: int = 0
    """Where in a unified header the sequence number is."""
    number_size: int = 0
    """Its bytes."""
    known: bytes = b""
    """How its fragment begins, where the capture lacks the rest."""
    lost: Reason | None = None
    """Why the capture lacks it."""


def record_at(datagram: Datagram, position: int, id_length: int | None, *, unified: bool) -> DtlsRecord | None:
    """The record that begins here; None where none does.

    `id_length` is that of the receiver's connection id, None where none was agreed; `unified`: DTLS 1.3 was.
    """
    if position >= len(datagram.data):
        return None
    first = datagram.data[position]
    if first >> 5 == 1 and unified:
        return _unified(datagram, position, id_length)
    if CHANGE_CIPHER_SPEC <= first <= ACK:
        return _plain(datagram, position, id_length)
    return None  # STUN, ZRTP, TURN, RTP (RFC 7983, section 7), or damage


def _plain(datagram: Datagram, position: int, id_length: int | None) -> DtlsRecord | None:
    data = datagram.data
    size = HEADER
    if data[position] == WITH_ID:
        if not id_length:
            return None
        size += id_length
    header = data[position : position + size]
    if len(header) < size:
        return None
    version, length = int.from_bytes(header[1:3]), int.from_bytes(header[-2:])
    if version not in VERSIONS or length > MAX_FRAGMENT:
        return None
    epoch, sequence = int.from_bytes(header[3:5]), int.from_bytes(header[5:11])
    record = DtlsRecord(header[0], version, epoch, sequence, length, None, header)
    return _with_fragment(record, datagram, position + size)


def _unified(datagram: Datagram, position: int, id_length: int | None) -> DtlsRecord | None:
    data, first = datagram.data, datagram.data[position]
    number_at = 1
    if first & 0x10:
        if id_length is None:
            return None
        number_at += id_length
    number_size = 2 if first & 0x08 else 1
    size = number_at + number_size + (2 if first & 0x04 else 0)
    header = data[position : position + size]
    if len(header) < size:
        return None
    length = int.from_bytes(header[-2:]) if first & 0x04 else datagram.length - position - size
    if not _SHORTEST_CIPHERTEXT <= length <= MAX_FRAGMENT:
        return None
    sequence = int.from_bytes(header[number_at : number_at + number_size])
    record = DtlsRecord(UNIFIED, 0xFEFC, first & 3, sequence, length, None, header, number_at, number_size)
    return _with_fragment(record, datagram, position + size)


def _with_fragment(record: DtlsRecord, datagram: Datagram, position: int) -> DtlsRecord | None:
    end = position + record.length
    if end <= len(datagram.data):
        record.fragment = datagram.data[position:end]
        return record
    if end > datagram.length:  # a record never spans datagrams
        return None
    record.known, record.lost = datagram.data[position:], "snap-length"
    return record


class Fragment(NamedTuple):
    """A part of a handshake message, or all of it (RFC 6347, section 4.2.2)."""

    type: int
    """HandshakeType."""
    length: int
    """Of the whole message's body."""
    number: int
    """message_seq."""
    offset: int
    body: bytes

    def header(self) -> bytes:
        """That of the message as if it had come in one piece, which is what a transcript covers (section 4.2.6)."""
        size = self.length.to_bytes(3)
        return bytes((self.type,)) + size + self.number.to_bytes(2) + b"\0\0\0" + size


def fragments(content: bytes) -> Iterator[Fragment | None]:
    """The fragments that a record holds; None in the place of something that is none, and ends it."""
    position = 0
    while position < len(content):
        body = position + MESSAGE_HEADER
        head = content[position:body]
        if len(head) < MESSAGE_HEADER:
            yield None
            return
        length, offset, size = (int.from_bytes(head[at : at + 3]) for at in (1, 6, 9))
        position = body + size
        if offset + size > length or position > len(content):
            yield None
            return
        yield Fragment(head[0], length, int.from_bytes(head[4:6]), offset, content[body:position])
