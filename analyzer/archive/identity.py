"""Is this the same input as before? What names a capture's part of the dataset.

A file's identity is that of its content, wherever it lies and whatever it is called: its size, and its bytes up to
1 MiB; of a larger one sixteen samples, among them the first and the last bytes; of an object the tag by which its
store knows the content. Two files of a run that agree in this are compared byte by byte (`same_content`), and a file
that was modified since is analyzed anew.
"""

import hashlib
from typing import BinaryIO

from analyzer.archive.store import File

_SAMPLE = 64 << 10
_SAMPLES = 16
_LENGTH = 32  # hexadecimal digits: 128 bits


def of_content(file: File, options_digest: str) -> str:
    """The id of a file, analyzed with these options; raises OSError (a store: anything) where it cannot be read."""
    if file.tag is not None:
        return of("tag", str(file.size), file.tag, options_digest)
    content = hashlib.sha256()
    with file.open() as opened:
        if file.size <= _SAMPLE * _SAMPLES:
            content.update(opened.read(_SAMPLE * _SAMPLES))
        else:
            for sample in range(_SAMPLES):
                opened.seek((file.size - _SAMPLE) * sample // (_SAMPLES - 1))
                content.update(opened.read(_SAMPLE))
    return of("content", str(file.size), content.hexdigest(), options_digest)


def of(*parts: str) -> str:
    """The id of what these words name: members of an archive, files of a set, an input that cannot be read."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:_LENGTH]


def same_content(one: File, other: File) -> bool:
    """Whether two files hold the same bytes."""
    if one.size != other.size:
        return False
    with one.open() as first, other.open() as second:
        while True:
            chunk = _read(first)
            if chunk != _read(second):
                return False
            if not chunk:
                return True


def _read(file: BinaryIO) -> bytes:
    return file.read(1 << 20)
