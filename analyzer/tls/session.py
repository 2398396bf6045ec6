"""What happens on one connection: from the records of both directions to handshakes."""

from analyzer.results import Protection
from analyzer.settings import Limits
from analyzer.tls import messages, record
from analyzer.tls.handshake import Alert, Handshake, Sent
from analyzer.tls.record import Event, Hole, Record, RecordReader

COPIED = frozenset((record.CHANGE_CIPHER_SPEC, record.ALERT, record.HANDSHAKE))
_KNOWN_TYPES = frozenset((*range(7), 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 67, 203, 254))
_FROM_CLIENT = frozenset(("client_hello", "client_key_exchange", "certificate_verify"))
_FROM_SERVER = frozenset(
    (
        "server_hello",
        "hello_retry_request",
        "hello_request",
        "server_key_exchange",
        "certificate_request",
        "server_hello_done",
        "certificate_status",
        "new_session_ticket",
    )
)
_CLIENT_HELLO = b"\x01"
_DEFAULT_VERSION = 0x0303


class _Side:
    """What the session knows of one direction."""

    __slots__ = ("begun", "doubtful", "encrypted", "pending", "reader", "switched")

    def __init__(self, reader: RecordReader) -> None:
        self.reader = reader
        self.pending = b""
        """Bytes of handshake messages that are not complete yet."""
        self.begun = 0
        """The frame in which `pending` begins."""
        self.encrypted = False
        """What follows is encrypted (SSLv3 to TLS 1.2: behind ChangeCipherSpec)."""
        self.switched = False
        """ChangeCipherSpec was sent."""
        self.doubtful = False
        """It may have been sent for the sake of middleboxes only (RFC 8446, appendix D.4)."""


class Session:
    """Reads the records of both directions and gathers handshakes."""

    def __init__(self, limits: Limits, client_direction: int) -> None:
        """`client_direction` is the best guess; a hello that says otherwise corrects it."""
        self._limits = limits
        self._guess = client_direction
        self._sides = tuple(_Side(RecordReader(d, COPIED, limits.records)) for d in (0, 1))
        self.handshakes: list[Handshake] = []
        self.stray = 0
        """Records outside of any handshake: the connection began before the capture."""

    def reader(self, direction: int) -> RecordReader:
        """The record reader of one direction."""
        return self._sides[direction].reader

    @property
    def client_direction(self) -> int:
        """The direction in which the client sends, as far as is known."""
        return self.handshakes[0].client_direction if self.handshakes else self._guess

    def process(self, events: list[Event]) -> None:
        """Take records and holes of both directions, in the order of the capture."""
        for event in events:
            if isinstance(event, Hole):
                self._lose(event)
            elif event.type == record.HANDSHAKE:
                self._handshake_record(event)
            elif event.type == record.APPLICATION_DATA:
                self._application_data(event)
            elif event.type == record.CHANGE_CIPHER_SPEC:
                self._change_cipher_spec(event)
            elif event.type == record.ALERT:
                self._alert(event)
            elif event.type == record.SSLV2:
                self._sslv2(event)

    def finish(self) -> None:
        """No more records will come: a ClientHello that was cut off is a handshake all the same."""
        if not self.handshakes:
            for direction, side in enumerate(self._sides):
                begun = side.reader.unfinished
                if begun is not None and begun.type == record.HANDSHAKE and begun.starts_with(_CLIENT_HELLO):
                    self._open(direction, *begun.begun)
                    return

    # Records

    def _handshake_record(self, event: Record) -> None:
        side = self._sides[event.direction]
        if side.encrypted and not (side.doubtful and _is_client_hello(event.fragment)):
            self._encrypted(event)
            return
        if event.fragment is None:
            side.pending = b""
            self._lose(Hole(event.direction, event.frame, "missing"))
            return
        begun = side.begun if side.pending else event.first_frame
        data = side.pending + event.fragment
        position, end = 0, len(data)
        while end - position >= 4:
            kind = data[position]
            behind = position + 4 + int.from_bytes(data[position + 1 : position + 4])
            if kind not in _KNOWN_TYPES or behind - position > self._limits.message_bytes:
                # Not a message: ciphertext whose ChangeCipherSpec the capture lacks, or damage.
                side.pending = b""
                side.encrypted = self._expects_ciphertext(event.direction)
                self._encrypted(event)
                return
            if behind > end:
                break
            self._message(event, kind, data[position:behind], begun)
            position, begun = behind, event.first_frame
        side.pending, side.begun = data[position:], begun

    def _expects_ciphertext(self, direction: int) -> bool:
        """Whether this direction may have changed to ciphertext without our seeing it."""
        current = self._current()
        return current is not None and current.has_hole(current.sender(direction))

    def _message(self, event: Record, kind: int, raw: bytes, begun: int) -> None:
        current = self._current()
        version = current.version if current else None
        message = messages.parse(kind, raw[4:], version or _legacy(event.version))
        self._take(event, message, raw, len(raw) - 4, begun)

    def _take(self, event: Record, message: messages.Message, raw: bytes, length: int, begun: int) -> None:
        current = self._for_message(event, message)
        current.kept_bytes += len(raw)
        if current.kept_bytes > self._limits.handshake_bytes:
            current.truncated = True
            raw = b""
        sender = current.sender(event.direction)
        current.take(
            Sent(
                sender,
                message.name,
                event.frame,
                event.time,
                length,
                "cleartext",
                message,
                raw,
                first_frame=begun,
            )
        )
        if current.is_tls13 and message.name == "server_hello":
            self._sides[event.direction].encrypted = True

    def _encrypted(self, event: Record) -> None:
        """A handshake record that cannot be read: Finished, or a renegotiation."""
        current = self._current()
        if current is None:
            self.stray += 1
            return
        side = self._sides[event.direction]
        self._append(current, event, "encrypted_handshake")
        if side.switched:
            side.switched = False
            current.advance(current.sender(event.direction), "finished")

    def _application_data(self, event: Record) -> None:
        current = self._current()
        if current is None:
            self.stray += 1
            return
        sender = current.sender(event.direction)
        current.application_data[sender] += 1
        if current.is_tls13 or current.application_data[sender] <= _FIRST_RECORDS:
            self._append(current, event, "application_data")

    def _change_cipher_spec(self, event: Record) -> None:
        current = self._current()
        if current is None:
            self.stray += 1
            return
        side = self._sides[event.direction]
        sender = current.sender(event.direction)
        current.sent.append(
            Sent(
                sender,
                "change_cipher_spec",
                event.frame,
                event.time,
                event.length,
                "cleartext",
                first_frame=event.first_frame,
            )
        )
        side.pending = b""
        if not current.is_tls13:
            side.encrypted = side.switched = True
            # Of TLS 1.3 it would say nothing, and the ServerHello that tells which it is has not been seen.
            side.doubtful = current.server_hello is None
            current.advance(sender, "change_cipher_spec")

    def _alert(self, event: Record) -> None:
        current = self._current()
        if current is None:
            self.finish()
            current = self._current()
        if current is None:
            self.stray += 1
            return
        side = self._sides[event.direction]
        sender = current.sender(event.direction)
        fragment = event.fragment
        level = description = None
        protection: Protection = "encrypted"
        # An encrypted alert is longer than two bytes (RFC 5246, section 6.2.3); TLS 1.3 hides the type as well.
        if fragment is not None and len(fragment) == 2 and (current.is_tls13 or not side.encrypted):
            level, description = fragment
            protection = "cleartext"
        current.alerts.append(Alert(sender, event.frame, event.time, level, description))
        current.sent.append(
            Sent(
                sender,
                "alert",
                event.frame,
                event.time,
                event.length,
                protection,
                first_frame=event.first_frame,
            )
        )

    def _sslv2(self, event: Record) -> None:
        message = messages.parse_sslv2(event.fragment or b"")
        if isinstance(message, messages.ClientHello | messages.ServerHello):
            self._take(event, message, event.fragment or b"", event.length, event.first_frame)
            return
        current = self._current()
        if current is not None:
            self._append(current, event, "encrypted_handshake")

    def _lose(self, hole: Hole) -> None:
        self._sides[hole.direction].pending = b""
        current = self._current()
        if current is not None:
            current.holes.append((current.sender(hole.direction), hole))

    def _append(self, current: Handshake, event: Record, name: str) -> None:
        if len(current.sent) >= _MOST_SENT:
            current.truncated = True
            return
        sender = current.sender(event.direction)
        current.sent.append(
            Sent(
                sender,
                name,
                event.frame,
                event.time,
                event.length,
                "encrypted",
                first_frame=event.first_frame,
            )
        )

    # Handshakes

    def _current(self) -> Handshake | None:
        return self.handshakes[-1] if self.handshakes else None

    def _for_message(self, event: Record, message: messages.Message) -> Handshake:
        """The handshake that a message belongs to; a ClientHello may begin another."""
        current, name = self._current(), message.name
        if current is not None and not (name == "client_hello" and _begins_another(current)):
            return current
        client = self._guess
        if name in _FROM_CLIENT:
            client = event.direction
        elif name in _FROM_SERVER:
            client = 1 - event.direction
        for side in self._sides:
            side.encrypted = side.switched = False
        return self._open(client, event.first_frame, event.first_time)

    def _open(self, client_direction: int, frame: int, time: int) -> Handshake:
        handshake = Handshake(len(self.handshakes), client_direction, frame, time)
        self.handshakes.append(handshake)
        return handshake


_FIRST_RECORDS = 4
_MOST_SENT = 2000


def _begins_another(current: Handshake) -> bool:
    """Whether a further ClientHello is not the answer to a HelloRetryRequest, nor a repetition."""
    if current.server_hello is not None:
        return True
    if current.client_hello is None:
        return any(sent.name != "hello_request" for sent in current.sent)
    return current.hello_retry_request is None and bool(current.alerts)


def _legacy(version: int) -> int:
    """The version to read a message with before one was agreed."""
    return version if 0x0300 <= version <= 0x0303 else _DEFAULT_VERSION


def _is_client_hello(fragment: bytes | None) -> bool:
    """Whether a record holds just a ClientHello."""
    return fragment is not None and fragment[:1] == _CLIENT_HELLO and int.from_bytes(fragment[1:4]) == len(fragment) - 4
