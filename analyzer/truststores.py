"""Where do trust stores, revocation lists and lists of logs come from: the files that `--trust` and `--crl` name."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path

from analyzer.errors import UsageError
from analyzer.filenames import named
from analyzer.optionfiles import read
from analyzer.pki import der, jks
from analyzer.pki.certificate import Certificate
from analyzer.pki.context import TransparencyLog
from analyzer.pki.der import DerError
from analyzer.pki.revocation import RevocationList
from analyzer.pki.trust import NO_STORE, TrustStore

_PEM = re.compile(rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<body>.*?)-----END (?P=label)-----", re.DOTALL)
_CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_SUFFIXES = {".pem", ".crt", ".cer", ".der", *(f".{number}" for number in range(10))}
"""Numbers end the hashed names of OpenSSL's folders."""
_JAVA_PASSWORD = b"changeit"  # keytool's, which hides nothing: a truststore holds no secrets
_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS, BSD
)


def load(names: Iterable[str | Path], *, password: bytes | None = None) -> TrustStore:
    """Load stores and unite them: `mozilla`, `system`, `none`, or a file or folder.

    Files hold certificates as PEM or DER, or are Java keystores (JKS) or PKCS#12 (`password` opens it; without one,
    none and Java's usual one are tried). Raises `UsageError` where there is no certificate to be had.
    """
    chosen = tuple(map(str, names))
    return _united(chosen, tuple(map(_stamp, chosen)), password)


@lru_cache(maxsize=8)
def _united(names: tuple[str, ...], _stamps: tuple["_Stamp", ...], password: bytes | None) -> TrustStore:
    """An analysis of a thousand captures asks for the same stores a thousand times."""
    return TrustStore.union(_load(name, password) for name in names)


def load_revocation_list(path: str | Path) -> RevocationList:
    """Load a CRL, PEM or DER; raises `UsageError`."""
    return _revocation_list(str(path), _stamp(str(path)))


@lru_cache(maxsize=64)
def _revocation_list(path: str, _stamp: "_Stamp") -> RevocationList:
    data = read(path)
    found = next((body for label, body in _pem_blocks(data, path) if label == b"X509 CRL"), data)
    try:
        return RevocationList(found)
    except DerError as error:
        raise UsageError(f"{path}: {error}") from error


def load_transparency_logs(paths: Iterable[str | Path]) -> dict[bytes, TransparencyLog]:
    """Load lists of logs in the JSON of version 3 that browsers publish; raises `UsageError`."""
    logs: dict[bytes, TransparencyLog] = {}
    for path in paths:
        try:
            for operator in json.loads(read(path))["operators"]:
                for log in (*operator["logs"], *operator.get("tiled_logs", ())):
                    key = base64.b64decode(log["key"], validate=True)
                    logs[hashlib.sha256(key).digest()] = TransparencyLog(named(str(log["description"])), key)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(f"{path}: no list of transparency logs (log_list.json, version 3)") from error
    return logs


_Stamp = tuple[tuple[str, int, int], ...]
"""Name, time of change and size of each file that a store is made of: another stamp, other contents."""


def _stamp(name: str) -> _Stamp:
    if name in ("none", "mozilla"):
        return ()
    paths = _system_places()[:1] if name == "system" else [Path(name)]
    stamps = []
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            with suppress(OSError):  # whoever reads it says so
                status = file.stat()
                stamps.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(stamps)


def _load(name: str, password: bytes | None) -> TrustStore:
    match name:
        case "":
            raise UsageError("a trust store has an empty name")
        case "none":
            return NO_STORE
        case "mozilla":
            return _mozilla()
        case "system":
            return _system()
    path = Path(name)
    certificates = list(_folder(path) if path.is_dir() else _certificates(path, password))
    if not certificates:
        raise UsageError(f"{path}: no certificate in it")
    return TrustStore(named(name), certificates, date=_date(path))


@cache
def _mozilla() -> TrustStore:
    try:
        import certifi
    except ModuleNotFoundError as error:
        raise UsageError("mozilla: the package certifi, which holds Mozilla's trust store, is not installed") from error
    anchors = _certificates(Path(certifi.where()), None)
    return TrustStore("mozilla", anchors, date=certifi.__version__, public=True)


def _system() -> TrustStore:
    for path in _system_places():
        anchors = list(_folder(path) if path.is_dir() else _certificates(path, None))
        if anchors:
            return TrustStore("system", anchors, date=_date(path), public=True)
    raise UsageError("system: no trust store in any of the usual places")


def _system_places() -> list[Path]:
    import ssl

    paths = ssl.get_default_verify_paths()
    places = (Path(place) for place in (paths.cafile, *_SYSTEM, paths.capath) if place is not None)
    return [place for place in places if place.exists()]


def _folder(path: Path) -> Iterator[Certificate]:
    """The certificates of all files that look like certificates; others may lie beside them."""
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in _SUFFIXES and file.is_file():
            data = read(file)
            yield from (Certificate(one) for one in _encoded(data, file))


def _certificates(path: Path, password: bytes | None) -> Iterator[Certificate]:
    data = read(path)
    if kind := jks.kind(data):
        encoded = _java(path, data, kind)
    else:
        encoded = _pkcs12(path, data, password) if is_pkcs12(data) else _encoded(data, path)
    return map(Certificate, encoded)


def _java(path: Path, data: bytes, kind: str) -> list[bytes]:
    try:
        return jks.trusted(data)
    except ValueError as error:
        raise UsageError(f"{path}: Java keystore ({kind}) that cannot be read: {error}") from error


def _encoded(data: bytes, path: Path) -> list[bytes]:
    """DER of the certificates in a PEM or DER file."""
    found = [body for label, body in _pem_blocks(data, path) if label in _CERTIFICATES]
    if not found and data[:1] == b"\x30":
        found = [data]
    try:
        # what follows a certificate is OpenSSL's own: which purposes it is trusted for
        return [der.encoded(one, der.expect(der.whole(one), der.SEQUENCE)) for one in found]
    except DerError as error:
        raise UsageError(f"{path}: no certificate: {error}") from error


def _pem_blocks(data: bytes, path: str | Path) -> Iterator[tuple[bytes, bytes]]:
    """Label and contents of each PEM block (RFC 7468)."""
    for block in _PEM.finditer(data):
        try:
            yield block["label"], base64.b64decode(b"".join(block["body"].split()), validate=True)
        except ValueError as error:
            raise UsageError(f"{path}: PEM that is not base64: {error}") from error


def is_pkcs12(data: bytes) -> bool:
    """Whether it is a SEQUENCE that begins with the version 3 (RFC 7292, section 4)."""
    try:
        return der.integer(data, der.children(data, der.SEQUENCE)[0]) == 3
    except (DerError, IndexError):
        return False


def _pkcs12(path: Path, data: bytes, password: bytes | None) -> list[bytes]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
    from cryptography.x509 import InvalidVersion

    for attempt in (password,) if password is not None else (None, b"", _JAVA_PASSWORD):
        try:
            store = load_pkcs12(data, attempt)
        except (ValueError, UnsupportedAlgorithm, InvalidVersion):
            continue
        own = [store.cert] if store.cert is not None and store.key is None else []
        return [one.certificate.public_bytes(Encoding.DER) for one in (*own, *store.additional_certs)]
    raise UsageError(
        f"{path}: PKCS#12 that is damaged or has a password of its own; "
        "openssl pkcs12 -nokeys -in FILE -out FILE.pem makes a file of it that needs none"
    )


def _date(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
