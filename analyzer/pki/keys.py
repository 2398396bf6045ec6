"""What kind of public key is it, and how strong (RFC 3279, RFC 4055, RFC 5480, RFC 8410)?"""

from typing import NamedTuple

from analyzer.pki import der
from analyzer.pki.der import DerError


class PublicKey(NamedTuple):
    """A SubjectPublicKeyInfo, described."""

    kind: str
    """`RSA`, `RSA-PSS`, `EC`, `DSA`, `DH`, `Ed25519`, `ML-DSA-65` …; the dotted OID where unknown."""
    bits: int | None
    """Length of modulus, prime or curve order; None where the kind implies it, or unknown."""
    curve: str | None
    """Name or dotted OID of an EC key's curve."""

    def __str__(self) -> str:
        size = self.curve or self.bits
        return self.kind if size is None else f"{self.kind} {size}"


_KINDS = {
    der.oid(dotted): kind
    for dotted, kind in {
        "1.2.840.113549.1.1.1": "RSA",
        "1.2.840.113549.1.1.7": "RSA-OAEP",
        "1.2.840.113549.1.1.10": "RSA-PSS",
        "2.5.8.1.1": "RSA",  # X.509's own name for it
        "1.2.840.10045.2.1": "EC",
        "1.2.840.10040.4.1": "DSA",
        "1.2.840.113549.1.3.1": "DH",
        "1.2.840.10046.2.1": "DH",
        "1.3.101.110": "X25519",
        "1.3.101.111": "X448",
        "1.3.101.112": "Ed25519",
        "1.3.101.113": "Ed448",
        "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
        "1.2.643.2.2.19": "GOST R 34.10-2001",
        "1.2.643.7.1.1.1.1": "GOST R 34.10-2012 256",
        "1.2.643.7.1.1.1.2": "GOST R 34.10-2012 512",
    }.items()
}
_CURVES = {
    der.oid(dotted): (name, size)
    for dotted, name, size in (
        ("1.2.840.10045.3.1.1", "secp192r1", 192),
        ("1.3.132.0.33", "secp224r1", 224),
        ("1.2.840.10045.3.1.7", "secp256r1", 256),
        ("1.3.132.0.34", "secp384r1", 384),
        ("1.3.132.0.35", "secp521r1", 521),
        ("1.3.132.0.8", "secp160r1", 160),
        ("1.3.132.0.10", "secp256k1", 256),
        ("1.3.132.0.1", "sect163k1", 163),
        ("1.3.132.0.15", "sect163r2", 163),
        ("1.3.132.0.26", "sect233k1", 233),
        ("1.3.132.0.27", "sect233r1", 233),
        ("1.3.132.0.16", "sect283k1", 283),
        ("1.3.132.0.17", "sect283r1", 283),
        ("1.3.132.0.36", "sect409k1", 409),
        ("1.3.132.0.37", "sect409r1", 409),
        ("1.3.132.0.38", "sect571k1", 571),
        ("1.3.132.0.39", "sect571r1", 571),
        ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
        ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
        ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
        ("1.2.156.10197.1.301", "sm2p256v1", 256),
    )
}
NO_KEY = PublicKey("unknown", None, None)
"""Stands where a key cannot be parsed."""


def describe(spki: bytes) -> PublicKey:
    """Describe a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7); DerError where it is none."""
    parts = der.children(spki, der.SEQUENCE)
    if len(parts) < 2:
        raise DerError("a public key without algorithm or value")
    algorithm, *parameters = der.inside(spki, der.expect(parts[0], der.SEQUENCE)) or parts[:1]
    oid = der.contents(spki, algorithm, der.OBJECT_IDENTIFIER)
    kind = _KINDS.get(oid, der.dotted(oid))
    if kind in ("RSA", "RSA-PSS", "RSA-OAEP"):
        key = der.bits(spki, parts[1])
        modulus = der.integer(key, der.children(key, der.SEQUENCE)[0])
        return PublicKey(kind, abs(modulus).bit_length(), None)
    if kind == "EC":
        if parameters and parameters[0][0] == der.OBJECT_IDENTIFIER:
            curve = der.contents(spki, parameters[0], der.OBJECT_IDENTIFIER)
            name, size = _CURVES.get(curve, (der.dotted(curve), None))
            return PublicKey(kind, size, name)
        return PublicKey(kind, None, "explicit parameters" if parameters else "without parameters")
    if kind in ("DSA", "DH") and parameters and parameters[0][0] == der.SEQUENCE:
        prime = der.inside(spki, parameters[0])[0]
        return PublicKey(kind, abs(der.integer(spki, prime)).bit_length(), None)
    return PublicKey(kind, None, None)
