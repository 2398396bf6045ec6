"""How many processes are worth their while to analyze a capture together?"""

from collections.abc import Iterable

from analyzer.shares import cores

_SMALL = 8 << 20
"""Bytes of a capture that one process has done before several get going."""
_FEWEST, _MOST = 4, 8
"""Cores: fewer gain little, above all where two of them are one that does two things at a time."""


def worthwhile(files: Iterable[str]) -> int:
    """So many processes; one where these files are short, compressed, no files, or hold few handshakes."""
    from analyzer.capture.density import is_dense

    processors = cores()
    return min(processors, _MOST) if processors >= _FEWEST and all(is_dense(file, _SMALL) for file in files) else 1
