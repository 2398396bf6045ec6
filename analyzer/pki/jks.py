"""Which certificates does a keystore of Java's own formats hold as trusted: JKS, or JCEKS without secret keys?

These need no password: it protects private keys, and the digest at the end that tells whether somebody changed the
store, which is not looked at.
"""

from analyzer.tls.codec import Malformed, Reader

_MAGICS = {b"\xfe\xed\xfe\xed": "JKS", b"\xce\xce\xce\xce": "JCEKS"}
_PRIVATE_KEY, _TRUSTED = 1, 2
_DATE = 8


def kind(data: bytes) -> str | None:
    """JKS or JCEKS, as the first bytes say; None where it is neither."""
    return _MAGICS.get(data[:4])


def trusted(data: bytes) -> list[bytes]:
    """DER of the certificates that are trusted, without those of the store's own private keys.

    Raises ValueError where the store is damaged or holds secret keys, behind which nothing can be found.
    """
    found: list[bytes] = []
    reader = Reader(data)
    try:
        reader.take(4)
        version, count = reader.u32(), reader.u32()
        if version not in (1, 2):
            raise ValueError(f"version {version} is not known")
        for _ in range(count):
            entry = reader.u32()
            reader.vector16()  # its alias
            reader.take(_DATE)
            if entry == _PRIVATE_KEY:
                reader.take(reader.u32())
                for _ in range(reader.u32()):
                    _certificate(reader, version)
            elif entry == _TRUSTED:
                found.append(_certificate(reader, version))
            else:
                raise ValueError("it holds secret keys")
    except Malformed as error:
        raise ValueError("it is damaged") from error
    return found


def _certificate(reader: Reader, version: int) -> bytes:
    if version == 2:
        reader.vector16()  # its kind, X.509
    return reader.take(reader.u32())
