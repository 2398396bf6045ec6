"""How do keys and Finished follow from a secret? (RFC 8446, section 7; RFC 5246, sections 5, 6.3 and 7.4.9; RFC 6101.)

Up to TLS 1.2 all follow from a connection's master secret, in TLS 1.3 from traffic secrets, one for each direction
and epoch.
"""

import hmac
from hashlib import md5, new, sha1
from typing import NamedTuple

from analyzer.results import Sender
from analyzer.tls.registry import Suite

SSL3, TLS10, TLS12 = 0x0300, 0x0301, 0x0303
_MASTER = 48
_VERIFY_DATA = 12


# TLS 1.3


TLS13_PREFIX, DTLS13_PREFIX = b"tls13 ", b"dtls13"
"""What labels begin with (RFC 9147, section 5.9)."""


def expand_label(
    secret: bytes, label: str, context: bytes, length: int, digest: str, prefix: bytes = TLS13_PREFIX
) -> bytes:
    """HKDF-Expand-Label (RFC 8446, section 7.1); `digest` is hashlib's name."""
    name = prefix + label.encode()
    info = length.to_bytes(2) + bytes((len(name),)) + name + bytes((len(context),)) + context
    block = output = b""
    counter = 1
    while len(output) < length:
        block = hmac.digest(secret, block + info + bytes((counter,)), digest)
        output += block
        counter += 1
    return output[:length]


def next_traffic_secret(secret: bytes, suite: Suite, prefix: bytes = TLS13_PREFIX) -> bytes:
    """The secret behind a KeyUpdate (RFC 8446, section 7.2)."""
    return expand_label(secret, "traffic upd", b"", len(secret), suite.hash.lower(), prefix)


def finished_tls13(secret: bytes, transcript: bytes, suite: Suite, prefix: bytes = TLS13_PREFIX) -> bytes:
    """verify_data under a traffic secret (RFC 8446, section 4.4.4)."""
    digest = suite.hash.lower()
    key = expand_label(secret, "finished", b"", suite.hash_length, digest, prefix)
    return hmac.digest(key, new(digest, transcript).digest(), digest)


# SSL 3.0 to TLS 1.2


def _p_hash(secret: bytes, seed: bytes, length: int, digest: str) -> bytes:
    """RFC 5246, section 5."""
    output, step = b"", seed
    while len(output) < length:
        step = hmac.digest(secret, step, digest)
        output += hmac.digest(secret, step + seed, digest)
    return output[:length]


def prf(secret: bytes, label: bytes, seed: bytes, length: int, version: int, suite: Suite) -> bytes:
    """The pseudorandom function of a version (RFC 5246, section 5; RFC 2246, section 5; RFC 6101, section 6.2.2)."""
    if version >= TLS12:
        return _p_hash(secret, label + seed, length, suite.hash.lower())
    if version > SSL3:
        half = (len(secret) + 1) // 2
        first = _p_hash(secret[:half], label + seed, length, "md5")
        second = _p_hash(secret[-half:] if half else b"", label + seed, length, "sha1")
        return bytes(a ^ b for a, b in zip(first, second, strict=True))
    output, letters = b"", 1
    while len(output) < length:
        inner = sha1(bytes((64 + letters,)) * letters + secret + seed).digest()
        output += md5(secret + inner).digest()
        letters += 1
    return output[:length]


def master_secret(pre_master: bytes, client_random: bytes, server_random: bytes, version: int, suite: Suite) -> bytes:
    """RFC 5246, section 8.1."""
    return prf(pre_master, b"master secret", client_random + server_random, _MASTER, version, suite)


def extended_master_secret(pre_master: bytes, transcript: bytes, version: int, suite: Suite) -> bytes:
    """Bound to the handshake up to ClientKeyExchange (RFC 7627, section 4)."""
    seed = _handshake_hash(transcript, version, suite)
    return prf(pre_master, b"extended master secret", seed, _MASTER, version, suite)


class DirectionKeys(NamedTuple):
    """What one direction of TLS 1.2 and before is protected with."""

    mac: bytes
    key: bytes
    iv: bytes
    """The first record's in CBC up to TLS 1.0; the fixed part of an AEAD's nonce."""


def key_block(
    master: bytes, client_random: bytes, server_random: bytes, version: int, suite: Suite, iv_length: int
) -> dict[Sender, DirectionKeys]:
    """Both directions' keys (RFC 5246, section 6.3)."""
    lengths = (suite.mac_length, suite.key_length, iv_length)
    material = prf(master, b"key expansion", server_random + client_random, 2 * sum(lengths), version, suite)
    parts: list[bytes] = []
    for length in (length for length in lengths for _ in range(2)):
        parts.append(material[:length])
        material = material[length:]
    return {"client": DirectionKeys(*parts[0::2]), "server": DirectionKeys(*parts[1::2])}


def finished(master: bytes, sender: Sender, transcript: bytes, version: int, suite: Suite) -> bytes:
    """verify_data (RFC 5246, section 7.4.9; RFC 6101, section 5.6.9)."""
    if version == SSL3:
        return ssl3_digest(master, transcript, b"CLNT" if sender == "client" else b"SRVR")
    label = b"client finished" if sender == "client" else b"server finished"
    return prf(master, label, _handshake_hash(transcript, version, suite), _VERIFY_DATA, version, suite)


def ssl3_digest(master: bytes, transcript: bytes, sender: bytes = b"") -> bytes:
    """MD5 and SHA-1 of the transcript, keyed; what SSL 3.0 signs in CertificateVerify (RFC 6101, section 5.6.8)."""
    digests: list[bytes] = []
    for make, pad in ((md5, 48), (sha1, 40)):
        inner = make(transcript + sender + master + b"\x36" * pad).digest()
        digests.append(make(master + b"\x5c" * pad + inner).digest())
    return b"".join(digests)


def _handshake_hash(transcript: bytes, version: int, suite: Suite) -> bytes:
    if version >= TLS12:
        return new(suite.hash.lower(), transcript).digest()
    return md5(transcript).digest() + sha1(transcript).digest()
