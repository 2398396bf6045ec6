"""How is a packet of QUIC opened? (RFC 9001, section 5; RFC 9369, section 3.3.)

Keys of Initial packets follow from the first destination id of the client, which anybody sees: they hide nothing.
Those of all other packets follow from TLS's secrets, by labels of QUIC's own. The packet number is hidden as well.
"""

import hmac
from typing import NamedTuple

from analyzer.results import Sender
from analyzer.tls import protection
from analyzer.tls.keyschedule import expand_label
from analyzer.tls.protection import Unsupported
from analyzer.tls.quic.packet import Packet, Version
from analyzer.tls.registry import Suite, suite

TAG = 16
"""Bytes of the tag of every packet (RFC 9001, section 5.3)."""
_NONCE = 12
_SAMPLE_AT, _SAMPLE = 4, 16
_AES_128_GCM_SHA256 = 0x1301
_LONG = 0x80
_MOST_GENERATIONS = 3


class Opened(NamedTuple):
    """What a packet held."""

    number: int
    payload: bytes
    """Its frames."""


class _Generation(NamedTuple):
    """What opens packets between two updates of keys."""

    aead: protection._Aead
    iv: int

    def open(self, number: int, sealed: bytes, header: bytes) -> bytes | None:
        nonce = (self.iv ^ number).to_bytes(_NONCE)
        return protection.open_aead(self.aead, nonce, sealed, header)


class Keys:
    """Opens the packets of one direction and encryption level, in any order."""

    def __init__(self, secret: bytes, suite: Suite, version: Version) -> None:
        """Raises `Unsupported`."""
        if not suite.cipher.startswith(("AES", "CHACHA20")) or suite.hash not in _KNOWN_HASHES:
            raise Unsupported(f"cannot decrypt: {suite.cipher}")
        self._suite, self._version, self._secret = suite, version, secret
        self._by_chacha = suite.cipher.startswith("CHACHA20")
        self._header_key = self._expand(secret, "hp", suite.key_length)
        self._present = self._keys(secret)
        self._phase = 0
        self.next = 0
        """One more than the highest number seen."""

    def open(self, packet: Packet, skipped: int = 0) -> Opened | None:
        """Its frames; None where it is not authentic. So many packets before it were not opened."""
        data, at = packet.data, packet.number_at
        sample = data[at + _SAMPLE_AT : at + _SAMPLE_AT + _SAMPLE]
        if packet.is_cut or len(sample) < _SAMPLE:
            return None
        mask = self._mask(sample)
        is_long = data[0] & _LONG
        first = data[0] ^ (mask[0] & (0x0F if is_long else 0x1F))
        size = (first & 3) + 1
        low = int.from_bytes(data[at : at + size]) ^ int.from_bytes(mask[1 : 1 + size])
        number = reconstructed(low, 8 * size, self.next + skipped)
        header = bytes((first,)) + data[1:at] + low.to_bytes(size)
        sealed = data[at + size :]
        phase = 0 if is_long else first >> 2 & 1
        payload = self._open(number, sealed, header, phase)
        if payload is None:
            return None
        self.next = max(self.next, number + 1)
        return Opened(number, payload)

    def _open(self, number: int, sealed: bytes, header: bytes, phase: int) -> bytes | None:
        if phase == self._phase:
            return self._present.open(number, sealed, header)
        # The keys were updated (RFC 9001, section 6), perhaps more than once in packets that were passed over.
        secret = self._secret
        for _ in range(_MOST_GENERATIONS):
            secret = self._expand(secret, "ku", len(secret))
            keys = self._keys(secret)
            payload = keys.open(number, sealed, header)
            if payload is not None:
                self._secret, self._present, self._phase = secret, keys, phase
                return payload
        return None

    def _keys(self, secret: bytes) -> _Generation:
        aead = protection.make_aead(self._suite, self._expand(secret, "key", self._suite.key_length))
        return _Generation(aead, int.from_bytes(self._expand(secret, "iv", _NONCE)))

    def _expand(self, secret: bytes, label: str, length: int) -> bytes:
        return expand_label(secret, self._version.prefix + label, b"", length, self._suite.hash.lower())

    def _mask(self, sample: bytes) -> bytes:
        """RFC 9001, section 5.4."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        if self._by_chacha:
            return Cipher(algorithms.ChaCha20(self._header_key, sample), None).encryptor().update(bytes(5))
        return Cipher(algorithms.AES(self._header_key), modes.ECB()).encryptor().update(sample)


_KNOWN_HASHES = ("SHA256", "SHA384")


class InitialKeys:
    """What opens Initial packets of either side (RFC 9001, section 5.2); made when first used."""

    __slots__ = ("_keys", "_secret", "_version")

    def __init__(self, destination: bytes, version: Version) -> None:
        """`destination` is the destination id of the client's first packet."""
        self._secret = hmac.digest(version.salt, destination, "sha256")
        self._version = version
        self._keys: dict[Sender, Keys] = {}

    def of(self, sender: Sender) -> Keys:
        """Those of one side."""
        keys = self._keys.get(sender)
        if keys is None:
            chosen = suite(_AES_128_GCM_SHA256)
            assert chosen is not None, "it is in the registry"
            secret = expand_label(self._secret, f"{sender} in", b"", 32, "sha256")
            keys = self._keys[sender] = Keys(secret, chosen, self._version)
        return keys


def is_genuine_retry(packet: Packet, destination: bytes, version: Version) -> bool:
    """Whether a Retry answers the packet to this destination id (RFC 9001, section 5.8)."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if version.retry is None:
        return True
    key, nonce = version.retry
    content, tag = packet.data[:-TAG], packet.data[-TAG:]
    covered = len(destination).to_bytes() + destination + content
    return hmac.compare_digest(AESGCM(key).encrypt(nonce, b"", covered), tag)


def reconstructed(low: int, bits: int, due: int) -> int:
    """The packet number with these last bits that is closest to the one that is due (RFC 9000, appendix A.3)."""
    window = 1 << bits
    number = (due & ~(window - 1)) | low
    if number <= due - window // 2 and number + window < 1 << 62:
        return number + window
    if number > due + window // 2 and number >= window:
        return number - window
    return number
