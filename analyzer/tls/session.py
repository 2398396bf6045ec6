"""What happens on one connection: from the records of both directions to handshakes."""

from analyzer.results import Protection
from analyzer.settings import Limits
from analyzer.tls import messages, record
from analyzer.tls.decryption import Decryptor
from analyzer.tls.handshake import FIRST_RECORDS, MOST_HANDSHAKES, MOST_SENT, Alert, Decryption, Handshake, Sent
from analyzer.tls.keyring import Keyring
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
_HELLOS = (b"\1", b"\2")
_CLIENT_HELLO = b"\x01"
_HANDSHAKE_HEADER = 4
_DEFAULT_VERSION = 0x0303


class _Side:
    """What the session knows of one direction."""

    __slots__ = ("awaited", "begun", "data", "doubtful", "encrypted", "excess", "messages", "pending", "reader")

    def __init__(self, reader: RecordReader) -> None:
        self.reader = reader
        self.pending: bytes | bytearray = b""
        """Bytes of handshake messages that are not complete yet."""
        self.awaited = 0
        """How many these must be for the next message to be complete, or for its length to be known."""
        self.begun = 0
        """The frame in which `pending` begins."""
        self.encrypted = False
        """What follows is encrypted (SSLv3 to TLS 1.2: behind ChangeCipherSpec)."""
        self.doubtful = False
        """It may have been sent for the sake of middleboxes only (RFC 8446, appendix D.4)."""
        self.excess = 0
        """Bytes still to come of a message that is too long to be kept."""
        self.messages = 0
        """Handshake messages read."""
        self.data = 0
        """Records of application data opened."""


class Session:
    """Reads the records of both directions and gathers handshakes."""

    def __init__(self, limits: Limits, client_direction: int, keyring: Keyring | None = None) -> None:
        """`client_direction` is the best guess; a hello that says otherwise corrects it."""
        self._limits = limits
        self._guess = client_direction
        self._decryptor = Decryptor(keyring) if keyring else None
        copied = COPIED if self._decryptor is None else COPIED | {record.APPLICATION_DATA}
        self._sides = tuple([_Side(RecordReader(d, copied, limits.records, limits.handshake_records)) for d in (0, 1)])
        self.handshakes: list[Handshake] = []
        self._current: Handshake | None = None
        """The last of them."""
        self.exceeded: dict[str, int] = {}
        """Limits that a handshake exceeded, and the frame in which it did so first."""
        self.stray = 0
        """Records outside of any handshake: the connection began before the capture."""

    def reader(self, direction: int) -> RecordReader:
        """The record reader of one direction."""
        return self._sides[direction].reader

    @property
    def held(self) -> int:
        """Bytes of messages that it keeps."""
        pending = sum(len(side.pending) + side.reader.held for side in self._sides)
        return pending + sum(handshake.kept_bytes for handshake in self.handshakes)

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
        for direction, side in enumerate(self._sides):
            if side.reader.overflowed is not None:
                self.exceeded.setdefault("handshake-records", side.reader.overflowed)
            if self._current is not None and side.reader.unfinished is not None:
                self._current.unfinished |= {self._current.sender(direction)}
        if not self.handshakes:
            for direction, side in enumerate(self._sides):
                begun = side.reader.unfinished
                if begun is not None and begun.type == record.HANDSHAKE and begun.starts_with(_CLIENT_HELLO):
                    self._open(direction, *begun.begun)
                    return

    # Records

    def _handshake_record(self, event: Record) -> None:
        side = self._sides[event.direction]
        if side.encrypted and not (side.doubtful and _is_hello(event.fragment)):
            if not self._open_record(event):
                self._encrypted(event)
        elif event.fragment is None:
            if not self.handshakes and event.known.startswith(_CLIENT_HELLO):
                self._open(event.direction, event.first_frame, event.first_time)
            side.pending = b""
            self._lose(Hole(event.direction, event.frame, event.lost or "missing"))
        else:
            self._handshake_bytes(event, event.fragment, "cleartext")

    def _handshake_bytes(self, event: Record, fragment: bytes, protection: Protection) -> None:
        """Cut what records carry of type handshake into messages."""
        side = self._sides[event.direction]
        if side.messages >= self._limits.handshake_records:
            self.exceeded.setdefault("handshake-records", event.frame)
            return
        if side.excess:
            fragment, side.excess = fragment[side.excess :], max(side.excess - len(fragment), 0)
        begun = event.first_frame
        if side.pending:
            side.pending += fragment
            if len(side.pending) < side.awaited:
                return
            fragment, begun = bytes(side.pending), side.begun
        position, end = 0, len(fragment)
        side.awaited = _HANDSHAKE_HEADER
        while end - position >= _HANDSHAKE_HEADER:
            kind = fragment[position]
            behind = position + _HANDSHAKE_HEADER + int.from_bytes(fragment[position + 1 : position + 4])
            too_long = behind - position > self._limits.message_bytes
            if too_long and kind in _KNOWN_TYPES and not self._expects_ciphertext(event.direction):
                self.exceeded.setdefault("message-bytes", event.frame)
            if too_long and protection == "decrypted":
                self._pass_over_message(event, behind - end)
                return
            if too_long or (kind not in _KNOWN_TYPES and protection == "cleartext"):
                # Not a message: ciphertext whose ChangeCipherSpec the capture lacks, or damage.
                side.pending = b""
                side.encrypted = side.encrypted or self._expects_ciphertext(event.direction)
                self._encrypted(event)
                return
            if behind > end:
                side.awaited = behind - position
                break
            self._message(event, fragment[position:behind], begun, protection)
            side.messages += 1
            position, begun = behind, event.first_frame
        side.pending, side.begun = bytearray(fragment[position:]), begun

    def _pass_over_message(self, event: Record, behind: int) -> None:
        """A message is too long to be kept; so many bytes of it are still to come."""
        side, current = self._sides[event.direction], self._current
        side.pending, side.excess = b"", behind
        if current is not None:
            current.truncated = True

    def _expects_ciphertext(self, direction: int) -> bool:
        """Whether this direction may have changed to ciphertext without our seeing it."""
        current = self._current
        return current is not None and current.has_hole(current.sender(direction))

    def _message(self, event: Record, raw: bytes, begun: int, protection: Protection) -> None:
        current = self._current
        version = current.version if current else None
        message = messages.parse(raw[0], raw[4:], version or _legacy(event.version))
        self._take(event, message, raw, len(raw) - 4, begun, protection)

    def _take(
        self,
        event: Record,
        message: messages.Message,
        raw: bytes,
        length: int,
        begun: int,
        protection: Protection = "cleartext",
    ) -> None:
        name = message.name
        current = self._for_message(event, name, protection)
        sender = current.sender(event.direction)
        sent = Sent(sender, name, event.frame, event.time, length, protection, message, raw, begun, event.end)
        if not current.keep(sent, self._limits.handshake_bytes):
            self.exceeded.setdefault("handshake-bytes", event.frame)
        begins_tls13 = name == "server_hello" and current.is_tls13
        if begins_tls13:
            self._sides[event.direction].encrypted = True
        if self._decryptor is not None:
            self._decryptor.after(current, sent, event.direction)
            if begins_tls13:
                self._copy_what_opens(0, 1)

    def _open_record(self, event: Record) -> bool:
        """Read what a protected record holds; False where it stays closed."""
        current = self._current
        if self._decryptor is None or current is None:
            return False
        plain = self._decryptor.open(current, event)
        if plain is None:
            if current.server_hello is not None:
                self._copy_what_opens(event.direction)
            return False
        if plain.type == record.HANDSHAKE:
            self._handshake_bytes(event, plain.content, "decrypted")
        elif plain.type == record.ALERT:
            self._note_alert(current, event, plain.content, "decrypted")
        elif plain.type == record.APPLICATION_DATA:
            side = self._sides[event.direction]
            side.data += 1
            if side.data <= FIRST_RECORDS:
                self._append(current, event, "application_data", "decrypted")
                current.keep_plaintext(current.sender(event.direction), plain.content)
        return True

    def _encrypted(self, event: Record) -> None:
        """A handshake record that cannot be read: Finished, or a renegotiation."""
        current = self._current
        if current is None:
            self.stray += 1
            return
        self._append(current, event, "encrypted_handshake")

    def _application_data(self, event: Record) -> None:
        current = self._current
        if current is None:
            self.stray += 1
            return
        sender = current.sender(event.direction)
        current.application_data[sender] += 1
        if current.is_tls13 or current.application_data[sender] <= FIRST_RECORDS:
            if not self._open_record(event):
                if event.lost is not None and current.first("finished", sender) is None:
                    current.lose(sender, Hole(event.direction, event.frame, event.lost))  # keys would have told
                self._append(current, event, "application_data")
        elif self._decryptor is not None:
            self._decryptor.pass_over(event)

    def _change_cipher_spec(self, event: Record) -> None:
        current, side = self._current, self._sides[event.direction]
        if current is None:
            self.stray += 1
            side.encrypted = side.doubtful = True
            return
        self._append(current, event, "change_cipher_spec", "cleartext", event.fragment or b"")
        side.pending = b""
        if not current.is_tls13:
            side.encrypted = True
            # Of TLS 1.3 it would say nothing, and the ServerHello that tells which it is has not been seen.
            side.doubtful = current.server_hello is None
            if self._decryptor is not None:
                self._decryptor.change_cipher_spec(current, event.direction)
                self._copy_what_opens(event.direction)

    def _copy_what_opens(self, *directions: int) -> None:
        """Where there are no keys, nobody reads application data."""
        for direction in directions:
            if self._decryptor is not None and not self._decryptor.has_keys(direction):
                self._sides[direction].reader.copy_only(COPIED)

    def _alert(self, event: Record) -> None:
        current = self._current
        if current is None:
            self.finish()
            current = self._current
        if current is None:
            self.stray += 1
            return
        encrypted = self._sides[event.direction].encrypted and not current.is_tls13
        # An encrypted alert is longer than two bytes (RFC 5246, section 6.2.3); TLS 1.3 hides the type as well.
        if not encrypted and event.fragment is not None and len(event.fragment) == 2:
            self._note_alert(current, event, event.fragment, "cleartext")
        elif not encrypted or not self._open_record(event):
            self._note_alert(current, event, b"", "encrypted")

    def _note_alert(self, current: Handshake, event: Record, content: bytes, protection: Protection) -> None:
        level, description = content if len(content) == 2 else (None, None)
        sender = current.sender(event.direction)
        if len(current.alerts) < MOST_SENT:
            current.alerts.append(Alert(sender, event.frame, event.time, level, description, protection))
        self._append(current, event, "alert", protection, content)

    def _sslv2(self, event: Record) -> None:
        message = messages.parse_sslv2(event.fragment or b"")
        if isinstance(message, _SSLV2_IN_CLEAR):
            self._take(event, message, event.fragment or b"", event.length, event.first_frame)
            return
        current = self._current
        if current is not None:
            self._append(current, event, "encrypted_handshake")

    def _lose(self, hole: Hole) -> None:
        self._sides[hole.direction].pending = b""
        current = self._current
        if current is not None and not (hole.reason == "damaged" and _is_over(current, hole.direction)):
            current.lose(current.sender(hole.direction), hole)
        if self._decryptor is not None:
            self._decryptor.lose(hole.direction)

    def _append(
        self, current: Handshake, event: Record, name: str, protection: Protection = "encrypted", raw: bytes = b""
    ) -> None:
        """Note a record as a whole."""
        sender = current.sender(event.direction)
        current.note(
            Sent(
                sender,
                name,
                event.frame,
                event.time,
                event.length,
                protection,
                raw=raw,
                first_frame=event.first_frame,
                end=event.end,
            )
        )

    # Handshakes

    def _for_message(self, event: Record, name: str, protection: Protection) -> Handshake:
        """The handshake that a message of this name belongs to; a hello may begin another."""
        current = self._current
        if current is not None and not _begins_another(current, name, protection):
            return current
        if current is not None and len(self.handshakes) >= MOST_HANDSHAKES:
            current.truncated = True
            return current
        client = self._guess
        if name in _FROM_CLIENT:
            client = event.direction
        elif name in _FROM_SERVER:
            client = 1 - event.direction
        if protection == "cleartext":
            for side in self._sides:
                side.encrypted = False
        return self._open(client, event.first_frame, event.first_time)

    def _open(self, client_direction: int, frame: int, time: int) -> Handshake:
        handshake = Handshake(len(self.handshakes), client_direction, frame, time)
        if self._decryptor is not None:
            handshake.decryption = Decryption()
        self.handshakes.append(handshake)
        self._current = handshake
        return handshake


def _is_over(handshake: Handshake, direction: int) -> bool:
    """Whether nothing of TLS need follow from this side: what does is of another protocol, and nothing is lost.

    Behind a fatal alert both sides close the connection, behind `close_notify` its sender sends no more (RFC 8446,
    section 6); but some say why in clear, or go on so. TLS 1.3 hides an alert in a record of its length.
    """
    if any(alert.fatal for alert in handshake.alerts):
        return True
    sender = handshake.sender(direction)
    last = next((sent for sent in reversed(handshake.sent) if sent.sender == sender), None)
    if last is None or last.protection != "encrypted":
        return last is not None and last.name == "alert"
    tag = (handshake.suite.tag_length if handshake.suite else None) or 16
    return last.name == "alert" or (handshake.is_tls13 and last.length == _ALERT_IN_TLS13 + tag)


_ALERT_IN_TLS13 = 3
"""Level, description, and the content type behind them (RFC 8446, section 5.2)."""
_SSLV2_IN_CLEAR = messages.ClientHello | messages.SSLv2ServerHello | messages.SSLv2ClientMasterKey


def _begins_another(current: Handshake, name: str, protection: Protection) -> bool:
    """Whether a message is the first of the next handshake."""
    if name == "server_hello":  # of a renegotiation whose ClientHello stays closed
        return current.server_hello is not None and protection == "decrypted"
    if name != "client_hello":
        return False
    if current.server_hello is not None:
        # One that came late, behind what the capture lacks of the client, is what the server has answered.
        return current.client_hello is not None or not current.has_hole("client")
    if current.client_hello is None:  # it may be the answer to a HelloRetryRequest whose own hello is not seen
        return current.hello_retry_request is None and any(sent.name != "hello_request" for sent in current.sent)
    # Neither the answer to a HelloRetryRequest, nor a repetition.
    return current.hello_retry_request is None and bool(current.alerts)


def _legacy(version: int) -> int:
    """The version to read a message with before one was agreed."""
    return version if 0x0300 <= version <= 0x0303 else _DEFAULT_VERSION


def _is_hello(fragment: bytes | None) -> bool:
    """Whether a record holds just a ClientHello or ServerHello."""
    return (
        fragment is not None
        and fragment[:1] in _HELLOS
        and int.from_bytes(fragment[1:4]) == len(fragment) - 4
        and fragment[4:5] == b"\3"
    )
