"""What do the hellos say? One value and one parse function side by side for each.

A hello may be followed by bytes that no field accounts for: OpenSSL refuses such a hello, Wireshark shows
what it can read of it. Since others may accept it, it is read here too, and the bytes stand in `trailing`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from analyzer.tls.codec import Reader, u16s, whole
from analyzer.tls.extensions import ClientExtensions, Extension, ServerExtensions, split

HELLO_RETRY_REQUEST = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""SHA-256 of "HelloRetryRequest", which stands for the random (RFC 8446, section 4.1.3)."""


@dataclass(slots=True)
class HelloRequest:
    """The server asks for a renegotiation (RFC 5246, section 7.4.1.1)."""

    name: ClassVar[str] = "hello_request"


def parse_hello_request(body: bytes, version: int) -> HelloRequest:
    """Read a HelloRequest; raises `Malformed`."""
    Reader(body).end()
    return HelloRequest()


@dataclass(slots=True)
class ClientHello(ClientExtensions):
    """The client's offer (RFC 8446, section 4.1.2; RFC 5246, section 7.4.1.2; RFC 6347, section 4.2.1)."""

    legacy_version: int
    """client_version; from TLS 1.3 on the offer is in `supported_versions`."""
    random: bytes
    """32 bytes."""
    session_id: bytes
    """Of the session to resume, or legacy_session_id."""
    cipher_suites: tuple[int, ...]
    """In order of preference; in SSLv2's format they may be SSLv2 kinds, above 0xffff."""
    compression_methods: bytes
    """One byte each."""
    extensions: tuple[Extension, ...] = ()
    """In the order sent."""
    hello_verify_cookie: bytes | None = None
    """DTLS: what the HelloVerifyRequest gave; None in TLS."""
    trailing: bytes = b""
    """Bytes behind the extensions."""
    is_sslv2_format: bool = False
    """Sent in SSLv2's format for the sake of old servers (RFC 5246, appendix E.2)."""

    name: ClassVar[str] = "client_hello"


def parse_client_hello(body: bytes, version: int) -> ClientHello:
    """Read a ClientHello; in DTLS its version says so; raises `Malformed`."""
    reader = Reader(body)
    legacy_version = reader.u16()
    random = reader.take(32)
    session_id = reader.vector8()
    cookie = reader.vector8() if legacy_version >> 8 == 0xFE or legacy_version == 0x0100 else None
    cipher_suites = u16s(reader.vector16())
    compression_methods = reader.vector8()
    extensions = split(reader.vector16()) if reader else ()
    return ClientHello(
        legacy_version,
        random,
        session_id,
        cipher_suites,
        compression_methods,
        extensions,
        cookie,
        reader.rest(),
    )


@dataclass(slots=True)
class ServerHello(ServerExtensions):
    """The server's choice, or its HelloRetryRequest (RFC 8446, section 4.1.3; RFC 5246, section 7.4.1.3)."""

    legacy_version: int
    """server_version; TLS 1.3 shows in `selected_version`."""
    random: bytes
    """32 bytes."""
    session_id: bytes
    """Of the session, or an echo of the client's."""
    cipher_suite: int
    """The chosen one."""
    compression_method: int
    """The chosen one; 0 is none."""
    extensions: tuple[Extension, ...] = ()
    """In the order sent."""
    trailing: bytes = b""
    """Bytes behind the extensions."""

    @property
    def name(self) -> str:
        """server_hello or hello_retry_request."""
        return "hello_retry_request" if self.is_hello_retry_request else "server_hello"

    @property
    def is_hello_retry_request(self) -> bool:
        """Whether the client shall send another hello (RFC 8446, section 4.1.4)."""
        return self.random == HELLO_RETRY_REQUEST

    @property
    def selected_version(self) -> int:
        """The wire version that was agreed."""
        return self.supported_version or self.legacy_version

    @property
    def downgrade(self) -> Literal["TLSv1.1", "TLSv1.2"] | None:
        """What a server that could do better says to have chosen, at the end of its random.

        `TLSv1.1` stands for that and all before (RFC 8446, section 4.1.3).
        """
        match self.random[24:]:
            case b"DOWNGRD\x01":
                return "TLSv1.2"
            case b"DOWNGRD\x00":
                return "TLSv1.1"
        return None


def parse_server_hello(body: bytes, version: int) -> ServerHello:
    """Read a ServerHello or HelloRetryRequest; raises `Malformed`."""
    reader = Reader(body)
    legacy_version = reader.u16()
    random = reader.take(32)
    session_id, compression_method = b"", 0
    if 0x7F00 <= legacy_version <= 0x7F15:  # drafts up to 21 of TLS 1.3 had neither
        cipher_suite = reader.u16()
    else:
        session_id = reader.vector8()
        cipher_suite = reader.u16()
        compression_method = reader.u8()
    extensions = split(reader.vector16()) if reader else ()
    return ServerHello(legacy_version, random, session_id, cipher_suite, compression_method, extensions, reader.rest())


@dataclass(slots=True)
class HelloVerifyRequest:
    """A DTLS server wants to see that the client's address is its own (RFC 6347, section 4.2.1)."""

    server_version: int
    """Not the one that will be agreed."""
    cookie: bytes
    """What the client shall return."""

    name: ClassVar[str] = "hello_verify_request"


def parse_hello_verify_request(body: bytes, version: int) -> HelloVerifyRequest:
    """Read a HelloVerifyRequest; raises `Malformed`."""
    return HelloVerifyRequest(*whole(body, lambda reader: (reader.u16(), reader.vector8())))
