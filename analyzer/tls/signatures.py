"""Did the holder of this key make this signature of a handshake message? (RFC 8446, section 4.2.3.)"""

from collections.abc import Callable
from functools import cache
from hashlib import md5, sha1
from typing import TYPE_CHECKING, Literal, NamedTuple

from analyzer.tls import registry

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.hazmat.primitives.hashes import HashAlgorithm


class Verification(NamedTuple):
    """The result of checking one signature."""

    status: Literal["pass", "fail", "undetermined"]
    """undetermined: the key or the scheme is beyond what `cryptography` verifies."""
    algorithm: str | None
    """The signature scheme's name."""
    reason: str | None = None
    """Why it did not pass."""


_PURE = {
    "Ed25519PublicKey": 0x0807,
    "Ed448PublicKey": 0x0808,
    "MLDSA44PublicKey": 0x0904,
    "MLDSA65PublicKey": 0x0905,
    "MLDSA87PublicKey": 0x0906,
}
"""Classes of keys that do not hash beforehand, and their only schemes."""
_PSS = {0x0804: 4, 0x0805: 5, 0x0806: 6, 0x0809: 4, 0x080A: 5, 0x080B: 6}
_BRAINPOOL = {0x081A: 4, 0x081B: 5, 0x081C: 6}
_HASHES = {1: "MD5", 2: "SHA1", 3: "SHA224", 4: "SHA256", 5: "SHA384", 6: "SHA512"}
_MD5_LENGTH = 16
_LARGEST, _ANY_EXPONENT, _LARGEST_EXPONENT = 16384, 3072, 64
"""Bits of an RSA modulus; of one with which the exponent may have any size; of the exponent else."""
_KINDS = {1: "RSA", 2: "DSA", 3: "ECDSA"}


def verify(key: "PublicKeyTypes", scheme: int | None, content: bytes, signature: bytes) -> Verification:
    """Check a signature of `content`; `scheme` is None before TLS 1.2, where the key decides."""
    name = _before_tls12(key) if scheme is None else registry.signature_scheme(scheme)
    if is_too_large(key):
        return Verification("undetermined", name, "it cannot be verified: the key is too large")
    return _verification(name, lambda: _fits(key, scheme, content, signature))


def verify_digest(key: "PublicKeyTypes", digest: bytes, signature: bytes) -> Verification:
    """Check a signature of MD5 and SHA-1 side by side, as in SSL 3.0 (RFC 6101, section 5.6.8)."""
    if is_too_large(key):
        return Verification("undetermined", _before_tls12(key), "it cannot be verified: the key is too large")
    return _verification(_before_tls12(key), lambda: _fits_digest(key, digest, signature))


def is_too_large(key: "PublicKeyTypes") -> bool:
    """Whether OpenSSL refuses to compute with an RSA key, however right a signature is (`OPENSSL_RSA_MAX_…`)."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    if not isinstance(key, rsa.RSAPublicKey) or key.key_size <= _ANY_EXPONENT:
        return False
    return key.key_size > _LARGEST or key.public_numbers().e.bit_length() > _LARGEST_EXPONENT


def _verification(name: str | None, fits: Callable[[], bool]) -> Verification:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        if fits():
            return Verification("pass", name)
        return Verification("fail", name, "the certificate's key is not one for this signature scheme")
    except InvalidSignature:
        return Verification("fail", name, "the certificate's key did not make this signature")
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        return Verification("undetermined", name, f"it cannot be verified: {error}")


def _fits(key: "PublicKeyTypes", scheme: int | None, content: bytes, signature: bytes) -> bool:
    """Raises where the signature is not the key's, or beyond `cryptography`; False where the key is of another kind."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa

    pure = _PURE.get(type(key).__name__)
    if pure is not None:
        if scheme not in (None, pure):
            return False
        key.verify(signature, content)  # type: ignore[union-attr,call-arg]
        return True
    if scheme in _PURE.values():
        return False
    if scheme is None:
        return _fits_digest(key, md5(content).digest() + sha1(content).digest(), signature)
    kind, digest = _kind(scheme)
    match kind, key:
        case "RSA", rsa.RSAPublicKey():
            key.verify(signature, content, padding.PKCS1v15(), digest)
        case "RSA-PSS", rsa.RSAPublicKey():
            key.verify(signature, content, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        case "DSA", dsa.DSAPublicKey():
            key.verify(signature, content, digest)
        case "ECDSA", ec.EllipticCurvePublicKey():
            key.verify(signature, content, ec.ECDSA(digest))
        case _:
            return False
    return True


def _kind(scheme: int) -> "tuple[str, HashAlgorithm]":
    """The kind of signature and its hash; in TLS 1.2 the two bytes of a scheme name them (RFC 5246, 7.4.1.4.1)."""
    if scheme in _PSS:
        return "RSA-PSS", _hash(_PSS[scheme])
    if scheme in _BRAINPOOL:
        return "ECDSA", _hash(_BRAINPOOL[scheme])
    kind = _KINDS.get(scheme & 0xFF)
    if kind is None or scheme >> 8 not in _HASHES:
        raise ValueError("the scheme is not known")
    return kind, _hash(scheme >> 8)


@cache
def _hash(number: int) -> "HashAlgorithm":
    from cryptography.hazmat.primitives import hashes

    made: HashAlgorithm = getattr(hashes, _HASHES[number])()
    return made


def _before_tls12(key: "PublicKeyTypes") -> str | None:
    """What such a key signs with before TLS 1.2 (RFC 4346, section 7.4.3; RFC 8422, section 5.10)."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    pure = _PURE.get(type(key).__name__)
    if pure is not None:
        return registry.signature_scheme(pure)
    match key:
        case rsa.RSAPublicKey():
            return "rsa_pkcs1_md5_sha1"
        case dsa.DSAPublicKey():
            return "dsa_sha1"
        case ec.EllipticCurvePublicKey():
            return "ecdsa_sha1"
    return None


def _fits_digest(key: "PublicKeyTypes", digest: bytes, signature: bytes) -> bool:
    """RSA signs both hashes, without the name of either; others sign SHA-1 alone (RFC 4346, section 7.4.3)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa, utils

    sha1_alone, prehashed = digest[_MD5_LENGTH:], utils.Prehashed(hashes.SHA1())
    match key:
        case rsa.RSAPublicKey():
            if key.recover_data_from_signature(signature, padding.PKCS1v15(), None) != digest:
                raise InvalidSignature
        case dsa.DSAPublicKey():
            key.verify(signature, sha1_alone, prehashed)
        case ec.EllipticCurvePublicKey():
            key.verify(signature, sha1_alone, ec.ECDSA(prehashed))
        case _:
            return False
    return True
