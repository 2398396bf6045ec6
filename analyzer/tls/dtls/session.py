"""What happens in one DTLS association: from the datagrams of both sides to handshakes.

Each record names its epoch and its number (RFC 6347, section 4.1), so that nothing waits for what was lost but the
messages of a handshake, which have numbers of their own. What is in epoch 0 is in clear, all else is protected: a lost
ChangeCipherSpec is told from the epoch. A hello with another random begins another handshake, between the same ends.
"""

from analyzer.net.conversations import Datagram
from analyzer.results import Protection, Sender
from analyzer.settings import Limits
from analyzer.tls import messages
from analyzer.tls.dtls import record as dtls_record
from analyzer.tls.dtls.decryption import DtlsDecryptor
from analyzer.tls.dtls.messages import CLIENT_HELLO, HELLO_VERIFY_REQUEST, SERVER_HELLO, Reassembler, Whole
from analyzer.tls.dtls.record import MESSAGE_HEADER, DtlsRecord
from analyzer.tls.handshake import (
    FIRST_RECORDS,
    MOST_HANDSHAKES,
    MOST_SENT,
    Alert,
    Datagrams,
    Decryption,
    Handshake,
    Sent,
)
from analyzer.tls.keyring import Keyring
from analyzer.tls.record import Hole, Reason

_KNOWN_TYPES = frozenset((*range(7), 8, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 67))
_FROM_CLIENT = frozenset((1, 15, 16))
"""Types of messages that only clients send in clear; of the others (but Certificate) only servers do."""
_DATA = (dtls_record.APPLICATION_DATA, dtls_record.WITH_ID, dtls_record.UNIFIED)
"""Types of records that are mostly, or may be, application data."""
_CONNECTION_ID = (54, 53, 254)
"""connection_id, and what stacks used before (draft-ietf-tls-dtls-connection-id-07; Mbed TLS 2)."""
_DEFAULT_VERSION = 0x0303
_MOST_SEEN = 512
_MOST_REPEATED = 64
_MOST_MISSING = 64
_ANSWERS = (bytes((SERVER_HELLO,)), bytes((HELLO_VERIFY_REQUEST,)))
_OF_FULL_FLIGHTS = ("certificate", "server_key_exchange", "certificate_request", "server_hello_done")
_FINISHED = ("encrypted_handshake", "finished")
_BEHIND_FINISHED = ("application_data", "protected_alert")
_SWITCHED = ("change_cipher_spec", *_FINISHED, *_BEHIND_FINISHED)
"""What shows that a side has changed to the new keys, in the order in which it sends it."""
_BEFORE_HELLO = ("hello_request", "hello_verify_request", "hello_retry_request")
"""What a server may send before all of a ClientHello is there: it may ask for the cookie at the first fragment."""
_MESSAGE_EPOCH = 2
"""DTLS 1.3: of what follows the hellos, up to Finished (RFC 9147, section 6.1)."""


class _Side:
    """What is known of one direction."""

    __slots__ = ("data", "finished", "id_length", "messages", "missing", "next", "others", "seen", "switched")

    def __init__(self, limits: Limits) -> None:
        self.messages = Reassembler(limits.pending_bytes)
        self.id_length: int | None = None
        """Length of the connection id in its records (RFC 9146, section 3)."""
        self.others = 0
        """Records and fragments read that are no application data."""
        self.begin()

    def begin(self) -> None:
        """Another association begins between the same ends."""
        self.seen: set[tuple[int, int | bytes]] = set()
        """Epochs and numbers (or contents) of the protected records so far, of which few matter."""
        self.finished: dict[int, int] = {}
        """By epoch, the length of its first handshake record."""
        self.switched = False
        """ChangeCipherSpec was sent."""
        self.data = 0
        """Records of application data opened."""
        self.next: int | None = None
        """The number of the next record in clear."""
        self.missing: dict[int, int] = {}
        """Numbers of records in clear that have not come, and the frame of the first behind them."""

    def count(self, record: DtlsRecord, frame: int) -> None:
        """Follow the numbers of records in clear.

        A server takes that of what it answers a ClientHello with from the ClientHello (RFC 6347, section 4.2.1).
        """
        number = record.sequence
        answers = record.type == dtls_record.HANDSHAKE and (record.fragment or record.known)[:1] in _ANSWERS
        self.missing.pop(number, None)
        if self.next is not None and not answers and len(self.missing) < _MOST_MISSING:
            self.missing.update(dict.fromkeys(range(self.next, min(number, self.next + _MOST_MISSING)), frame))
        self.next = max(self.next or 0, number + 1)


class DtlsSession:
    """Reads the records of both directions and gathers handshakes."""

    def __init__(self, limits: Limits, keyring: Keyring | None = None, *, first: int = 0) -> None:
        """`first` is the number of the first handshake: others may have been between the same ends before."""
        self._limits = limits
        self._first = first
        self._sides = (_Side(limits), _Side(limits))
        self._decryptor = DtlsDecryptor(keyring) if keyring else None
        self._hello = 0
        """Number of the ClientHello that counts."""
        self.handshakes: list[Handshake] = []
        self.exceeded: dict[str, int] = {}
        """Limits that a handshake exceeded, and the frame in which it did so first."""

    @property
    def held(self) -> int:
        """Bytes of messages that it keeps."""
        waiting = sum(side.messages.held for side in self._sides)
        return waiting + sum(handshake.kept_bytes for handshake in self.handshakes)

    @property
    def is_complete(self) -> bool:
        """Whether both sides have sent what may be their last message of the handshake, so that nothing is awaited."""
        current, ends = self._current(), ("finished", "encrypted_handshake")
        if current is None or any(side.messages.held for side in self._sides):
            return False
        return {sent.sender for sent in current.sent if sent.name in ends} == {"client", "server"}

    def is_full_of_data(self, direction: int) -> bool:
        """Whether more application data of this direction would tell nothing new."""
        current = self._current()
        if current is None or (self._decryptor is not None and self._sides[direction].data < FIRST_RECORDS):
            return False
        return current.application_data[current.sender(direction)] >= self._limits.records

    def count_data(self, direction: int, records: int, frame: int, time: int) -> None:
        """So many records of application data were not looked at, the last of them in this frame."""
        current = self._current()
        if current is not None and current.datagrams is not None:
            current.application_data[current.sender(direction)] += records
            _touch(current.datagrams, frame, time)

    def process(self, datagram: Datagram) -> None:
        """Take a datagram, in the order of the capture."""
        current = self._current()
        if datagram.is_error:
            if current is not None and current.datagrams is not None:
                current.datagrams.note_error(current.sender(datagram.direction), datagram)
            return
        side = self._sides[datagram.direction]
        before = len(current.sent) if current is not None else 0
        position, repeats, now = 0, False, current
        while True:
            # What one record says decides how the next one begins.
            unified = now is not None and now.is_tls13
            record = dtls_record.record_at(datagram, position, side.id_length, unified=unified)
            if record is None or (record.type not in _DATA and self._is_too_much(side, datagram.frame)):
                break
            position += len(record.header) + record.length
            repeats = self._record(datagram, record) or repeats
            now = self._current()
        if now is None or now.datagrams is None:
            return
        _touch(now.datagrams, datagram.frame, datagram.time)
        repeated = now.datagrams.repeated[now.sender(datagram.direction)]
        if repeats and now is current and len(now.sent) == before and len(repeated) < _MOST_REPEATED:
            repeated.append(datagram.frame)

    def settle(self) -> None:
        """Take what waits for messages that will not come any more, and note which must be missing."""
        lacking = [(direction, self._sides[direction].messages.lacks) for direction in (0, 1)]
        late = [(direction, whole) for direction in (0, 1) for whole in self._sides[direction].messages.flush()]
        late.sort(key=lambda one: one[1].frame)
        # What is missing is missing before the first message that had to wait for it.
        waited: dict[int, int] = {}
        for direction, whole in late:
            waited.setdefault(direction, whole.frame)
        told = {direction for direction, lack in lacking if lack is not None}
        for direction, whole in late:
            self._whole(direction, whole._replace(behind_gap=None) if direction in told else whole)
        for direction, lack in lacking:
            if lack is not None and self._current() is None and lack.type == CLIENT_HELLO:
                self._open(direction, lack.first_frame, lack.first_time)
            if lack is not None:
                self._lose(direction, min(lack.frame, waited.get(direction, lack.frame)), lack.reason)
        for side in self._sides:
            if side.messages.overflowed is not None:
                self.exceeded.setdefault("pending-bytes", side.messages.overflowed)
        current = self._current()
        if current is not None and current.datagrams is not None:
            for direction, side in enumerate(self._sides):
                current.datagrams.lost[current.sender(direction)] = sorted({*side.missing.values()})
        for handshake in self.handshakes:
            handshake.sent.sort(key=lambda sent: sent.frame)
            _put_in_turn(handshake)
            _note_lost_flights(handshake)

    # Records

    def _record(self, datagram: Datagram, record: DtlsRecord) -> bool:
        """Read a record; whether it repeats what was sent before."""
        side, current = self._sides[datagram.direction], self._current()
        if record.type == dtls_record.UNIFIED:
            return current is not None and self._hidden(current, datagram, record)
        if record.epoch:
            return current is not None and self._protected(current, datagram, record)
        side.count(record, datagram.frame)
        if record.type == dtls_record.HANDSHAKE:
            if record.fragment is None:
                self._cut(datagram, record)
                return False
            return self._fragments(datagram, record.fragment, record.version, "cleartext")
        if current is None or record.fragment is None:
            return False
        if record.type == dtls_record.CHANGE_CIPHER_SPEC:
            if side.switched or current.is_tls13:
                return side.switched
            side.switched = True
            self._append(current, datagram, record, "change_cipher_spec", "cleartext", record.fragment)
        elif record.type == dtls_record.ALERT and len(record.fragment) == 2:
            if self._is_seen(side, record):
                return True
            self._note_alert(current, datagram, record, record.fragment, "cleartext")
        return False

    def _is_too_much(self, side: _Side, frame: int) -> bool:
        """Count a record, or a fragment of a message; whether there have been too many to read one more."""
        side.others += 1
        if side.others > self._limits.handshake_records:
            self.exceeded.setdefault("handshake-records", frame)
        return side.others > self._limits.handshake_records

    def _cut(self, datagram: Datagram, record: DtlsRecord) -> None:
        """The capture lacks the rest of a handshake record; a ClientHello is a handshake all the same."""
        if self._current() is None and record.known[:1] == bytes((CLIENT_HELLO,)):
            self._open(datagram.direction, datagram.frame, datagram.time)
        self._sides[datagram.direction].messages.lose(record.lost or "missing")
        self._lose(datagram.direction, datagram.frame, record.lost or "missing")

    def _fragments(self, datagram: Datagram, content: bytes, version: int, protection: Protection) -> bool:
        side, repeats = self._sides[datagram.direction], False
        for fragment in dtls_record.fragments(content):
            if self._is_too_much(side, datagram.frame):
                break
            if fragment is None or (fragment.type not in _KNOWN_TYPES and protection == "cleartext"):
                self._lose(datagram.direction, datagram.frame, "damaged")
                break
            if fragment.length > self._limits.message_bytes:
                self.exceeded.setdefault("message-bytes", datagram.frame)
                current = self._current()
                if current is not None:
                    current.truncated = True
                continue
            found = side.messages.add(fragment, datagram, protection)
            repeats = repeats or found is None
            for whole in found or ():
                self._whole(datagram.direction, whole, version)
        return repeats

    def _protected(self, current: Handshake, datagram: Datagram, record: DtlsRecord) -> bool:
        """A record of an epoch behind ChangeCipherSpec (up to DTLS 1.2)."""
        side, sender = self._sides[datagram.direction], current.sender(datagram.direction)
        kind = record.type
        if kind in (dtls_record.ACK, dtls_record.HEARTBEAT):
            return False
        if self._is_seen(side, record):
            return True
        if self._read(current, datagram, record):
            return False
        hides = kind == dtls_record.WITH_ID  # the first of an epoch is Finished, what the others are is hidden
        if kind == dtls_record.HANDSHAKE or (hides and record.epoch not in side.finished):
            if side.finished.get(record.epoch) == record.length:
                return True  # sent again, under another number
            side.finished.setdefault(record.epoch, record.length)
            self._append(current, datagram, record, "encrypted_handshake")
        elif kind == dtls_record.ALERT:
            self._note_alert(current, datagram, record, b"", "encrypted")
        elif kind == dtls_record.CHANGE_CIPHER_SPEC:
            self._append(current, datagram, record, "change_cipher_spec")
        elif hides and side.finished[record.epoch] == record.length and not current.application_data[sender]:
            return True
        else:
            self._note_data(current, datagram, record)
        return False

    def _hidden(self, current: Handshake, datagram: Datagram, record: DtlsRecord) -> bool:
        """A record of DTLS 1.3, which hides its type; not its epoch."""
        side = self._sides[datagram.direction]
        if record.fragment is not None:
            name = (record.epoch, record.fragment[:32])
            if name in side.seen:
                return True
            if len(side.seen) < _MOST_SEEN:
                side.seen.add(name)
        if self._read(current, datagram, record):
            return False
        if record.epoch == _MESSAGE_EPOCH:
            self._append(current, datagram, record, "encrypted_handshake")
        else:
            self._note_data(current, datagram, record)
        return False

    def _note_data(self, current: Handshake, datagram: Datagram, record: DtlsRecord) -> None:
        sender = current.sender(datagram.direction)
        current.application_data[sender] += 1
        most = self._limits.records if current.is_tls13 else FIRST_RECORDS
        if current.application_data[sender] <= most:
            self._append(current, datagram, record, "application_data")

    def _is_seen(self, side: _Side, record: DtlsRecord) -> bool:
        """Whether the capture has shown this very record before."""
        name = (record.epoch, record.sequence)
        if name in side.seen:
            return True
        if len(side.seen) < _MOST_SEEN:
            side.seen.add(name)
        return False

    def _read(self, current: Handshake, datagram: Datagram, record: DtlsRecord) -> bool:
        """Read what a protected record holds; False where it stays closed."""
        if self._decryptor is None:
            return False
        plain = self._decryptor.open(current, datagram.direction, record)
        if plain is None:
            return False
        side = self._sides[datagram.direction]
        if plain.type == dtls_record.ACK and current.datagrams is not None:
            current.datagrams.acknowledged[current.sender(datagram.direction)] = datagram.frame
        if plain.type == dtls_record.HANDSHAKE:
            self._fragments(datagram, plain.content, _DEFAULT_VERSION, "decrypted")
        elif plain.type == dtls_record.ALERT:
            self._note_alert(current, datagram, record, plain.content, "decrypted")
        elif plain.type == dtls_record.CHANGE_CIPHER_SPEC:
            self._append(current, datagram, record, "change_cipher_spec", "decrypted", plain.content)
        elif plain.type == dtls_record.APPLICATION_DATA:
            sender = current.sender(datagram.direction)
            current.application_data[sender] += 1
            side.data += 1
            if side.data <= FIRST_RECORDS:
                self._append(current, datagram, record, "application_data", "decrypted")
                current.keep_plaintext(sender, plain.content)
        return True

    def _note_alert(
        self, current: Handshake, datagram: Datagram, record: DtlsRecord, content: bytes, protection: Protection
    ) -> None:
        level, description = content if len(content) == 2 else (None, None)
        sender = current.sender(datagram.direction)
        if len(current.alerts) < MOST_SENT:
            current.alerts.append(Alert(sender, datagram.frame, datagram.time, level, description, protection))
        self._append(current, datagram, record, "alert", protection, content)

    def _append(
        self,
        current: Handshake,
        datagram: Datagram,
        record: DtlsRecord,
        name: str,
        protection: Protection = "encrypted",
        raw: bytes = b"",
    ) -> None:
        """Note a record as a whole."""
        sender, frame = current.sender(datagram.direction), datagram.frame
        current.note(Sent(sender, name, frame, datagram.time, record.length, protection, None, raw, frame))

    def _lose(self, direction: int, frame: int, reason: Reason) -> None:
        current = self._current()
        if current is not None:
            current.lose(current.sender(direction), Hole(direction, frame, reason))

    # Handshakes

    def _current(self) -> Handshake | None:
        return self.handshakes[-1] if self.handshakes else None

    def _whole(self, direction: int, whole: Whole, record_version: int = 0xFEFD) -> None:
        """Take a message that has its turn."""
        current = self._current()
        version = current.version if current is not None else None
        message = messages.parse(whole.type, whole.raw[MESSAGE_HEADER:], version or _DEFAULT_VERSION)
        if isinstance(message, messages.ClientHello):
            if current is not None and self._is_old_hello(current, message, whole):
                return
            self._hello = whole.number
        current = self._for_message(direction, whole, message)
        if whole.behind_gap is not None:
            self._lose(direction, whole.frame, whole.behind_gap)
        raw = _tls_form(whole.raw) if current.is_tls13 else whole.raw
        sender, length = current.sender(direction), len(whole.raw) - MESSAGE_HEADER
        sent = Sent(
            sender, message.name, whole.frame, whole.time, length, whole.protection, message, raw, whole.first_frame
        )
        if not current.keep(sent, self._limits.handshake_bytes):
            self.exceeded.setdefault("handshake-bytes", whole.frame)
        if isinstance(message, messages.ServerHello):
            self._agree(current, message, sent, direction)
        if self._decryptor is not None:
            self._decryptor.after(current, sent, direction)

    def _agree(self, current: Handshake, answer: messages.ServerHello, sent: Sent, direction: int) -> None:
        """The server's choice changes how messages enter the transcript, and how records begin."""
        if current.is_tls13:
            for one in current.sent:
                if one.message is not None and len(one.raw) == one.length + MESSAGE_HEADER:
                    one.raw = _tls_form(one.raw)
        offered = current.client_hello.extension(*_CONNECTION_ID) if current.client_hello else None
        chosen = answer.extension(*_CONNECTION_ID)
        if not answer.is_hello_retry_request and offered and chosen:
            # Either side says what it wants to see in the records that it receives.
            self._sides[direction].id_length, self._sides[1 - direction].id_length = offered[0], chosen[0]

    def _is_old_hello(self, current: Handshake, hello: messages.ClientHello, whole: Whole) -> bool:
        """Whether a ClientHello is a belated one of the same handshake."""
        known = current.client_hello
        if known is None or known.random != hello.random:
            return False
        return current.server_hello is not None or whole.number < self._hello

    def _for_message(self, direction: int, whole: Whole, message: messages.Message) -> Handshake:
        """The handshake that a message belongs to; a hello may begin another."""
        current = self._current()
        if current is not None and not _begins_another(current, message):
            if whole.first_frame < current.first_frame:
                current.first_frame, current.start = whole.first_frame, whole.first_time
            return current
        if current is not None and len(self.handshakes) >= MOST_HANDSHAKES:
            current.truncated = True
            return current
        if current is not None:
            self._restart(direction, whole)
        # Whose a Certificate is, is not told; the server's comes first.
        client = direction if whole.type in _FROM_CLIENT else 1 - direction
        return self._open(client, whole.first_frame, whole.first_time)

    def _restart(self, direction: int, whole: Whole) -> None:
        """Numbers of messages begin anew, and those of records too where it is in clear."""
        self.settle()
        for side in self._sides:
            side.messages.restart()
            if whole.protection == "cleartext":
                side.begin()
        self._sides[direction].messages.accept(whole)
        if self._decryptor is not None and whole.protection == "cleartext":
            self._decryptor.restart()

    def _open(self, client_direction: int, frame: int, time: int) -> Handshake:
        handshake = Handshake(self._first + len(self.handshakes), client_direction, frame, time)
        handshake.datagrams = Datagrams()
        if self._decryptor is not None:
            handshake.decryption = Decryption()
        self.handshakes.append(handshake)
        return handshake


def _touch(datagrams: Datagrams, frame: int, time: int) -> None:
    datagrams.last_frame, datagrams.last_time = max(datagrams.last_frame, frame), max(datagrams.last_time, time)


def _tls_form(raw: bytes) -> bytes:
    """As DTLS 1.3 covers a message: without its number and what tells fragments apart (RFC 9147, section 5.2)."""
    return raw[:4] + raw[MESSAGE_HEADER:]


def _begins_another(current: Handshake, message: messages.Message) -> bool:
    """Whether a message is the first of the next handshake."""
    if isinstance(message, messages.ClientHello):
        known = current.client_hello
        if known is None:
            return any(sent.name not in _BEFORE_HELLO for sent in current.sent)
        if known.random == message.random:
            return False
        asked = current.find(messages.HelloVerifyRequest, "server")
        returned = message.hello_verify_cookie
        return current.server_hello is not None or asked is None or not returned or returned != asked.cookie
    if isinstance(message, messages.ServerHello) and not message.is_hello_retry_request:
        answer = current.server_hello
        return answer is not None and answer.random != message.random
    return False


def _put_in_turn(handshake: Handshake) -> None:
    """What changes the keys, and what has the new ones, has its turn behind all messages in clear of its side."""
    sent = handshake.sent
    for sender in ("client", "server") if not handshake.is_tls13 else ():
        clear = [one for one in sent if one.sender == sender and one.message is not None]
        clear = [one for one in clear if one.protection == "cleartext"]
        early = [one for one in sent[: sent.index(clear[-1])] if one.sender == sender] if clear else []
        early = [one for one in early if one.name in ("change_cipher_spec", "encrypted_handshake")]
        for one in early:
            sent.remove(one)
            one.frame, one.time = clear[-1].frame, clear[-1].time
        if early:
            behind = sent.index(clear[-1]) + 1
            sent[behind:behind] = sorted(early, key=lambda one: one.name)


def _note_lost_flights(handshake: Handshake) -> None:
    """What must have been sent, for the other side went on, and is not there: nobody sends it again then.

    Where a message of a flight is missing its number tells, but not where all the rest of a flight is.
    """
    if handshake.is_tls13:
        _note_lost_finished(handshake)
        return
    by: dict[Sender, dict[str, Sent]] = {"client": {}, "server": {}}
    begun = handshake.first("server_hello_done", "server") or handshake.first("server_hello", "server")
    for sent in handshake.sent:
        name = "protected_alert" if sent.name == "alert" and sent.protection != "cleartext" else sent.name
        if name in _BEHIND_FINISHED and (begun is None or sent.frame <= begun.frame):
            continue  # it may be of the association before
        by[sent.sender].setdefault(name, sent)
    client, server = by["client"], by["server"]
    answer = client.get("client_key_exchange") or client.get("certificate") or client.get("certificate_verify")
    switched, done = (next((side[name] for name in _SWITCHED if name in side), None) for side in (client, server))
    in_full = not server.keys().isdisjoint(_OF_FULL_FLIGHTS)  # in a resumption the server sends none of these
    lost: list[tuple[Sender, Sent]] = []
    behind = answer or (switched if in_full else None)
    if behind is not None and "server_hello_done" not in server:
        lost.append(("server", behind))
    if switched is not None and in_full and "client_key_exchange" not in client:
        lost.append(("client", switched))
    if done is not None and in_full and switched is None:  # then it answers the client's
        lost.append(("client", done))
    # Data and alerts are protected behind Finished only, and nobody sends data before the other's: there is no False
    # Start over datagrams.
    data = client.get("application_data")
    for sender, side in by.items():
        later = next((side[name] for name in _BEHIND_FINISHED if name in side), None)
        later = later or (data if sender == "server" and in_full else None)
        if later is not None and side.keys().isdisjoint(_FINISHED):
            lost.append((sender, later))
    for sender, sent in lost:
        if not handshake.has_hole(sender, until=sent):
            direction = handshake.client_direction if sender == "client" else 1 - handshake.client_direction
            handshake.holes.append((sender, Hole(direction, sent.frame, "missing")))


def _note_lost_finished(handshake: Handshake) -> None:
    """In DTLS 1.3 the client's data come behind its Finished, which cannot be told where its flight stays closed."""
    hello = handshake.client_hello
    client = [sent for sent in handshake.sent if sent.sender == "client"]
    data = next((sent for sent in client if sent.name == "application_data"), None)
    if data is None or hello is None or hello.early_data or handshake.has_hole("client", until=data):
        return
    if not any(sent.name in ("finished", "encrypted_handshake") for sent in client):
        handshake.holes.append(("client", Hole(handshake.client_direction, data.frame, "missing")))
