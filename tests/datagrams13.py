"""Forges handshakes of DTLS 1.3 that really are encrypted, as RFC 9147 says, with the primitives of `cryptography`."""

import hmac
from dataclasses import dataclass, field
from hashlib import new

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding
from datagrams import (
    ACK,
    ALERT,
    APPLICATION_DATA,
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    CLIENT_HELLO,
    DTLS13,
    FINISHED,
    HANDSHAKE,
    SCHEMES,
    SERVER_HELLO,
    Exchange,
    client_hello,
    fragment,
    record,
    server_hello,
)
from lab import pki
from sealing import known
from talk import extensions, vector

from analyzer.tls.keylog import KeyLog

ENCRYPTED_EXTENSIONS, NEW_SESSION_TICKET, KEY_UPDATE = 8, 4, 24
AES_128_GCM, AES_256_GCM, CHACHA20, AES_128_CCM_8 = 0x1301, 0x1302, 0x1303, 0x1305
RANDOM = bytes(range(32))
VERSIONS = (43, vector(1, DTLS13.to_bytes(2)))
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def expand(secret: bytes, label: str, length: int, digest: str) -> bytes:
    """HKDF-Expand-Label with the prefix of DTLS 1.3."""
    name = b"dtls13" + label.encode()
    info = length.to_bytes(2) + vector(1, name) + b"\0"
    block = output = b""
    while len(output) < length:
        block = hmac.digest(secret, block + info + bytes([len(output) // new(digest).digest_size + 1]), digest)
        output += block
    return output[:length]


@dataclass
class Keys:
    """What one side protects the records of one epoch with."""

    secret: bytes
    suite: int
    epoch: int
    number: int = 0
    identity: bytes | None = None
    """Connection id that the records carry."""
    short: bool = False
    """One byte of record number, and no length: the record ends the datagram."""

    def seal(self, kind: int, content: bytes, padding: int = 0) -> bytes:
        chosen = known(self.suite)
        digest = chosen.hash.lower()
        key, sn, iv = (
            expand(self.secret, label, length, digest)
            for label, length in (("key", chosen.key_length), ("sn", chosen.key_length), ("iv", 12))
        )
        inner = content + bytes([kind]) + bytes(padding)
        size = 1 if self.short else 2
        first = 0x20 | self.epoch & 3 | (0 if self.short else 0x0C) | (0x10 if self.identity is not None else 0)
        before, after = bytes([first]) + (self.identity or b""), b""
        if not self.short:
            after = (len(inner) + chosen.tag_length).to_bytes(2)
        low = (self.number % (1 << 8 * size)).to_bytes(size)
        nonce = (int.from_bytes(iv) ^ self.number).to_bytes(12)
        sealed = self._aead(key).encrypt(nonce, inner, before + low + after)
        if "CHACHA20" in chosen.cipher:
            mask = Cipher(algorithms.ChaCha20(sn, sealed[:16]), None).encryptor().update(bytes(16))
        else:
            mask = Cipher(algorithms.AES(sn), modes.ECB()).encryptor().update(sealed[:16])
        self.number += 1
        return before + bytes(a ^ b for a, b in zip(low, mask, strict=False)) + after + sealed

    def _aead(self, key: bytes) -> AESGCM | AESCCM | ChaCha20Poly1305:
        chosen = known(self.suite)
        if "CHACHA20" in chosen.cipher:
            return ChaCha20Poly1305(key)
        return AESCCM(key, tag_length=chosen.tag_length) if "CCM" in chosen.cipher else AESGCM(key)


KEY = pki.make_key("datagrams", "ec")


def leaf() -> bytes:
    """A certificate of KEY, signed by itself."""
    assert isinstance(KEY, ec.EllipticCurvePrivateKey)
    identity = pki.issue("datagrams", "service.example.com", pki.LEAVES["server"], None)
    builder = x509.CertificateBuilder().subject_name(identity.certificate.subject)
    builder = builder.issuer_name(identity.certificate.subject).public_key(KEY.public_key()).serial_number(7)
    builder = builder.not_valid_before(identity.certificate.not_valid_before_utc)
    builder = builder.not_valid_after(identity.certificate.not_valid_after_utc)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


LEAF13 = leaf()


@dataclass
class Conversation13:
    """A handshake of DTLS 1.3; messages of a side are numbered, and enter the transcript as they are sent."""

    suite: int = AES_128_GCM
    exchange: Exchange = field(default_factory=Exchange)
    size: int = 10_000
    """So many bytes of a message fit in a fragment."""

    def __post_init__(self) -> None:
        self.digest = known(self.suite).hash.lower()
        length = new(self.digest).digest_size
        self.secrets = {
            (side, epoch): new(self.digest, f"{side} {epoch}".encode()).digest()[:length]
            for side in ("client", "server")
            for epoch in (2, 3)
        }
        self.keys = {name: Keys(secret, self.suite, name[1]) for name, secret in self.secrets.items()}
        self.numbers = {"client": 0, "server": 0}
        self.transcript = b""
        self.clear = 0

    # What is sent

    def hello(self, *more: tuple[int, bytes], suites: tuple[int, ...] | None = None) -> "Conversation13":
        body = client_hello(VERSIONS, *more, random=RANDOM, suites=suites or (self.suite,))
        self.exchange.send("client", *self._clear("client", CLIENT_HELLO, body))
        return self

    def answer(self, *more: tuple[int, bytes], then: list[bytes] | None = None) -> "Conversation13":
        """The ServerHello; what follows it in the same datagram is `then`."""
        body = server_hello((43, DTLS13.to_bytes(2)), (51, b"\0\x1d" + vector(2, bytes(32))), *more, suite=self.suite)
        self.exchange.send("server", *self._clear("server", SERVER_HELLO, body), *(then or []))
        return self

    def retry(self) -> "Conversation13":
        """A HelloRetryRequest: a hash stands for the first hello from then on."""
        digest = new(self.digest, self.transcript).digest()
        self.transcript = bytes([254]) + vector(3, digest)
        body = server_hello((43, DTLS13.to_bytes(2)), (44, vector(2, b"cookie")), random=RETRY, suite=self.suite)
        self.exchange.send("server", *self._clear("server", SERVER_HELLO, body))
        return self

    def message(self, side: str, kind: int, body: bytes, epoch: int = 2) -> list[bytes]:
        """A protected message, each fragment in a record."""
        number = self._count(side, kind, body)
        cuts = range(0, len(body) or 1, self.size)
        return [
            self.keys[side, epoch].seal(HANDSHAKE, fragment(kind, number, body, start, start + self.size))
            for start in cuts
        ]

    def server_flight(self, *, asks: bool = False) -> list[list[bytes]]:
        flight = [self.message("server", ENCRYPTED_EXTENSIONS, extensions())]
        if asks:
            flight.append(self.message("server", CERTIFICATE_REQUEST, b"\0" + extensions((13, vector(2, SCHEMES)))))
        flight.append(self.certificate("server", LEAF13))
        flight.append(self.verify("server"))
        flight.append(self.finished("server"))
        return flight

    def client_flight(self, *, certificates: tuple[bytes, ...] | None = None) -> list[list[bytes]]:
        flight = [] if certificates is None else [self.certificate("client", *certificates)]
        if certificates:
            flight.append(self.verify("client"))
        return [*flight, self.finished("client")]

    def certificate(self, side: str, *entries: bytes) -> list[bytes]:
        listed = b"".join(vector(3, entry) + vector(2, b"") for entry in entries)
        return self.message(side, CERTIFICATE, b"\0" + vector(3, listed))

    def verify(self, side: str) -> list[bytes]:
        assert isinstance(KEY, ec.EllipticCurvePrivateKey)
        context = b" " * 64 + f"TLS 1.3, {side} CertificateVerify".encode() + b"\0"
        content = context + new(self.digest, self.transcript).digest()
        signature = KEY.sign(content, ec.ECDSA(hashes.SHA256()))
        return self.message(side, CERTIFICATE_VERIFY, b"\4\3" + vector(2, signature))

    def finished(self, side: str) -> list[bytes]:
        key = expand(self.secrets[side, 2], "finished", new(self.digest).digest_size, self.digest)
        return self.message(side, FINISHED, hmac.digest(key, new(self.digest, self.transcript).digest(), self.digest))

    def acknowledge(self, side: str, count: int, epoch: int = 3) -> bytes:
        listed = b"".join((2).to_bytes(8) + number.to_bytes(8) for number in range(count))
        return self.keys[side, epoch].seal(ACK, vector(2, listed))

    def alert(self, side: str, description: int, epoch: int = 3) -> bytes:
        return self.keys[side, epoch].seal(ALERT, bytes((2, description)))

    def data(self, side: str, length: int = 40) -> bytes:
        return self.keys[side, 3].seal(APPLICATION_DATA, bytes(length))

    def whole(self, *, asks: bool = False, certificates: tuple[bytes, ...] | None = None) -> "Conversation13":
        """A handshake, an acknowledgment, and some data; a datagram a record."""
        self.hello().answer()
        for records in self.server_flight(asks=asks):
            self.exchange.each("server", *records)
        sent = [one for records in self.client_flight(certificates=certificates) for one in records]
        self.exchange.each("client", *sent)
        self.exchange.each("server", self.acknowledge("server", len(sent)))
        self.exchange.each("client", self.data("client")).each("server", self.data("server"))
        return self

    # What they know

    @property
    def log(self) -> KeyLog:
        """The key log."""
        labels = {2: "HANDSHAKE_TRAFFIC_SECRET", 3: "TRAFFIC_SECRET_0"}
        made = KeyLog()
        made.read(
            f"{side.upper()}_{labels[epoch]} {RANDOM.hex()} {secret.hex()}".encode()
            for (side, epoch), secret in self.secrets.items()
        )
        return made

    def _count(self, side: str, kind: int, body: bytes) -> int:
        number = self.numbers[side]
        self.numbers[side] += 1
        self.transcript += bytes([kind]) + vector(3, body)
        return number

    def _clear(self, side: str, kind: int, body: bytes) -> list[bytes]:
        number = self._count(side, kind, body)
        self.clear += 1
        return [record(HANDSHAKE, fragment(kind, number, body), self.clear)]
