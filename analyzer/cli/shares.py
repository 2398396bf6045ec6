"""How many processes are worth their while to analyze a capture together?

Each of them reads all of it, and only what is done for handshakes is shared: so it must have many.
"""

import os
from collections.abc import Iterable
from pathlib import Path

_SMALL = 8 << 20
"""Bytes of a capture that one process has done before several get going."""
_SAMPLES = 4
_SAMPLE = 256 << 10
"""So many bytes are looked at in so many places."""
_RECORDS = (b"\x16\x03\x01", b"\x16\x03\x03")
"""How most records of type handshake begin (RFC 8446, section 5.1)."""
_MANY = 16
"""Of them, in all that is looked at; by chance there is less than one."""
_FEWEST, _MOST = 4, 8
"""Cores: fewer gain little, above all where two of them are one that does two things at a time."""


def worthwhile(files: Iterable[str]) -> int:
    """So many processes; one where these files are few, short, compressed, no files, or hold something else."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return min(cores, _MOST) if cores >= _FEWEST and all(map(_is_dense, files)) else 1
    except OSError:  # which will be told where it is read
        return 1


def _is_dense(file: str) -> bool:
    path = Path(file)
    if not path.is_file() or (size := path.stat().st_size) < _SMALL:
        return False
    found = 0
    with path.open("rb") as opened:
        for sample in range(_SAMPLES):
            opened.seek(size * sample // _SAMPLES)
            data = opened.read(_SAMPLE)
            found += sum(map(data.count, _RECORDS))
    return found >= _MANY
