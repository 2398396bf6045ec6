"""Forges what two ends say over UDP: DTLS messages in fragments, records and datagrams, and these in a capture."""

import struct
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from forge import Frame, pcap
from talk import RAW_IP, extensions, vector

from analyzer import api
from analyzer.results import CaptureReport, HandshakeReport

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT, WITH_ID, ACK = range(20, 27)
HELLO_REQUEST, CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY_REQUEST = range(4)
CERTIFICATE, SERVER_KEY_EXCHANGE, CERTIFICATE_REQUEST, SERVER_HELLO_DONE, CERTIFICATE_VERIFY = range(11, 16)
CLIENT_KEY_EXCHANGE, FINISHED = 16, 20
DTLS10, DTLS12, DTLS13, ANYCONNECT = 0xFEFF, 0xFEFD, 0xFEFC, 0x0100
SUITE = 0xC02B
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Sent:
    """One datagram."""

    sender: str
    payload: bytes
    time: int
    captured: int | None = None
    """Payload bytes in the capture, where that is not all of them."""


@dataclass
class Exchange:
    """One conversation, datagram by datagram, a millisecond apart."""

    client: tuple[str, int] = ("192.0.2.10", 50000)
    server: tuple[str, int] = ("198.51.100.7", 4433)
    datagrams: list[Sent] = field(default_factory=list)
    now: int = 10**18

    def send(self, sender: str, *records: bytes) -> "Exchange":
        """All of it in one datagram."""
        self.datagrams.append(Sent(sender, b"".join(records), self.now))
        return self.wait(SECOND // 1000)

    def each(self, sender: str, *records: bytes) -> "Exchange":
        """Each in a datagram of its own."""
        for one in records:
            self.send(sender, one)
        return self

    def wait(self, time: int) -> "Exchange":
        self.now += time
        return self

    def frame(self, sent: Sent) -> Frame:
        """Its IP packet."""
        ends = (self.client, self.server) if sent.sender == "client" else (self.server, self.client)
        return packet(ends[0], ends[1], sent.payload, time=sent.time, captured=sent.captured)

    def capture(self) -> bytes:
        return capture([self.frame(sent) for sent in self.datagrams])

    def analyze(self, **options: Any) -> CaptureReport:
        return api.analyze(self.capture(), **{"trust": "none", **options})

    @property
    def report(self) -> HandshakeReport:
        """Of the only handshake."""
        [handshake] = self.analyze().handshakes
        return handshake


def capture(frames: list[Frame]) -> bytes:
    return pcap(frames, link_type=RAW_IP, nanoseconds=True)


def packet(
    source: tuple[str, int], destination: tuple[str, int], payload: bytes, *, time: int = 0, captured: int | None = None
) -> Frame:
    """A datagram in an IP packet."""
    udp = struct.pack(">HHHH", source[1], destination[1], 8 + len(payload), 0) + payload
    ends = [ip_address(end[0]) for end in (source, destination)]
    if ends[0].version == 4:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    else:
        head = struct.pack(">IHBB", 6 << 28, len(udp), 17, 64)
    whole = head + b"".join(end.packed for end in ends) + udp
    cut = 0 if captured is None else len(payload) - captured
    return Frame(whole[: len(whole) - cut], time, original=len(whole))


def record(kind: int, fragment: bytes, number: int = 0, *, epoch: int = 0, version: int = DTLS12) -> bytes:
    return struct.pack(">BHHHIH", kind, version, epoch, number >> 32, number & 0xFFFFFFFF, len(fragment)) + fragment


def fragment(kind: int, number: int, body: bytes, begin: int = 0, end: int | None = None) -> bytes:
    """A part of a message, or all of it, with its header."""
    part = body[begin:end]
    return bytes([kind]) + len(body).to_bytes(3) + number.to_bytes(2) + begin.to_bytes(3) + vector(3, part)


def message(kind: int, number: int, body: bytes = b"", **options: Any) -> bytes:
    """A message in a record of its own."""
    return record(HANDSHAKE, fragment(kind, number, body), number, **options)


def client_hello(
    *more: tuple[int, bytes],
    cookie: bytes = b"",
    random: bytes = bytes(range(32)),
    session_id: bytes = b"",
    suites: tuple[int, ...] = (SUITE, 0x1301),
    version: int = DTLS12,
) -> bytes:
    """The body of a ClientHello."""
    body = struct.pack(">H", version) + random + vector(1, session_id) + vector(1, cookie)
    body += vector(2, b"".join(suite.to_bytes(2) for suite in suites)) + b"\x01\x00"
    return body + extensions((0, vector(2, b"\0" + vector(2, b"service.example.com"))), *more)


def server_hello(
    *more: tuple[int, bytes],
    random: bytes = bytes(range(32, 64)),
    session_id: bytes = b"",
    suite: int = SUITE,
    version: int = DTLS12,
) -> bytes:
    """The body of a ServerHello."""
    body = struct.pack(">H", version) + random + vector(1, session_id) + suite.to_bytes(2) + b"\0"
    return body + (extensions(*more) if more else b"")


def certificate(*entries: bytes) -> bytes:
    """The body of a Certificate up to DTLS 1.2."""
    return vector(3, b"".join(vector(3, entry) for entry in entries))


LEAF = b"\x30\x82\x02\x00" + bytes(512)
SCHEMES = bytes.fromhex("040308040401050308050501")
REQUEST = b"\x02\x01\x40" + vector(2, SCHEMES) + vector(2, b"")
COOKIE = bytes(range(20))
VERIFY = struct.pack(">H", DTLS10) + vector(1, COOKIE)
"""The body of a HelloVerifyRequest."""
KEY_EXCHANGE = b"\x03\x00\x1d" + vector(1, bytes(32)) + b"\x04\x03" + vector(2, bytes(70))
SEALED = bytes(range(40))
"""A Finished under AES-128-GCM: an explicit nonce, 24 bytes and a tag, here without meaning."""


def finished(number: int = 0, length: int = 48, **options: Any) -> bytes:
    """An encrypted Finished."""
    return record(HANDSHAKE, bytes((number + i) % 251 for i in range(length)), number, epoch=1, **options)


def data(number: int, length: int = 60, **options: Any) -> bytes:
    return record(APPLICATION_DATA, bytes((number + i) % 251 for i in range(length)), number, epoch=1, **options)


def change_cipher_spec(number: int = 9) -> bytes:
    return record(CHANGE_CIPHER_SPEC, b"\1", number)


def alert(level: int, description: int, number: int = 9) -> bytes:
    return record(ALERT, bytes((level, description)), number)


def server_flight(*, asks: bool = False, first: int = 1) -> list[bytes]:
    """The server's messages in clear, each in a record of its own."""
    flight = [(SERVER_HELLO, server_hello()), (CERTIFICATE, certificate(LEAF)), (SERVER_KEY_EXCHANGE, KEY_EXCHANGE)]
    flight += [(CERTIFICATE_REQUEST, REQUEST)] if asks else []
    flight.append((SERVER_HELLO_DONE, b""))
    return [message(kind, number, body) for number, (kind, body) in enumerate(flight, first)]


def client_flight(*, certificates: tuple[bytes, ...] | None = None, first: int = 2) -> list[bytes]:
    """The client's messages in clear; `certificates` where it was asked for some."""
    flight: list[tuple[int, bytes]] = [] if certificates is None else [(CERTIFICATE, certificate(*certificates))]
    flight.append((CLIENT_KEY_EXCHANGE, vector(1, bytes(32))))
    if certificates:
        flight.append((CERTIFICATE_VERIFY, b"\x04\x03" + vector(2, bytes(70))))
    return [message(kind, number, body) for number, (kind, body) in enumerate(flight, first)]


def hellos(exchange: Exchange | None = None) -> Exchange:
    """ClientHello, HelloVerifyRequest, ClientHello with the cookie."""
    exchange = exchange or Exchange()
    exchange.send("client", message(CLIENT_HELLO, 0, client_hello()))
    exchange.send("server", message(HELLO_VERIFY_REQUEST, 0, VERIFY))
    return exchange.send("client", message(CLIENT_HELLO, 1, client_hello(cookie=COOKIE)))


def whole(*, asks: bool = False, certificates: tuple[bytes, ...] | None = None) -> Exchange:
    """A handshake and some data, a datagram a record."""
    exchange = hellos().each("server", *server_flight(asks=asks))
    exchange.each("client", *client_flight(certificates=certificates), change_cipher_spec(), finished())
    exchange.each("server", change_cipher_spec(), finished())
    return exchange.each("client", data(1)).each("server", data(1))


def without(exchange: Exchange, *indexes: int) -> Exchange:
    """The same without some datagrams."""
    return replace(exchange, datagrams=[sent for i, sent in enumerate(exchange.datagrams) if i not in indexes])
