"""What do the extensions of hellos, certificates, requests and tickets say?

Nothing is parsed before somebody asks: a message keeps its extensions as (type, data) and inherits accessors
from the classes below. An accessor is None where the extension is absent, and where its content is not what
its RFC says; `malformed_extensions` tells one from the other. Of an extension sent twice the first counts.
"""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import ClassVar, Generic, NamedTuple, Self, TypeVar, overload

from analyzer.tls.codec import Malformed, Reader, repeated, u16s, whole

T = TypeVar("T")
_header = Struct(">HH").unpack_from
_SHORT, _REMEMBERED = 256, 16
"""So long at most are contents whose parsed form is remembered, and so many of each extension are."""


class Extension(NamedTuple):
    """One extension as sent (RFC 8446, section 4.2)."""

    type: int
    """ExtensionType."""
    data: bytes
    """Its content."""


class PskIdentity(NamedTuple):
    """One pre-shared key that the client offers (RFC 8446, section 4.2.11)."""

    identity: bytes
    """A ticket, or the name of a key from outside of TLS."""
    obfuscated_ticket_age: int
    """Milliseconds plus the ticket's `age_add`; 0 of a key from outside."""


def split(block: bytes) -> tuple[Extension, ...]:
    """The extensions that fill `block`; raises `Malformed` where they do not."""
    found = []
    position, end = 0, len(block)
    while position < end:
        if end - position < 4:
            raise Malformed(f"extension header expected in {end - position} bytes")
        type_, length = _header(block, position)
        start = position + 4
        position = start + length
        if position > end:
            raise Malformed(f"extension {type_} of {length} bytes, {end - start} left")
        found.append(Extension(type_, block[start:position]))
    return tuple(found)


def text(name: bytes) -> str:
    """A name that should be ASCII; other bytes become backslash escapes. It is hostile all the same."""
    return name.decode("ascii", "backslashreplace")


class Extended:
    """Base of the messages that carry extensions."""

    __slots__ = ()
    extensions: tuple[Extension, ...]
    _parsers: ClassVar[dict[int, Callable[[bytes], object]]] = {}

    def __init_subclass__(cls) -> None:
        accessors = [a for base in cls.__mro__ for a in vars(base).values() if isinstance(a, Parsed)]
        cls._parsers = {type_: accessor.parse for accessor in accessors for type_ in accessor.types}

    def extension(self, *types: int) -> bytes | None:
        """Content of the first extension of one of these types."""
        for type_, data in self.extensions:
            if type_ in types:
                return data
        return None

    @property
    def malformed_extensions(self) -> tuple[int, ...]:
        """Types of the extensions whose content is not what their RFC says."""
        malformed = []
        for type_, data in self.extensions:
            if type_ in self._parsers:
                try:
                    self._parsers[type_](data)
                except Malformed:
                    malformed.append(type_)
        return tuple(malformed)


class Parsed(Generic[T]):
    """Accessor of an extension: its parsed content, or None."""

    def __init__(self, parse: Callable[[bytes], T], *types: int) -> None:
        self.parse = parse
        self.types = types
        # A message is asked the same again and again, and the next handshake says mostly the same.
        self._parse_short = lru_cache(_REMEMBERED)(parse)

    @overload
    def __get__(self, message: None, owner: type) -> Self: ...

    @overload
    def __get__(self, message: Extended, owner: type) -> T | None: ...

    def __get__(self, message: Extended | None, owner: type) -> Self | T | None:
        if message is None:
            return self
        for type_, data in message.extensions:
            if type_ in self.types:
                try:
                    return self._parse_short(data) if len(data) <= _SHORT else self.parse(data)
                except Malformed:
                    return None
        return None


class Present(Parsed[bool]):
    """Accessor of an extension that has no content: whether it was sent."""

    def __init__(self, type_: int) -> None:
        super().__init__(_empty, type_)

    @overload
    def __get__(self, message: None, owner: type) -> Self: ...

    @overload
    def __get__(self, message: Extended, owner: type) -> bool: ...

    def __get__(self, message: Extended | None, owner: type) -> Self | bool:
        return self if message is None else message.extension(*self.types) is not None


class EncryptedClientHello(NamedTuple):
    """Encrypted Client Hello (RFC 9849, section 5)."""

    is_inner: bool
    """The hello is itself the decrypted one; then nothing follows."""
    kdf: int = 0
    """HPKE KDF."""
    aead: int = 0
    """HPKE AEAD."""
    config_id: int = 0
    """Which of the server's configurations."""
    enc: bytes = b""
    """Encapsulated key; empty in the second hello."""
    payload: bytes = b""
    """The encrypted inner hello."""


def _raw(data: bytes) -> bytes:
    return data


def _empty(data: bytes) -> bool:
    Reader(data).end()
    return True


def _u8(data: bytes) -> int:
    return whole(data, Reader.u8)


def _u16(data: bytes) -> int:
    return whole(data, Reader.u16)


def _u32(data: bytes) -> int:
    return whole(data, Reader.u32)


def _u8_list(data: bytes) -> tuple[int, ...]:
    return tuple(whole(data, Reader.vector8))


def _u16_list8(data: bytes) -> tuple[int, ...]:
    return u16s(whole(data, Reader.vector8))


def _u16_list(data: bytes) -> tuple[int, ...]:
    return u16s(whole(data, Reader.vector16))


def _vector8(data: bytes) -> bytes:
    return whole(data, Reader.vector8)


def _vector16(data: bytes) -> bytes:
    return whole(data, Reader.vector16)


def _vectors16(data: bytes) -> tuple[bytes, ...]:
    return repeated(whole(data, Reader.vector16), Reader.vector16)


def _host_name(data: bytes) -> str:
    names = repeated(whole(data, Reader.vector16), lambda reader: (reader.u8(), reader.vector16()))
    for type_, name in names:
        if type_ == 0:
            return text(name)
    raise Malformed("no host_name")


def alpn_protocols(data: bytes) -> tuple[bytes, ...]:
    """Protocol identifiers of an ALPN extension (RFC 7301, section 3.1)."""
    return repeated(whole(data, Reader.vector16), Reader.vector8)


def _alpn(data: bytes) -> tuple[str, ...]:
    return tuple(text(protocol) for protocol in alpn_protocols(data))


def _selected_alpn(data: bytes) -> str:
    protocols = _alpn(data)
    if len(protocols) != 1:
        raise Malformed(f"one protocol expected, {len(protocols)} there")
    return protocols[0]


def _key_share_groups(data: bytes) -> tuple[int, ...]:
    shares = repeated(whole(data, Reader.vector16), lambda reader: (reader.u16(), reader.vector16()))
    return tuple(group for group, _ in shares)


def _key_share_group(data: bytes) -> int:
    reader = Reader(data)
    group = reader.u16()
    if reader:  # a HelloRetryRequest names the group only
        reader.vector16()
    reader.end()
    return group


def _psk_identities(data: bytes) -> tuple[PskIdentity, ...]:
    reader = Reader(data)
    identities = repeated(reader.vector16(), lambda entry: PskIdentity(entry.vector16(), entry.u32()))
    repeated(reader.vector16(), Reader.vector8)  # binders
    reader.end()
    return identities


def _status_type(data: bytes) -> int:
    reader = Reader(data)
    type_ = reader.u8()
    if type_ == 1:  # OCSPStatusRequest
        reader.vector16()
        reader.vector16()
        reader.end()
    return type_


def _ocsp_response(data: bytes) -> bytes:
    type_, response = whole(data, lambda reader: (reader.u8(), reader.vector24()))
    if type_ != 1:
        raise Malformed(f"status type 1 expected, {type_} there")
    return response


def _oid_filters(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return repeated(whole(data, Reader.vector16), lambda reader: (reader.vector8(), reader.vector16()))


def _encrypted_client_hello(data: bytes) -> EncryptedClientHello:
    reader = Reader(data)
    if reader.u8():
        hello = EncryptedClientHello(True)
    else:
        kdf, aead, config_id = reader.u16(), reader.u16(), reader.u8()
        hello = EncryptedClientHello(False, kdf, aead, config_id, reader.vector16(), reader.vector16())
    reader.end()
    return hello


class ClientExtensions(Extended):
    """Accessors of a ClientHello's extensions."""

    __slots__ = ()

    server_name = Parsed(_host_name, 0)
    """The server's name as text (RFC 6066, section 3); A-labels stay as they are."""
    max_fragment_length = Parsed(_u8, 1)
    """Code of a record size (RFC 6066, section 4)."""
    status_request = Parsed(_status_type, 5)
    """Kind of certificate status that is asked for, 1 for OCSP (RFC 6066, section 8)."""
    supported_groups = Parsed(_u16_list, 10)
    """Named groups in order of preference (RFC 8446, section 4.2.7)."""
    ec_point_formats = Parsed(_u8_list, 11)
    """Point formats (RFC 8422, section 5.1.2)."""
    signature_algorithms = Parsed(_u16_list, 13)
    """Signature schemes in order of preference (RFC 8446, section 4.2.3)."""
    alpn = Parsed(_alpn, 16)
    """Application protocols in order of preference, as text (RFC 7301)."""
    signed_certificate_timestamp = Present(18)
    """Asked for (RFC 6962, section 3.3.1)."""
    client_certificate_types = Parsed(_u8_list, 19)
    """Forms of certificate that the client can send (RFC 7250)."""
    server_certificate_types = Parsed(_u8_list, 20)
    """Forms of certificate that the client can read (RFC 7250)."""
    encrypt_then_mac = Present(22)
    """Offered (RFC 7366)."""
    extended_master_secret = Present(23)
    """Offered (RFC 7627)."""
    compress_certificate = Parsed(_u16_list8, 27)
    """Algorithms for compressed certificates (RFC 8879)."""
    record_size_limit = Parsed(_u16, 28)
    """Largest record the client reads (RFC 8449)."""
    delegated_credential = Parsed(_u16_list, 34)
    """Signature schemes for delegated credentials (RFC 9345)."""
    session_ticket = Parsed(_raw, 35)
    """Ticket of an earlier session, empty where one is only asked for (RFC 5077, section 3.2)."""
    psk_identities = Parsed(_psk_identities, 41)
    """Names of pre-shared keys, or tickets (RFC 8446, section 4.2.11)."""
    early_data = Present(42)
    """0-RTT data follow (RFC 8446, section 4.2.10)."""
    supported_versions = Parsed(_u16_list8, 43)
    """Versions in order of preference (RFC 8446, section 4.2.1)."""
    cookie = Parsed(_vector16, 44)
    """The HelloRetryRequest's cookie (RFC 8446, section 4.2.2)."""
    psk_modes = Parsed(_u8_list, 45)
    """PskKeyExchangeModes (RFC 8446, section 4.2.9)."""
    certificate_authorities = Parsed(_vectors16, 47)
    """Names of authorities, DER (RFC 8446, section 4.2.4)."""
    post_handshake_auth = Present(49)
    """The client may be asked for a certificate later (RFC 8446, section 4.2.6)."""
    signature_algorithms_cert = Parsed(_u16_list, 50)
    """Signature schemes for the signatures in certificates (RFC 8446, section 4.2.3)."""
    key_share_groups = Parsed(_key_share_groups, 51, 40)
    """Groups of the shares that the client sends (RFC 8446, section 4.2.8; 40 in drafts up to 22)."""
    quic_transport_parameters = Parsed(_raw, 57, 65445)
    """As sent (RFC 9000, section 18)."""
    encrypted_client_hello = Parsed(_encrypted_client_hello, 65037)
    """The outer or inner marker (RFC 9849)."""
    renegotiation_info = Parsed(_vector8, 65281)
    """Verify data of the Finished before, empty at first (RFC 5746, section 3.2)."""


class ServerExtensions(Extended):
    """Accessors of the extensions of ServerHello, HelloRetryRequest and EncryptedExtensions."""

    __slots__ = ()

    server_name = Present(0)
    """The server used the client's name (RFC 6066, section 3)."""
    max_fragment_length = Parsed(_u8, 1)
    """As agreed (RFC 6066, section 4)."""
    truncated_hmac = Present(4)
    """MACs of ten bytes were agreed (RFC 6066, section 7)."""
    status_request = Present(5)
    """A CertificateStatus may follow (RFC 6066, section 8)."""
    supported_groups = Parsed(_u16_list, 10)
    """The server's preference, for next time (RFC 8446, section 4.2.7)."""
    ec_point_formats = Parsed(_u8_list, 11)
    """Point formats (RFC 8422, section 5.1.2)."""
    alpn = Parsed(_selected_alpn, 16)
    """The chosen application protocol, as text (RFC 7301)."""
    signed_certificate_timestamps = Parsed(_vectors16, 18)
    """As sent (RFC 6962, section 3.3.1)."""
    client_certificate_type = Parsed(_u8, 19)
    """Form of certificate that the client shall send (RFC 7250)."""
    server_certificate_type = Parsed(_u8, 20)
    """Form of certificate that the server sends (RFC 7250)."""
    encrypt_then_mac = Present(22)
    """Agreed (RFC 7366)."""
    extended_master_secret = Present(23)
    """Agreed (RFC 7627)."""
    record_size_limit = Parsed(_u16, 28)
    """Largest record the server reads (RFC 8449)."""
    session_ticket = Parsed(_raw, 35)
    """Empty where a NewSessionTicket will follow (RFC 5077, section 3.2)."""
    selected_psk = Parsed(_u16, 41)
    """Index of the accepted pre-shared key (RFC 8446, section 4.2.11)."""
    early_data = Present(42)
    """The server reads the 0-RTT data (RFC 8446, section 4.2.10)."""
    supported_version = Parsed(_u16, 43)
    """The chosen version from TLS 1.3 on (RFC 8446, section 4.2.1)."""
    cookie = Parsed(_vector16, 44)
    """What the client shall return (RFC 8446, section 4.2.2)."""
    key_share_group = Parsed(_key_share_group, 51, 40)
    """Group of the server's share, or that the client shall use (RFC 8446, section 4.2.8)."""
    quic_transport_parameters = Parsed(_raw, 57, 65445)
    """As sent (RFC 9000, section 18)."""
    encrypted_client_hello = Parsed(_raw, 65037)
    """Confirmation or configurations for a retry (RFC 9849)."""
    renegotiation_info = Parsed(_vector8, 65281)
    """Verify data of both Finished before, empty at first (RFC 5746, section 3.2)."""


class RequestExtensions(Extended):
    """Accessors of the extensions of TLS 1.3's CertificateRequest (RFC 8446, section 4.3.2)."""

    __slots__ = ()

    requested_signature_algorithms = Parsed(_u16_list, 13)
    """Signature schemes for the CertificateVerify."""
    signature_algorithms_cert = Parsed(_u16_list, 50)
    """Signature schemes for the signatures in certificates."""
    requested_authorities = Parsed(_vectors16, 47)
    """Names of accepted authorities, DER."""
    oid_filters = Parsed(_oid_filters, 48)
    """OID and accepted values of certificate extensions (RFC 8446, section 4.2.5)."""
    compress_certificate = Parsed(_u16_list8, 27)
    """Algorithms for compressed certificates (RFC 8879)."""


class EntryExtensions(Extended):
    """Accessors of the extensions of one certificate in TLS 1.3 (RFC 8446, section 4.4.2)."""

    __slots__ = ()

    ocsp_response = Parsed(_ocsp_response, 5)
    """The stapled response, DER."""
    signed_certificate_timestamps = Parsed(_vectors16, 18)
    """As sent (RFC 6962, section 3.3.1)."""


class TicketExtensions(Extended):
    """Accessors of the extensions of TLS 1.3's NewSessionTicket (RFC 8446, section 4.6.1)."""

    __slots__ = ()

    max_early_data_size = Parsed(_u32, 42)
    """Bytes of 0-RTT data that the ticket allows."""
