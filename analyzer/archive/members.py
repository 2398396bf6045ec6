"""Which captures does an archive hold? Zip and tar, compressed or not, and archives within archives.

Members are streams: nothing is unpacked, so that a member's path can lead nowhere. What an archive makes of
its bytes is bounded: how far they expand, how many members they are, how deep archives nest.
"""

import io
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, BinaryIO, Protocol, Self, cast

from analyzer.archive.store import reason
from analyzer.capture.source import FREE_EXPANSION, Source
from analyzer.filenames import named
from analyzer.issues import Issues

CAPTURE = re.compile(r"\.(pcap|pcapng|cap|dmp|snoop)\d*(\.(gz|bz2|xz|zst|lz4))?$", re.IGNORECASE)
"""What a capture's name ends with; tcpdump -C numbers its files behind the suffix."""
ARCHIVE = re.compile(r"\.(zip|(tar(\.(gz|bz2|xz|zst|lz4))?)|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)
"""What an archive's name ends with."""

MAX_DEPTH = 3
"""Archives within one another."""
MAX_MEMBERS = 1_000_000
"""Members of one archive, captures or not."""
MAX_EXPANSION = 200
"""How many bytes one byte of an archive may become, once they are more than `FREE_EXPANSION`. Captures compress
to a tenth, seldom to less than a fiftieth."""
MAX_INNER_ZIP = 1 << 30
"""Bytes of a zip within an archive: these alone are copied to disk, for a zip's list of members is at its end."""
_MAX_HEADER = 1 << 20  # bytes of a tar's extended header; a name has a few hundred
_IN_MEMORY = 16 << 20
_ENCRYPTED = 0x1


class ArchiveError(Exception):
    """An archive, or a part of it, cannot be read; the text says why."""


@dataclass(slots=True)
class Member:
    """A capture in an archive."""

    name: str
    """Behind the archive's name and a slash; of a nested archive behind that of both."""
    size: int
    """Bytes, as the archive says."""
    open: Callable[[], BinaryIO]
    """Its bytes; to be called, and read, before the next member is asked for. Raises ArchiveError."""


def zipped(file: BinaryIO, name: str) -> list[tuple[int, Member]]:
    """The captures and archives in a zip file, each with its position in the list of members."""
    archive = _open_zip(file)
    return [
        (position, Member(f"{name}/{info.filename}", info.file_size, _zip_opener(archive, info)))
        for position, info in enumerate(archive.infolist())
        if not info.is_dir() and (CAPTURE.search(info.filename) or ARCHIVE.search(info.filename))
    ]


def walk(file: BinaryIO, name: str, *, depth: int = 1) -> Iterator[Member]:
    """The captures in an archive, one after the other, also of archives in it.

    Raises:
        ArchiveError: what follows cannot be read.
    """
    if depth > MAX_DEPTH:
        raise ArchiveError(f"archives within archives are followed {MAX_DEPTH} deep")
    with ExitStack() as stack:
        if name.lower().endswith(".zip"):
            if depth > 1:
                file = _copy(file, stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY)))
            members: Iterator[Member] = (member for _, member in zipped(file, name))
        else:
            members = _tarred(file, name)
        for member in members:
            if not ARCHIVE.search(member.name):
                yield member
                continue
            try:
                yield from walk(member.open(), member.name, depth=depth + 1)
            except ArchiveError as error:
                yield Member(member.name, member.size, _failing(str(error)))


def _tarred(file: BinaryIO, name: str) -> Iterator[Member]:
    issues = Issues()
    source = Source(file, issues, name=name)
    try:
        stream = _Bounded(source.readinto, lambda: source.position)
        with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20, tarinfo=_TarInfo) as archive:
            for position, info in enumerate(archive):
                if position >= MAX_MEMBERS:
                    raise ArchiveError(f"it has more than {MAX_MEMBERS:,} members")
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile would remember all of them
                if CAPTURE.search(info.name) or ARCHIVE.search(info.name):
                    yield from _tar_member(archive, info, name)
    except ArchiveError:
        raise
    except Exception as error:  # of tarfile, and of the store
        raise ArchiveError(reason(error)) from error
    for issue in issues:  # what damages a compressed stream ends it early, and the tar with it
        raise ArchiveError(issue.message[:1].lower() + issue.message[1:].rstrip("."))


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, name: str) -> Iterator[Member]:
    full = named(f"{name}/{info.name}")
    if info.issparse():
        yield Member(full, info.size, _failing("a sparse member, which is not read"))
    elif info.isreg():
        yield Member(full, info.size, lambda: _plain(archive, info))
    elif info.islnk() or info.issym():
        yield Member(full, 0, _failing(f"a link to {named(info.linkname)}, which is not followed"))


def _plain(archive: tarfile.TarFile, info: tarfile.TarInfo) -> BinaryIO:
    file = archive.extractfile(info)
    assert file is not None  # it is a regular file
    # Tarfile's own object says that one can go about in it at will, which in a stream is not so.
    return cast(BinaryIO, _Bounded(cast(_Readable, file).readinto, lambda: info.size))


def _open_zip(file: BinaryIO) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises about anything on hostile bytes
        raise ArchiveError(reason(error)) from error
    if len(archive.infolist()) > MAX_MEMBERS:
        raise ArchiveError(f"it has more than {MAX_MEMBERS:,} members")
    return archive


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def opener() -> BinaryIO:
        if info.flag_bits & _ENCRYPTED:
            raise ArchiveError("encrypted in the archive")
        try:
            file = archive.open(info)
        except Exception as error:  # as above
            raise ArchiveError(reason(error)) from error
        return cast(
            BinaryIO, _Bounded(cast(_Readable, file).readinto, lambda: info.compress_size, lambda: file.seek(0))
        )

    return opener


def _failing(reason: str) -> Callable[[], BinaryIO]:
    def opener() -> BinaryIO:
        raise ArchiveError(reason)

    return opener


def _copy(file: BinaryIO, copy: IO[bytes]) -> BinaryIO:
    """Copy to where one can go about at will."""
    try:
        while chunk := file.read(1 << 20):
            if copy.tell() + len(chunk) > MAX_INNER_ZIP:
                raise ArchiveError(f"a zip within an archive is read up to {MAX_INNER_ZIP >> 20:,} MiB")
            copy.write(chunk)
    except ArchiveError:
        raise
    except Exception as error:  # of tarfile, zipfile and whatever decompresses below them
        raise ArchiveError(reason(error)) from error
    copy.seek(0)
    return cast(BinaryIO, copy)


class _Readable(Protocol):
    def readinto(self, target: memoryview, /) -> int: ...


class _Bounded(io.RawIOBase):
    """A stream that refuses to become many times what it was made of."""

    def __init__(
        self,
        read: Callable[[memoryview], int],
        spent: Callable[[], int],
        rewind: Callable[[], object] | None = None,
    ) -> None:
        """`spent` says how many bytes of the archive were read; `rewind`, where it can, goes back to the start."""
        self._read = read
        self._spent = spent
        self._rewind = rewind
        self._made = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if offset or whence or self._rewind is None:
            raise io.UnsupportedOperation("a stream goes back to its start at most")
        self._rewind()
        self._made = 0
        return 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: "memoryview | bytearray") -> int:  # type: ignore[override]
        count = self._read(memoryview(target).cast("B"))
        self._made += count
        if self._made > FREE_EXPANSION and self._made > MAX_EXPANSION * max(self._spent(), 1):
            raise OSError(0, f"expands more than {MAX_EXPANSION} times, like a bomb: not read on")
        return count


class _TarInfo(tarfile.TarInfo):
    """Refuses headers that would fill the memory: a name of gigabytes costs little once it is compressed."""

    @classmethod
    def frombuf(cls, buf: "bytes | bytearray", encoding: str, errors: str) -> Self:
        try:
            info = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            # Behind the first member, tarfile takes these for the end.
            raise tarfile.ReadError(str(error)) from error
        if info.type in (b"x", b"g", b"X", b"L", b"K") and info.size > _MAX_HEADER:
            raise tarfile.ReadError("an extended header of the tar is longer than 1 MiB")
        return info
