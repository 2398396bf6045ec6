"""TDS (SQL Server): PRELOGIN packets agree on encryption, then TLS records travel inside PRELOGIN packets until
the handshake is over, and bare after it: the framing `tds` (MS-TDS, sections 2.2.6.5 and 3.2.5.2).

Where both sides leave encryption off, only the login is encrypted: the handshake is the same, and plain TDS
follows it. TDS 8.0 begins with TLS at once; then there is no preamble.
"""

from struct import unpack_from

from analyzer.tls.preambles._framing import Chunk
from analyzer.tls.preambles._preamble import Preamble, waiting

CLIENT, SERVER = b"\x12", b"\4"
GREETS = False

_PRELOGIN, _RESPONSE = 0x12, 0x04
_OFF, _ON, _NOT_SUPPORTED, _REQUIRED = range(4)
_ENCRYPTION = 0x01
_HEADER = 8
_RECORD_HEADER = 5


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if not _is_packet(client, _PRELOGIN) or not _is_packet(server, _RESPONSE):
        return None
    sent, heard = (int.from_bytes(data[2:4]) for data in (client, server))
    if len(client) < max(sent, _HEADER):
        return waiting("tds")
    wants = _encryption(client[_HEADER:sent])
    if len(server) < max(heard, _HEADER):
        return waiting("tds", sent if wants != _NOT_SUPPORTED else 0, "offered encryption (PRELOGIN)")
    offers = _encryption(server[_HEADER:heard])
    if offers == _NOT_SUPPORTED and wants in (_ON, _REQUIRED):
        says = "The server declined: it does not support encryption, and the client demands it."
        return Preamble("tds", "refused", sent, heard, says)
    if wants == _NOT_SUPPORTED and offers in (_ON, _REQUIRED):
        says = "The server demands encryption, and the client does not support it."
        return Preamble("tds", "refused", sent, heard, says)
    if _NOT_SUPPORTED in (wants, offers):
        return Preamble("tds", "other", sent, heard, "One side does not support encryption: the login is in clear.")
    says = "Both sides agreed to encrypt all."
    if wants == offers == _OFF:
        says = "Both sides left encryption off: TLS protects the login only, and ends after it."
    return Preamble("tds", "tls", sent, heard, says, framing="tds")


def _is_packet(data: bytes, kind: int) -> bool:
    """Whether `data`, however short, can be one packet of this type, its message's last."""
    if data[:2] != bytes([kind, 1])[: len(data)]:
        return False
    return len(data) < 4 or _HEADER < int.from_bytes(data[2:4]) <= 4096


def _encryption(options: bytes) -> int:
    """The ENCRYPTION option of a PRELOGIN message (MS-TDS, section 2.2.6.5), without its certificate flags."""
    position = 0
    while position + 5 <= len(options) and options[position] != 0xFF:
        offset: int = unpack_from(">BH", options, position)[1]
        if options[position] == _ENCRYPTION and offset < len(options):
            return options[offset] & 0x03
        position += 5
    return _NOT_SUPPORTED


class Deframer:
    """Takes the TLS records of one direction out of TDS packets, up to the first packet that carries none.

    The packets of the handshake are all of one type, and those that follow it of another. Behind bare records plain
    TDS may follow, where only the login is encrypted.
    """

    def __init__(self) -> None:
        self.raw = False
        self.ended = False
        self._offset = 0
        self._left = 0
        self._header = b""
        self._carrier = 0
        """Type of the packets that carry TLS."""
        self._tracked = True
        """It is known where bare records end."""

    def feed(self, data: bytes) -> list[Chunk]:
        """What the next bytes of the stream carry; once `raw`, all of them up to the first plain packet."""
        chunks: list[Chunk] = []
        position = 0
        while position < len(data) and not self.ended:
            if not self.raw and not self._header and not self._left and 0x14 <= data[position] <= 0x18:
                self.raw = True
            if self.raw or self._left:
                size = self._bare(data, position) if self.raw else min(self._left, len(data) - position)
                if size:
                    begin = self._offset + position
                    chunks.append(Chunk(data[position : position + size], begin, begin + size))
                if not self.raw:
                    self._left -= size
                position += size
            else:
                taken = data[position : position + _HEADER - len(self._header)]
                self._header += taken
                position += len(taken)
                if len(self._header) == _HEADER:
                    self._left = int.from_bytes(self._header[2:4]) - _HEADER
                    self._carrier = self._carrier or self._header[0]
                    self.ended = self._carrier not in (_PRELOGIN, _RESPONSE) or self._left < 0
                    self.ended = self.ended or self._header[0] != self._carrier
                    self._header = b""
        self._offset += len(data)
        return chunks

    def _bare(self, data: bytes, begin: int) -> int:
        """How many bytes from `begin` on are of bare records: all, unless a TDS packet follows a record."""
        position = begin
        while self._tracked and position < len(data):
            if self._left:
                taken = min(self._left, len(data) - position)
                self._left -= taken
                position += taken
                continue
            if not self._header and not 0x14 <= data[position] <= 0x18:
                self._tracked = False
                if data[position] <= _PRELOGIN:
                    self.ended = True
                    return position - begin
                break
            taken = min(_RECORD_HEADER - len(self._header), len(data) - position)
            self._header += data[position : position + taken]
            position += taken
            if len(self._header) == _RECORD_HEADER:
                self._left = int.from_bytes(self._header[3:])
                self._header = b""
        return len(data) - begin
