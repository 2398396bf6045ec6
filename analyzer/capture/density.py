"""Does a capture hold many TLS handshakes, as far as a look at a few places tells?

Several processes that share one each read all of it (see `analyzer.shares`): what they share is the work on handshakes.
"""

from pathlib import Path

_SAMPLES = 4
_SAMPLE = 256 << 10
"""So many bytes are looked at in so many places."""
_RECORDS = (b"\x16\x03\x01", b"\x16\x03\x03")
"""How most records of type handshake begin (RFC 8446, section 5.1)."""
_MANY = 4
"""Of them, in all of these places but one: a capture may merely begin with some. By chance there is not one."""


def is_dense(file: str | Path, least: int = 0) -> bool:
    """Whether a file of at least so many bytes holds many; not where it is compressed, no file, or cannot be read."""
    path, found = Path(file), list[int]()
    try:
        if not path.is_file():
            return False
        with path.open("rb") as opened:
            size = opened.seek(0, 2)
            for sample in range(_SAMPLES) if size >= least else ():
                opened.seek(size * sample // _SAMPLES)
                data = opened.read(_SAMPLE)
                found.append(sum(map(data.count, _RECORDS)))
    except OSError:  # which will be told where it is read
        return False
    return len(found) == _SAMPLES and sorted(found)[1] >= _MANY
