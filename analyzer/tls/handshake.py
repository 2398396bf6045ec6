"""The facts of one handshake, in the order in which the capture shows them; verdicts are drawn elsewhere."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from analyzer.results import Protection, Sender
from analyzer.tls import messages
from analyzer.tls.record import Hole
from analyzer.tls.registry import Suite, as_tls, suite

if TYPE_CHECKING:
    from scapy.packet import Packet

    from analyzer.net.conversations import Datagram
    from analyzer.tls.quic.facts import Quic

TLS13 = 0x0304
SSLV2 = 0x0002

MOST_SENT = 2000
"""So many messages and records are kept of a handshake, and as many alerts."""
MOST_HANDSHAKES = 256
"""So many are told apart in a connection: what follows counts as the last one's."""
FIRST_RECORDS = 4
"""Of application data, so many records of each side are noted one by one."""
_PLAINTEXT_KEPT = 2048
_MOST_HOLES = 100
_TIMER = 200_000_000
"""Nanoseconds after which TCP repeats itself at the earliest: the standard says a second, Linux and others less."""

M = TypeVar("M", bound=messages.Message)


@dataclass(slots=True, eq=False)
class Sent:
    """One handshake message, alert, ChangeCipherSpec or protected record."""

    sender: Sender
    name: str
    """The contract's message name; `encrypted_handshake` and `application_data` are whole records."""
    frame: int
    """The frame that completes it."""
    time: int
    """Nanoseconds since 1970-01-01 UTC."""
    length: int
    """Bytes of the message's body; of an encrypted one, of the record's fragment."""
    protection: Protection
    message: messages.Message | None = None
    """Parsed, where it is a handshake message that can be read."""
    raw: bytes = b""
    """A readable handshake message as it enters the transcript, with its header of four bytes, or the twelve of DTLS
    up to 1.2 (RFC 6347, section 4.2.6); a readable alert or ChangeCipherSpec as it is."""
    first_frame: int = 0
    """The frame in which it begins."""
    end: int | None = None
    """Position in its sender's TCP stream behind the record that completes it."""

    def to_scapy(self) -> "Packet | None":
        """What Scapy makes of it by itself: a TLS record; None where it cannot be read. See `Handshake.to_scapy`."""
        from analyzer.tls.guest import dissect

        return dissect([self], None)[0]


@dataclass(slots=True, eq=False)
class Alert:
    """One alert (RFC 8446, section 6); level and description are None where it is encrypted."""

    sender: Sender
    frame: int
    time: int
    level: int | None
    description: int | None
    protection: Protection = "cleartext"

    @property
    def fatal(self) -> bool:
        """Whether it says itself that it ends the connection."""
        return self.level == 2


@dataclass(slots=True, frozen=True)
class Parting:
    """A FIN or RST of the connection."""

    sender: Sender
    how: str
    """fin or rst."""
    frame: int
    time: int
    """Nanoseconds since 1970-01-01 UTC."""
    received: int | None = None
    """What its sender had received by then, as a position in the other side's stream; None where it does not say."""

    def knew(self, sent: Sent) -> bool:
        """Whether its sender can have known this message or record when it left.

        Of the other side's, what it acknowledges (RFC 9293, section 3.4): TCP hands on nothing else. Where it does not
        say, the order of the capture does.
        """
        if sent.sender == self.sender:
            return self.how == "fin" or sent.frame <= self.frame  # a FIN stands behind all that its sender sent
        if self.received is not None and sent.end is not None:
            return sent.end <= self.received
        return sent.frame <= self.frame


@dataclass(slots=True, eq=False)
class Decryption:
    """How far the user's secrets open a handshake."""

    master: bytes | None = field(default=None, repr=False)
    """The master secret, up to TLS 1.2."""
    traffic: dict[str, bytes] = field(default_factory=dict, repr=False)
    """The secrets of TLS 1.3, by the key log's labels (RFC 9850, section 2.1)."""
    opened: int = 0
    """Protected records opened."""
    closed: int = 0
    """Those that could not be opened."""
    reason: str | None = None
    """Why there are no keys to open them with."""

    @property
    def says(self) -> str:
        """How far, and why not farther, in words."""
        tried = self.opened + self.closed
        if self.opened:
            return f"{self.opened} of {tried} records" if self.closed else f"{tried} records"
        if self.reason is not None:
            return self.reason
        return f"the secrets do not fit: none of {tried} records opens" if tried else "nothing in it is encrypted"

    def forget(self) -> None:
        """Drop the secrets: all that they prove is known."""
        self.master = None
        self.traffic.clear()


class TooLong(NamedTuple):
    """An ICMP error: a packet was too long for a link on its way."""

    sender: Sender
    """Of the packet."""
    frame: int
    """Of the error."""
    takes: int
    """Bytes of a packet that the link takes; 0 where the error does not say."""


@dataclass(slots=True, eq=False)
class Datagrams:
    """What is only known of a handshake over datagrams, which nobody closes and whose messages are sent again."""

    repeated: dict[Sender, list[int]] = field(default_factory=lambda: {"client": [], "server": []})
    """Frames that brought nothing but what had been sent before."""
    lost: dict[Sender, list[int]] = field(default_factory=lambda: {"client": [], "server": []})
    """Frames before whose records, by their numbers, there were others that the capture does not show: they were lost
    on the way to it. Known of DTLS up to 1.2, as long as it is in clear."""
    acknowledged: dict[Sender, int] = field(default_factory=lambda: {"client": 0, "server": 0})
    """The last frame in which a side is known to have sent an ACK (RFC 9147, section 7)."""
    refused: tuple[Sender, int] | None = None
    """Whose datagram an ICMP error first said that nobody took, and the frame of that."""
    refused_last: int = 0
    """The frame of the last ICMP error that said so of any."""
    too_long: TooLong | None = None
    """The last that an ICMP error said was too long for a link."""
    last_time: int = 0
    """Of its last datagram; nanoseconds since 1970-01-01 UTC."""
    last_frame: int = 0
    """Its frame."""

    @property
    def behind_losses(self) -> set[int]:
        """Of both sides, the frames in `lost`."""
        return {frame for frames in self.lost.values() for frame in frames}

    def note_error(self, sender: Sender, datagram: "Datagram") -> None:
        """Take an ICMP error that quotes a datagram of this side."""
        if datagram.refused:
            self.refused = self.refused or (sender, datagram.frame)
            self.refused_last = datagram.frame
        if datagram.too_long >= 0:
            self.too_long = TooLong(sender, datagram.frame, datagram.too_long)


@dataclass(slots=True, eq=False)
class Handshake:
    """What one handshake consists of."""

    index: int
    """0 for the first on its connection."""
    client_direction: int
    """The direction in which the client sends."""
    first_frame: int
    """The frame in which it begins."""
    start: int
    """Its time, nanoseconds since 1970-01-01 UTC."""
    sent: list[Sent] = field(default_factory=list)
    """Everything, in the order of the capture; of application data only the first records."""
    alerts: list[Alert] = field(default_factory=list)
    holes: list[tuple[Sender, Hole]] = field(default_factory=list)
    """Where the capture lacks records."""
    unfinished: frozenset[Sender] = frozenset()
    """Whose last record has begun and is not there to its end."""
    client_hello: messages.ClientHello | None = None
    """The last one: what the ServerHello answers."""
    hello_retry_request: messages.ServerHello | None = None
    server_hello: messages.ServerHello | None = None
    """The first that is no HelloRetryRequest."""
    version: int | None = None
    """Wire version that was agreed, such as 0x0303; drafts of TLS 1.3 as 0x0304."""
    sslv2_cipher: int | None = None
    """The cipher kind of an SSLv2 handshake, which the client chooses."""
    truncated: bool = False
    """A limit bit: not all of it was kept."""
    kept_bytes: int = 0
    """Bytes of messages kept."""
    application_data: dict[Sender, int] = field(default_factory=lambda: {"client": 0, "server": 0})
    """Records of type application_data, of which TLS 1.3 uses some for the handshake."""
    decryption: Decryption | None = None
    """Set where the user has given any secrets."""
    plaintext: dict[Sender, bytes] = field(default_factory=dict, repr=False)
    """First bytes of decrypted application data, of either side."""
    closings: list[Parting] = field(default_factory=list)
    """FIN and RST of the connection."""
    unheard: dict[Sender, tuple[int, int]] = field(default_factory=dict)
    """Where all ends in a side's repeating itself: from which stream position on it was never acknowledged, and when
    it said so last."""
    datagrams: Datagrams | None = None
    """What carries it, where that is DTLS or QUIC."""
    quic: "Quic | None" = None
    """What carries it, where that is QUIC."""

    def to_scapy(self) -> "list[Packet | None]":
        """What Scapy makes of each of `sent`, knowing what came before: TLS records; None for what cannot be read.

        Each message comes in a record of its own, whatever records it came in, and what was decrypted in a record in
        clear. What Scapy cannot dissect is `Raw` there. Scapy is imported by this.
        """
        from analyzer.tls.guest import dissect

        return dissect(self.sent, self.version)

    def sender(self, direction: int) -> Sender:
        """Who sends in `direction`."""
        return "client" if direction == self.client_direction else "server"

    def find(self, kind: type[M], sender: Sender | None = None) -> M | None:
        """The first message of this class."""
        for sent in self.sent:
            if isinstance(sent.message, kind) and sender in (None, sent.sender):
                return sent.message
        return None

    def first(self, name: str, sender: Sender | None = None) -> Sent | None:
        """The first thing of this name."""
        for sent in self.sent:
            if sent.name == name and sender in (None, sent.sender):
                return sent
        return None

    @property
    def is_dtls(self) -> bool:
        """Whether it goes over datagrams by DTLS; its `version` is that of the TLS whose formats it shares."""
        return self.datagrams is not None and self.quic is None

    @property
    def is_tls13(self) -> bool:
        """Whether TLS 1.3 (or DTLS 1.3) was agreed."""
        return self.version == TLS13

    @property
    def suite(self) -> Suite | None:
        """The agreed cipher suite, where it is known."""
        return suite(self.server_hello.cipher_suite) if self.server_hello else None

    def has_hole(self, sender: Sender | None = None, *, until: Sent | None = None) -> bool:
        """Whether the capture lacks records (of this sender, and not only behind `until`).

        Datagrams come in any order: what is missing of them is never only behind something.
        """
        if not self.holes:
            return False
        last = None if until is None or self.datagrams is not None else until.frame
        return any(sender in (None, who) and (last is None or hole.frame <= last) for who, hole in self.holes)

    def was_unheard(self, sent: Sent) -> bool:
        """Whether the other side never acknowledged it, though its sender went on to repeat what it had sent.

        What comes again before any timer can have expired (RFC 6298) is in the capture twice.
        """
        position, time = self.unheard.get(sent.sender, (None, 0))
        return position is not None and sent.end is not None and sent.end > position and time - sent.time >= _TIMER

    def keep(self, sent: Sent, most_bytes: int) -> bool:
        """Take a readable message, unless there are too many already, or of more bytes; whether it was taken."""
        self.kept_bytes += len(sent.raw)
        if self.kept_bytes > most_bytes or len(self.sent) >= MOST_SENT:
            self.truncated = True
            return False
        self.take(sent)
        return True

    def keep_plaintext(self, sender: Sender, content: bytes) -> None:
        """Take what a side sent as application data, of which the beginning is kept."""
        self.plaintext[sender] = (self.plaintext.get(sender, b"") + content)[:_PLAINTEXT_KEPT]

    def note(self, sent: Sent) -> None:
        """Append a record or packet as a whole, unless there are too many already."""
        if len(self.sent) >= MOST_SENT:
            self.truncated = True
        else:
            self.sent.append(sent)

    def lose(self, sender: Sender, hole: Hole) -> None:
        """Note what the capture lacks of a side: the first such places, and the last."""
        del self.holes[_MOST_HOLES:]
        self.holes.append((sender, hole))

    def take(self, sent: Sent) -> None:
        """Append a readable message, and learn what it says of the handshake as a whole."""
        self.sent.append(sent)
        message = sent.message
        if isinstance(message, messages.ClientHello):
            self.client_hello = message
        elif isinstance(message, messages.ServerHello):
            if message.is_hello_retry_request:
                self.hello_retry_request = message
            elif self.server_hello is None:
                self.server_hello = message
            self.version = as_tls(message.selected_version)
        elif isinstance(message, messages.SSLv2ServerHello):
            self.version = SSLV2
        elif isinstance(message, messages.SSLv2ClientMasterKey):
            self.sslv2_cipher = message.cipher_suite
