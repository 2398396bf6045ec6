"""What is known of one connection of QUIC between its packets: keys, ids, streams, and what waits?"""

from collections import deque
from typing import NamedTuple

from analyzer.net.conversations import Datagram
from analyzer.tls.handshake import Handshake
from analyzer.tls.quic.facts import Quic
from analyzer.tls.quic.frames import CryptoStream
from analyzer.tls.quic.packet import VERSIONS, Kind, Packet
from analyzer.tls.quic.protection import InitialKeys, Keys, Opened

LAST = 4
"""So many of the packets that come last are opened, as they may close the connection."""
OWN = 200
"""Bytes that a waiting packet takes by itself."""


class Waiting(NamedTuple):
    """A packet for which there may be keys later."""

    datagram: Datagram
    """Without its data."""
    packet: Packet


class Side:
    """What is known of one direction of a connection."""

    __slots__ = ("behind_flight", "id_length", "keys", "last", "short", "skipped", "streams", "turn")

    def __init__(self) -> None:
        self.streams: dict[Kind, CryptoStream] = {}
        self.keys: dict[Kind, Keys] = {}
        """Those that follow from secrets."""
        self.id_length: int | None = None
        """Length of the destination id in its packets: the receiver's."""
        self.turn = 0
        """The frame with which its last message had its turn."""
        self.short = self.behind_flight = 0
        """Packets of data looked at, and those of them behind the client's flight."""
        self.skipped = 0
        """Packets of data passed over since one was opened."""
        self.last: deque[Datagram] = deque(maxlen=LAST)
        """The last of those passed over."""


class Connection:
    """One connection between the two ends."""

    def __init__(self, handshake: Handshake, quic: Quic, version: int, destination: bytes, keys: InitialKeys) -> None:
        self.handshake = handshake
        self.quic = quic
        self.sides = (Side(), Side())
        self.waiting: list[Waiting] = []
        self.waiting_bytes = 0
        self.lost: set[tuple[int, Kind]] = set()
        """Streams of which it was noted that something is missing."""
        self.source = b""
        """The client's connection id."""
        self.answers = False
        """The client has sent Handshake packets."""
        self.destination = self.first_destination = destination
        """The id to which the client writes, and that of its first packet, which Retries answer."""
        self.left: set[bytes] = set()
        """Those to which it wrote before."""
        self.retries: dict[bytes, int] = {}
        """Ids that the server's Retries name, and their frames."""
        self.restarted = False
        """The client begins anew, as it was told to."""
        self.begin(version, destination, keys)

    def begin(self, version: int, destination: bytes, keys: InitialKeys) -> None:
        """Initial packets have these keys, anew after a Retry (RFC 9001, section 5.2)."""
        self.left.add(self.destination)
        self.left.discard(destination)
        self.destination = destination
        self._initial = {version: keys}
        self.restart()

    def restart(self) -> None:
        """The client sends its ClientHello anew."""
        before = self.sides[self.handshake.client_direction].streams.pop("initial", None)
        self.restarted |= before is not None

    def open_initial(self, direction: int, packet: Packet) -> Opened | None:
        """Open an Initial packet of either side, of this version or one that was negotiated (RFC 9368)."""
        keys = self._initial.get(packet.version)
        if keys is None:
            keys = InitialKeys(self.destination, VERSIONS[packet.version])
        opened = keys.of(self.handshake.sender(direction)).open(packet)
        if opened is not None:
            self._initial[packet.version] = keys
        return opened

    @property
    def held(self) -> int:
        """Bytes that it keeps of what waits."""
        streams = sum(stream.held for side in self.sides for stream in side.streams.values())
        return streams + self.waiting_bytes + sum(len(one.data) + OWN for side in self.sides for one in side.last)
