"""Which certificates do the samples need? A throw-away authority, and leaves with one fault each.

Every elliptic-curve key is derived from its name, so that `captures/ca.pem` stays the anchor of captures made
at different times. Whoever reads this file can compute the authority's key: never trust it for anything else.
"""

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

HOST = "service.example.com"
"""The name that clients look for."""
PASSWORD = b"throw-away"
"""Of the PKCS #12 files: Java wants one."""
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def date(year: int) -> datetime.datetime:
    return datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)


def digest(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"throw-away key of {name}".encode()).digest())


def make_key(name: str, kind: str) -> PrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(digest(name).to_bytes(32))
    return ec.derive_private_key(digest(name) >> 1, ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Leaf:
    """How a leaf differs from a good one."""

    usage: x509.ObjectIdentifier
    key: str = "ec"
    issuer: str = "issuing"
    """The authority that signs, whose certificate is sent too: `issuing`, `other`; empty for self-signed."""
    first: int = 2020
    last: int = 2120


LEAVES = {
    "server": Leaf(SERVER),
    "server-rsa": Leaf(SERVER, key="rsa"),
    "server-expired": Leaf(SERVER, last=2021),
    "server-not-yet-valid": Leaf(SERVER, first=2110),
    "server-self-signed": Leaf(SERVER, issuer=""),
    "server-other-issuer": Leaf(SERVER, issuer="other"),
    "server-wrong-usage": Leaf(CLIENT),
    "client": Leaf(CLIENT),
    "client-rsa": Leaf(CLIENT, key="rsa"),
    "client-ed25519": Leaf(CLIENT, key="ed25519"),
    "client-expired": Leaf(CLIENT, last=2021),
    "client-self-signed": Leaf(CLIENT, issuer=""),
    "client-other-issuer": Leaf(CLIENT, issuer="other"),
    "client-wrong-usage": Leaf(SERVER),
    "client-revoked": Leaf(CLIENT),
}


def subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def issue(name: str, common_name: str, leaf: Leaf | None, issuer: Identity | None, kind: str = "ec") -> Identity:
    """A certificate for `common_name`, of an authority where `leaf` is None, self-signed where `issuer` is None."""
    key = make_key(name, kind)
    signer = issuer.key if issuer else key
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(common_name))
        .issuer_name(issuer.certificate.subject if issuer else subject(common_name))
        .public_key(public)
        .serial_number(digest(name) >> 193)
        .not_valid_before(date(leaf.first if leaf else 2020))
        .not_valid_after(date(leaf.last if leaf else 2120))
        .add_extension(x509.BasicConstraints(ca=leaf is None, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=leaf is None, enciphers=kind == "rsa"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if leaf:
        names: list[x509.GeneralName] = [x509.DNSName(common_name)]
        if leaf.usage == SERVER:
            names += [x509.DNSName("mydomain.my.example.com"), x509.DNSName("mail.example.com")]
        builder = builder.add_extension(x509.ExtendedKeyUsage([leaf.usage]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if issuer:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(authority, critical=False)
    certificate = builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return Identity(certificate, key)


def usage(signs_certificates: bool, enciphers: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_encipherment=enciphers,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def revocation_list(issuer: Identity, revoked: Identity) -> x509.CertificateRevocationList:
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.certificate.serial_number)
        .revocation_date(date(2021))
        .build()
    )
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(date(2021)).next_update(date(2120)).add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256())


def write_all(directory: Path) -> None:
    """Write the files that stacks read.

    `ca.pem` (the root), `issuing.pem` (below it), `other.pem` (a root that nobody trusts), `crl.pem`; and of every
    leaf NAME.pem, NAME.key, NAME.chain.pem (the leaf and its issuer) and NAME.p12 (all of that).
    """
    root = issue("root", "Example Root CA", None, None)
    other = issue("other", "Other Root CA", None, None)
    issuing = issue("issuing", "Example Issuing CA", None, root)
    issuers = {"issuing": issuing, "other": other, "": None}
    leaves = {}
    for name, leaf in LEAVES.items():
        common_name = HOST if name.startswith("server") else "integration.example.com"
        leaves[name] = issue(name, common_name, leaf, issuers[leaf.issuer], leaf.key)
    for name, identity in {"ca": root, "other": other, "issuing": issuing, **leaves}.items():
        (directory / f"{name}.pem").write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    for name, identity in leaves.items():
        issuer = issuers[LEAVES[name].issuer]
        above = [issuer.certificate] if issuer else []
        chain = [identity.certificate, *above]
        key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (directory / f"{name}.chain.pem").write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in chain))
        (directory / f"{name}.key").write_bytes(key)
        (directory / f"{name}.p12").write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"leaf", identity.key, identity.certificate, above, BestAvailableEncryption(PASSWORD)
            )
        )
    crl = revocation_list(issuing, leaves["client-revoked"])
    (directory / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
