"""What does a key log say? (RFC 9850; SSLKEYLOGFILE, or NSS key log.)

Each line is `LABEL <client random> <secret>` in hexadecimal. A log may hold millions of connections, so for each
client random one short byte string holds all of its secrets.
"""

from binascii import Error, unhexlify
from collections.abc import Iterable

_LABELS = (
    b"CLIENT_RANDOM",
    b"CLIENT_EARLY_TRAFFIC_SECRET",
    b"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    b"SERVER_HANDSHAKE_TRAFFIC_SECRET",
    b"CLIENT_TRAFFIC_SECRET_0",
    b"SERVER_TRAFFIC_SECRET_0",
    b"PMS_CLIENT_RANDOM",
)
"""What opens records; the rest (`EXPORTER_SECRET` …) is well-formed and of no use here."""
_CODES = {label: code.to_bytes() for code, label in enumerate(_LABELS)}
_NAMES = [label.decode() for label in _LABELS]
_RANDOM = 32
_MASTER = 48
_ENCRYPTED_PREFIX = 8
_LONGEST = 255
_SHORTEST = 13
"""Characters of the shortest line that is well-formed: a label that is of no use here, and a byte twice."""
_REMEMBERED = 8


class KeyLog:
    """Secrets by client random; neither its text nor its errors show them."""

    def __init__(self) -> None:
        self._secrets: dict[bytes, bytes] = {}
        self._pre_masters: dict[bytes, bytes] = {}
        self._masters: dict[bytes, bytes] = {}
        self.malformed: list[int] = []
        """Numbers of the first malformed lines, counted from 1 in what `read` was given."""
        self.malformed_count = 0
        """How many there are."""

    def __len__(self) -> int:
        """How many connections it has secrets of."""
        return len(self._secrets) + len(self._pre_masters) + len(self._masters)

    def __repr__(self) -> str:
        return f"<KeyLog of {len(self)} connections>"

    def read(self, lines: Iterable[bytes]) -> None:
        """Add lines of a log; empty ones and comments are passed over, malformed ones are counted."""
        secrets, codes = self._secrets, _CODES
        for number, line in enumerate(lines, 1):
            if len(line) < _SHORTEST:  # by far the fastest way to pass over empty lines
                if not line.isspace():
                    self._reject(number, line)
                continue
            try:
                label, named, secret = line.split()
                code = codes.get(label)
                if code is None:
                    self._read_other(label, named, secret)
                    continue
                random, value = unhexlify(named), unhexlify(secret)
            except (ValueError, Error):
                self._reject(number, line)
                continue
            if len(random) != _RANDOM or not 0 < len(value) <= _LONGEST:
                self._reject(number, line)
                continue
            entry = code + len(value).to_bytes() + value
            known = secrets.get(random)
            if known is None:
                secrets[random] = entry
            elif entry not in known:
                secrets[random] = known + entry

    def find(self, client_random: bytes) -> dict[str, bytes]:
        """The secrets of one connection by label; empty where the log has none."""
        found: dict[str, bytes] = {}
        entry, position = self._secrets.get(client_random, b""), 0
        while position < len(entry):
            end = position + 2 + entry[position + 1]
            found[_NAMES[entry[position]]] = entry[position + 2 : end]
            position = end
        return found

    def pre_master(self, encrypted: bytes) -> bytes | None:
        """What a line `RSA` says of the pre-master secret that is encrypted to this."""
        return self._pre_masters.get(encrypted[:_ENCRYPTED_PREFIX])

    def master(self, session_id: bytes) -> bytes | None:
        """What a line `RSA Session-ID:… Master-Key:…` says of a session."""
        return self._masters.get(session_id) if session_id else None

    def _read_other(self, label: bytes, named: bytes, secret: bytes) -> None:
        """Lines that name no client random, and labels that are of no use here; raises ValueError."""
        if label != b"RSA":
            if not label.replace(b"_", b"").isalnum() or len(label) < _ENCRYPTED_PREFIX:
                raise ValueError
            unhexlify(named)
            unhexlify(secret)
        elif named.startswith(b"Session-ID:") and secret.startswith(b"Master-Key:"):
            self._masters[unhexlify(named[11:])] = _exactly(_MASTER, secret[11:])
        else:
            self._pre_masters[_exactly(_ENCRYPTED_PREFIX, named)] = _exactly(_MASTER, secret)

    def _reject(self, number: int, line: bytes) -> None:
        stripped = line.strip()
        if stripped and not stripped.startswith(b"#"):
            self.malformed_count += 1
            if len(self.malformed) < _REMEMBERED:
                self.malformed.append(number)


def _exactly(length: int, hexadecimal: bytes) -> bytes:
    value = unhexlify(hexadecimal)
    if len(value) != length:
        raise ValueError
    return value
