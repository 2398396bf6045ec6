"""What do a certificate's extensions say (RFC 5280, section 4.2)? A reader raises `DerError` on damage."""

from typing import NamedTuple

from analyzer.pki import der
from analyzer.pki.der import DerError
from analyzer.pki.names import GeneralName, general_name

NAMES = {
    der.oid(dotted): name
    for dotted, name in {
        "2.5.29.14": "subjectKeyIdentifier",
        "2.5.29.15": "keyUsage",
        "2.5.29.17": "subjectAltName",
        "2.5.29.18": "issuerAltName",
        "2.5.29.19": "basicConstraints",
        "2.5.29.30": "nameConstraints",
        "2.5.29.31": "cRLDistributionPoints",
        "2.5.29.32": "certificatePolicies",
        "2.5.29.33": "policyMappings",
        "2.5.29.35": "authorityKeyIdentifier",
        "2.5.29.36": "policyConstraints",
        "2.5.29.37": "extKeyUsage",
        "2.5.29.54": "inhibitAnyPolicy",
        "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
        "1.3.6.1.5.5.7.1.14": "proxyCertInfo",
        "1.3.6.1.5.5.7.1.24": "tlsFeature",
        "1.3.6.1.4.1.11129.2.4.2": "signedCertificateTimestampList",
        "1.3.6.1.4.1.11129.2.4.3": "precertificatePoison",
        "2.16.840.1.113730.1.1": "netscapeCertType",
    }.items()
}
"""Names of extensions in their RFCs, by contents of the OBJECT IDENTIFIER."""

_PURPOSES = {
    der.oid(dotted): name
    for dotted, name in {
        "1.3.6.1.5.5.7.3.1": "serverAuth",
        "1.3.6.1.5.5.7.3.2": "clientAuth",
        "1.3.6.1.5.5.7.3.3": "codeSigning",
        "1.3.6.1.5.5.7.3.4": "emailProtection",
        "1.3.6.1.5.5.7.3.8": "timeStamping",
        "1.3.6.1.5.5.7.3.9": "OCSPSigning",
        "2.5.29.37.0": "anyExtendedKeyUsage",
        "1.3.6.1.4.1.311.10.3.3": "msSGC",
        "2.16.840.1.113730.4.1": "nsSGC",
        "1.3.6.1.4.1.311.20.2.2": "msSmartcardLogin",
    }.items()
}
_KEY_USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)


class Extension(NamedTuple):
    """An extension as encoded."""

    name: str
    """Its name in the RFCs; the dotted OID where unknown."""
    critical: bool
    """Whoever does not understand it must refuse the certificate."""
    value: bytes
    """The DER inside the OCTET STRING."""


class BasicConstraints(NamedTuple):
    """Whether the key may sign certificates (RFC 5280, section 4.2.1.9)."""

    ca: bool
    """It may."""
    path_length: int | None
    """How many intermediate certificates may follow; None is any number."""


class NameConstraints(NamedTuple):
    """Which names certificates below may have (RFC 5280, section 4.2.1.10)."""

    permitted: tuple[GeneralName, ...]
    """For each kind of name listed, every name must lie in one of these."""
    excluded: tuple[GeneralName, ...]
    """No name may lie in any of these."""


class SignedCertificateTimestamp(NamedTuple):
    """A log's promise to publish the certificate (RFC 6962, section 3.2)."""

    version: int
    """0 is v1, the only one there is."""
    log_id: bytes
    """SHA-256 of the log's key."""
    time: int
    """Milliseconds since 1970-01-01 UTC."""
    extensions: bytes
    """Empty so far."""
    hash_algorithm: int
    """TLS code point (RFC 5246, section 7.4.1.4.1)."""
    signature_algorithm: int
    """TLS code point."""
    signature: bytes
    """As the log made it."""


def basic_constraints(value: bytes) -> BasicConstraints:
    """Read BasicConstraints (RFC 5280, section 4.2.1.9); an explicit FALSE is accepted."""
    parts = der.children(value, der.SEQUENCE)
    ca = bool(parts) and parts[0][0] == der.BOOLEAN and any(value[parts[0][1] : parts[0][2]])
    lengths = [der.integer(value, part) for part in parts if part[0] == der.INTEGER]
    return BasicConstraints(ca, lengths[0] if lengths else None)


def key_usage(value: bytes) -> frozenset[str]:
    """Read KeyUsage as the names of its bits (RFC 5280, section 4.2.1.3)."""
    flags = der.bits(value, der.whole(value))
    held = "".join(f"{octet:08b}" for octet in flags[:2])
    return frozenset(name for name, bit in zip(_KEY_USAGES, held, strict=False) if bit == "1")


def extended_key_usage(value: bytes) -> tuple[str, ...]:
    """Read ExtKeyUsage (RFC 5280, section 4.2.1.12) as names, dotted OIDs where unknown."""
    purposes = [der.contents(value, one, der.OBJECT_IDENTIFIER) for one in der.children(value, der.SEQUENCE)]
    return tuple(_PURPOSES.get(oid) or der.dotted(oid) for oid in purposes)


def general_names(value: bytes) -> tuple[GeneralName, ...]:
    """Read GeneralNames (RFC 5280, section 4.2.1.6)."""
    return tuple(general_name(value, one) for one in der.children(value, der.SEQUENCE))


def name_constraints(value: bytes) -> NameConstraints:
    """Read NameConstraints (RFC 5280, section 4.2.1.10)."""
    subtrees: dict[int, tuple[GeneralName, ...]] = {}
    for part in der.children(value, der.SEQUENCE):
        trees = der.inside(value, part)
        subtrees[part[0]] = tuple(general_name(value, der.inside(value, tree)[0]) for tree in trees)
    return NameConstraints(subtrees.get(0xA0, ()), subtrees.get(0xA1, ()))


def authority_key_identifier(value: bytes) -> bytes | None:
    """Read the keyIdentifier of an AuthorityKeyIdentifier (RFC 5280, section 4.2.1.1)."""
    parts = der.children(value, der.SEQUENCE)
    return next((value[start:stop] for tag, start, stop, _ in parts if tag == 0x80), None)


def octets(value: bytes) -> bytes:
    """Read an OCTET STRING, such as SubjectKeyIdentifier (RFC 5280, section 4.2.1.2)."""
    return der.contents(value, der.whole(value), der.OCTET_STRING)


def tls_features(value: bytes) -> tuple[int, ...]:
    """Read the TLS extensions that the server promises to answer (RFC 7633, section 4)."""
    return tuple(der.integer(value, one) for one in der.children(value, der.SEQUENCE))


def timestamps(value: bytes) -> tuple[SignedCertificateTimestamp, ...]:
    """Read the list of embedded SCTs, an OCTET STRING (RFC 6962, section 3.3)."""
    return timestamp_list(octets(value))


def timestamp_list(encoded: bytes) -> tuple[SignedCertificateTimestamp, ...]:
    """Read a SignedCertificateTimestampList as TLS and OCSP carry it (RFC 6962, section 3.3)."""
    lists = _vectors(encoded)
    if len(lists) != 1:
        raise DerError("a list of SCTs with a wrong length")
    return tuple(map(_timestamp, _vectors(lists[0])))


def _timestamp(sct: bytes) -> SignedCertificateTimestamp:
    after = 43 + int.from_bytes(sct[41:43])
    if len(sct) < after + 4:
        raise DerError("an SCT is cut short")
    return SignedCertificateTimestamp(
        version=sct[0],
        log_id=sct[1:33],
        time=int.from_bytes(sct[33:41]),
        extensions=sct[43:after],
        hash_algorithm=sct[after],
        signature_algorithm=sct[after + 1],
        signature=sct[after + 4 :],
    )


def _vectors(data: bytes) -> list[bytes]:
    """Split vectors of TLS with a length of two bytes each."""
    found, at = [], 0
    while at < len(data):
        stop = at + 2 + int.from_bytes(data[at : at + 2])
        if stop > len(data):
            raise DerError("a list of SCTs is cut short")
        found.append(data[at + 2 : stop])
        at = stop
    return found
