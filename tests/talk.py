"""Forges what two ends say to each other: TLS messages in records, records in TCP segments, segments in a capture."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from forge import Frame, pcap

from analyzer import api
from analyzer.results import CaptureReport, HandshakeReport

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
RAW_IP = 101
"""LINKTYPE_RAW."""
MODULUS = 1 << 32

# ---- TCP ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Segment:
    """One TCP segment."""

    source: tuple[str, int]
    destination: tuple[str, int]
    sequence: int
    payload: bytes = b""
    flags: int = ACK
    acknowledgment: int = 0
    captured: int | None = None
    """Payload bytes in the capture, where that is not all of them."""

    def packet(self) -> Frame:
        """Its IP packet."""
        ports_and_numbers = (
            self.source[1],
            self.destination[1],
            self.sequence % MODULUS,
            self.acknowledgment % MODULUS,
        )
        tcp = struct.pack(">HHIIBBHHH", *ports_and_numbers, 0x50, self.flags, 65535, 0, 0) + self.payload
        ends = [ip_address(end[0]) for end in (self.source, self.destination)]
        if ends[0].version == 4:
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0)
        else:
            head = struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64)
        packet = head + b"".join(end.packed for end in ends) + tcp
        cut = 0 if self.captured is None else len(self.payload) - self.captured
        return Frame(packet[: len(packet) - cut], original=len(packet))


def capture(segments: Iterable[Segment], *, apart: int = 1_000_000) -> bytes:
    """A capture of the segments, so many nanoseconds apart."""
    return pcap(
        [replace(s.packet(), time=10**18 + i * apart) for i, s in enumerate(segments)],
        link_type=RAW_IP,
        nanoseconds=True,
    )


@dataclass
class Talk:
    """One connection, segment by segment; `size` bytes fit in one."""

    client: tuple[str, int] = ("192.0.2.10", 50000)
    server: tuple[str, int] = ("198.51.100.7", 443)
    sequence: dict[str, int] = field(default_factory=lambda: {"client": 1000, "server": 70000})
    """What either side sends next."""
    size: int = 1460
    segments: list[Segment] = field(default_factory=list)

    def open(self) -> "Talk":
        """The three-way handshake."""
        self._append("client", b"", SYN)
        self._append("server", b"", SYN | ACK)
        return self._append("client", b"", ACK)

    def send(self, sender: str, *data: bytes) -> "Talk":
        """Bytes of one side, each of `data` in segments of its own."""
        for one in data:
            for start in range(0, len(one), self.size):
                self._append(sender, one[start : start + self.size], PSH | ACK)
        return self

    def lose(self, sender: str, data: bytes) -> "Talk":
        """Bytes that the capture lacks."""
        self.sequence[sender] += len(data)
        return self

    def acknowledge(self, sender: str) -> "Talk":
        """Everything that the peer has sent so far."""
        return self._append(sender, b"", ACK)

    def fin(self, sender: str) -> "Talk":
        return self._append(sender, b"", FIN | ACK)

    def rst(self, sender: str) -> "Talk":
        return self._append(sender, b"", RST | ACK)

    def _append(self, sender: str, payload: bytes, flags: int) -> "Talk":
        ends = (self.client, self.server) if sender == "client" else (self.server, self.client)
        peer = self.sequence["server" if sender == "client" else "client"] if flags & ACK else 0
        self.segments.append(Segment(*ends, self.sequence[sender], payload, flags, peer))
        self.sequence[sender] += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        return self

    def analyze(self, **options: Any) -> CaptureReport:
        """What the analyzer says of a capture with this connection alone."""
        return api.analyze(capture(self.segments), trust="none", **options)

    @property
    def report(self) -> HandshakeReport:
        """Of the only handshake."""
        [handshake] = self.analyze().handshakes
        return handshake


# ---- TLS ---------------------------------------------------------------------------------------------

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
AES_128_GCM_SHA256, AES_256_GCM_SHA384, AES_128_CCM_8_SHA256 = 0x1301, 0x1302, 0x1305
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a HelloRetryRequest (RFC 8446, section 4.1.3)."""


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size) + data


def record(kind: int, fragment: bytes, version: int = 0x0303) -> bytes:
    return struct.pack(">BHH", kind, version, len(fragment)) + fragment


def message(kind: int, body: bytes = b"") -> bytes:
    return bytes([kind]) + vector(3, body)


def handshake(*messages: bytes, version: int = 0x0303) -> bytes:
    """Messages in one record."""
    return record(HANDSHAKE, b"".join(messages), version)


def extensions(*pairs: tuple[int, bytes]) -> bytes:
    return vector(2, b"".join(struct.pack(">H", kind) + vector(2, data) for kind, data in pairs))


def client_hello(
    *more: tuple[int, bytes],
    server_name: str = "service.example.com",
    tls13: bool = True,
    suites: tuple[int, ...] = (0x1302, 0x1301, 0xC02F),
    session_id: bytes = b"",
    early_data: bool = False,
    identity: bytes | None = None,
    age: int = 123456,
    legacy_version: int = 0x0303,
) -> bytes:
    """A ClientHello message; `identity` is that of a pre-shared key."""
    offered = [(0, vector(2, b"\0" + vector(2, server_name.encode()))), *more]
    if tls13:
        offered.append((43, vector(1, b"\x03\x04\x03\x03")))
    if early_data:
        offered.append((42, b""))
    if identity is not None:
        binder = vector(2, vector(1, bytes(32)))
        offered.append((41, vector(2, vector(2, identity) + age.to_bytes(4)) + binder))
    body = struct.pack(">H", legacy_version) + bytes(range(32)) + vector(1, session_id)
    body += vector(2, b"".join(suite.to_bytes(2) for suite in suites)) + b"\x01\x00" + extensions(*offered)
    return message(1, body)


def server_hello(
    suite: int = AES_256_GCM_SHA384,
    *more: tuple[int, bytes],
    tls13: bool = True,
    session_id: bytes = b"",
    psk: int | None = None,
    random: bytes = bytes(range(32, 64)),
    legacy_version: int = 0x0303,
) -> bytes:
    """A ServerHello message; `psk` is the number of the accepted identity."""
    chosen = [*more]
    if tls13:
        chosen += [(43, b"\x03\x04"), (51, b"\0\x1d" + vector(2, bytes(32)))]
    if psk is not None:
        chosen.append((41, psk.to_bytes(2)))
    body = struct.pack(">H", legacy_version) + random + vector(1, session_id) + suite.to_bytes(2) + b"\0"
    return message(2, body + (extensions(*chosen) if chosen else b""))


def protected(*lengths: int) -> bytes:
    """TLS 1.3's protected records, of which only the lengths show."""
    return b"".join(record(APPLICATION_DATA, bytes(i % 251 for i in range(length))) for length in lengths)


CCS = record(CHANGE_CIPHER_SPEC, b"\1")


# Messages of TLS 1.2, as small as they can be.


def certificate(*lengths: int) -> bytes:
    """A Certificate with entries of so many bytes that are no certificates."""
    return message(11, vector(3, b"".join(vector(3, bytes(length)) for length in lengths)))


def certificate_request() -> bytes:
    return message(13, vector(1, b"\x01\x40") + vector(2, b"\x04\x03\x08\x04") + vector(2, b""))


SERVER_KEY_EXCHANGE = message(12, b"\x03\x00\x1d" + vector(1, bytes(32)) + b"\x08\x04" + vector(2, bytes(256)))
SERVER_HELLO_DONE = message(14)
CLIENT_KEY_EXCHANGE = message(16, vector(1, bytes(32)))
CERTIFICATE_VERIFY = message(15, b"\x08\x04" + vector(2, bytes(256)))
ENCRYPTED_FINISHED = record(HANDSHAKE, b"\xaa" * 40)


def alert(level: int, description: int) -> bytes:
    return record(ALERT, bytes([level, description]))


def tls12(
    *,
    asks: bool = False,
    client_certificate: bytes | None = None,
    verify: bool | None = None,
    suite: int = 0xC02F,
    answer: bool = True,
    talk: Talk | None = None,
) -> Talk:
    """A whole handshake of TLS 1.2 up to both Finished; with `answer` unset up to the client's."""
    talk = talk or Talk().open()
    request = [certificate_request()] if asks else []
    flight = [server_hello(suite, tls13=False), certificate(700), SERVER_KEY_EXCHANGE, *request, SERVER_HELLO_DONE]
    talk.send("client", handshake(client_hello(tls13=False), version=0x0301)).send("server", handshake(*flight))
    own = [client_certificate] if client_certificate is not None else []
    signed = (
        [CERTIFICATE_VERIFY] if (client_certificate not in (None, certificate()) if verify is None else verify) else []
    )
    talk.send("client", handshake(*own, CLIENT_KEY_EXCHANGE, *signed) + CCS + ENCRYPTED_FINISHED)
    return talk.send("server", CCS + ENCRYPTED_FINISHED) if answer else talk


def tls13(
    server: Iterable[int],
    client: Iterable[int],
    *then: tuple[str, Iterable[int]],
    suite: int = AES_256_GCM_SHA384,
    hello: bytes | None = None,
    answer: bytes | None = None,
    compatible: bool = True,
    talk: Talk | None = None,
) -> Talk:
    """A handshake of TLS 1.3: the lengths of the server's and the client's protected records, and of what follows.

    `compatible`: with the ChangeCipherSpec of RFC 8446, appendix D.4.
    """
    talk = talk or Talk().open()
    ccs = CCS if compatible else b""
    talk.send("client", handshake(client_hello() if hello is None else hello, version=0x0301))
    talk.send("server", handshake(server_hello(suite) if answer is None else answer) + ccs + protected(*server))
    if lengths := list(client):
        talk.send("client", ccs + protected(*lengths))
    for sender, lengths in then:
        talk.send(sender, protected(*lengths))
    return talk
