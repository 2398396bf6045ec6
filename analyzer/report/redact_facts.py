"""How do the parsed messages of a handshake, of which its picture is drawn, lose the names in them?"""

from dataclasses import replace
from struct import pack
from typing import TYPE_CHECKING, TypeVar

from analyzer.pki import der
from analyzer.pki.names import Attribute, Name
from analyzer.tls import messages
from analyzer.tls.extensions import Extension
from analyzer.tls.handshake import Handshake

if TYPE_CHECKING:
    from analyzer.report.redact import Redactor

M = TypeVar("M", bound=messages.Message)

_SERVER_NAME, _ALPN, _AUTHORITIES, _COOKIE = 0, 16, 47, 44
_UTF8_STRING = 0x0C
_DOWNGRADE = 8
"""Bytes at the end of a server's random that may have a meaning (RFC 8446, section 4.1.3)."""


def redact(facts: Handshake, redactor: "Redactor") -> Handshake:
    """The same handshake with placeholders; certificates, the bytes as sent and what was decrypted are left out."""
    placeholders: dict[int, messages.Message] = {}
    for one in facts.sent:
        if one.message is not None and id(one.message) not in placeholders:
            placeholders[id(one.message)] = _message(one.message, facts, redactor)
    hello, answer, retry = facts.client_hello, facts.server_hello, facts.hello_retry_request
    return replace(
        facts,
        plaintext={},
        sent=[replace(one, message=placeholders.get(id(one.message)), raw=b"") for one in facts.sent],
        client_hello=_same(hello, placeholders, messages.ClientHello),
        server_hello=_same(answer, placeholders, messages.ServerHello),
        hello_retry_request=_same(retry, placeholders, messages.ServerHello),
    )


def _same(original: M | None, placeholders: dict[int, messages.Message], kind: type[M]) -> M | None:
    """The hello that stands for this one among what was sent: it is looked for there by its identity."""
    found = placeholders.get(id(original))
    return found if isinstance(found, kind) else None


def _message(original: messages.Message, facts: Handshake, redactor: "Redactor") -> messages.Message:
    match original:
        case messages.ClientHello():
            return _client_hello(original, redactor)
        case messages.ServerHello():
            return _server_hello(original, redactor)
        case messages.EncryptedExtensions():
            return replace(original, extensions=_extensions(original.extensions, redactor))
        case messages.Certificate():
            return replace(original, entries=tuple(messages.CertificateEntry(b"") for _ in original.entries))
        case messages.CompressedCertificate(certificate=certificate):
            inner = certificate and replace(
                certificate, entries=tuple(messages.CertificateEntry(b"") for _ in certificate.entries)
            )
            return replace(original, compressed=b"", certificate=inner)
        case messages.SSLv2ServerHello():
            return replace(original, certificate=b"")
        case messages.CertificateRequest():
            return replace(
                original,
                certificate_authorities=tuple(_authority(each, redactor) for each in original.certificate_authorities),
                extensions=_extensions(original.extensions, redactor),
            )
        case messages.ServerKeyExchange() | messages.ClientKeyExchange() if _is_psk(facts):
            return replace(original, body=_identity(original.body, redactor))
    return original


def _client_hello(hello: messages.ClientHello, redactor: "Redactor") -> messages.ClientHello:
    return replace(
        hello,
        random=redactor.octets("random", hello.random),
        session_id=redactor.octets("session", hello.session_id),
        extensions=_extensions(hello.extensions, redactor),
        trailing=b"",
    )


def _server_hello(hello: messages.ServerHello, redactor: "Redactor") -> messages.ServerHello:
    kept = _DOWNGRADE if hello.downgrade else len(hello.random) if hello.is_hello_retry_request else 0
    random = hello.random[: len(hello.random) - kept]
    return replace(
        hello,
        random=redactor.octets("random", random) + hello.random[len(random) :],
        session_id=redactor.octets("session", hello.session_id),
        extensions=_extensions(hello.extensions, redactor),
        trailing=b"",
    )


def _extensions(extensions: tuple[Extension, ...], redactor: "Redactor") -> tuple[Extension, ...]:
    return tuple(Extension(type_, _extension(type_, data, redactor)) for type_, data in extensions)


def _extension(type_: int, data: bytes, redactor: "Redactor") -> bytes:
    """The content with placeholders; what cannot be read becomes empty."""
    if not data:
        return data
    probe = messages.ClientHello(0x0303, b"", b"", (), b"", (Extension(type_, data),))
    if type_ == _SERVER_NAME:
        name = probe.server_name
        return _vector16(b"\0" + _vector16(redactor.host(name).encode())) if name is not None else b""
    if type_ == _ALPN:
        return _vector16(b"".join(_vector8(redactor.protocol(each).encode()) for each in probe.alpn or ()))
    if type_ == _AUTHORITIES:
        return _vector16(
            b"".join(_vector16(_authority(each, redactor)) for each in probe.certificate_authorities or ())
        )
    if type_ == _COOKIE:
        cookie = probe.cookie
        return _vector16(redactor.octets("cookie", cookie)) if cookie is not None else b""
    return data


def _authority(encoded: bytes, redactor: "Redactor") -> bytes:
    """A distinguished name with other values."""
    try:
        name = Name(encoded)
    except der.DerError:
        return b""
    sets = (_tagged(0x31, b"".join(_attribute(one, redactor) for one in rdn)) for rdn in name.relative)
    return _tagged(0x30, b"".join(sets))


def _attribute(attribute: Attribute, redactor: "Redactor") -> bytes:
    kind, _, value = str(attribute).partition("=")
    value = redactor.value(kind, value)
    return _tagged(0x30, _tagged(0x06, attribute.type) + _tagged(_UTF8_STRING, value.encode()))


def _is_psk(facts: Handshake) -> bool:
    return facts.suite is not None and "PSK" in facts.suite.key_exchange


def _identity(body: bytes, redactor: "Redactor") -> bytes:
    """Key exchanges with a pre-shared key begin with its identity, or a hint (RFC 4279)."""
    length = int.from_bytes(body[:2])
    identity, rest = body[2 : 2 + length], body[2 + length :]
    return _vector16(redactor.identity(identity)) + rest if identity else body


def _tagged(tag: int, contents: bytes) -> bytes:
    """DER (X.690, section 8.1.3)."""
    if len(contents) < 0x80:
        return bytes((tag, len(contents))) + contents
    length = len(contents).to_bytes((len(contents).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + contents


def _vector8(contents: bytes) -> bytes:
    return pack(">B", len(contents)) + contents


def _vector16(contents: bytes) -> bytes:
    return pack(">H", len(contents)) + contents
