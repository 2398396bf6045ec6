"""How are AEADs made of a block cipher, where `cryptography` has the cipher and not the mode?

GCM (NIST SP 800-38D) and CCM (RFC 3610) over Camellia and SM4 (RFC 6367, RFC 8998), and the first form of ChaCha20 with
Poly1305, which Chrome spoke before RFC 7905. Each only opens, as `cryptography`'s AEADs do.
"""

from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, CipherContext

_BLOCK = 16
_TAG = 16
_REDUCTION = 0xE1 << 120
"""x^128 = x^7 + x^2 + x + 1, the lowest power in the highest bit."""


class Gcm:
    """Counter mode, and a hash in GF(2^128), for a nonce of twelve bytes."""

    def __init__(self, cipher: "BlockCipherAlgorithm") -> None:
        self._blocks = _blocks(cipher)
        self._tables = _multiples(int.from_bytes(self._blocks.update(bytes(_BLOCK))))

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """What was sealed; raises InvalidTag."""
        associated, sealed, tag = associated_data or b"", *_split(data, _TAG)
        lengths = (8 * len(associated)).to_bytes(8) + (8 * len(sealed)).to_bytes(8)
        hashed = self._hash(_padded(associated) + _padded(sealed) + lengths)
        mask, *stream = _counted(self._blocks, nonce, 1, len(sealed))
        _check(_xor(hashed, mask), tag)
        return _xor(sealed, b"".join(stream))

    def _hash(self, data: bytes) -> bytes:
        value = 0
        for at in range(0, len(data), _BLOCK):
            value ^= int.from_bytes(data[at : at + _BLOCK])
            product = 0
            for table in self._tables:
                product ^= table[value & 0xFF]
                value >>= 8
            value = product
        return value.to_bytes(_BLOCK)


class Ccm:
    """Counter mode, and a MAC of chained blocks, for a nonce of twelve bytes."""

    def __init__(self, cipher: "BlockCipherAlgorithm", tag_length: int) -> None:
        self._cipher = cipher
        self._blocks = _blocks(cipher)
        self._tag_length = tag_length

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """What was sealed; raises InvalidTag."""
        associated, sealed, tag = associated_data or b"", *_split(data, self._tag_length)
        flags = 2  # the message's length takes three bytes
        mask, *stream = _counted(self._blocks, bytes((flags,)) + nonce, 0, len(sealed))
        content = _xor(sealed, b"".join(stream))
        first = (
            bytes((0x40 * bool(associated) + 4 * (self._tag_length - 2) + flags,)) + nonce + len(content).to_bytes(3)
        )
        covered = first + _padded(len(associated).to_bytes(2) + associated if associated else b"") + _padded(content)
        _check(_xor(self._chained(covered), mask)[: self._tag_length], tag)
        return content

    def _chained(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        return Cipher(self._cipher, CBC(bytes(_BLOCK))).encryptor().update(data)[-_BLOCK:]


class FirstChaCha20Poly1305:
    """As Chrome spoke it (draft-agl-tls-chacha20poly1305-04, section 5): the nonce is the record's number."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """What was sealed; raises InvalidTag."""
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
        from cryptography.hazmat.primitives.poly1305 import Poly1305

        associated, sealed, tag = associated_data or b"", *_split(data, _TAG)
        stream = Cipher(ChaCha20(self._key, bytes(8) + nonce), None).decryptor()
        one_time_key = stream.update(bytes(64))[:32]
        parts = (part + len(part).to_bytes(8, "little") for part in (associated, sealed))
        _check(Poly1305.generate_tag(one_time_key, b"".join(parts)), tag)
        return stream.update(sealed)


def _blocks(cipher: "BlockCipherAlgorithm") -> "CipherContext":
    """Encrypts blocks, each by itself."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    return Cipher(cipher, ECB()).encryptor()


def _counted(blocks: "CipherContext", head: bytes, first: int, length: int) -> list[bytes]:
    """Encrypted counters: that of the tag, and as many as cover `length` bytes."""
    size = _BLOCK - len(head)
    counters = range(first, first + 1 + -(-length // _BLOCK))
    made = blocks.update(b"".join(head + counter.to_bytes(size) for counter in counters))
    return [made[at : at + _BLOCK] for at in range(0, len(made), _BLOCK)]


def _multiples(key: int) -> list[list[int]]:
    """Products of the key with every value of each byte of a block, the last byte first."""
    powers = [key]
    while len(powers) < 8 * _BLOCK:
        last = powers[-1]
        powers.append(last >> 1 ^ _REDUCTION * (last & 1))
    powers.reverse()
    tables: list[list[int]] = []
    for at in range(0, len(powers), 8):
        table = [0]
        for power in powers[at : at + 8]:
            table += [one ^ power for one in table]
        tables.append(table)
    return tables


def _split(data: bytes, tag_length: int) -> tuple[bytes, bytes]:
    if len(data) < tag_length:
        raise ValueError("too short for a tag")
    return data[: len(data) - tag_length], data[len(data) - tag_length :]


def _check(expected: bytes, tag: bytes) -> None:
    from cryptography.exceptions import InvalidTag

    if not compare_digest(expected, tag):
        raise InvalidTag


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


def _xor(data: bytes, stream: bytes) -> bytes:
    """The data, with as much of the stream as they are long."""
    length = len(data)
    return (int.from_bytes(data) ^ int.from_bytes(stream[:length])).to_bytes(length)
