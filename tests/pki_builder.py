"""Makes certificates for tests, correct ones and any kind of wrong one, which libraries refuse to make."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha1, sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from analyzer.pki.der import oid

NOW = 1_790_000_000 * 10**9  # 2026-09-21T14:13:20Z
DAY = 86_400 * 10**9
HOST = "www.example.test"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
HASHES = {"md5": hashes.MD5, "sha1": hashes.SHA1, "sha256": hashes.SHA256}
ALGORITHMS = {
    ("EC", "sha1"): "1.2.840.10045.4.1",
    ("EC", "sha256"): "1.2.840.10045.4.3.2",
    ("RSA", "md5"): "1.2.840.113549.1.1.4",
    ("RSA", "sha1"): "1.2.840.113549.1.1.5",
    ("RSA", "sha256"): "1.2.840.113549.1.1.11",
}
KEY_USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
)
PURPOSES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "OCSPSigning": "1.3.6.1.5.5.7.3.9",
    "any": "2.5.29.37.0",
}


def tlv(tag: int, *contents: bytes) -> bytes:
    """One DER element."""
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(size)]) + size + body


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def object_identifier(dotted: str) -> bytes:
    return tlv(6, oid(dotted))


def name(*attributes: str, tag: int = 0x0C, encoding: str = "utf-8") -> bytes:
    """A Name of `CN=…`, `O=…` and so on, one attribute each relative name."""
    types = {"C": "2.5.4.6", "O": "2.5.4.10", "CN": "2.5.4.3", "emailAddress": "1.2.840.113549.1.9.1"}
    pairs = (attribute.split("=", 1) for attribute in attributes)
    sets = (
        tlv(0x31, tlv(0x30, object_identifier(types.get(kind, kind)), tlv(tag, value.encode(encoding))))
        for kind, value in pairs
    )
    return tlv(0x30, *sets)


def as_datetime(time: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time // 10**9, datetime.UTC)


def utc_time(time: int) -> bytes:
    """UTCTime up to 2049, GeneralizedTime after (RFC 5280, section 4.1.2.5)."""
    moment = as_datetime(time)
    if moment.year < 2050:
        return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    return tlv(0x30, object_identifier(dotted), tlv(1, b"\xff") if critical else b"", tlv(4, value))


def basic_constraints(ca: bool, path_length: int | None = None) -> bytes:
    length = b"" if path_length is None else integer(path_length)
    return extension("2.5.29.19", tlv(0x30, tlv(1, b"\xff") if ca else b"", length), critical=True)


def key_usage(*names: str) -> bytes:
    bits = sum(0x80 >> KEY_USAGES.index(name) for name in names)
    return extension("2.5.29.15", tlv(3, b"\0", bytes([bits])), critical=True)


def extended_key_usage(*names: str) -> bytes:
    return extension("2.5.29.37", tlv(0x30, *(object_identifier(PURPOSES[name]) for name in names)))


def san(*names: bytes) -> bytes:
    return extension("2.5.29.17", tlv(0x30, *names))


def dns(text: str) -> bytes:
    return tlv(0x82, text.encode())


def ip(octets: bytes) -> bytes:
    return tlv(0x87, octets)


def name_constraints(permitted: Sequence[bytes] = (), excluded: Sequence[bytes] = ()) -> bytes:
    parts = ((0xA0, permitted), (0xA1, excluded))
    trees = (tlv(tag, *(tlv(0x30, one) for one in names)) for tag, names in parts if names)
    return extension("2.5.29.30", tlv(0x30, *trees), critical=True)


def spki(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_identifier(key: Key) -> bytes:
    return sha1(spki(key), usedforsecurity=False).digest()


def sign(key: Key, message: bytes, digest: str = "sha256") -> tuple[bytes, bytes]:
    """AlgorithmIdentifier and signature."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return tlv(0x30, object_identifier("1.3.101.112")), key.sign(message)
    kind = "RSA" if isinstance(key, rsa.RSAPrivateKey) else "EC"
    null = tlv(5) if kind == "RSA" else b""
    algorithm = tlv(0x30, object_identifier(ALGORITHMS[kind, digest]), null)
    if isinstance(key, rsa.RSAPrivateKey):
        return algorithm, key.sign(message, padding.PKCS1v15(), HASHES[digest]())
    return algorithm, key.sign(message, ec.ECDSA(HASHES[digest](), deterministic_signing=True))


@cache
def key(label: str) -> Key:
    """A key of its own for each label, which says its kind first: `ec leaf`, `rsa1024 leaf`."""
    kind = label.split(maxsplit=1)[0]
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP192R1() if kind == "p192" else ec.SECP256R1())


@dataclass(frozen=True)
class Spec:
    """A certificate to be made; `replace` makes a wrong one of a correct one."""

    subject: bytes
    issuer: bytes
    key: Key
    issuer_key: Key
    extensions: tuple[bytes, ...] = ()
    serial: bytes = integer(0x1234567890)
    not_before: bytes = utc_time(NOW - 100 * DAY)
    not_after: bytes = utc_time(NOW + 100 * DAY)
    version: int = 3
    digest: str = "sha256"
    spki: bytes | None = None
    inner_algorithm: bytes | None = None
    identifiers: bool = True

    def der(self) -> bytes:
        """The certificate."""
        algorithm, _ = sign(self.issuer_key, b"", self.digest)
        added = self.extensions
        if self.identifiers:
            added += (
                extension("2.5.29.14", tlv(4, key_identifier(self.key))),
                extension("2.5.29.35", tlv(0x30, tlv(0x80, key_identifier(self.issuer_key)))),
            )
        signed = tlv(
            0x30,
            tlv(0xA0, integer(self.version - 1)) if self.version > 1 else b"",
            self.serial,
            self.inner_algorithm or algorithm,
            self.issuer,
            tlv(0x30, self.not_before, self.not_after),
            self.subject,
            self.spki or spki(self.key),
            tlv(0xA3, tlv(0x30, *added)) if self.version == 3 else b"",
        )
        _, signature = sign(self.issuer_key, signed, self.digest)
        return tlv(0x30, signed, algorithm, tlv(3, b"\0", signature))


def without(extensions: tuple[bytes, ...], dotted: str) -> tuple[bytes, ...]:
    """All extensions but one kind."""
    return tuple(one for one in extensions if object_identifier(dotted) not in one[:20])


ROOT = Spec(
    subject=name("O=Test", "CN=Root"),
    issuer=name("O=Test", "CN=Root"),
    key=key("ec root"),
    issuer_key=key("ec root"),
    serial=integer(1),
    not_before=utc_time(NOW - 1000 * DAY),
    not_after=utc_time(NOW + 1000 * DAY),
    extensions=(basic_constraints(True), key_usage("keyCertSign", "cRLSign")),
)
INTERMEDIATE = replace(
    ROOT,
    subject=name("O=Test", "CN=Intermediate"),
    key=key("ec intermediate"),
    serial=integer(2),
    extensions=(basic_constraints(True, 0), key_usage("keyCertSign", "cRLSign")),
)
SERVER = Spec(
    subject=name("O=Test", f"CN={HOST}"),
    issuer=INTERMEDIATE.subject,
    key=key("ec server"),
    issuer_key=INTERMEDIATE.key,
    extensions=(key_usage("digitalSignature"), extended_key_usage("serverAuth"), san(dns(HOST))),
)
CLIENT = Spec(
    subject=name("O=Test", "CN=alice"),
    issuer=INTERMEDIATE.subject,
    key=key("ec client"),
    issuer_key=INTERMEDIATE.key,
    extensions=(
        key_usage("digitalSignature"),
        extended_key_usage("clientAuth"),
        san(tlv(0x81, b"alice@example.test")),
    ),
)


def crl(issuer: Spec, *serials: int, due: int = NOW + DAY, revoked: int = NOW - DAY) -> bytes:
    """A revocation list."""
    made = x509.load_der_x509_certificate(issuer.der())
    builder = x509.CertificateRevocationListBuilder(made.subject, as_datetime(NOW - 2 * DAY), as_datetime(due))
    for serial in serials:
        entry = x509.RevokedCertificateBuilder(serial, as_datetime(revoked))
        builder = builder.add_revoked_certificate(
            entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False).build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def staple(
    about: Spec,
    by: Spec = INTERMEDIATE,
    *,
    issuer: Spec = INTERMEDIATE,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    updated: int = NOW - DAY,
    due: int = NOW + DAY,
) -> bytes:
    """An OCSP response about a certificate, with the signer's certificate where that is not the issuer."""
    certificate, its_issuer, signer = (x509.load_der_x509_certificate(one.der()) for one in (about, issuer, by))
    revoked = as_datetime(updated) if status is ocsp.OCSPCertStatus.REVOKED else None
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate, its_issuer, hashes.SHA1(), status, as_datetime(updated), as_datetime(due), revoked, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
    if by is not issuer:
        builder = builder.certificates([signer])
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def log_id(log: Key) -> bytes:
    return sha256(spki(log)).digest()


def timestamps(log: Key, certificate: Spec, *, time: int = NOW - DAY) -> bytes:
    """A SignedCertificateTimestampList for the TLS extension (RFC 6962, section 3.3)."""
    encoded = certificate.der()
    return _timestamps(log, b"\0\0" + len(encoded).to_bytes(3) + encoded, time)


def with_timestamps(log: Key, certificate: Spec) -> Spec:
    """The certificate with an embedded SCT (RFC 6962, section 3.2)."""
    signed = x509.load_der_x509_certificate(certificate.der()).tbs_certificate_bytes
    issuer = sha256(spki(certificate.issuer_key)).digest()
    embedded = _timestamps(log, b"\0\1" + issuer + len(signed).to_bytes(3) + signed, NOW - DAY)
    added = extension("1.3.6.1.4.1.11129.2.4.2", tlv(4, embedded))
    return replace(certificate, extensions=(*certificate.extensions, added))


def _timestamps(log: Key, entry: bytes, time: int) -> bytes:
    when = (time // 10**6).to_bytes(8)
    _, signature = sign(log, b"\0\0" + when + entry + b"\0\0")
    sct = b"\0" + log_id(log) + when + b"\0\0" + b"\x04\x03" + len(signature).to_bytes(2) + signature
    return (len(sct) + 2).to_bytes(2) + len(sct).to_bytes(2) + sct
