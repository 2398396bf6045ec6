"""How is a protected record opened? (RFC 8446, section 5.2; RFC 5246, section 6.2.3; RFC 7366; RFC 7905.)

A protection opens the records of one direction between two changes of keys. What its tag or MAC does not confirm
stays closed.
"""

import hashlib
import hmac
from abc import ABC, abstractmethod
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from analyzer.tls.keyschedule import SSL3, TLS10, DirectionKeys, expand_label
from analyzer.tls.modes import Ccm, FirstChaCha20Poly1305, Gcm
from analyzer.tls.record import Record
from analyzer.tls.registry import Suite

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, CipherContext

_header = Struct(">BHH").pack
_sequenced = Struct(">QBHH").pack
_NONCE = 12
_EXPLICIT_NONCE = 8
_TRUNCATED_MAC = 10


class Plain(NamedTuple):
    """What a record held."""

    type: int
    """ContentType."""
    content: bytes


class Unsupported(Exception):  # noqa: N818 - never leaves this floor: it becomes a reason
    """Records of this cipher suite cannot be opened; the text names what is not supported."""


class Protection(ABC):
    """Opens the records of one direction, in order."""

    def __init__(self) -> None:
        self.sequence = 0
        """Number of the next record."""

    def open(self, record: Record, tries: int = 1) -> Plain | None:
        """The content of the next record, or of one of the next `tries` where some may be missing.

        Where none is authentic, nothing changes; `pass_over` counts it all the same.
        """
        if record.fragment is None:
            return None
        for sequence in range(self.sequence, self.sequence + tries):
            plain = self._open(record, record.fragment, sequence)
            if plain is not None:
                self.sequence = sequence
                self.pass_over(record)
                return plain
        return None

    def pass_over(self, record: Record) -> None:
        """The next record need not, or cannot be opened."""
        self.sequence += 1

    @abstractmethod
    def _open(self, record: Record, fragment: bytes, sequence: int) -> Plain | None:
        """The content of the record, if it has this number."""


def tls13(secret: bytes, suite: Suite) -> Protection:
    """The protection under a traffic secret (RFC 8446, section 7.3); raises `Unsupported`."""
    digest = suite.hash.lower()
    aead = make_aead(suite, expand_label(secret, "key", b"", suite.key_length, digest))
    return _Tls13(aead, expand_label(secret, "iv", b"", _NONCE, digest))


def fixed_iv_length(suite: Suite, version: int) -> int:
    """Bytes of IV or nonce that the key block holds for one direction."""
    if _is_first_chacha20(suite):
        return 0
    if suite.is_aead:
        return _NONCE if suite.cipher.startswith("CHACHA20") else _NONCE - _EXPLICIT_NONCE
    return suite.block_size if version <= TLS10 else 0


def tls12(
    keys: DirectionKeys, suite: Suite, version: int, *, encrypt_then_mac: bool, truncated_mac: bool = False
) -> Protection:
    """The protection of SSL 3.0 to TLS 1.2; raises `Unsupported`."""
    if suite.is_export:
        raise Unsupported("cannot decrypt: keys of export strength")
    if suite.is_aead:
        return _Aead12(make_aead(suite, keys.key), keys.iv, suite.tag_length)
    mac = _Mac(suite, keys.mac, version, truncated=truncated_mac)
    if suite.block_size:
        return _Cbc(_block_cipher(suite, keys.key), keys.iv, mac, encrypt_then_mac=encrypt_then_mac)
    if suite.cipher == "NULL":
        return _Null(mac)
    return _Rc4(_rc4(suite, keys.key), mac)


# AEAD


class _Aead(Protocol):
    """As in `cryptography`; `decrypt` raises InvalidTag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


def make_aead(suite: Suite, key: bytes) -> _Aead:
    """The AEAD of a cipher suite; raises `Unsupported`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

    if _is_first_chacha20(suite):
        return FirstChaCha20Poly1305(key)
    match suite.cipher.split("_"):
        case ["AES", _, "GCM"]:
            return AESGCM(key)
        case ["AES", _, "CCM", *_]:
            return AESCCM(key, tag_length=suite.tag_length)
        case ["CHACHA20", "POLY1305"]:
            return ChaCha20Poly1305(key)
        case ["CAMELLIA", _, "GCM"] | ["SM4", "GCM"]:
            return Gcm(_block_cipher(suite, key))
        case ["SM4", "CCM"]:
            return Ccm(_block_cipher(suite, key), suite.tag_length)
    raise Unsupported(f"cannot decrypt: {suite.cipher}")


def open_aead(aead: _Aead, nonce: bytes, data: bytes, associated: bytes) -> bytes | None:
    """What was sealed; None where it is not authentic."""
    from cryptography.exceptions import InvalidTag

    try:
        return aead.decrypt(nonce, data, associated)
    except (InvalidTag, ValueError):  # too short for a tag
        return None


class _Tls13(Protection):
    def __init__(self, aead: _Aead, iv: bytes) -> None:
        super().__init__()
        self._aead = aead
        self._iv = int.from_bytes(iv)

    def _open(self, record: Record, fragment: bytes, sequence: int) -> Plain | None:
        nonce = (self._iv ^ sequence).to_bytes(_NONCE)
        inner = open_aead(self._aead, nonce, fragment, _header(record.type, record.version, len(fragment)))
        if inner is None:
            return None
        content = inner.rstrip(b"\0")
        return Plain(content[-1], content[:-1]) if content else None


def _is_first_chacha20(suite: Suite) -> bool:
    """Whether it is one of the suites that Chrome spoke before RFC 7905."""
    return suite.cipher == "CHACHA20_POLY1305" and suite.name.endswith("_OLD")


class _Aead12(Protection):
    """With an explicit part of the nonce (RFC 5288, section 3), or without one (RFC 7905, section 2)."""

    def __init__(self, aead: _Aead, fixed: bytes, tag_length: int) -> None:
        super().__init__()
        self._aead = aead
        self._fixed = fixed
        self._tag_length = tag_length

    def _open(self, record: Record, fragment: bytes, sequence: int) -> Plain | None:
        if len(self._fixed) == _NONCE:
            nonce, body = (int.from_bytes(self._fixed) ^ sequence).to_bytes(_NONCE), fragment
        elif not self._fixed:
            nonce, body = sequence.to_bytes(8), fragment
        else:
            nonce, body = self._fixed + fragment[:_EXPLICIT_NONCE], fragment[_EXPLICIT_NONCE:]
        length = len(body) - self._tag_length
        if length < 0:
            return None
        content = open_aead(self._aead, nonce, body, _sequenced(sequence, record.type, record.version, length))
        return None if content is None else Plain(record.type, content)


# A cipher, and a MAC


class _Mac:
    """The keyed digest of a record (RFC 5246, section 6.2.3.1; RFC 6101, section 5.2.3.1; RFC 6066, section 7)."""

    def __init__(self, suite: Suite, key: bytes, version: int, *, truncated: bool) -> None:
        if suite.mac not in ("MD5", "SHA1", "SHA256", "SHA384"):
            raise Unsupported(f"cannot decrypt: {suite.mac}")
        self._digest = suite.mac.lower()
        self._key = key
        self.is_ssl3 = version == SSL3
        self.length = _TRUNCATED_MAC if truncated else suite.mac_length

    def holds(self, record: Record, sequence: int, content: bytes, mac: bytes) -> bool:
        """Whether it is that of this content."""
        if not self.is_ssl3:
            header = _sequenced(sequence, record.type, record.version, len(content))
            return hmac.compare_digest(hmac.digest(self._key, header + content, self._digest)[: self.length], mac)
        pad = 48 if self._digest == "md5" else 40
        header = sequence.to_bytes(8) + bytes((record.type,)) + len(content).to_bytes(2)
        inner = hashlib.new(self._digest, self._key + b"\x36" * pad + header + content).digest()
        return hmac.compare_digest(hashlib.new(self._digest, self._key + b"\x5c" * pad + inner).digest(), mac)

    def strip(self, record: Record, sequence: int, data: bytes) -> Plain | None:
        """The content before the MAC, where that is right."""
        if len(data) < self.length:
            return None
        content, mac = data[: len(data) - self.length], data[len(data) - self.length :]
        return Plain(record.type, content) if self.holds(record, sequence, content, mac) else None


class _Null(Protection):
    def __init__(self, mac: _Mac) -> None:
        super().__init__()
        self._mac = mac

    def _open(self, record: Record, fragment: bytes, sequence: int) -> Plain | None:
        return self._mac.strip(record, sequence, fragment)


class _Rc4(Protection):
    """One keystream for all records: each can be opened only once, and only behind all others."""

    def __init__(self, stream: "CipherContext", mac: _Mac) -> None:
        super().__init__()
        self._stream = stream
        self._mac = mac

    def open(self, record: Record, tries: int = 1) -> Plain | None:
        if record.fragment is None:
            return None
        plain = self._open(record, self._stream.update(record.fragment), self.sequence)
        self.sequence += plain is not None
        return plain

    def pass_over(self, record: Record) -> None:
        self._stream.update(bytes(record.length))
        self.sequence += 1

    def _open(self, record: Record, fragment: bytes, sequence: int) -> Plain | None:
        return self._mac.strip(record, sequence, fragment)


class _Cbc(Protection):
    """MAC, then encrypt (RFC 5246, section 6.2.3.2), or encrypt, then MAC (RFC 7366, section 3)."""

    def __init__(self, cipher: "BlockCipherAlgorithm", iv: bytes, mac: _Mac, *, encrypt_then_mac: bool) -> None:
        super().__init__()
        self._cipher = cipher
        self._block = cipher.block_size // 8
        self._iv = iv
        """Last block of the record before, up to TLS 1.0; later each record brings its own."""
        self._mac = mac
        self._encrypt_then_mac = encrypt_then_mac

    def pass_over(self, record: Record) -> None:
        super().pass_over(record)
        if self._iv:
            body = (record.fragment or b"")[: -self._mac.length if self._encrypt_then_mac else None]
            self._iv = body[-self._block :].rjust(self._block, b"\0")

    def _open(self, record: Record, fragment: bytes, sequence: int) -> Plain | None:
        if self._encrypt_then_mac:
            sealed = self._mac.strip(record, sequence, fragment)
            if sealed is None:
                return None
            fragment = sealed.content
        iv, body = (self._iv, fragment) if self._iv else (fragment[: self._block], fragment[self._block :])
        if not body or len(body) % self._block or len(iv) != self._block:
            return None
        content = self._without_padding(self._decrypt(iv, body))
        if content is None:
            return None
        return Plain(record.type, content) if self._encrypt_then_mac else self._mac.strip(record, sequence, content)

    def _decrypt(self, iv: bytes, body: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        return Cipher(self._cipher, CBC(iv)).decryptor().update(body)

    def _without_padding(self, plain: bytes) -> bytes | None:
        """SSL 3.0 leaves the padding's bytes open, TLS does not (RFC 5246, section 6.2.3.2)."""
        length = plain[-1] + 1
        if length > len(plain):
            return None
        if not self._mac.is_ssl3 and plain[-length:] != plain[-1:] * length:
            return None
        return plain[: len(plain) - length]


_BLOCK_CIPHERS = {
    "AES": "AES",
    "3DES": "TripleDES",
    "CAMELLIA": "Camellia",
    "SEED": "SEED",
    "IDEA": "IDEA",
    "SM4": "SM4",
}


def _block_cipher(suite: Suite, key: bytes) -> "BlockCipherAlgorithm":
    name = suite.cipher.split("_")[0]
    if name == "DES":  # 3DES with the same key three times
        name, key = "3DES", key * 3
    algorithm = _algorithm(_BLOCK_CIPHERS.get(name, name))
    if name not in _BLOCK_CIPHERS or algorithm is None:
        raise Unsupported(f"cannot decrypt: {suite.cipher}")
    made: BlockCipherAlgorithm = algorithm(key)
    return made


def _rc4(suite: Suite, key: bytes) -> "CipherContext":
    from cryptography.hazmat.primitives.ciphers import Cipher

    algorithm = _algorithm("ARC4")
    if suite.cipher != "RC4_128" or algorithm is None:
        raise Unsupported(f"cannot decrypt: {suite.cipher}")
    return Cipher(algorithm(key), None).decryptor()


def _algorithm(name: str) -> Any:
    """A cipher of `cryptography`, which moves the old ones away one by one."""
    from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
    from cryptography.hazmat.primitives.ciphers import algorithms

    return getattr(decrepit, name, None) or getattr(algorithms, name, None)
