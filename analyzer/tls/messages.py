"""What do the handshake messages say? One value and one parse function side by side for each.

`parse` never raises: a body that is not what its RFC says becomes a `MalformedMessage`, a type that nobody
knows an `Unknown`. Bytes too many are tolerated in hellos only (see `hello`); in every other message they are
an error, as in OpenSSL. Nobody changes a message; they are not frozen, since that would take three times as long.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from analyzer.settings import Limits
from analyzer.tls import hello, key_exchange, registry
from analyzer.tls.codec import Malformed, Reader, repeated, u16s, whole
from analyzer.tls.extensions import (
    EntryExtensions,
    Extension,
    RequestExtensions,
    ServerExtensions,
    TicketExtensions,
    split,
)
from analyzer.tls.hello import ClientHello, HelloRequest, HelloVerifyRequest, ServerHello
from analyzer.tls.key_exchange import ClientKeyExchangeParameters, ServerKeyExchangeParameters
from analyzer.tls.sslv2 import SSLv2ClientMasterKey, SSLv2Message, SSLv2ServerHello, parse_sslv2

__all__ = [
    "Message",
    "parse",
    "parse_sslv2",
    "HelloRequest",
    "ClientHello",
    "ServerHello",
    "HelloVerifyRequest",
    "NewSessionTicket",
    "EndOfEarlyData",
    "EncryptedExtensions",
    "CertificateEntry",
    "Certificate",
    "CompressedCertificate",
    "ServerKeyExchange",
    "ServerKeyExchangeParameters",
    "CertificateRequest",
    "ServerHelloDone",
    "CertificateVerify",
    "ClientKeyExchange",
    "ClientKeyExchangeParameters",
    "Finished",
    "CertificateURL",
    "CertificateStatus",
    "SupplementalData",
    "KeyUpdate",
    "NextProtocol",
    "Unknown",
    "MalformedMessage",
    "SSLv2ServerHello",
    "SSLv2ClientMasterKey",
    "SSLv2Message",
]

_TLS13 = 0x0304
_MESSAGE_BYTES = Limits().message_bytes


@dataclass(slots=True)
class NewSessionTicket(TicketExtensions):
    """A ticket for resumption (RFC 5077, section 3.3; RFC 8446, section 4.6.1)."""

    lifetime: int
    """Seconds; before TLS 1.3 a hint, 0 for unspecified."""
    ticket: bytes
    """Opaque."""
    age_add: int | None = None
    """Masks the ticket's age; None before TLS 1.3."""
    nonce: bytes = b""
    """Distinguishes the tickets of a connection; from TLS 1.3 on."""
    extensions: tuple[Extension, ...] = ()
    """In the order sent."""

    name: ClassVar[str] = "new_session_ticket"


def _new_session_ticket(body: bytes, version: int) -> NewSessionTicket:
    reader = Reader(body)
    lifetime = reader.u32()
    if registry.as_tls(version) < _TLS13:
        message = NewSessionTicket(lifetime, reader.vector16())
    else:
        age_add, nonce, ticket = reader.u32(), reader.vector8(), reader.vector16()
        message = NewSessionTicket(lifetime, ticket, age_add, nonce, split(reader.vector16()))
    reader.end()
    return message


@dataclass(slots=True)
class EndOfEarlyData:
    """No 0-RTT data follow (RFC 8446, section 4.5)."""

    name: ClassVar[str] = "end_of_early_data"


def _end_of_early_data(body: bytes, version: int) -> EndOfEarlyData:
    Reader(body).end()
    return EndOfEarlyData()


@dataclass(slots=True)
class EncryptedExtensions(ServerExtensions):
    """The server's answers that need not be in clear (RFC 8446, section 4.3.1)."""

    extensions: tuple[Extension, ...]
    """In the order sent."""

    name: ClassVar[str] = "encrypted_extensions"


def _encrypted_extensions(body: bytes, version: int) -> EncryptedExtensions:
    return EncryptedExtensions(split(whole(body, Reader.vector16)))


@dataclass(slots=True)
class CertificateEntry(EntryExtensions):
    """One certificate of a chain."""

    data: bytes
    """DER of a certificate, or of a public key where raw ones were agreed (RFC 7250)."""
    extensions: tuple[Extension, ...] = ()
    """From TLS 1.3 on."""


@dataclass(slots=True)
class Certificate:
    """A chain, leaf first, or none at all (RFC 8446, section 4.4.2; RFC 5246, section 7.4.2)."""

    entries: tuple[CertificateEntry, ...]
    """Empty where the client has nothing to show."""
    request_context: bytes = b""
    """Which CertificateRequest it answers; from TLS 1.3 on, empty in the handshake."""

    name: ClassVar[str] = "certificate"

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The entries' data."""
        return tuple(entry.data for entry in self.entries)


def _certificate(body: bytes, version: int) -> Certificate:
    reader = Reader(body)
    if registry.as_tls(version) >= _TLS13:
        context = reader.vector8()
        entries = repeated(reader.vector24(), _certificate_entry)
    else:
        context, content = b"", reader.vector24()
        if content[:1] == b"\x30":  # no certificate of 3 MB, but one raw public key without a list (RFC 7250)
            entries = (CertificateEntry(content),)
        else:
            entries = tuple(CertificateEntry(der) for der in repeated(content, Reader.vector24))
    reader.end()
    return Certificate(entries, context)


def _certificate_entry(reader: Reader) -> CertificateEntry:
    return CertificateEntry(reader.vector24(), split(reader.vector16()))


@dataclass(slots=True)
class CompressedCertificate:
    """A Certificate, compressed (RFC 8879)."""

    algorithm: int
    """1 zlib, 2 brotli, 3 zstd."""
    uncompressed_length: int
    """As the sender says."""
    compressed: bytes
    """As sent."""
    certificate: Certificate | None = None
    """The content, where it could be read."""
    reason: str | None = None
    """Why it could not."""

    name: ClassVar[str] = "compressed_certificate"


def _compressed_certificate(body: bytes, version: int) -> CompressedCertificate:
    fields = whole(body, lambda reader: (reader.u16(), reader.u24(), reader.vector24()))
    try:
        return CompressedCertificate(*fields, certificate=_certificate(_decompress(*fields), version))
    except Malformed as error:
        return CompressedCertificate(*fields, reason=str(error))


def _decompress(algorithm: int, length: int, data: bytes) -> bytes:
    if algorithm != 1:
        raise Malformed(f"compressed with {registry.certificate_compression(algorithm)}")
    if length > _MESSAGE_BYTES:
        raise Malformed(f"{length} bytes when decompressed, more than {_MESSAGE_BYTES}")
    decompressor = zlib.decompressobj()
    try:
        plain = decompressor.decompress(data, length + 1)
    except zlib.error as error:
        raise Malformed(f"zlib: {error}") from None
    if len(plain) != length or not decompressor.eof or decompressor.unused_data:
        raise Malformed(f"{length} bytes expected when decompressed, {len(plain)} there")
    return plain


@dataclass(slots=True)
class ServerKeyExchange:
    """The server's share (RFC 5246, section 7.4.3); the cipher suite decides how to read it."""

    body: bytes
    """As sent."""

    name: ClassVar[str] = "server_key_exchange"

    def parameters(self, suite: registry.Suite, version: int) -> "ServerKeyExchangeParameters | MalformedMessage":
        """The content, by the suite and version that the ServerHello chose."""
        try:
            return key_exchange.server_parameters(self.body, suite, version)
        except Malformed as error:
            return MalformedMessage(12, self.body, str(error))


def _server_key_exchange(body: bytes, version: int) -> ServerKeyExchange:
    return ServerKeyExchange(body)


@dataclass(slots=True)
class CertificateRequest(RequestExtensions):
    """The server asks for a certificate (RFC 8446, section 4.3.2; RFC 5246, section 7.4.4)."""

    certificate_types: tuple[int, ...]
    """ClientCertificateType; empty from TLS 1.3 on."""
    signature_algorithms: tuple[int, ...] | None
    """Signature schemes for the CertificateVerify; None before TLS 1.2."""
    certificate_authorities: tuple[bytes, ...]
    """Names of accepted authorities, DER; empty where any will do."""
    request_context: bytes = b""
    """Which request it is; from TLS 1.3 on, empty in the handshake."""
    extensions: tuple[Extension, ...] = ()
    """From TLS 1.3 on; the fields above repeat two of them."""

    name: ClassVar[str] = "certificate_request"


def _certificate_request(body: bytes, version: int) -> CertificateRequest:
    reader, tls = Reader(body), registry.as_tls(version)
    if tls >= _TLS13:
        sent = CertificateRequest((), None, (), reader.vector8(), split(reader.vector16()))
        reader.end()
        return replace(
            sent,
            signature_algorithms=sent.requested_signature_algorithms,
            certificate_authorities=sent.requested_authorities or (),
        )
    types = tuple(reader.vector8())
    algorithms = u16s(reader.vector16()) if tls >= 0x0303 else None
    authorities = repeated(reader.vector16(), Reader.vector16)
    reader.end()
    return CertificateRequest(types, algorithms, authorities)


@dataclass(slots=True)
class ServerHelloDone:
    """The server's flight is complete (RFC 5246, section 7.4.5)."""

    name: ClassVar[str] = "server_hello_done"


def _server_hello_done(body: bytes, version: int) -> ServerHelloDone:
    Reader(body).end()
    return ServerHelloDone()


@dataclass(slots=True)
class CertificateVerify:
    """A signature over the transcript: the sender has the certificate's key (RFC 8446, section 4.4.3)."""

    signature_scheme: int | None
    """None before TLS 1.2, where the key decides."""
    signature: bytes
    """As sent."""

    name: ClassVar[str] = "certificate_verify"


def _certificate_verify(body: bytes, version: int) -> CertificateVerify:
    reader = Reader(body)
    scheme = reader.u16() if registry.as_tls(version) >= 0x0303 else None
    message = CertificateVerify(scheme, reader.vector16())
    reader.end()
    return message


@dataclass(slots=True)
class ClientKeyExchange:
    """The client's share or secret (RFC 5246, section 7.4.7); the cipher suite decides how to read it."""

    body: bytes
    """As sent."""

    name: ClassVar[str] = "client_key_exchange"

    def parameters(self, suite: registry.Suite, version: int) -> "ClientKeyExchangeParameters | MalformedMessage":
        """The content, by the suite and version that the ServerHello chose."""
        try:
            return key_exchange.client_parameters(self.body, suite, version)
        except Malformed as error:
            return MalformedMessage(16, self.body, str(error))


def _client_key_exchange(body: bytes, version: int) -> ClientKeyExchange:
    return ClientKeyExchange(body)


@dataclass(slots=True)
class Finished:
    """A MAC over the transcript (RFC 8446, section 4.4.4): 12 bytes before TLS 1.3, 36 in SSL 3.0."""

    verify_data: bytes
    """As sent."""

    name: ClassVar[str] = "finished"


def _finished(body: bytes, version: int) -> Finished:
    return Finished(body)


@dataclass(slots=True)
class CertificateURL:
    """Where the client's chain may be fetched (RFC 6066, section 5)."""

    is_path: bool
    """One address of the whole path; else one for each certificate."""
    urls: tuple[tuple[bytes, bytes], ...]
    """Address and SHA-1 of what is found there."""

    name: ClassVar[str] = "certificate_url"


def _certificate_url(body: bytes, version: int) -> CertificateURL:
    type_, content = whole(body, lambda reader: (reader.u8(), reader.vector16()))
    entries = repeated(content, lambda reader: (reader.vector16(), reader.u8(), reader.take(20)))
    return CertificateURL(type_ == 1, tuple((url, digest) for url, _, digest in entries))


@dataclass(slots=True)
class CertificateStatus:
    """Stapled OCSP responses (RFC 6066, section 8; RFC 6961, section 2.2)."""

    status_type: int
    """1 for one response, 2 for one a certificate."""
    responses: tuple[bytes, ...]
    """DER, leaf first; of type 2 empty ones where there is none."""

    name: ClassVar[str] = "certificate_status"


def _certificate_status(body: bytes, version: int) -> CertificateStatus:
    type_, content = whole(body, lambda reader: (reader.u8(), reader.vector24()))
    return CertificateStatus(type_, repeated(content, Reader.vector24) if type_ == 2 else (content,))


@dataclass(slots=True)
class SupplementalData:
    """Data for an application's authorization (RFC 4680)."""

    entries: tuple[tuple[int, bytes], ...]
    """SupplementalDataType and content."""

    name: ClassVar[str] = "supplemental_data"


def _supplemental_data(body: bytes, version: int) -> SupplementalData:
    content = whole(body, Reader.vector24)
    return SupplementalData(repeated(content, lambda reader: (reader.u16(), reader.vector16())))


@dataclass(slots=True)
class KeyUpdate:
    """The sender's next record has new keys (RFC 8446, section 4.6.3)."""

    request_update: int
    """1 where the receiver shall do the same."""

    name: ClassVar[str] = "key_update"


def _key_update(body: bytes, version: int) -> KeyUpdate:
    return KeyUpdate(whole(body, Reader.u8))


@dataclass(slots=True)
class NextProtocol:
    """The client's application protocol, before ALPN (draft-agl-tls-nextprotoneg)."""

    protocol: bytes
    """As sent."""

    name: ClassVar[str] = "next_protocol"


def _next_protocol(body: bytes, version: int) -> NextProtocol:
    protocol, _padding = whole(body, lambda reader: (reader.vector8(), reader.vector8()))
    return NextProtocol(protocol)


@dataclass(slots=True)
class Unknown:
    """A message of a type that is not read here."""

    type: int
    """HandshakeType."""
    body: bytes
    """As sent."""

    @property
    def name(self) -> str:
        """IANA's name, or the number."""
        return registry.handshake_type(self.type)


@dataclass(slots=True)
class MalformedMessage:
    """A message whose body is not what its type says."""

    type: int
    """HandshakeType."""
    body: bytes
    """As sent."""
    reason: str
    """What was expected, and what was there."""

    @property
    def name(self) -> str:
        """IANA's name, or the number."""
        return registry.handshake_type(self.type)


Message = (
    HelloRequest
    | ClientHello
    | ServerHello
    | HelloVerifyRequest
    | NewSessionTicket
    | EndOfEarlyData
    | EncryptedExtensions
    | Certificate
    | ServerKeyExchange
    | CertificateRequest
    | ServerHelloDone
    | CertificateVerify
    | ClientKeyExchange
    | Finished
    | CertificateURL
    | CertificateStatus
    | SupplementalData
    | KeyUpdate
    | CompressedCertificate
    | NextProtocol
    | Unknown
    | MalformedMessage
    | SSLv2ServerHello
    | SSLv2ClientMasterKey
    | SSLv2Message
)
_PARSERS: dict[int, Callable[[bytes, int], Message]] = {
    0: hello.parse_hello_request,
    1: hello.parse_client_hello,
    2: hello.parse_server_hello,
    3: hello.parse_hello_verify_request,
    4: _new_session_ticket,
    5: _end_of_early_data,
    8: _encrypted_extensions,
    11: _certificate,
    12: _server_key_exchange,
    13: _certificate_request,
    14: _server_hello_done,
    15: _certificate_verify,
    16: _client_key_exchange,
    20: _finished,
    21: _certificate_url,
    22: _certificate_status,
    23: _supplemental_data,
    24: _key_update,
    25: _compressed_certificate,
    67: _next_protocol,
}


def parse(handshake_type: int, body: bytes, version: int = 0) -> Message:
    """The message of a handshake header's type and body; never raises.

    `version` is the wire version that the ServerHello chose (see `ServerHello.selected_version`), 0 while it
    is not known: it decides between the forms of Certificate, CertificateRequest, CertificateVerify and
    NewSessionTicket. Hellos need none.
    """
    parser = _PARSERS.get(handshake_type)
    if parser is None:
        return Unknown(handshake_type, body)
    try:
        return parser(body, version)
    except Malformed as error:
        return MalformedMessage(handshake_type, body, str(error))
