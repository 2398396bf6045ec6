"""When may a file be looked at where it lies in memory, instead of being copied?

A page that a mapped file no longer has kills the process that looks at it (SIGBUS), whoever cut the file short. Linux
can promise that nobody does: while a read lease is held (`F_SETLEASE` in fcntl(2)), whoever opens the file for writing,
or truncates it, waits until the lease is given back (45 seconds at most, after which it is taken). It is not granted
where somebody has the file open for writing, so a capture that is still being made is never mapped.
"""

import mmap
import signal
import sys
from contextlib import suppress
from time import monotonic
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

if sys.platform == "linux":
    from fcntl import F_GETLEASE, F_RDLCK, F_SETLEASE, F_SETSIG, F_UNLCK, fcntl

_POPULATE_READ = 22  # MADV_POPULATE_READ of madvise(2), since Linux 5.14: Python has no name for it
_LONG = 0.1
"""Seconds that nobody should wait more than once: where the work on a window takes as long, copying takes little."""


class Mapped:
    """A regular file, seen through one window after the other.

    Raises:
        OSError: nobody promises that the file stays as it is.
    """

    def __init__(self, file: BinaryIO) -> None:
        if sys.platform != "linux":
            raise OSError("there are no leases")
        self._descriptor = file.fileno()
        # That somebody waits is told by a signal: one that does nothing unless somebody asks for it, as SIGIO does not.
        fcntl(self._descriptor, F_SETSIG, signal.SIGURG)
        fcntl(self._descriptor, F_SETLEASE, F_RDLCK)
        self._since = monotonic()

    def window(self, offset: int, length: int) -> NDArray[np.uint8] | None:
        """So many bytes of the file from `offset` on.

        None, for good, where somebody waits or may have to wait long, the file ends before or cannot be read: earlier
        windows must not be looked at any more then.
        """
        since, self._since = self._since, monotonic()
        before = offset % mmap.ALLOCATIONGRANULARITY
        with suppress(OSError, ValueError):  # a ValueError says that the file ends before
            if self._since - since < _LONG and fcntl(self._descriptor, F_GETLEASE) == F_RDLCK:
                pages = mmap.mmap(self._descriptor, before + length, prot=mmap.PROT_READ, offset=offset - before)
                pages.madvise(mmap.MADV_SEQUENTIAL)
                pages.madvise(_POPULATE_READ)  # where the disk fails, this does, and not whoever looks
                return np.frombuffer(pages, np.uint8, length, before)
        with suppress(OSError):
            fcntl(self._descriptor, F_SETLEASE, F_UNLCK)
        return None
