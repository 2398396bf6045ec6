"""How is a file read that an option names: a key, a trust store, a list, a profile, a policy?"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from analyzer.errors import UsageError

MOST = 64 << 20
"""Bytes of it. The longest that are in use are revocation lists and collections of certificates, of some ten MiB."""


def read(path: str | Path) -> bytes:
    """All of it; raises UsageError where it cannot be read, is longer than `MOST`, or is what need not end."""
    try:
        with opened(path) as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    if len(data) > MOST:
        raise UsageError(f"{path}: longer than {MOST >> 20} MiB")
    return data


def opened(path: str | Path) -> BinaryIO:
    """A regular file, a pipe, or /dev/null for nothing, to be read; raises OSError."""
    with suppress(FileNotFoundError):  # to open it says so better
        mode = os.stat(path).st_mode  # noqa: PTH116
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISDIR(mode) or Path(path).samefile(os.devnull)):
            raise OSError(0, f"a {kind(mode)}, no file")
    return open(path, "rb")  # noqa: PTH123


def kind(mode: int) -> str:
    """What it is that is no regular file."""
    return next(
        (word for is_kind, word in ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))
         if is_kind(mode)),
        "device",
    )  # fmt: skip
