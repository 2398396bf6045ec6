"""Where do secrets come from: the files that `--keylog` and `--server-key` name?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from analyzer.errors import UsageError
from analyzer.issues import Issues
from analyzer.optionfiles import opened, read
from analyzer.tls.keylog import KeyLog
from analyzer.truststores import is_pkcs12

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_LONGEST = 1 << 20  # bytes of a key log's line, which has some hundred
Password = str | Callable[[str], str] | None
"""What opens encrypted private keys, or what asks for it, given the file's name."""


@dataclass(slots=True, frozen=True)
class Secrets:
    """What was read from files; it may serve the analysis of many captures."""

    log: KeyLog = field(default_factory=KeyLog)
    private_keys: tuple["RSAPrivateKey", ...] = field(default=(), repr=False)
    issues: Issues = field(default_factory=Issues)
    """What is wrong with the files."""


def load(
    keylog: Iterable[str | Path] = (), server_key: Iterable[str | Path] = (), *, password: Password = None
) -> Secrets:
    """Read key logs (RFC 9850) and private RSA keys: PEM, DER or PKCS#12, encrypted or not; raises `UsageError`."""
    secrets = Secrets(private_keys=tuple(_private_key(Path(name), password) for name in server_key))
    for name in keylog:
        _read_log(Path(name), secrets)
    return secrets


def _read_log(path: Path, secrets: Secrets) -> None:
    log, malformed, known = secrets.log, secrets.log.malformed_count, len(secrets.log)
    log.malformed.clear()
    try:
        with opened(path) as file:
            log.read(_lines(file))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    count = log.malformed_count - malformed
    if not count:
        return
    if len(log) == known:
        raise UsageError(f"{path}: no key log: line {log.malformed[0]} is no `LABEL <client random> <secret>`")
    numbers = ", ".join(map(str, log.malformed)) + (" …" if count > len(log.malformed) else "")
    says = f"{path}: {count} malformed line{'s' if count > 1 else ''} in the key log: {numbers}."
    secrets.issues.add("keylog-malformed", says, count=count)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Its lines, but of what is too long to be one only the beginning: there need not be an end to it."""
    while line := file.readline(_LONGEST):
        yield line
        while len(line) == _LONGEST and not line.endswith(b"\n"):
            line = file.readline(_LONGEST)


def _private_key(path: Path, password: Password) -> "RSAPrivateKey":
    """Load a private key; the password is asked for only where one is needed."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    data = read(path)
    try:
        key = _load(data, None)
        if key is None:
            key = _load(data, _ask(path, password).encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path}: no private key in PEM, DER or PKCS#12, or the password does not open it") from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(f"{path}: no RSA key; with other key exchanges a private key does not help")
    return key


def _ask(path: Path, password: Password) -> str:
    given = password(str(path)) if callable(password) else password
    if given is None:
        raise UsageError(f"{path}: the private key is encrypted, and no password is given")
    return given


def _load(data: bytes, password: bytes | None) -> "PrivateKeyTypes | None":
    """None where a password is needed; raises ValueError or TypeError where there is no key, or another password."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    if is_pkcs12(data):
        try:
            return load_pkcs12(data, password).key
        except ValueError:
            if password is None:
                return None
            raise
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        return load(data, password)
    except TypeError:
        if password is None:
            return None
        raise
