"""OpenVPN over TCP: TLS travels in the control packets of both sides from the first byte on: the framing `openvpn`.

With tls-auth every control packet also carries a MAC, whose size shows in the first packet; with tls-crypt the
control packets are encrypted, and TLS is out of sight (OpenVPN documentation, Network protocol).
"""

from analyzer.tls.preambles._framing import Chunk
from analyzer.tls.preambles._preamble import Preamble, waiting

CLIENT, SERVER = b"\0", b"\0"
GREETS = False

_CONTROL, _ACK, _RESET_CLIENT, _RESET_SERVER, _RESET_CLIENT_V3 = 4, 5, 7, 8, 10
_HEAD = 9  # opcode and key, session id
_REPLAY = 8  # packet id and time, with tls-auth
_MAC_SIZES = (16, 20, 28, 32, 48, 64)


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if not _is_reset(client, (_RESET_CLIENT, _RESET_CLIENT_V3)):
        return None
    if not _is_reset(server, (_RESET_SERVER,)):
        return None
    packets = [data[2 : 2 + int.from_bytes(data[:2])] for data in (client, server)]
    if any(len(data) < 3 or len(data) < 2 + int.from_bytes(data[:2]) for data in (client, server)):
        return waiting("openvpn")
    if None in map(_overhead, packets):
        says = "The control channel is encrypted (tls-crypt), and TLS in it is out of sight."
        return Preamble("openvpn", "other", 0, 0, says)
    says = "Both sides reset their OpenVPN session; TLS travels in control packets."
    return Preamble("openvpn", "tls", 0, 0, says, framing="openvpn")


def _is_reset(data: bytes, opcodes: tuple[int, ...]) -> bool:
    """Whether `data`, however short, can begin with a hard reset of key 0."""
    if len(data) < 3:
        return data[:1] in (b"", b"\0")
    return data[2] & 7 == 0 and data[2] >> 3 in opcodes and 14 <= int.from_bytes(data[:2]) <= 1024


def _overhead(reset: bytes) -> int | None:
    """Bytes of MAC and replay protection behind the session id of a hard reset; None where it is encrypted."""
    for size in (0, *(mac + _REPLAY for mac in _MAC_SIZES)):
        position = _HEAD + size
        unprotected = not size or reset[position - _REPLAY : position - 4] == b"\0\0\0\1"
        if unprotected and _message_id(reset, position) == (0, len(reset)):
            return size
    return None


def _message_id(packet: bytes, position: int) -> tuple[int, int] | None:
    """The message packet id behind the acknowledgements at `position`, and where the payload begins."""
    if len(packet) <= position:
        return None
    acknowledged = packet[position]
    position += 1 + (4 * acknowledged + 8 if acknowledged else 0)
    if len(packet) < position + 4:
        return None
    return int.from_bytes(packet[position : position + 4]), position + 4


class Deframer:
    """Takes the TLS records of one direction out of OpenVPN control packets, up to the first data packet."""

    def __init__(self) -> None:
        self.raw = False
        self.ended = False
        self._data = bytearray()
        self._begin = 0
        self._overhead: int | None = None
        self._expected = 1

    def feed(self, data: bytes) -> list[Chunk]:
        """What the next bytes of the stream carry; a packet is judged when it is whole."""
        chunks: list[Chunk] = []
        self._data += data
        position = 0
        while not self.ended and len(self._data) >= position + 2:
            end = position + 2 + int.from_bytes(self._data[position : position + 2])
            if len(self._data) < end:
                break
            packet = bytes(self._data[position + 2 : end])
            if payload := self._payload(packet):
                chunks.append(Chunk(payload, self._begin + end - len(payload), self._begin + end))
            position = end
        self._begin += position
        del self._data[: len(self._data) if self.ended else position]
        return chunks

    def _payload(self, packet: bytes) -> bytes:
        """The next TLS bytes that a packet carries, if any; a packet sent again is skipped."""
        opcode = packet[0] >> 3 if packet else 0
        if opcode in (_RESET_CLIENT, _RESET_SERVER) and self._overhead is None:
            self._overhead = _overhead(packet)
            self.ended = self._overhead is None
        elif self._overhead is None or opcode not in (_CONTROL, _ACK):
            self.ended = True
        elif opcode == _CONTROL:
            found = _message_id(packet, _HEAD + self._overhead)
            if found is None or found[0] > self._expected:
                self.ended = True
            elif found[0] == self._expected:
                self._expected += 1
                return packet[found[1] :]
        return b""
