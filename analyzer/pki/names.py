"""What does a name in a certificate say, and is it the one that was meant (RFC 4514, RFC 5280, RFC 9525)?"""

import re
from collections.abc import Iterable
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from analyzer.pki import der
from analyzer.pki.der import DerError, Element

# RFC 4514, section 3, then the short names that OpenSSL and its users know.
_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.20": "telephoneNumber",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}
_SHORT = {der.oid(dotted): short for dotted, short in _ATTRIBUTES.items()}
_COMMON_NAME = der.oid("2.5.4.3")
_EMAIL_ADDRESS = der.oid("1.2.840.113549.1.9.1")
_SPECIAL = re.compile(r'["+,;<>\\\x00-\x1f\x7f]|\A[ #]| \Z')


class Attribute(NamedTuple):
    """One attribute of a relative distinguished name (RFC 5280, section 4.1.2.4)."""

    type: bytes
    """Contents of the OBJECT IDENTIFIER."""
    text: str | None
    """The value; None where it is no string, or its bytes contradict its string type."""
    value: bytes
    """The value's DER."""

    def __str__(self) -> str:
        short = _SHORT.get(self.type)
        if short is None or self.text is None:  # RFC 4514, section 2.4
            return f"{short or der.dotted(self.type)}=#{self.value.hex()}"
        return f"{short}={_escape(self.text)}"

    @property
    def canonical(self) -> tuple[bytes, str | bytes]:
        """Equal where case and spaces alone differ, or the string type (RFC 5280, section 7.1)."""
        return self.type, self.value if self.text is None else " ".join(self.text.casefold().split())


class Name:
    """A distinguished name; names are equal if RFC 5280, section 7.1, says so.

    Raises `DerError` where the DER is no Name.
    """

    def __init__(self, encoded: bytes) -> None:
        self.der = encoded
        """The SEQUENCE as encoded."""
        self.relative: list[list[Attribute]] = []
        """Relative distinguished names, from the root of the directory down."""
        for rdn in der.children(encoded, der.SEQUENCE):
            attributes = der.inside(encoded, der.expect(rdn, der.SET))
            self.relative.append([_attribute(encoded, one) for one in attributes])

    @cached_property
    def text(self) -> str:
        """RFC 4514 text; control characters are escaped too."""
        return ",".join("+".join(map(str, rdn)) for rdn in reversed(self.relative))

    @cached_property
    def key(self) -> tuple[frozenset[tuple[bytes, str | bytes]], ...]:
        """What equality rests on."""
        return tuple(map(_key, self.relative))

    @property
    def common_names(self) -> list[str]:
        """Every CN, in order."""
        return self._values(_COMMON_NAME)

    @property
    def email_addresses(self) -> list[str]:
        """Every emailAddress, in order."""
        return self._values(_EMAIL_ADDRESS)

    def within(self, base: "Name") -> bool:
        """Whether this name lies in the subtree of `base` (RFC 5280, section 4.2.1.10)."""
        return self.key[: len(base.key)] == base.key

    def _values(self, kind: bytes) -> list[str]:
        return [one.text for rdn in self.relative for one in rdn if one.type == kind and one.text is not None]

    def __bool__(self) -> bool:
        return bool(self.relative)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Name) or len(self.relative) != len(other.relative):
            return False
        pairs = zip(reversed(self.relative), reversed(other.relative), strict=True)
        return self.der == other.der or all(_key(mine) == _key(its) for mine, its in pairs)

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text or "(no name)"


NO_NAME = Name(b"\x30\x00")
"""The empty name."""


class GeneralName(NamedTuple):
    """A subject alternative name, or a subtree of a name constraint (RFC 5280, section 4.2.1.6)."""

    kind: str
    """`DNS`, `IP`, `URI`, `email`, `dirName`, `otherName`, `x400Address`, `ediPartyName` or `RID`."""
    text: str
    """The value, readable."""
    value: bytes
    """Contents of the element; of a directory name the Name."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.text}"


_KINDS = ("otherName", "email", "DNS", "x400Address", "dirName", "ediPartyName", "URI", "IP", "RID")


def general_name(data: bytes, found: Element) -> GeneralName:
    """Read a GeneralName."""
    tag, start, stop, _ = found
    number = tag & 0x1F
    if tag & 0xC0 != 0x80 or number >= len(_KINDS):
        raise DerError(f"tag 0x{tag:02x} is no GeneralName")
    kind, value = _KINDS[number], data[start:stop]
    match kind:
        case "DNS" | "email" | "URI":
            return GeneralName(kind, value.decode("latin-1"), value)
        case "IP":
            return GeneralName(kind, _address(value), value)
        case "dirName":
            return GeneralName(kind, Name(value).text, value)
        case "RID":
            return GeneralName(kind, der.dotted(value), value)
        case "otherName":
            return GeneralName(kind, _other_name(value), value)
    return GeneralName(kind, f"#{value.hex()}", value)


def match(reference: str, presented: Iterable[GeneralName]) -> GeneralName | None:
    """The subject alternative name that is the reference identifier, a host name or an IP address (RFC 9525)."""
    address = ip_of(reference)
    if address is not None:
        return next((name for name in presented if name.kind == "IP" and name.value == address), None)
    return next((name for name in presented if name.kind == "DNS" and dns_matches(reference, name.text)), None)


def dns_matches(reference: str, pattern: str) -> bool:
    """Whether a DNS name is the one presented; `*` is a whole leftmost label (RFC 9525, section 6.3)."""
    reference, pattern = ascii_host(reference), pattern.lower()
    if pattern.startswith("*."):
        label, _, parent = reference.partition(".")
        return bool(label) and parent == pattern[2:] and "*" not in parent
    return bool(reference) and reference == pattern and "*" not in pattern


def ip_of(reference: str) -> bytes | None:
    """The octets of a reference identifier that is an IP address (brackets allowed); None for a host name."""
    try:
        return ip_address(reference.strip("[]")).packed
    except ValueError:
        return None


def ascii_host(reference: str) -> str:
    """A host name in lower case, without the trailing dot, international labels as A-labels (RFC 5890)."""
    reference = reference.removesuffix(".").lower()
    if reference.isascii():
        return reference
    try:
        return reference.encode("idna").decode("ascii")
    except UnicodeError:
        return reference


def _key(rdn: list[Attribute]) -> frozenset[tuple[bytes, str | bytes]]:
    return frozenset([attribute.canonical for attribute in rdn])


def _attribute(data: bytes, found: Element) -> Attribute:
    parts = der.inside(data, der.expect(found, der.SEQUENCE))
    if len(parts) < 2:
        raise der.DerError("an attribute without a type or a value")
    kind, value = parts[:2]
    oid = der.contents(data, kind, der.OBJECT_IDENTIFIER)
    return Attribute(oid, der.text(data, value), der.encoded(data, value))


def _escape(text: str) -> str:
    """Escape as RFC 4514, section 2.4, has it."""
    return _SPECIAL.sub(lambda one: f"\\{one[0]}" if " " <= one[0] < "\x7f" else f"\\{ord(one[0]):02X}", text)


def _address(value: bytes) -> str:
    """An address of 4 or 16 octets; of 8 or 32, as in name constraints, a network."""
    half = len(value) // 2
    try:
        if half in (4, 16):
            mask = int.from_bytes(value[half:])
            prefix = mask.bit_count()
            if mask == ((1 << prefix) - 1) << (half * 8 - prefix):
                return str(ip_network((value[:half], prefix), strict=False))
            return f"{ip_address(value[:half])}/{ip_address(value[half:])}"
        return str(ip_address(value))
    except ValueError:
        return f"#{value.hex()}"


def _other_name(value: bytes) -> str:
    kind, explicit = der.elements(value, 0, len(value))[:2]
    oid = der.dotted(der.contents(value, kind, der.OBJECT_IDENTIFIER))
    text = der.text(value, der.inside(value, explicit)[0])
    return f"{oid}={_escape(text)}" if text is not None else f"{oid}=#{value[explicit[1] : explicit[2]].hex()}"
