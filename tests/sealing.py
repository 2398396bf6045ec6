"""Seals records as the RFCs say, with the primitives of `cryptography` alone."""

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5, sha1
from struct import pack

from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.poly1305 import Poly1305

from analyzer.tls import protection
from analyzer.tls.keyschedule import DirectionKeys, expand_label
from analyzer.tls.protection import Protection
from analyzer.tls.record import Record
from analyzer.tls.registry import Suite, suite

DATA, HANDSHAKE = 23, 22
CAMELLIA = getattr(decrepit, "Camellia", None) or algorithms.Camellia


def record(fragment: bytes | None, type_: int = DATA, version: int = 0x0303, length: int | None = None) -> Record:
    size = len(fragment) if fragment is not None else length or 0
    return Record(0, type_, version, size, fragment, 1, 1, 1, 1)


def known(code: int) -> Suite:
    found = suite(code)
    assert found is not None
    return found


@dataclass
class Sealed:
    """One direction under a suite: seals like a sender, and the protection that must open it."""

    suite: Suite
    version: int
    encrypt_then_mac: bool = False
    truncated_mac: bool = False

    def __post_init__(self) -> None:
        self.keys = DirectionKeys(
            os.urandom(self.suite.mac_length),
            os.urandom(self.suite.key_length),
            os.urandom(protection.fixed_iv_length(self.suite, self.version)),
        )
        self.protection()

    def protection(self) -> Protection:
        """The receiver; the sender begins anew as well."""
        self.sequence = 0
        self.last = self.keys.iv
        self.rc4 = Cipher(decrepit.ARC4(self.keys.key), None).encryptor() if "RC4" in self.suite.name else None
        return protection.tls12(
            self.keys,
            self.suite,
            self.version,
            encrypt_then_mac=self.encrypt_then_mac,
            truncated_mac=self.truncated_mac,
        )

    def seal(self, content: bytes, type_: int = DATA) -> Record:
        header = pack(">QBHH", self.sequence, type_, self.version, len(content))
        self.sequence += 1
        if self.suite.is_aead:
            fragment = self._aead(header, content)
        elif self.encrypt_then_mac:
            body = self._cbc(content)
            header = header[:-2] + pack(">H", len(body))
            fragment = body + self._mac(header, body)
        else:
            fragment = self._encrypt(content + self._mac(header, content))
        return record(fragment, type_, self.version)

    def _encrypt(self, data: bytes) -> bytes:
        if self.suite.block_size:
            return self._cbc(data)
        return self.rc4.update(data) if self.rc4 else data

    def _mac(self, header: bytes, content: bytes) -> bytes:
        if self.version > 0x0300:
            whole = hmac.digest(self.keys.mac, header + content, self.suite.mac.lower())
            return whole[:10] if self.truncated_mac else whole
        make, pad = (sha1, 40) if self.suite.mac == "SHA1" else (md5, 48)
        head = header[:9] + header[11:]  # without the version (RFC 6101, section 5.2.3.1)
        inner = make(self.keys.mac + b"\x36" * pad + head + content).digest()
        return make(self.keys.mac + b"\x5c" * pad + inner).digest()

    def _aead(self, header: bytes, content: bytes) -> bytes:
        if self.suite.name.endswith("_OLD"):
            return first_chacha20(self.keys.key, header[:8], content, header)
        if self.suite.cipher.startswith("CHACHA20"):
            nonce = bytes(a ^ b for a, b in zip(self.keys.iv, bytes(4) + header[:8], strict=True))
            return ChaCha20Poly1305(self.keys.key).encrypt(nonce, content, header)
        explicit = os.urandom(8)
        if "CCM" in self.suite.cipher:
            aead = AESCCM(self.keys.key, tag_length=self.suite.tag_length)
        else:
            aead = AESGCM(self.keys.key)
        return explicit + aead.encrypt(self.keys.iv + explicit, content, header)

    def _cbc(self, data: bytes) -> bytes:
        block = self.suite.block_size
        padding = block - len(data) % block
        if self.version > 0x0300:
            data += bytes([padding - 1]) * padding
        else:
            data += os.urandom(padding - 1) + bytes([padding - 1])
        iv = self.last if self.version <= 0x0301 else os.urandom(block)
        makers: dict[str, Callable[[bytes], algorithms.AES]] = {
            "AES": algorithms.AES,
            "3DES": decrepit.TripleDES,
            "DES": lambda key: decrepit.TripleDES(key * 3),
            "CAMELLIA": CAMELLIA,
            "SEED": decrepit.SEED,
            "IDEA": decrepit.IDEA,
        }
        cipher = makers[self.suite.cipher.split("_")[0]](self.keys.key)
        body = Cipher(cipher, modes.CBC(iv)).encryptor().update(data)
        self.last = body[-block:]
        return body if self.version <= 0x0301 else iv + body


def first_chacha20(key: bytes, number: bytes, content: bytes, header: bytes) -> bytes:
    """As draft-agl-tls-chacha20poly1305-04 has it: one block for Poly1305's key, lengths behind what they measure."""
    stream = Cipher(algorithms.ChaCha20(key, bytes(8) + number), None).encryptor()
    mac = Poly1305(stream.update(bytes(64))[:32])
    sealed = stream.update(content)
    for part in (header, sealed):
        mac.update(part + len(part).to_bytes(8, "little"))
    return sealed + mac.finalize()


def _sm4_gcm(key: bytes, nonce: bytes, content: bytes, header: bytes) -> bytes:
    sealing = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    sealing.authenticate_additional_data(header)
    return sealing.update(content) + sealing.finalize() + sealing.tag


def tls13_record(code: int, secret: bytes, inner: bytes, sequence: int) -> Record:
    chosen = known(code)
    digest = chosen.hash.lower()
    key = expand_label(secret, "key", b"", chosen.key_length, digest)
    iv = expand_label(secret, "iv", b"", 12, digest)
    nonce = bytes(a ^ b for a, b in zip(iv, sequence.to_bytes(12), strict=True))
    header = b"\x17\x03\x03" + (len(inner) + chosen.tag_length).to_bytes(2)
    if "CHACHA20" in chosen.cipher:
        return record(ChaCha20Poly1305(key).encrypt(nonce, inner, header))
    if chosen.cipher == "SM4_GCM":
        return record(_sm4_gcm(key, nonce, inner, header))
    if "CCM" in chosen.cipher:
        return record(AESCCM(key, tag_length=chosen.tag_length).encrypt(nonce, inner, header))
    return record(AESGCM(key).encrypt(nonce, inner, header))
