"""How does a message read field by field, for people who want to see all of it?"""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from analyzer.pki.der import DerError
from analyzer.pki.names import Name
from analyzer.report.escape import visible
from analyzer.results import CertificateReport, HandshakeReport
from analyzer.tls import messages, registry
from analyzer.tls.extensions import Extended, Parsed
from analyzer.tls.handshake import Handshake, Sent

_INDENT = "    "
_SHOWN = 32
"""Bytes of a value that are shown; how many there are is said."""
_CODES: dict[str, Callable[[int], str]] = {
    "legacy_version": registry.version,
    "server_version": registry.version,
    "supported_version": registry.version,
    "supported_versions": registry.version,
    "cipher_suite": registry.cipher_suite,
    "cipher_suites": registry.cipher_suite,
    "supported_groups": registry.group,
    "key_share_group": registry.group,
    "key_share_groups": registry.group,
    "group": registry.group,
    "ec_point_formats": registry.ec_point_format,
    "signature_scheme": registry.signature_scheme,
    "signature_algorithms": registry.signature_scheme,
    "signature_algorithms_cert": registry.signature_scheme,
    "requested_signature_algorithms": registry.signature_scheme,
    "delegated_credential": registry.signature_scheme,
    "certificate_types": registry.client_certificate_type,
    "client_certificate_type": registry.certificate_type,
    "client_certificate_types": registry.certificate_type,
    "server_certificate_type": registry.certificate_type,
    "server_certificate_types": registry.certificate_type,
    "compress_certificate": registry.certificate_compression,
    "algorithm": registry.certificate_compression,
    "psk_modes": registry.psk_key_exchange_mode,
    "status_request": registry.certificate_status_type,
}
_NAMES = ("certificate_authorities", "requested_authorities")


def head(sent: Sent, report: HandshakeReport) -> str:
    """Where, when, by whom and what: one line."""
    way = "client > server" if sent.sender == "client" else "server > client"
    frames = f"frame {sent.frame}"
    if 0 < sent.first_frame < sent.frame:
        frames = f"frames {sent.first_frame} to {sent.frame}"
    since = (sent.time - report.start) / 1e9
    return f"{frames}  {since:+.6f} s  {way}  {visible(sent.name)}  {sent.length:,} bytes, {sent.protection}"


def body(sent: Sent, report: HandshakeReport) -> Iterator[str]:
    """A line a field, indented; none of what cannot be read."""
    message, facts = sent.message, report.facts
    if message is None:
        if sent.name == "alert" and len(sent.raw) == 2:
            yield f"{_INDENT}level: {registry.alert_level(sent.raw[0])}"
            yield f"{_INDENT}description: {registry.alert_description(sent.raw[1])}"
        return
    if isinstance(message, messages.ServerKeyExchange | messages.ClientKeyExchange):
        message = _key_exchange(message, facts)
    if isinstance(message, messages.CompressedCertificate) and message.certificate is not None:
        yield f"{_INDENT}algorithm: {registry.certificate_compression(message.algorithm)}"
        message = message.certificate
    if isinstance(message, messages.Certificate):
        yield from _certificates(message, report.certificates[sent.sender])
        return
    yield from _fields(message, _INDENT)


def _key_exchange(message: messages.ServerKeyExchange | messages.ClientKeyExchange, facts: Handshake | None) -> Any:
    """Its parameters, where the cipher suite that decides on their form is known."""
    if facts is None or facts.suite is None or facts.version is None:
        return message
    return message.parameters(facts.suite, facts.version)


def _certificates(message: messages.Certificate, reports: list[CertificateReport]) -> Iterator[str]:
    if message.request_context:
        yield f"{_INDENT}request_context: {_bytes(message.request_context)}"
    if not message.entries:
        yield f"{_INDENT}no certificates"
    for number, entry in enumerate(message.entries):
        yield f"{_INDENT}certificate {number}: {len(entry.data):,} bytes"
        if len(reports) == len(message.entries):
            certificate = reports[number]
            for name in ("subject", "issuer", "not_before", "not_after", "key", "algorithm", "sha256"):
                yield f"{_INDENT * 2}{name}: {visible(str(getattr(certificate, name)))}"
        yield from _extensions(entry, _INDENT * 2)


def _fields(value: Any, indent: str) -> Iterator[str]:
    for field in fields(value):
        content = getattr(value, field.name)
        if field.name == "extensions":
            yield from _extensions(value, indent)
        elif content is not None and content not in (b"", ()):
            yield from _field(field.name, content, indent)


def _extensions(message: Extended, indent: str) -> Iterator[str]:
    """Each extension by name, with its content as far as it is understood."""
    kind: Any = type(message)
    for code, data in message.extensions:
        name = _accessors(kind).get(code)
        content = getattr(message, name) if name is not None else None
        yield f"{indent}extension {registry.extension(code)} ({code}), {len(data):,} bytes"
        if name is not None and content is not None and content is not True:
            yield from _field(name, content, indent + _INDENT)
        elif content is None and data:
            yield f"{indent}{_INDENT}{_bytes(data)}"


@cache
def _accessors(kind: Any) -> dict[int, str]:
    """The attributes of a class of messages that read an extension, by its code."""
    found: dict[int, str] = {}
    for base in reversed(kind.__mro__):
        for name, accessor in vars(base).items():
            if isinstance(accessor, Parsed):
                found.update(dict.fromkeys(accessor.types, name))
    return found


def _field(name: str, content: Any, indent: str) -> Iterator[str]:
    if is_dataclass(content):
        yield f"{indent}{name}:"
        yield from _fields(content, indent + _INDENT)
    elif hasattr(content, "_asdict"):
        yield f"{indent}{name}:"
        for part, value in content._asdict().items():
            yield from _field(part, value, indent + _INDENT)
    elif isinstance(content, tuple) and content and (is_dataclass(content[0]) or hasattr(content[0], "_asdict")):
        for number, value in enumerate(content):
            yield from _field(f"{name} {number}", value, indent)
    elif isinstance(content, tuple):
        yield f"{indent}{name}: {len(content)}"
        yield from (f"{indent}{_INDENT}{_text(name, value)}" for value in content)
    else:
        yield f"{indent}{name}: {_text(name, content)}"


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return visible(_CODES[name](value)) if name in _CODES else f"{value:,}"
    if isinstance(value, bytes):
        return _distinguished_name(value) if name in _NAMES else _bytes(value)
    return visible(str(value))


def _distinguished_name(encoded: bytes) -> str:
    try:
        return visible(Name(encoded).text)
    except DerError:
        return _bytes(encoded)


def _bytes(data: bytes) -> str:
    if not data:
        return "empty"
    rest = f"… ({len(data):,} bytes)" if len(data) > _SHOWN else ""
    return data[:_SHOWN].hex() + rest
