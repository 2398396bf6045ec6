"""Did the holder of this key sign these bytes (RFC 5280, section 4.1.1.2)?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from analyzer.pki import der
from analyzer.pki.der import DerError
from analyzer.tls.signatures import is_too_large

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import PSS
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.hazmat.primitives.hashes import HashAlgorithm


class Verification(NamedTuple):
    """The result of checking one signature."""

    status: Literal["pass", "fail", "undetermined"]
    """undetermined: the key or the algorithm is beyond what `cryptography` verifies."""
    reason: str | None = None
    """Why it did not pass."""


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """An AlgorithmIdentifier of a signature."""

    name: str
    """The name in its RFC; the dotted OID where unknown."""
    hash: str | None
    """Lower-case name of the hash; None where the algorithm implies or hides it."""
    salt_length: int | None = None
    """Of RSASSA-PSS, bytes (RFC 4055, section 3.1)."""
    mask_hash: str | None = None
    """Of RSASSA-PSS, the hash of its mask generation."""


UNKNOWN_ALGORITHM = SignatureAlgorithm("unknown", None)
"""Stands where an algorithm cannot be parsed."""

_PSS = "RSASSA-PSS"
_PSS_OID = der.oid("1.2.840.113549.1.1.10")
_ALGORITHMS = {
    der.oid(dotted): SignatureAlgorithm(name, hash_name)
    for dotted, name, hash_name in (
        ("1.2.840.113549.1.1.2", "md2WithRSAEncryption", "md2"),
        ("1.2.840.113549.1.1.3", "md4WithRSAEncryption", "md4"),
        ("1.2.840.113549.1.1.4", "md5WithRSAEncryption", "md5"),
        ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption", "sha1"),
        ("1.3.14.3.2.29", "sha1WithRSAEncryption", "sha1"),  # the OIW's OID for it
        ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption", "sha256"),
        ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption", "sha384"),
        ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption", "sha512"),
        ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption", "sha224"),
        ("1.2.840.10045.4.1", "ecdsa-with-SHA1", "sha1"),
        ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224", "sha224"),
        ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256", "sha256"),
        ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384", "sha384"),
        ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512", "sha512"),
        ("1.2.840.10040.4.3", "dsa-with-sha1", "sha1"),
        ("2.16.840.1.101.3.4.3.1", "dsa-with-sha224", "sha224"),
        ("2.16.840.1.101.3.4.3.2", "dsa-with-sha256", "sha256"),
        ("1.3.101.112", "Ed25519", None),
        ("1.3.101.113", "Ed448", None),
        ("2.16.840.1.101.3.4.3.17", "ML-DSA-44", None),
        ("2.16.840.1.101.3.4.3.18", "ML-DSA-65", None),
        ("2.16.840.1.101.3.4.3.19", "ML-DSA-87", None),
        ("1.2.156.10197.1.501", "SM2-with-SM3", "sm3"),
        ("1.2.643.2.2.3", "GOST R 34.11-94 with GOST R 34.10-2001", None),
        ("1.2.643.7.1.1.3.2", "GOST R 34.10-2012 256", None),
        ("1.2.643.7.1.1.3.3", "GOST R 34.10-2012 512", None),
    )
}
_HASHES = {
    der.oid(dotted): name
    for dotted, name in (
        ("1.2.840.113549.2.5", "md5"),
        ("1.3.14.3.2.26", "sha1"),
        ("2.16.840.1.101.3.4.2.4", "sha224"),
        ("2.16.840.1.101.3.4.2.1", "sha256"),
        ("2.16.840.1.101.3.4.2.2", "sha384"),
        ("2.16.840.1.101.3.4.2.3", "sha512"),
    )
}


def algorithm(identifier: bytes) -> SignatureAlgorithm:
    """Read an AlgorithmIdentifier (RFC 5280, section 4.1.1.2); DerError where it is none."""
    parts = der.children(identifier, der.SEQUENCE)
    if not parts:
        raise DerError("an algorithm without OID")
    oid = der.contents(identifier, parts[0], der.OBJECT_IDENTIFIER)
    if oid == _PSS_OID:
        return _pss(identifier, parts[1:])
    return _ALGORITHMS.get(oid) or SignatureAlgorithm(der.dotted(oid), None)


def digest(identifier: bytes) -> str:
    """Read the AlgorithmIdentifier of a hash: its lower-case name; the dotted OID where unknown."""
    parts = der.children(identifier, der.SEQUENCE)
    if not parts:
        raise DerError("an algorithm without OID")
    oid = der.contents(identifier, parts[0], der.OBJECT_IDENTIFIER)
    return _HASHES.get(oid) or der.dotted(oid)


def verify(key: "PublicKeyTypes", by: SignatureAlgorithm, message: bytes, signature: bytes) -> Verification:
    """Check a signature of `message` by the holder of `key`."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

    if is_too_large(key):
        return Verification("undetermined", "the issuer's key is too large to verify with")
    family = _family(by.name)
    try:
        hashing = _hash(by.hash)
        if family is None or (by.hash is not None and hashing is None):
            return Verification("undetermined", f"{by.name} is beyond what is verified here")
        match key:
            case rsa.RSAPublicKey() if family == "RSA" and hashing:
                key.verify(signature, message, padding.PKCS1v15(), hashing)
            case rsa.RSAPublicKey() if family == _PSS and hashing:
                key.verify(signature, message, _pss_padding(by), hashing)
            case ec.EllipticCurvePublicKey() if family == "ECDSA" and hashing:
                key.verify(signature, message, ec.ECDSA(hashing))
            case dsa.DSAPublicKey() if family == "DSA" and hashing:
                key.verify(signature, message, hashing)
            case ed25519.Ed25519PublicKey() if family == "Ed25519":
                key.verify(signature, message)
            case ed448.Ed448PublicKey() if family == "Ed448":
                key.verify(signature, message)
            case _ if family == "ML-DSA" and type(key).__name__ == by.name.replace("-", "") + "PublicKey":
                key.verify(signature, message)  # type: ignore[union-attr,call-arg]  # since cryptography 47
            case _:
                return Verification("fail", f"the issuer's key is not one for {by.name}")
    except InvalidSignature:
        return Verification("fail", "the issuer's key did not make this signature")
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        return Verification("undetermined", f"{by.name} cannot be verified: {error}")
    return Verification("pass")


def _family(name: str) -> str | None:
    """What kind of key makes such signatures; None for those that `cryptography` does not verify."""
    if name.endswith("WithRSAEncryption"):
        return "RSA"
    if name.startswith("ecdsa-"):
        return "ECDSA"
    if name.startswith("dsa-"):
        return "DSA"
    if name.startswith("ML-DSA"):
        return "ML-DSA"
    return name if name in (_PSS, "Ed25519", "Ed448") else None


def _hash(name: str | None) -> "HashAlgorithm | None":
    from cryptography.hazmat.primitives import hashes

    makers: dict[str, type[HashAlgorithm]] = {
        "md5": hashes.MD5,
        "sha1": hashes.SHA1,
        "sha224": hashes.SHA224,
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
    }
    maker = makers.get(name or "")
    return None if maker is None else maker()


def _pss(identifier: bytes, parameters: list[der.Element]) -> SignatureAlgorithm:
    """Read RSASSA-PSS-params, whose defaults are SHA-1 and a salt of 20 bytes (RFC 4055, section 3.1)."""
    hashed = mask = "sha1"
    salt_length = 20
    for field in der.inside(identifier, der.expect(parameters[0], der.SEQUENCE)) if parameters else []:
        value = der.inside(identifier, field)[0]
        match field[0]:
            case 0xA0:
                hashed = digest(der.encoded(identifier, value))
            case 0xA1:
                mask = digest(der.encoded(identifier, der.inside(identifier, value)[1]))
            case 0xA2:
                salt_length = der.integer(identifier, value)
    return SignatureAlgorithm(_PSS, hashed, salt_length, mask)


def _pss_padding(by: SignatureAlgorithm) -> "PSS":
    from cryptography.hazmat.primitives.asymmetric import padding

    mask = _hash(by.mask_hash)
    if mask is None or by.salt_length is None or by.salt_length < 0:
        raise ValueError("its parameters are unknown")
    return padding.PSS(padding.MGF1(mask), by.salt_length)
