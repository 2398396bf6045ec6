"""Has the issuer taken a certificate back (RFC 5280, section 5; RFC 6960)?"""

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from analyzer.pki import der, signature, times
from analyzer.pki.certificate import Certificate
from analyzer.pki.der import DerError
from analyzer.pki.names import Name
from analyzer.pki.signature import Verification

if TYPE_CHECKING:
    from cryptography.x509 import CertificateRevocationList


class Revocation(NamedTuple):
    """A certificate taken back."""

    time: int
    """From when on; nanoseconds since 1970-01-01 UTC."""
    reason: str | None
    """RFC 5280's name, such as `keyCompromise`; None where none is given."""

    def __str__(self) -> str:
        return f"revoked on {times.iso(self.time)}" + (f" ({self.reason})" if self.reason else "")


class RevocationList:
    """A certificate revocation list (RFC 5280, section 5.1); `DerError` where the DER is none."""

    def __init__(self, encoded: bytes) -> None:
        from cryptography import x509

        self.der = encoded
        """As given."""
        try:
            self._crl = x509.load_der_x509_crl(encoded)
            self._by = signature.algorithm(der.encoded(encoded, der.children(encoded, der.SEQUENCE)[1]))
            self.issuer = Name(self._crl.issuer.public_bytes())
            """Who signed it."""
            self.this_update = times.from_datetime(self._crl.last_update_utc)
            """When it was made."""
            due = self._crl.next_update_utc
            self.next_update = None if due is None else times.from_datetime(due)
            """When the next one was due; None where it does not say."""
            self.partial, self._only_ca = _scope(self._crl)
            """It speaks for some reasons only, or for other issuers too, or merely of what changed."""
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
            raise DerError("no certificate revocation list, PEM or DER") from error

    def covers(self, certificate: Certificate) -> bool:
        """Whether it speaks of such certificates (RFC 5280, section 5.2.5)."""
        return self.issuer == certificate.issuer and self._only_ca in (None, certificate.is_ca)

    def signed_by(self, issuer: Certificate) -> Verification:
        """Check its signature with the issuer's key."""
        if isinstance(issuer.public_key, str):
            return Verification("undetermined", issuer.public_key)
        made, signed = self._crl.signature, self._crl.tbs_certlist_bytes
        return signature.verify(issuer.public_key, self._by, signed, made)

    def revocation(self, certificate: Certificate) -> Revocation | None:
        """When and why it was revoked; None where it is not listed."""
        from cryptography import x509

        if certificate.serial_number is None or certificate.serial_number < 0:
            return None
        entry = self._crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is None:
            return None
        reason: str | None = None
        with suppress(ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        return Revocation(times.from_datetime(entry.revocation_date_utc), reason)


def _scope(crl: "CertificateRevocationList") -> tuple[bool, bool | None]:
    """Whether the list is partial, and whether it is of CA certificates only, of others only, or (None) of all."""
    from cryptography import x509

    partial, only_ca = False, None
    for extension in crl.extensions:
        scope = extension.value
        if isinstance(scope, x509.IssuingDistributionPoint):
            partial |= bool(scope.indirect_crl or scope.only_some_reasons or scope.only_contains_attribute_certs)
            if scope.only_contains_ca_certs or scope.only_contains_user_certs:
                only_ca = scope.only_contains_ca_certs
        else:
            partial |= extension.critical  # such as the delta CRL indicator
    return partial, only_ca


class Answer(NamedTuple):
    """What a responder says about one certificate (RFC 6960, section 4.2.1)."""

    status: str
    """`good`, `revoked`, or `unknown`: the responder does not know the certificate."""
    this_update: int
    """When that was known to be right."""
    next_update: int | None
    """When newer word was due; None where it is always to be had."""
    revocation: Revocation | None
    """When and why, where revoked."""


class Staple:
    """An OCSP response (RFC 6960, section 4.2); `DerError` where the DER is none.

    Read here, for `cryptography` refuses what old responders send (an explicit default version).
    """

    def __init__(self, encoded: bytes) -> None:
        self.refusal: str | None = None
        """Why the responder gave no answer; None where it did."""
        self._answers: list[tuple[bytes, Answer]] = []
        try:
            status, *body = der.children(encoded, der.SEQUENCE)
            code = int.from_bytes(der.contents(encoded, status, der.ENUMERATED))
            if code:
                self.refusal = _REFUSALS.get(code, f"status {code}")
                return
            kind, octets = der.inside(encoded, der.inside(encoded, body[0])[0])
            if der.contents(encoded, kind, der.OBJECT_IDENTIFIER) != _BASIC:
                raise DerError("a response of an unknown type")
            self._read(der.contents(encoded, octets, der.OCTET_STRING))
        except (ValueError, IndexError) as error:
            words = error if isinstance(error, DerError) else "an element is missing"
            raise DerError(f"no OCSP response: {words}") from error

    def _read(self, basic: bytes) -> None:
        """Read a BasicOCSPResponse."""
        signed, by, made, *certificates = der.children(basic, der.SEQUENCE)
        self._signed = der.encoded(basic, signed)
        self._by = signature.algorithm(der.encoded(basic, by))
        self._signature = der.bits(basic, made)
        listed = der.inside(basic, der.inside(basic, certificates[0])[0]) if certificates else []
        self._responders = [Certificate(der.encoded(basic, one)) for one in listed]
        responses = next((part for part in der.inside(basic, signed) if part[0] == der.SEQUENCE), None)
        if responses is None:
            raise DerError("a response about nothing")
        for single in der.inside(basic, responses):
            about, status, this_update, *rest = der.inside(basic, single)
            due = next((der.inside(basic, part)[0] for part in rest if part[0] == 0xA0), None)
            answer = Answer(
                status=_STATUSES.get(status[0] & 0x1F, "unknown"),
                this_update=times.read(basic, this_update),
                next_update=None if due is None else times.read(basic, due),
                revocation=_revocation(basic, status),
            )
            self._answers.append((der.encoded(basic, about), answer))

    def signed_for(self, issuer: Certificate) -> Verification:
        """Check that the issuer signed it, or a responder that it entrusted (RFC 6960, section 4.2.2.2)."""
        found = Verification("fail", "neither the issuer nor a certificate in the response signed it")
        for responder in (issuer, *self._responders):
            if isinstance(responder.public_key, str):
                continue
            made = signature.verify(responder.public_key, self._by, self._signed, self._signature)
            if made.status == "pass":
                return _entrusted(responder, issuer)
            if made.status == "undetermined":
                found = made
        return found

    def answer(self, certificate: Certificate, issuer: Certificate) -> Answer | None:
        """What it says about a certificate; None where it speaks of others only."""
        return next((answer for about, answer in self._answers if _is_about(about, certificate, issuer)), None)


_BASIC = der.oid("1.3.6.1.5.5.7.48.1.1")
_STATUSES = {0: "good", 1: "revoked"}
_REFUSALS = {1: "malformed request", 2: "internal error", 3: "try later", 5: "signature required", 6: "unauthorized"}
_REASONS = (
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    None,
    "removeFromCRL",
    "privilegeWithdrawn",
    "aACompromise",
)


def _revocation(basic: bytes, status: der.Element) -> Revocation | None:
    """Read a RevokedInfo (RFC 6960, section 4.2.1)."""
    if status[0] != 0xA1:
        return None
    time, *explicit = der.inside(basic, status)
    code = None
    if explicit:
        code = int.from_bytes(der.contents(basic, der.inside(basic, explicit[0])[0], der.ENUMERATED))
    return Revocation(times.read(basic, time), None if code is None or code > 10 else _REASONS[code])


def _entrusted(responder: Certificate, issuer: Certificate) -> Verification:
    if responder.spki == issuer.spki:
        return Verification("pass")
    if "OCSPSigning" not in (responder.extended_key_usage or ()):
        return Verification("fail", f"{responder.subject} signed it, which may not sign OCSP responses")
    if responder.issuer != issuer.subject or responder.signed_by(issuer).status != "pass":
        return Verification("fail", f"{responder.subject} signed it, which the issuer did not certify")
    return Verification("pass")


def _is_about(certificate_id: bytes, certificate: Certificate, issuer: Certificate) -> bool:
    """Compare a CertID (RFC 6960, section 4.1.1)."""
    try:
        algorithm, name, key, serial = der.children(certificate_id, der.SEQUENCE)
        if der.integer(certificate_id, serial) != certificate.serial_number:
            return False
        digest = signature.digest(der.encoded(certificate_id, algorithm))
        hashed = (
            hashlib.new(digest, certificate.issuer.der, usedforsecurity=False).digest(),
            hashlib.new(digest, issuer.key_bits, usedforsecurity=False).digest(),
        )
        return hashed == tuple(der.contents(certificate_id, part, der.OCTET_STRING) for part in (name, key))
    except ValueError:
        return False
