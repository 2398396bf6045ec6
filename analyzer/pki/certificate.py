"""What does a certificate say (RFC 5280)?

Captures hold certificates that no library loads whole: damaged ones, those of attacks, those older than
today's rules. So each field is read by itself, when it is first asked for; one that cannot be parsed has its
empty value, and `problems` says why. Nothing here raises.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Generic, TypeVar

from analyzer.pki import der, extensions, keys, signature, times
from analyzer.pki.der import DerError
from analyzer.pki.extensions import BasicConstraints, Extension, NameConstraints, SignedCertificateTimestamp
from analyzer.pki.keys import NO_KEY, PublicKey
from analyzer.pki.names import NO_NAME, GeneralName, Name
from analyzer.pki.signature import UNKNOWN_ALGORITHM, SignatureAlgorithm, Verification
from analyzer.results import CertificateReport

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_T = TypeVar("_T")
_D = TypeVar("_D")

_PARTS = 6
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_STATUS_REQUEST = 5  # RFC 6066, section 8


class _Field(Generic[_T]):
    """A field of a certificate: read once; where that fails, the default, and why in `problems`."""

    def __init__(self, read: "Callable[[Certificate], _T]", default: _T) -> None:
        self.__doc__ = read.__doc__
        self._read = read
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, certificate: "Certificate", owner: type) -> _T:
        try:
            value = self._read(certificate)
        except (ValueError, IndexError) as error:
            certificate._problems[self._name] = _words(error)
            value = self._default
        certificate.__dict__[self._name] = value  # found there from now on, before this descriptor
        return value


def _field(default: _D) -> "Callable[[Callable[[Certificate], _T]], _Field[_T | _D]]":
    def make(read: "Callable[[Certificate], _T]") -> "_Field[_T | _D]":
        return _Field(read, default)

    return make


class Certificate:
    """A certificate as sent, damaged or not."""

    def __init__(self, encoded: bytes) -> None:
        self.der = encoded
        """As sent."""
        self._problems: dict[str, str] = {}

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of the DER, lower-case hexadecimal."""
        return sha256(self.der).hexdigest()

    @property
    def version(self) -> int:
        """1, 2 or 3, as people count."""
        return self._layout.version

    @_field(None)
    def serial_number(self) -> int:
        """Positive in a correct certificate (RFC 5280, section 4.1.2.2)."""
        return der.integer(self.der, self._part(0))

    @_field(NO_NAME)
    def issuer(self) -> Name:
        """Who signed it (RFC 5280, section 4.1.2.4)."""
        return Name(der.encoded(self.der, self._part(2)))

    @_field(None)
    def not_before(self) -> int:
        """Nanoseconds since 1970-01-01 UTC (RFC 5280, section 4.1.2.5)."""
        return times.read(self.der, der.inside(self.der, self._part(3))[0])

    @_field(None)
    def not_after(self) -> int:
        """The last second of the validity period; nanoseconds since 1970-01-01 UTC."""
        return times.read(self.der, der.inside(self.der, self._part(3))[1])

    @_field(NO_NAME)
    def subject(self) -> Name:
        """Whom it names (RFC 5280, section 4.1.2.6)."""
        return Name(der.encoded(self.der, self._part(4)))

    @_field(b"")
    def spki(self) -> bytes:
        """DER of the SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7)."""
        return der.encoded(self.der, self._part(5))

    @_field(NO_KEY)
    def key(self) -> PublicKey:
        """Kind and size of the subject's key."""
        return keys.describe(self.spki)

    @_field(b"")
    def key_bits(self) -> bytes:
        """The key itself, without its algorithm: what OCSP hashes (RFC 6960, section 4.1.1)."""
        return der.bits(self.spki, der.children(self.spki, der.SEQUENCE)[1])

    @_field(UNKNOWN_ALGORITHM)
    def signature_algorithm(self) -> SignatureAlgorithm:
        """The algorithm that stands beside the signature; the signed part must name the same."""
        if self._layout.algorithm is None:
            raise DerError(self._layout.problem or "it is missing")
        return signature.algorithm(der.encoded(self.der, self._layout.algorithm))

    @cached_property
    def extensions(self) -> dict[str, Extension]:
        """By name; each may occur once (RFC 5280, section 4.2)."""
        found: dict[str, Extension] = {}
        if self._layout.extensions is None:
            return found
        try:
            for one in der.inside(self.der, der.inside(self.der, self._layout.extensions)[0]):
                oid, *critical, value = der.inside(self.der, der.expect(one, der.SEQUENCE))
                kind = der.contents(self.der, oid, der.OBJECT_IDENTIFIER)
                extension = Extension(
                    name=extensions.NAMES.get(kind) or der.dotted(kind),
                    critical=bool(critical) and any(der.contents(self.der, critical[0], der.BOOLEAN)),
                    value=der.contents(self.der, value, der.OCTET_STRING),
                )
                if found.setdefault(extension.name, extension) is not extension:
                    self._problems["extensions"] = f"{extension.name} occurs twice"
        except (ValueError, IndexError) as error:
            self._problems["extensions"] = _words(error)
        return found

    @_field(None)
    def basic_constraints(self) -> BasicConstraints | None:
        """Whether it is a CA's; None where it does not say."""
        return self._extension("basicConstraints", extensions.basic_constraints)

    @_field(None)
    def key_usage(self) -> frozenset[str] | None:
        """What the key may do (RFC 5280, section 4.2.1.3); None where it does not say."""
        return self._extension("keyUsage", extensions.key_usage)

    @_field(None)
    def extended_key_usage(self) -> tuple[str, ...] | None:
        """What for (RFC 5280, section 4.2.1.12); None where it does not say."""
        return self._extension("extKeyUsage", extensions.extended_key_usage)

    @_field(None)
    def san(self) -> tuple[GeneralName, ...] | None:
        """Subject alternative names (RFC 5280, section 4.2.1.6); None where there are none."""
        return self._extension("subjectAltName", extensions.general_names)

    @_field(None)
    def name_constraints(self) -> NameConstraints | None:
        """Which names it may vouch for; None where any."""
        return self._extension("nameConstraints", extensions.name_constraints)

    @_field(None)
    def authority_key_identifier(self) -> bytes | None:
        """Identifier of the issuer's key (RFC 5280, section 4.2.1.1); None where it does not say."""
        return self._extension("authorityKeyIdentifier", extensions.authority_key_identifier)

    @_field(None)
    def subject_key_identifier(self) -> bytes | None:
        """Identifier of its own key (RFC 5280, section 4.2.1.2); None where it does not say."""
        return self._extension("subjectKeyIdentifier", extensions.octets)

    @_field(False)
    def must_staple(self) -> bool:
        """The server promises a stapled OCSP response (RFC 7633)."""
        return _STATUS_REQUEST in (self._extension("tlsFeature", extensions.tls_features) or ())

    @_field(())
    def scts(self) -> tuple[SignedCertificateTimestamp, ...]:
        """Embedded signed certificate timestamps (RFC 6962, section 3.3)."""
        return self._extension("signedCertificateTimestampList", extensions.timestamps) or ()

    @property
    def is_ca(self) -> bool:
        """Basic constraints say CA."""
        return self.basic_constraints is not None and self.basic_constraints.ca

    @cached_property
    def self_issued(self) -> bool:
        """Issuer and subject are the same name."""
        return bool(self.subject) and self.subject == self.issuer

    @cached_property
    def self_signed(self) -> bool:
        """Issuer equals subject, and its own key verifies the signature."""
        return self.self_issued and self.signed_by(self).status == "pass"

    @cached_property
    def public_key(self) -> "PublicKeyTypes | str":
        """The key as `cryptography` loads it; words where it does not."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        try:
            return load_der_public_key(self.spki)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            return f"the key ({self.key}) cannot be loaded: {error}"

    def signed_by(self, issuer: "Certificate") -> Verification:
        """Check its signature with another certificate's key; what else either says is not looked at."""
        layout = self._layout
        if layout.signature is None or layout.algorithm is None or len(layout.parts) < _PARTS:
            return Verification("undetermined", f"the certificate cannot be parsed: {layout.problem}")
        if der.encoded(self.der, layout.algorithm) != der.encoded(self.der, layout.parts[1]):
            return Verification("fail", "the certificate names two different signature algorithms")
        if isinstance(issuer.public_key, str):
            return Verification("undetermined", issuer.public_key)
        try:
            made = der.bits(self.der, layout.signature)
        except DerError as error:
            return Verification("undetermined", f"the signature cannot be parsed: {error}")
        return signature.verify(issuer.public_key, self.signature_algorithm, layout.signed, made)

    def why(self, name: str) -> str | None:
        """Why a field cannot be parsed; None where it can."""
        getattr(self, name)
        damage = "extensions" if name in _IN_EXTENSIONS else name
        return self._problems.get(name) or self._problems.get(damage)

    @cached_property
    def problems(self) -> dict[str, str]:
        """Every field that cannot be parsed, and why."""
        damage = {"certificate": self._layout.problem} if self._layout.problem else {}
        return damage | {name: why for name in (*_FIELDS, *_IN_EXTENSIONS) if (why := self.why(name))}

    @cached_property
    def report(self) -> CertificateReport:
        """The public view; a field that cannot be parsed says so, a time that cannot is None."""
        return CertificateReport(
            subject=self._readable("subject", self.subject.text),
            issuer=self._readable("issuer", self.issuer.text),
            serial_number=self._readable("serial_number", _hexadecimal(self.serial_number or 0)),
            not_before=None if self.not_before is None else times.iso(self.not_before, "microseconds"),
            not_after=None if self.not_after is None else times.iso(self.not_after, "microseconds"),
            san=[self._readable("san", "")] if self.why("san") else [*map(str, self.san or ())],
            key=self._readable("key", str(self.key)),
            algorithm=self._readable("signature_algorithm", self.signature_algorithm.name),
            sha256=self.sha256,
            self_signed=self.self_signed,
            ca=self.is_ca,
        )

    def _readable(self, name: str, value: str) -> str:
        why = self.why(name)
        return value if why is None else f"cannot be parsed: {why}"

    def _extension(self, name: str, read: Callable[[bytes], _T]) -> _T | None:
        found = self.extensions.get(name)
        return None if found is None else read(found.value)

    def _part(self, number: int) -> der.Element:
        if number >= len(self._layout.parts):
            raise DerError(self._layout.problem or "it is missing")
        return self._layout.parts[number]

    @cached_property
    def _layout(self) -> "_Layout":
        """Find the parts; what follows the first damage is not found."""
        data, layout = self.der, _Layout()
        try:
            outer = der.expect(der.element(data, 0, len(data), cut=True), der.SEQUENCE)
            signed = der.expect(der.element(data, outer[1], outer[2], cut=True), der.SEQUENCE)
            at, stop = signed[1:3]
            while at < stop:
                part = der.element(data, at, stop)
                if part[0] == _VERSION and not layout.parts:
                    layout.version = der.integer(data, der.inside(data, part)[0]) + 1
                elif len(layout.parts) < _PARTS:
                    layout.parts.append(part)
                elif part[0] == _EXTENSIONS:
                    layout.extensions = part
                at = part[2]
            layout.signed = der.encoded(data, signed)
            layout.algorithm, layout.signature = der.elements(data, stop, outer[2])[:2]
            if outer[2] != len(data):
                layout.problem = f"{len(data) - outer[2]} bytes follow its end"
        except (ValueError, IndexError) as error:
            layout.problem = _words(error)
        return layout


@dataclass(slots=True)
class _Layout:
    """Where the parts of a certificate lie."""

    version: int = 1
    parts: list[der.Element] = field(default_factory=list)
    """Serial number, signature, issuer, validity, subject, subjectPublicKeyInfo."""
    extensions: der.Element | None = None
    signed: bytes = b""
    """The TBSCertificate."""
    algorithm: der.Element | None = None
    signature: der.Element | None = None
    problem: str | None = None


_IN_EXTENSIONS = (
    "basic_constraints",
    "key_usage",
    "extended_key_usage",
    "san",
    "name_constraints",
    "authority_key_identifier",
    "subject_key_identifier",
    "must_staple",
    "scts",
)
_FIELDS = (
    "serial_number",
    "issuer",
    "not_before",
    "not_after",
    "subject",
    "spki",
    "key",
    "signature_algorithm",
    "extensions",
)


def _hexadecimal(number: int) -> str:
    """Upper-case hexadecimal as OpenSSL writes a serial number: whole bytes, a minus sign before."""
    digits = f"{abs(number):X}"
    return ("-" if number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, DerError) else "an element is missing"
