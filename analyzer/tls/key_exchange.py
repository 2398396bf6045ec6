"""What do ServerKeyExchange and ClientKeyExchange say, once the cipher suite is known?

Their bodies do not tell how to read them (RFC 5246, section 7.4.3): key exchange and authentication do, which
the ServerHello's cipher suite names.
"""

from dataclasses import dataclass
from functools import lru_cache

from analyzer.tls.codec import Malformed, Reader
from analyzer.tls.registry import Suite, as_tls

SERVER_EXCHANGES = frozenset(("DHE", "DHE_PSK", "ECDHE", "ECDHE_PSK", "PSK", "RSA", "RSA_PSK", "SRP"))
"""Those of which is known what a ServerKeyExchange says; of an export suite with RSA, a short key."""
_UNSIGNED = ("anonymous", "PSK", "SRP")


@dataclass(slots=True, kw_only=True)
class ServerKeyExchangeParameters:
    """Content of a ServerKeyExchange; numbers are unsigned, in network order, as sent."""

    signed: bytes
    """What the signature covers after both randoms: the parameters as sent (RFC 5246, section 7.4.3)."""
    signature_scheme: int | None
    """SignatureScheme; None before TLS 1.2, where the key decides, and where nothing is signed."""
    signature: bytes | None
    """None where nothing is signed (anonymous, PSK, SRP without certificate)."""
    group: int | None = None
    """Named group of ECDHE; None for a curve that is spelt out (RFC 4492, section 5.4)."""
    public: bytes = b""
    """The server's share: dh_Ys, the point of ECDHE, SRP's B."""
    prime: bytes = b""
    """dh_p, SRP's N, or the prime of a curve that is spelt out; decides the strength of DHE."""
    generator: bytes = b""
    """dh_g, SRP's g."""
    salt: bytes = b""
    """SRP's (RFC 5054, section 2.5.3)."""
    modulus: bytes = b""
    """The short RSA key of an export suite (RFC 2246, section 7.4.3)."""
    exponent: bytes = b""
    """Its exponent."""
    psk_identity_hint: bytes | None = None
    """Which key the client shall use (RFC 4279, section 2)."""


@dataclass(slots=True, kw_only=True)
class ClientKeyExchangeParameters:
    """Content of a ClientKeyExchange."""

    encrypted_pre_master_secret: bytes = b""
    """RSA and RSA_PSK: encrypted with the server's public key (RFC 5246, section 7.4.7.1)."""
    public: bytes = b""
    """The client's share: dh_Yc, the point of ECDHE, SRP's A; empty where its certificate contains it."""
    psk_identity: bytes | None = None
    """Name of the pre-shared key (RFC 4279, section 2)."""


@lru_cache(1)
def server_parameters(body: bytes, suite: Suite, version: int) -> ServerKeyExchangeParameters:
    """Read a ServerKeyExchange; raises `Malformed`. One is asked for its signature, and at once for its group."""
    reader = Reader(body)
    exchange = suite.key_exchange
    hint = reader.vector16() if exchange.endswith("PSK") else None
    group = None
    public = prime = generator = salt = modulus = exponent = b""
    if exchange in ("DHE", "DHE_PSK"):
        prime, generator, public = reader.vector16(), reader.vector16(), reader.vector16()
    elif exchange in ("ECDHE", "ECDHE_PSK"):
        group, prime = _curve(reader)
        public = reader.vector8()
    elif exchange == "SRP":
        prime, generator = reader.vector16(), reader.vector16()
        salt, public = reader.vector8(), reader.vector16()
    elif exchange == "RSA":
        modulus, exponent = reader.vector16(), reader.vector16()
    elif exchange not in SERVER_EXCHANGES:
        raise Malformed(f"no parameters known for key exchange {exchange}")
    signed = body[: reader.position]
    scheme = signature = None
    if exchange not in ("PSK", "RSA_PSK") and suite.authentication not in _UNSIGNED:
        scheme = reader.u16() if as_tls(version) >= 0x0303 else None
        signature = reader.vector16()
    reader.end()
    return ServerKeyExchangeParameters(
        signed=signed,
        signature_scheme=scheme,
        signature=signature,
        group=group,
        public=public,
        prime=prime,
        generator=generator,
        salt=salt,
        modulus=modulus,
        exponent=exponent,
        psk_identity_hint=hint,
    )


def _curve(reader: Reader) -> tuple[int | None, bytes]:
    """ECParameters (RFC 4492, section 5.4): the named group, or None and the field of a curve spelt out."""
    prime = b""
    match reader.u8():
        case 3:  # named_curve
            return reader.u16(), b""
        case 1:  # explicit_prime
            prime = reader.vector8()
        case 2:  # explicit_char2
            reader.u16()
            for _ in range({1: 1, 2: 3}.get(reader.u8(), 0)):  # trinomial, pentanomial
                reader.vector8()
        case curve_type:
            raise Malformed(f"unknown curve type {curve_type}")
    for _ in ("a", "b", "base", "order", "cofactor"):
        reader.vector8()
    return None, prime


def client_parameters(body: bytes, suite: Suite, version: int) -> ClientKeyExchangeParameters:
    """Read a ClientKeyExchange; raises `Malformed`."""
    reader = Reader(body)
    exchange = suite.key_exchange
    identity = reader.vector16() if exchange.endswith("PSK") else None
    encrypted = public = b""
    if exchange == "RSA":
        encrypted = _encrypted(reader, version)
    elif exchange == "RSA_PSK":
        encrypted = reader.vector16()
    elif exchange in ("DHE", "DH", "DHE_PSK", "SRP"):
        public = reader.vector16() if reader else b""
    elif exchange in ("ECDHE", "ECDH", "ECDHE_PSK"):
        public = reader.vector8() if reader else b""
    elif exchange != "PSK":
        raise Malformed(f"no parameters known for key exchange {exchange}")
    reader.end()
    return ClientKeyExchangeParameters(encrypted_pre_master_secret=encrypted, public=public, psk_identity=identity)


def _encrypted(reader: Reader, version: int) -> bytes:
    """The secret's length is missing in SSL 3.0, and in TLS of stacks that copied it (RFC 5246, 7.4.7.1)."""
    body = reader.rest()
    if version > 0x0300 and len(body) >= 2 and int.from_bytes(body[:2]) == len(body) - 2:
        return body[2:]
    return body
