"""What is a check told, and what does it answer?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from analyzer.pki.certificate import Certificate
from analyzer.pki.path import Path
from analyzer.pki.revocation import RevocationList
from analyzer.pki.times import Moment
from analyzer.pki.trust import TrustStore
from analyzer.results import Status

Role = Literal["server", "client"]
"""Whose certificates they are."""
Answer = Literal["went-on", "refused"]
"""What the other side did when it had the certificates."""


class TransparencyLog(NamedTuple):
    """A log of Certificate Transparency (RFC 6962)."""

    name: str
    """What its operator calls it."""
    spki: bytes
    """DER of its key's SubjectPublicKeyInfo."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the line is drawn; the defaults are today's practice."""

    rsa_bits: int = 2048
    """Shortest RSA, DSA or DH key that is not weak (NIST SP 800-131A, CA/Browser Forum 6.1.5)."""
    ec_bits: int = 224
    """Smallest curve that is not weak."""
    expires_soon_days: int = 30
    """How long before its end a certificate is said to expire soon."""
    store_days: int = 365
    """How long before its date a store that merely stands in for another still tells what was trusted."""
    transparency_logs: Mapping[bytes, TransparencyLog] = field(default_factory=dict)
    """Logs by their id (SHA-256 of the key); SCTs are checked where there are any."""


class Exchange(NamedTuple):
    """What the handshake said that bears on one side's certificates."""

    role: Role
    """Whose certificates they are."""
    reference: str | None = None
    """Host name or IP address that the client meant to reach."""
    authorities: tuple[bytes, ...] | None = None
    """DER of the issuers that the CertificateRequest names; None where there was none."""
    certificate_types: tuple[int, ...] = ()
    """Client certificate types of the CertificateRequest (before TLS 1.3)."""
    signature_schemes: tuple[int, ...] = ()
    """Signature schemes that the other side accepts; empty where it did not say."""
    key_exchange: str | None = None
    """Of the cipher suite: RSA DHE ECDHE … TLS13, as in `analyzer.tls.registry.Suite`; None where unknown."""
    staple: bytes | None = None
    """DER of the OCSP response that came with the leaf."""
    timestamps: bytes | None = None
    """SignedCertificateTimestampList that came in a TLS extension."""
    answer: Answer | None = None
    """What the other side did; None where the capture does not show it, or nobody needs to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """All that a verdict on one side's certificates depends on."""

    exchange: Exchange
    """What the handshake said."""
    path: Path
    """The way from the leaf towards an anchor that is judged."""
    sent: Sequence[Certificate]
    """As sent, the leaf first."""
    moment: Moment
    """The time at which the certificates are judged, that of the handshake; the only clock of a check."""
    store: TrustStore
    """What the other side trusts."""
    assumed: bool
    """Nobody said so: the store merely stands in for the other side's own."""
    crls: Sequence[RevocationList]
    """Revocation lists that the user gave."""
    settings: Settings
    """Where the line is drawn."""

    @property
    def role(self) -> Role:
        """Whose certificates they are."""
        return self.exchange.role


class Result(NamedTuple):
    """A check's answer; `analyzer.results.CheckReport` is made of it."""

    status: Status
    """pass, fail, not-applicable or undetermined."""
    certificate: Certificate | None = None
    """The one it is about; None where it is about all of them."""
    expected: str | None = None
    """What would have passed."""
    got: str | None = None
    """What was there, or why the check does not apply."""


def listed(items: Iterable[object], *, most: int = 20) -> str:
    """Join what a certificate or its sender may hold thousands of; the rest is counted."""
    words = [str(item) for item in items]
    return "; ".join(words[:most]) + (f"; and {len(words) - most} more" if len(words) > most else "")


def passed(certificate: Certificate | None = None, got: str | None = None) -> Result:
    """All is as it should be."""
    return Result("pass", certificate, None, got)


def failed(certificate: Certificate, *, expected: str, got: str) -> Result:
    """It is not as it should be."""
    return Result("fail", certificate, expected, got)


def not_applicable(why: str) -> Result:
    """There is nothing to check."""
    return Result("not-applicable", None, None, why)


def undetermined(certificate: Certificate | None, why: str) -> Result:
    """There is something to check, and not enough to check it with."""
    return Result("undetermined", certificate, None, why)
