"""How many processes are worth their while to analyze a capture together?"""

import os
from collections.abc import Iterable
from pathlib import Path

_SMALL = 8 << 20
"""Bytes of a capture that one process has done before several get going."""
_FEWEST, _MOST = 4, 8
"""Cores: fewer gain little, above all where two of them are one that does two things at a time."""


def worthwhile(files: Iterable[str]) -> int:
    """So many processes; one where these files are short, compressed, no files, or hold few handshakes."""
    from analyzer.capture.density import is_dense

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < _FEWEST:
        return 1
    try:
        many = all(Path(file).is_file() and Path(file).stat().st_size >= _SMALL and is_dense(file) for file in files)
    except OSError:  # which will be told where it is read
        return 1
    return min(cores, _MOST) if many else 1
