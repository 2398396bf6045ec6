"""What do the messages of SSL 2.0 say? (Hickman, The SSL Protocol, 1995.)

Also a client that wants TLS may send its first hello in this format (RFC 5246, appendix E.2).
"""

from dataclasses import dataclass
from typing import ClassVar

from analyzer.tls.codec import Malformed, Reader, repeated
from analyzer.tls.hello import ClientHello


@dataclass(slots=True)
class SSLv2ServerHello:
    """The server's offer: in SSLv2 the client chooses."""

    legacy_version: int
    """0x0002."""
    session_id_hit: bool
    """The session goes on; then certificate and kinds are missing."""
    certificate: bytes
    """DER."""
    cipher_suites: tuple[int, ...]
    """Cipher kinds that both sides support."""
    connection_id: bytes
    """The server's random."""

    name: ClassVar[str] = "server_hello"


@dataclass(slots=True)
class SSLv2ClientMasterKey:
    """The client's choice of cipher, and its secret."""

    cipher_suite: int
    """The chosen kind."""
    clear_key: bytes
    """The part of an export cipher's key that is no secret."""
    encrypted_key: bytes
    """The rest, encrypted with the server's public key."""
    key_argument: bytes
    """Initialization vector."""

    name: ClassVar[str] = "client_master_key"


@dataclass(slots=True)
class SSLv2Message:
    """Any other message of SSLv2, and one that could not be read."""

    type: int
    """MSG-TYPE-CODE, not a HandshakeType."""
    body: bytes
    """Behind the type."""
    reason: str | None = None
    """Why it could not be read."""

    @property
    def name(self) -> str:
        """Such as client_finished."""
        return _NAMES.get(self.type, f"0x{self.type:02x}")


_NAMES = {
    0: "error",
    1: "client_hello",
    2: "client_master_key",
    3: "client_finished",
    4: "server_hello",
    5: "server_verify",
    6: "server_finished",
    7: "request_certificate",
    8: "client_certificate",
}


def parse_sslv2(message: bytes) -> ClientHello | SSLv2ServerHello | SSLv2ClientMasterKey | SSLv2Message:
    """A message in SSLv2's format, behind the record header; never raises."""
    type_, body = (message[0], message[1:]) if message else (0, b"")
    reader = Reader(body)
    try:
        match type_:
            case 1:
                return _client_hello(reader)
            case 2:
                return _client_master_key(reader)
            case 4:
                return _server_hello(reader)
    except Malformed as error:
        return SSLv2Message(type_, body, str(error))
    return SSLv2Message(type_, body)


def _client_hello(reader: Reader) -> ClientHello:
    version, kinds, session_id, challenge = reader.u16(), reader.u16(), reader.u16(), reader.u16()
    if not 16 <= challenge <= 32:
        raise Malformed(f"challenge of 16 to 32 bytes expected, {challenge} there")
    return ClientHello(
        legacy_version=version,
        cipher_suites=_kinds(reader.take(kinds)),
        session_id=reader.take(session_id),
        random=reader.take(challenge).rjust(32, b"\0"),  # RFC 5246, appendix E.2
        compression_methods=b"\0",
        trailing=reader.rest(),
        is_sslv2_format=True,
    )


def _client_master_key(reader: Reader) -> SSLv2ClientMasterKey:
    kind, clear, encrypted, argument = reader.u24(), reader.u16(), reader.u16(), reader.u16()
    message = SSLv2ClientMasterKey(kind, reader.take(clear), reader.take(encrypted), reader.take(argument))
    reader.end()
    return message


def _server_hello(reader: Reader) -> SSLv2ServerHello:
    hit, _certificate_type, version = reader.u8(), reader.u8(), reader.u16()
    certificate, kinds, connection_id = reader.u16(), reader.u16(), reader.u16()
    message = SSLv2ServerHello(
        version,
        bool(hit),
        reader.take(certificate),
        _kinds(reader.take(kinds)),
        reader.take(connection_id),
    )
    reader.end()
    return message


def _kinds(data: bytes) -> tuple[int, ...]:
    return repeated(data, Reader.u24)
