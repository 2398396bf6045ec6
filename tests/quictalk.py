"""Forges connections of QUIC that really are encrypted, as RFC 9001 says, with the primitives of `cryptography`."""

import hmac
from dataclasses import dataclass, field
from hashlib import new

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding
from datagrams import Exchange
from lab import pki
from sealing import known
from talk import RETRY, client_hello, extensions, message, server_hello, vector

from analyzer.results import CaptureReport, HandshakeReport
from analyzer.tls.keylog import KeyLog

V1, V2, DRAFT_29 = 0x00000001, 0x6B3343CF, 0xFF00001D
SALTS = {
    V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    DRAFT_29: "afbfec289993d24c9e9786f19c6111e04390a899",
}
INITIAL, ZERO_RTT, HANDSHAKE, RETRY_TYPE, SHORT = range(5)
AES_128_GCM, AES_256_GCM, CHACHA20 = 0x1301, 0x1302, 0x1303
ENCRYPTED_EXTENSIONS, CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, FINISHED, TICKET = 8, 11, 13, 15, 20, 4
RANDOM = bytes(range(32))
"""The client's, as `talk.client_hello` has it."""
PADDING, PING, HANDSHAKE_DONE = b"\0", b"\1", b"\x1e"
ACK = b"\2\0\0\0\0"
LABELS = {
    ("client", HANDSHAKE): "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    ("server", HANDSHAKE): "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    ("client", SHORT): "CLIENT_TRAFFIC_SECRET_0",
    ("server", SHORT): "SERVER_TRAFFIC_SECRET_0",
}


def number(value: int) -> bytes:
    """A number of variable length."""
    size = next(size for size in range(4) if value < 1 << (8 * (1 << size) - 2))
    return (value | size << (8 * (1 << size) - 2)).to_bytes(1 << size)


def crypto(data: bytes, offset: int = 0) -> bytes:
    return b"\6" + number(offset) + number(len(data)) + data


def close(code: int, *, application: bool = False, reason: bytes = b"") -> bytes:
    """CONNECTION_CLOSE."""
    blamed = b"" if application else b"\0"
    return (b"\x1d" if application else b"\x1c") + number(code) + blamed + number(len(reason)) + reason


def stream(data: bytes, identity: int = 0) -> bytes:
    return b"\x0a" + number(identity) + number(len(data)) + data


def expand(secret: bytes, label: str, length: int, digest: str) -> bytes:
    """HKDF-Expand-Label (RFC 8446, section 7.1)."""
    info = length.to_bytes(2) + vector(1, b"tls13 " + label.encode()) + b"\0"
    algorithm = hashes.SHA384() if digest == "sha384" else hashes.SHA256()
    return HKDFExpand(algorithm, length, info).derive(secret)


@dataclass
class Keys:
    """What one side protects the packets of one level with."""

    secret: bytes
    suite: int = AES_128_GCM
    version: int = V1
    next: int = 0
    phase: int = 0
    header_secret: bytes = b""
    """What the header's key follows from, which an update does not change."""

    def label(self, label: str, length: int, secret: bytes | None = None) -> bytes:
        prefix = "quicv2 " if self.version == V2 else "quic "
        return expand(secret or self.secret, prefix + label, length, known(self.suite).hash.lower())

    def update(self) -> None:
        """The next keys (RFC 9001, section 6)."""
        self.header_secret = self.header_secret or self.secret
        self.secret, self.phase = self.label("ku", len(self.secret)), self.phase ^ 1

    def seal(self, header: bytes, payload: bytes, *, size: int = 2, length: bool = True) -> bytes:
        """A packet; the header lacks Length and packet number, which `size` bytes hold."""
        chosen = known(self.suite)
        key, iv = self.label("key", chosen.key_length), self.label("iv", 12)
        hp = self.label("hp", chosen.key_length, self.header_secret or None)
        payload += bytes(max(4 - size - len(payload), 0))
        if length:
            header += number(size + len(payload) + 16)
        shown = (self.next % (1 << 8 * size)).to_bytes(size)
        header = bytes((header[0] | (size - 1),)) + header[1:]
        nonce = (int.from_bytes(iv) ^ self.next).to_bytes(12)
        self.next += 1
        aead = ChaCha20Poly1305(key) if self.suite == CHACHA20 else AESGCM(key)
        sealed = aead.encrypt(nonce, payload, header + shown)
        sample = (shown + sealed)[4:20]
        if self.suite == CHACHA20:
            mask = Cipher(algorithms.ChaCha20(hp, sample), None).encryptor().update(bytes(5))
        else:
            mask = Cipher(algorithms.AES(hp), modes.ECB()).encryptor().update(sample)
        first = header[0] ^ (mask[0] & (0x0F if length else 0x1F))
        return bytes((first,)) + header[1:] + bytes(a ^ b for a, b in zip(shown, mask[1:], strict=False)) + sealed


def initial_secrets(destination: bytes, version: int) -> dict[str, bytes]:
    """Of both sides (RFC 9001, section 5.2)."""
    secret = hmac.digest(bytes.fromhex(SALTS[version]), destination, "sha256")
    return {side: expand(secret, f"{side} in", 32, "sha256") for side in ("client", "server")}


KEY = pki.make_key("quic", "ec")


def leaf() -> bytes:
    """A certificate of KEY, signed by itself."""
    assert isinstance(KEY, ec.EllipticCurvePrivateKey)
    identity = pki.issue("quic", "service.example.com", pki.LEAVES["server"], None).certificate
    builder = x509.CertificateBuilder().subject_name(identity.subject).issuer_name(identity.subject)
    builder = builder.public_key(KEY.public_key()).serial_number(7)
    builder = builder.not_valid_before(identity.not_valid_before_utc).not_valid_after(identity.not_valid_after_utc)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


LEAF = leaf()


@dataclass
class Connection:
    """One connection; messages enter the transcript as they are made, and each level's stream as well."""

    version: int = V1
    suite: int = AES_128_GCM
    exchange: Exchange = field(default_factory=lambda: Exchange(server=("198.51.100.7", 443)))
    first_id: bytes = bytes(range(0x80, 0x88))
    """The destination id that the client makes up."""
    client_id: bytes = b""
    server_id: bytes = b"\xcc" * 5
    token: bytes = b""

    def __post_init__(self) -> None:
        self.digest = known(self.suite).hash.lower()
        self.transcript = b""
        self.offsets: dict[tuple[str, int], int] = {}
        self.rekey(self.first_id)
        self.log = ""
        """The key log."""
        for (side, level), label in LABELS.items():
            secret = new(self.digest, label.encode()).digest()
            self.keys[side, level] = Keys(secret, self.suite, self.version)
            self.log += f"{label} {RANDOM.hex()} {secret.hex()}\n"

    def rekey(self, destination: bytes, version: int | None = None) -> None:
        """Initial packets have other keys from here on."""
        self.destination, self.version = destination, version or self.version
        self.keys: dict[tuple[str, int], Keys] = getattr(self, "keys", {})
        for side, secret in initial_secrets(destination, self.version).items():
            before = self.keys.get((side, INITIAL))
            self.keys[side, INITIAL] = Keys(secret, AES_128_GCM, self.version, before.next if before else 0)

    # Packets

    def packet(self, side: str, level: int, *frames: bytes, pad: int = 0, size: int = 2) -> bytes:
        """A protected packet; `pad` to so many bytes."""
        keys, payload = self.keys[side, level], b"".join(frames)
        towards = (self.server_id if self.answered else self.destination) if side == "client" else self.client_id
        own = self.client_id if side == "client" else self.server_id
        if level == SHORT:
            header = bytes((0x40 | keys.phase << 2,)) + towards
            return keys.seal(header, payload, size=size, length=False)
        header = self.long(level, towards, own)
        if level == INITIAL:
            header += number(len(self.token if side == "client" else b""))
            header += self.token if side == "client" else b""
        if pad:
            payload += bytes(max(pad - len(header) - 2 - size - len(payload) - 16, 0))
        return keys.seal(header, payload, size=size)

    def long(self, level: int, towards: bytes, own: bytes) -> bytes:
        kind = (level + 1) % 4 if self.version == V2 else level
        return bytes((0xC0 | kind << 4,)) + self.version.to_bytes(4) + vector(1, towards) + vector(1, own)

    answered = False
    """The client knows the server's connection id."""

    def send(self, side: str, *packets: bytes) -> "Connection":
        """All of them in one datagram."""
        self.exchange.send(side, *packets)
        self.answered = self.answered or side == "server"
        return self

    # Messages

    def said(self, side: str, level: int, *messages: bytes) -> bytes:
        """Handshake messages in one CRYPTO frame, next in their stream."""
        data = b"".join(messages)
        offset = self.offsets.get((side, level), 0)
        self.offsets[side, level] = offset + len(data)
        return crypto(data, offset)

    def note(self, raw: bytes) -> bytes:
        """A message enters the transcript."""
        self.transcript += raw
        return raw

    def hello(self, *more: tuple[int, bytes], **options: object) -> "Connection":
        """The client's first flight."""
        offer = (*more, (16, vector(2, vector(1, b"h3"))), (57, b"\x01\x04\x80\x00\xea\x60"))
        raw = self.note(client_hello(*offer, suites=(self.suite,), **options))  # type: ignore[arg-type]
        return self.send("client", self.packet("client", INITIAL, self.said("client", INITIAL, raw), pad=1200))

    def answer(self, *more: tuple[int, bytes], psk: int | None = None) -> bytes:
        """The packet with the ServerHello."""
        raw = self.note(server_hello(self.suite, *more, psk=psk))
        return self.packet("server", INITIAL, ACK, self.said("server", INITIAL, raw))

    def retry_hello(self) -> "Connection":
        """A HelloRetryRequest: a hash stands for the first hello from then on."""
        self.transcript = message(254, new(self.digest, self.transcript).digest())
        body = b"\3\3" + RETRY + b"\0" + self.suite.to_bytes(2) + b"\0" + extensions((43, b"\3\4"), (51, b"\0\x17"))
        raw = self.note(message(2, body))
        return self.send("server", self.packet("server", INITIAL, ACK, self.said("server", INITIAL, raw), pad=1200))

    def extensions(self, *more: tuple[int, bytes]) -> bytes:
        return self.note(message(ENCRYPTED_EXTENSIONS, extensions((16, vector(2, vector(1, b"h3"))), *more)))

    def request(self) -> bytes:
        return self.note(message(CERTIFICATE_REQUEST, b"\0" + extensions((13, vector(2, b"\4\3")))))

    def certificate(self, *entries: bytes) -> bytes:
        listed = b"".join(vector(3, entry) + vector(2, b"") for entry in entries)
        return self.note(message(CERTIFICATE, b"\0" + vector(3, listed)))

    def verify(self, side: str) -> bytes:
        assert isinstance(KEY, ec.EllipticCurvePrivateKey)
        context = b" " * 64 + f"TLS 1.3, {side} CertificateVerify".encode() + b"\0"
        content = context + new(self.digest, self.transcript).digest()
        return self.note(message(CERTIFICATE_VERIFY, b"\4\3" + vector(2, KEY.sign(content, ec.ECDSA(hashes.SHA256())))))

    def finished(self, side: str) -> bytes:
        secret = self.keys[side, HANDSHAKE].secret
        key = expand(secret, "finished", len(secret), self.digest)
        mac = hmac.digest(key, new(self.digest, self.transcript).digest(), self.digest)
        return self.note(message(FINISHED, mac))

    # A handshake

    def server_flight(self, *, asks: bool = False, psk: bool = False) -> bytes:
        """Its messages, in one frame."""
        flight = [self.extensions()]
        if not psk:
            flight += [self.request()] if asks else []
            flight += [self.certificate(LEAF), self.verify("server")]
        return self.said("server", HANDSHAKE, *flight, self.finished("server"))

    def client_flight(self, certificates: tuple[bytes, ...] | None = None) -> bytes:
        flight = [] if certificates is None else [self.certificate(*certificates)]
        flight += [self.verify("client")] if certificates else []
        return self.said("client", HANDSHAKE, *flight, self.finished("client"))

    def handshake(self, *, asks: bool = False, certificates: tuple[bytes, ...] | None = None) -> "Connection":
        """Up to the client's flight."""
        self.hello()
        answer = self.answer()
        self.send("server", answer, self.packet("server", HANDSHAKE, self.server_flight(asks=asks)))
        self.send("client", self.packet("client", INITIAL, ACK, pad=1200))
        return self.send("client", self.packet("client", HANDSHAKE, ACK, self.client_flight(certificates)))

    def whole(self, *, asks: bool = False, certificates: tuple[bytes, ...] | None = None) -> "Connection":
        """A handshake, its confirmation, and some data."""
        return self.handshake(asks=asks, certificates=certificates).confirm().talk()

    def confirm(self) -> "Connection":
        ticket = message(TICKET, bytes(8) + vector(1, b"\0") + vector(2, bytes(40)) + extensions())
        frames = (HANDSHAKE_DONE, self.said("server", SHORT, ticket))
        return self.send("server", self.packet("server", SHORT, *frames))

    def talk(self, rounds: int = 2) -> "Connection":
        for i in range(rounds):
            self.send("client", self.packet("client", SHORT, stream(bytes(30 + i))))
            self.send("server", self.packet("server", SHORT, stream(bytes(60 + i))))
        return self.send("client", self.packet("client", SHORT, ACK))

    # What became of it

    def secrets(self) -> KeyLog:
        made = KeyLog()
        made.read(line.encode() for line in self.log.splitlines())
        return made

    def analyze(self, *, keys: bool = False, **options: object) -> CaptureReport:
        if keys:
            from analyzer.secrets import Secrets

            options["keylog"] = Secrets(self.secrets())
        return self.exchange.analyze(**options)

    def report(self, *, keys: bool = False) -> HandshakeReport:
        """Of the only handshake."""
        [handshake] = self.analyze(keys=keys).handshakes
        return handshake


def negotiation(made: Connection, *versions: int, towards: bytes | None = None) -> bytes:
    """A Version Negotiation packet in answer to the client's first."""
    ids = vector(1, made.client_id if towards is None else towards) + vector(1, made.first_id)
    return b"\x80\0\0\0\0" + ids + b"".join(version.to_bytes(4) for version in versions)


def names(report: HandshakeReport, *protections: str) -> list[str]:
    """What was said, by whom; of these protections only where any are given."""
    return [
        f"{sent.sender} {sent.message}" for sent in report.messages if not protections or sent.protection in protections
    ]
