"""What happens in one conversation of QUIC: from the datagrams of both sides to handshakes.

Initial packets carry the hellos, under keys that anybody can make (RFC 9001, section 5.2): what they say counts as
being in clear, and that they open proves that it is QUIC. All else is opened by secrets only. Messages are parts of a
stream for each encryption level (RFC 9000, section 19.6), so that nothing depends on the order of packets. Connections
are told apart by the ends that they were begun between: what moves to other addresses (section 9) is lost from sight.
"""

from itertools import islice

from analyzer.net.conversations import Datagram
from analyzer.results import Protection, Sender
from analyzer.settings import Limits
from analyzer.tls import messages
from analyzer.tls.agreed_keys import agreed_tls13, decryption_of
from analyzer.tls.handshake import MOST_HANDSHAKES, TLS13, Alert, Datagrams, Decryption, Handshake, Sent
from analyzer.tls.keyring import Keyring
from analyzer.tls.protection import Unsupported
from analyzer.tls.quic.connection import LAST, OWN, Connection, Waiting
from analyzer.tls.quic.facts import Closed, Quic, Refused, Seen
from analyzer.tls.quic.frames import Ack, Close, Crypto, CryptoStream, Data, Done, frames
from analyzer.tls.quic.packet import SHORTEST_FIRST_ID, SMALLEST_FIRST_DATAGRAM, VERSIONS, Kind, Packet, packets
from analyzer.tls.quic.protection import TAG, InitialKeys, Keys, Opened, is_genuine_retry
from analyzer.tls.record import Hole, Reason

_SECRETS: dict[tuple[Sender, Kind], str] = {
    ("client", "handshake"): "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    ("client", "1-rtt"): "CLIENT_TRAFFIC_SECRET_0",
    ("server", "handshake"): "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    ("server", "1-rtt"): "SERVER_TRAFFIC_SECRET_0",
}
_FIRST_PACKETS = 4
_ENOUGH_BEHIND_FLIGHT = 8
"""Packets of data behind the client's flight that tell whether both sides went on."""
_ENOUGH_CONFIRMED = 16
"""Packets of data that are opened where the server has confirmed the handshake."""
_HELLO_VERSION = 0x0303
_FATAL = 2
"""The level of all alerts in QUIC (RFC 9001, section 4.8)."""
_MOST_SEEN = 512
_MOST_CLOSED = 32
_MOST_RETRIES = 16
_MOST_REPEATED = 64
_MOST_PACKETS = 16
"""So many packets of a datagram are read: there are four levels, and few send two packets of one (section 12.2)."""
_MOST_TRIED = 1000
"""So many Initial packets of a connection are opened, or tried, and as many Handshake packets."""


class QuicSession:
    """Reads the packets of both directions and gathers handshakes."""

    def __init__(self, limits: Limits, keyring: Keyring | None = None, *, first: int = 0) -> None:
        """`first` is the number of the first handshake: others may have been between the same ends before."""
        self._limits = limits
        self._first = first
        self._keyring = keyring if keyring else None
        self._connection: Connection | None = None
        self._tried: dict[Kind, int] = {}
        """Packets since it began, or at all, that were opened or could not be."""
        self.handshakes: list[Handshake] = []
        self.exceeded: dict[str, int] = {}
        """Limits that a handshake exceeded, and the frame in which it did so first."""

    @property
    def held(self) -> int:
        """Bytes of messages and packets that it keeps."""
        waiting = self._connection.held if self._connection is not None else 0
        return waiting + sum(handshake.kept_bytes for handshake in self.handshakes)

    @property
    def is_complete(self) -> bool:
        """Whether both sides have gone on to data, so that nothing of the handshake is awaited."""
        connection = self._connection
        if connection is None or connection.waiting or connection.handshake.server_hello is None:
            return False
        lacks = any(stream.lacks for side in connection.sides for stream in side.streams.values())
        return not lacks and all(side.short for side in connection.sides)

    def is_full_of_data(self, direction: int) -> bool:
        """Whether more packets of data of this direction would tell nothing new."""
        connection = self._connection
        if connection is None:
            return True
        side = connection.sides[direction]
        if "1-rtt" in side.keys:
            enough = _ENOUGH_CONFIRMED if connection.quic.confirmed else self._limits.records
            return side.short >= enough
        return side.behind_flight >= _ENOUGH_BEHIND_FLIGHT or side.short >= self._limits.records

    def count_data(self, direction: int, records: int, frame: int, time: int) -> None:
        """So many packets of data were not looked at, the last of them in this frame."""
        connection = self._connection
        if connection is not None:
            current = connection.handshake
            current.application_data[current.sender(direction)] += records
            connection.sides[direction].skipped += records
            connection.quic.last_data[current.sender(direction)] = frame
            _touch(current, frame, time)

    def wants_last(self, direction: int) -> int:
        """How many of the last packets of data `keep_last` should be told of, though they are not looked at."""
        connection = self._connection
        return LAST if connection is not None and "1-rtt" in connection.sides[direction].keys else 0

    def keep_last(self, datagram: Datagram) -> None:
        """Keep a packet of data: if none comes behind it, it may close the connection."""
        if self._connection is not None:
            self._connection.sides[datagram.direction].last.append(datagram)

    def process(self, datagram: Datagram) -> None:
        """Take a datagram, in the order of the capture."""
        connection = self._connection
        if datagram.is_error:
            below = connection.handshake.datagrams if connection is not None else None
            if connection is not None and below is not None:
                below.note_error(connection.handshake.sender(datagram.direction), datagram)
            return
        id_length = connection.sides[datagram.direction].id_length if connection is not None else None
        found = list(islice(packets(datagram, id_length), _MOST_PACKETS + 1))
        if len(found) > _MOST_PACKETS:
            self.exceeded.setdefault("handshake-records", datagram.frame)
            found.pop()
        if not found:
            return
        with_initial = any(packet.kind == "initial" for packet in found)
        last = found[-1]
        news = [
            self._packet(
                datagram, packet, with_initial=with_initial, is_first=packet is found[0], is_followed=packet is not last
            )
            for packet in found
        ]
        connection = self._connection
        if connection is None:
            return
        current = connection.handshake
        connection.quic.answered |= current.sender(datagram.direction) == "server"
        _touch(current, datagram.frame, datagram.time)
        below = current.datagrams
        if with_initial and below is not None and not any(news) and datagram.frame != current.first_frame:
            repeated = below.repeated[current.sender(datagram.direction)]
            if len(repeated) < _MOST_REPEATED:
                repeated.append(datagram.frame)

    def settle(self) -> None:
        """Take what waits for packets that will not come any more, and note what must be missing."""
        connection = self._connection
        if connection is None:
            return
        self._open_last(connection)
        waiting, connection.waiting, connection.waiting_bytes = connection.waiting, [], 0
        for one in waiting:
            self._note_closed(connection, *one)
        for direction, side in enumerate(connection.sides):
            for kind, stream in side.streams.items():
                lacks = stream.lacks
                if lacks is not None and (direction, kind) not in connection.lost:
                    connection.lost.add((direction, kind))
                    self._lose(connection, direction, lacks, "missing")
                if stream.overflowed is not None:
                    self.exceeded.setdefault("pending-bytes", stream.overflowed)
        for handshake in self.handshakes:
            handshake.sent.sort(key=lambda sent: sent.frame)

    # Packets

    def _packet(
        self, datagram: Datagram, packet: Packet, *, with_initial: bool, is_first: bool, is_followed: bool
    ) -> bool:
        """Read a packet; whether it brings something new."""
        if packet.kind == "initial":
            return self._initial(datagram, packet, is_first=is_first)
        connection = self._connection
        if connection is None:
            return False
        sender = connection.handshake.sender(datagram.direction)
        if packet.kind in ("retry", "version-negotiation"):
            if sender == "server" and connection.handshake.server_hello is None:
                self._refuse(connection, datagram, packet)
            return True
        if packet.kind == "1-rtt":
            self._count_short(connection, datagram.direction)
            connection.quic.last_data[sender] = datagram.frame
        elif packet.kind == "handshake" and sender == "client":
            connection.answers = True
        if len(connection.quic.seen) < _MOST_SEEN:
            place = (datagram.length, with_initial, is_followed, datagram.time)
            connection.quic.seen.append(Seen(packet.kind, sender, datagram.frame, packet.length, *place))
        self._protected(connection, datagram, packet)
        return packet.kind != "0-rtt"  # these are sent again with the Initial packet

    def _count_short(self, connection: Connection, direction: int) -> None:
        side, client = connection.sides[direction], connection.handshake.client_direction
        side.short += 1
        answered = connection.handshake.server_hello is not None
        side.behind_flight += connection.answers or (direction == client and answered)

    def _initial(self, datagram: Datagram, packet: Packet, *, is_first: bool) -> bool:
        connection, direction = self._connection, datagram.direction
        if connection is not None and packet.destination in connection.left:
            return True  # sent before the Retry came: a hello may take several datagrams
        tried = self._is_tried("initial", datagram.frame)
        opened = connection.open_initial(direction, packet) if connection is not None and tried else None
        if not tried and not (is_first and datagram.length >= SMALLEST_FIRST_DATAGRAM):
            return False  # no client's first packet, with which another connection would begin
        if opened is None and len(packet.destination) >= SHORTEST_FIRST_ID and not packet.is_cut:
            opened = self._begin(datagram, packet)
            connection = self._connection
        if opened is None or connection is None:
            if packet.is_cut:
                self._cut(datagram, packet)
            return False
        if packet.version != connection.quic.version and connection.quic.refused is not None:
            connection.restart()  # what was still sent in the version that the server refused is no part of this
        connection.quic.version = packet.version
        connection.sides[1 - direction].id_length = len(packet.source)  # by which the sender wants to be called
        if direction == connection.handshake.client_direction:
            connection.source = packet.source
            connection.quic.number_lengths.add(packet.length - TAG - len(opened.payload))
        return self._frames(connection, datagram, packet.kind, opened, "cleartext")

    def _is_tried(self, kind: Kind, frame: int) -> bool:
        """Whether to open a packet: not when there have been too many."""
        self._tried[kind] = tried = self._tried.get(kind, 0) + 1
        if tried > _MOST_TRIED:
            self.exceeded.setdefault("handshake-records", frame)
        return tried <= _MOST_TRIED

    def _begin(self, datagram: Datagram, packet: Packet) -> Opened | None:
        """Open a client's Initial packet whose destination id makes new keys: a connection begins, or was retried."""
        keys = InitialKeys(packet.destination, VERSIONS[packet.version])
        opened = keys.of("client").open(packet)
        if opened is None:
            return None
        current = self._connection
        if current is not None and self._is_retried(current, datagram, packet, opened):
            current.begin(packet.version, packet.destination, keys)
        else:
            self._open(datagram, packet, keys)
        return opened

    def _is_retried(self, current: Connection, datagram: Datagram, packet: Packet, opened: Opened) -> bool:
        """Whether it is the same ClientHello again, behind a Retry that is not the first, or that the capture lacks."""
        if current.handshake.sender(datagram.direction) != "client" or not packet.token:
            return False
        if packet.destination in current.retries and current.handshake.server_hello is None:
            current.quic.retried = current.retries[packet.destination]
            return True
        stream = current.sides[datagram.direction].streams.get("initial")
        parts = [frame for frame in frames(opened.payload) if isinstance(frame, Crypto)]
        answered = current.handshake.server_hello is not None or stream is None
        return not answered and bool(parts) and not any(stream.contradicts(part) for part in parts if stream)

    def _refuse(self, connection: Connection, datagram: Datagram, packet: Packet) -> None:
        """The server wants the client to prove its address, or speaks other versions."""
        quic = connection.quic
        if packet.kind == "retry":
            # A server that got the first packet twice answers twice; the client follows the one that reaches it first
            # (RFC 9000, section 17.2.5.2), which its next packet tells.
            version = VERSIONS[packet.version]
            known = packet.source in connection.retries or len(connection.retries) >= _MOST_RETRIES
            if not known and is_genuine_retry(packet, connection.first_destination, version):
                connection.retries[packet.source] = datagram.frame
                if quic.retried is None:
                    quic.retried = datagram.frame
                    connection.begin(packet.version, packet.source, InitialKeys(packet.source, version))
            return
        answers = (packet.source, packet.destination) == (connection.destination, connection.source)
        if answers and quic.refused is None and quic.version not in packet.versions:
            quic.refused = Refused(datagram.frame, quic.version, packet.versions)
            connection.restart()

    def _cut(self, datagram: Datagram, packet: Packet) -> None:
        """The capture lacks the rest of an Initial packet; a client's first is a handshake all the same."""
        connection = self._connection
        if connection is None and len(packet.destination) >= SHORTEST_FIRST_ID:
            keys = InitialKeys(packet.destination, VERSIONS[packet.version])
            connection = self._open(datagram, packet, keys)
        if connection is not None:
            self._lose(connection, datagram.direction, datagram.frame, "snap-length")

    def _protected(self, connection: Connection, datagram: Datagram, packet: Packet) -> None:
        """A packet that only secrets open; those of 0-RTT packets are of no use here, since these hold data only."""
        side, current = connection.sides[datagram.direction], connection.handshake
        keys = side.keys.get(packet.kind)
        if keys is not None and packet.kind == "handshake" and not self._is_tried("handshake", datagram.frame):
            keys = None
        if keys is not None:
            state = decryption_of(current)
            opened = keys.open(packet, side.skipped if packet.kind == "1-rtt" else 0)
            if opened is not None:
                state.opened += 1
                side.skipped = 0 if packet.kind == "1-rtt" else side.skipped
                self._frames(connection, datagram, packet.kind, opened, "decrypted")
                return
            state.closed += 1
        elif self._keyring is not None and current.server_hello is None and packet.kind != "0-rtt":
            size = len(packet.data) + OWN
            if connection.waiting_bytes + size <= self._limits.pending_bytes:
                connection.waiting.append(Waiting(datagram._replace(data=b""), packet))
                connection.waiting_bytes += size
                return
            self.exceeded.setdefault("pending-bytes", datagram.frame)
        elif self._keyring is not None and packet.kind != "0-rtt":
            decryption_of(current).closed += 1
        self._note_closed(connection, datagram, packet)

    def _note_closed(self, connection: Connection, datagram: Datagram, packet: Packet) -> None:
        """A packet that stays closed."""
        if packet.is_cut and packet.kind == "handshake":
            self._lose(connection, datagram.direction, datagram.frame, "snap-length")
        if packet.kind == "handshake":
            self._append(connection, datagram, "encrypted_handshake", packet.length)
        else:
            self._note_data(connection, datagram, packet.length, "encrypted")

    def _open_last(self, connection: Connection) -> None:
        """See whether the packets that came last close the connection."""
        for side in connection.sides:
            keys, last = side.keys.get("1-rtt"), list(side.last)
            side.last.clear()
            for datagram in last:
                for packet in packets(datagram, side.id_length):
                    opened = keys.open(packet, side.skipped) if keys is not None else None
                    side.skipped = 0 if opened is not None else side.skipped
                    for frame in frames(opened.payload) if opened is not None else ():
                        if isinstance(frame, Close):
                            self._close(connection, datagram, packet.kind, frame, "decrypted")

    # Frames

    def _frames(
        self, connection: Connection, datagram: Datagram, kind: Kind, opened: Opened, protection: Protection
    ) -> bool:
        """Read the frames of a packet; whether it brings something new."""
        current, direction = connection.handshake, datagram.direction
        said = news = False
        for frame in frames(opened.payload):
            match frame:
                case Crypto():
                    said = True
                    news = self._crypto(connection, datagram, kind, frame, protection) or news
                case Close():
                    said = news = True
                    self._close(connection, datagram, kind, frame, protection)
                case Done() if kind == "1-rtt" and current.sender(direction) == "server":
                    connection.quic.confirmed = connection.quic.confirmed or (datagram.frame, datagram.time)
                case Data() if kind == "1-rtt":
                    self._note_data(connection, datagram, len(opened.payload), "decrypted")
                case Ack():
                    _note_acknowledgment(connection, datagram, kind, frame)
        if kind == "handshake" and said and not news and current.sender(direction) == "client":
            connection.quic.repeated = datagram.frame
        answered = any(sent.sender == "server" for sent in current.sent)
        return news or (not said and answered)  # without an answer there is nothing to acknowledge: it is a probe

    def _crypto(
        self, connection: Connection, datagram: Datagram, kind: Kind, part: Crypto, protection: Protection
    ) -> bool:
        side = connection.sides[datagram.direction]
        stream = side.streams.get(kind)
        if stream is None:
            stream = side.streams[kind] = CryptoStream(self._limits.pending_bytes)
        if not stream.add(part, datagram.frame):
            return False
        for message in stream.messages(datagram.frame, self._limits.message_bytes):
            side.turn = max(side.turn, message.frame)
            parsed = messages.parse(message.raw[0], message.raw[4:], _version(connection.handshake))
            sent = Sent(
                connection.handshake.sender(datagram.direction),
                parsed.name,
                side.turn,
                datagram.time,
                len(message.raw) - 4,
                protection,
                parsed,
                message.raw,
                message.first_frame,
            )
            if not self._take(connection, sent):
                stream.stop()
                break
        if stream.too_long is not None:
            self.exceeded.setdefault("message-bytes", stream.too_long)
            connection.handshake.truncated = True
        return True

    def _take(self, connection: Connection, sent: Sent) -> bool:
        """Take a message; False where there have been too many, so that none of those behind it will be taken."""
        current = connection.handshake
        if sent.name == "client_hello" and connection.restarted and current.server_hello is None:
            # Sent again, behind a Retry or in another version: the same as before, or the one that counts.
            connection.restarted = False
            before = [one for one in current.sent if one.name == "client_hello"]
            if any(one.raw == sent.raw for one in before):
                return True
            current.sent = [one for one in current.sent if one not in before]
        answered = current.server_hello is not None
        if not current.keep(sent, self._limits.handshake_bytes):
            self.exceeded.setdefault("handshake-bytes", sent.frame)
            return False
        if not answered and current.server_hello is not None and self._keyring is not None:
            self._take_secrets(connection)
        return True

    def _take_secrets(self, connection: Connection) -> None:
        """From the ServerHello on, secrets open what follows, and what came before its turn."""
        current = connection.handshake
        state = decryption_of(current)
        try:
            suite = agreed_tls13(current, self._keyring) if self._keyring is not None else None
            for (sender, kind), label in _SECRETS.items():
                secret = state.traffic.get(label)
                if secret is not None and suite is not None:
                    side = connection.sides[_direction(current, sender)]
                    side.keys[kind] = Keys(secret, suite, VERSIONS[connection.quic.version])
        except Unsupported as why:
            state.reason = str(why)
        waiting, connection.waiting, connection.waiting_bytes = connection.waiting, [], 0
        for one in waiting:
            self._protected(connection, *one)

    def _close(
        self, connection: Connection, datagram: Datagram, kind: Kind, frame: Close, protection: Protection
    ) -> None:
        current, closed = connection.handshake, connection.quic.closed
        sender = current.sender(datagram.direction)
        said = [one for one in closed if (one.sender, one.code) == (sender, frame.code)]
        if len(closed) >= _MOST_CLOSED or any(one.kind != "initial" or kind == "initial" for one in said):
            return  # said again in each level, and in answer to whatever still comes; Initial packets prove least
        one = Closed(sender, datagram.frame, datagram.time, kind, frame.code, frame.by_application, protection)
        closed.append(one)
        if one.alert is not None and not said:
            content = bytes((_FATAL, one.alert))
            current.alerts.append(Alert(sender, one.frame, one.time, _FATAL, one.alert, protection))
            self._append(connection, datagram, "alert", len(content), protection, content)

    def _note_data(self, connection: Connection, datagram: Datagram, length: int, protection: Protection) -> None:
        current = connection.handshake
        sender = current.sender(datagram.direction)
        current.application_data[sender] += 1
        if current.application_data[sender] <= _FIRST_PACKETS:
            self._append(connection, datagram, "application_data", length, protection)

    def _append(
        self,
        connection: Connection,
        datagram: Datagram,
        name: str,
        length: int,
        protection: Protection = "encrypted",
        raw: bytes = b"",
    ) -> None:
        """Note a packet as a whole, or an alert."""
        current, frame = connection.handshake, datagram.frame
        sender = current.sender(datagram.direction)
        current.note(Sent(sender, name, frame, datagram.time, length, protection, None, raw, frame))

    def _lose(self, connection: Connection, direction: int, frame: int, reason: Reason) -> None:
        current = connection.handshake
        current.lose(current.sender(direction), Hole(direction, frame, reason))

    # Connections

    def _open(self, datagram: Datagram, packet: Packet, keys: InitialKeys) -> Connection:
        """A connection begins; what was between the same ends before is over."""
        self.settle()
        if len(self.handshakes) >= MOST_HANDSHAKES and self._connection is not None:
            self._connection.handshake.truncated = True
            return self._connection
        index = self._first + len(self.handshakes)
        handshake = Handshake(index, datagram.direction, datagram.frame, datagram.time)
        handshake.datagrams = Datagrams()
        handshake.quic = quic = Quic(packet.version)
        if self._keyring is not None:
            handshake.decryption = Decryption()
        self.handshakes.append(handshake)
        self._tried.clear()
        self._connection = Connection(handshake, quic, packet.version, packet.destination, keys)
        return self._connection


def _version(handshake: Handshake) -> int:
    """How its messages are read: QUIC speaks TLS 1.3 or later only (RFC 9001, section 4.2)."""
    return TLS13 if handshake.server_hello is not None else _HELLO_VERSION


def _note_acknowledgment(connection: Connection, datagram: Datagram, kind: Kind, frame: Ack) -> None:
    quic, hello = connection.quic, connection.handshake.client_hello
    if connection.handshake.sender(datagram.direction) == "client":
        if kind == "initial":
            quic.counts_marks = bool(quic.counts_marks) or frame.with_counts
    elif kind == "1-rtt" and hello is not None and not hello.early_data:  # that has the same space of numbers
        quic.acknowledged = quic.acknowledged or datagram.frame


def _direction(handshake: Handshake, sender: Sender) -> int:
    return handshake.client_direction if sender == "client" else 1 - handshake.client_direction


def _touch(handshake: Handshake, frame: int, time: int) -> None:
    below = handshake.datagrams
    if below is not None:
        below.last_frame, below.last_time = max(below.last_frame, frame), max(below.last_time, time)
