"""Which public key did a peer send, in a certificate or raw?"""

from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING

from analyzer.pki.certificate import Certificate

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_KEPT = 4096


class PublicKeys:
    """Loads keys; those seen lately are not loaded again."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, PublicKeyTypes | str] = OrderedDict()

    def __call__(self, encoded: bytes) -> "PublicKeyTypes | str":
        """The key of a certificate, or of a bare SubjectPublicKeyInfo (RFC 7250); words where it cannot be loaded."""
        fingerprint = sha256(encoded).digest()
        key = self._keys.get(fingerprint)
        if key is None:
            key = self._keys[fingerprint] = _load(encoded)
            if len(self._keys) > _KEPT:
                self._keys.popitem(last=False)
        return key


def _load(encoded: bytes) -> "PublicKeyTypes | str":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = Certificate(encoded).public_key
    if not isinstance(key, str):
        return key
    try:
        return load_der_public_key(encoded)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return key
