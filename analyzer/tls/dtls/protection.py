"""How is a protected record of DTLS opened? (RFC 6347, section 4.1.2; RFC 9146, section 5; RFC 9147, section 4.)

Up to DTLS 1.2 it is that of TLS, whose record number is here the epoch and the number that the record names. A record
with a connection id is covered in another way, and hides its type; so does one of DTLS 1.3, and its number as well.
"""

from analyzer.tls import protection
from analyzer.tls.dtls.record import UNIFIED, WITH_ID, DtlsRecord
from analyzer.tls.keyschedule import DTLS13_PREFIX, DirectionKeys, expand_label
from analyzer.tls.protection import Plain, Protection, Unsupported
from analyzer.tls.record import Record
from analyzer.tls.registry import Suite

_NONCE, _EXPLICIT_NONCE = 12, 8
_MASK = 16
"""Bytes of ciphertext from which a record number's mask is made."""


class Dtls12:
    """Opens the records of one direction and epoch, in any order."""

    def __init__(self, keys: DirectionKeys, suite: Suite, version: int, *, encrypt_then_mac: bool) -> None:
        """Raises `Unsupported`."""
        self._inner: Protection = protection.tls12(keys, suite, version, encrypt_then_mac=encrypt_then_mac)
        self._keys = keys
        self._suite = suite

    def open(self, record: DtlsRecord) -> Plain | None:
        """What it holds; None where it is not authentic."""
        if record.fragment is None:
            return None
        if record.type == WITH_ID:
            return self._open_with_id(record, record.fragment)
        self._inner.sequence = record.epoch << 48 | record.sequence
        return self._inner.open(Record(0, record.type, record.version, record.length, record.fragment, 0, 0, 0, 0))

    def _open_with_id(self, record: DtlsRecord, fragment: bytes) -> Plain | None:
        """The type stands behind the content, as in TLS 1.3; what is covered begins with a placeholder."""
        if not self._suite.is_aead:
            return None
        number = record.header[3:11]
        fixed = self._keys.iv
        if len(fixed) == _NONCE:
            nonce, body = (int.from_bytes(fixed) ^ int.from_bytes(number)).to_bytes(_NONCE), fragment
        else:
            nonce, body = fixed + fragment[:_EXPLICIT_NONCE], fragment[_EXPLICIT_NONCE:]
        length = len(body) - self._suite.tag_length
        if length < 0:
            return None
        identity = record.header[11:-2]
        kind = bytes((WITH_ID,))
        covered = b"\xff" * 8 + kind + len(identity).to_bytes() + kind + record.header[1:3] + number + identity
        aead = protection.make_aead(self._suite, self._keys.key)
        return _inner_plain(protection.open_aead(aead, nonce, body, covered + length.to_bytes(2)))


class Dtls13:
    """Opens the records of one direction and epoch under a traffic secret, in any order."""

    def __init__(self, secret: bytes, suite: Suite) -> None:
        """Raises `Unsupported`."""
        digest = suite.hash.lower()
        key, number_key = (
            expand_label(secret, label, b"", suite.key_length, digest, DTLS13_PREFIX) for label in ("key", "sn")
        )
        self._aead = protection.make_aead(suite, key)
        self._iv = int.from_bytes(expand_label(secret, "iv", b"", _NONCE, digest, DTLS13_PREFIX))
        self._number_key = number_key
        self._by_chacha = suite.cipher.startswith("CHACHA20")
        if not self._by_chacha and not suite.cipher.startswith("AES"):
            raise Unsupported(f"cannot decrypt: {suite.cipher}")
        self._next = 0
        """One more than the highest number seen."""

    def open(self, record: DtlsRecord) -> Plain | None:
        """What it holds; None where it is not authentic."""
        fragment = record.fragment
        if fragment is None or record.type != UNIFIED or len(fragment) < _MASK:
            return None
        size, at = record.number_size, record.number_at
        mask = int.from_bytes(self._mask(fragment[:_MASK])[:size])
        low = record.sequence ^ mask
        number = self._reconstructed(low, 8 * size)
        header = record.header[:at] + low.to_bytes(size) + record.header[at + size :]
        nonce = (self._iv ^ number).to_bytes(_NONCE)
        plain = _inner_plain(protection.open_aead(self._aead, nonce, fragment, header))
        if plain is not None:
            self._next = max(self._next, number + 1)
        return plain

    def _reconstructed(self, low: int, bits: int) -> int:
        """The number with these last bits that is closest to the one that is due (RFC 9147, section 4.2.2)."""
        window = 1 << bits
        number = (self._next & ~(window - 1)) | low
        if number > self._next + window // 2 and number >= window:
            return number - window
        if number + window // 2 < self._next:
            return number + window
        return number

    def _mask(self, sample: bytes) -> bytes:
        """RFC 9147, section 4.2.3."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        if self._by_chacha:
            made = Cipher(algorithms.ChaCha20(self._number_key, sample), None).encryptor()
            return made.update(bytes(_MASK))
        made = Cipher(algorithms.AES(self._number_key), modes.ECB()).encryptor()
        return made.update(sample)


def _inner_plain(inner: bytes | None) -> Plain | None:
    """Content, its type, and zeros."""
    content = inner.rstrip(b"\0") if inner is not None else b""
    return Plain(content[-1], content[:-1]) if content else None
