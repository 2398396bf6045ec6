"""How are files listed, read and written, be they local or in an object store?

A place is a path, or an fsspec URL such as `s3://bucket/folder`. Local files are read without fsspec.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from analyzer.errors import UsageError
from analyzer.filenames import named
from analyzer.optionfiles import kind


@dataclass(slots=True, frozen=True)
class File:
    """A file as its store describes it."""

    place: str
    """As it was named or found: a path or a URL."""
    size: int
    """Bytes."""
    modified: int | None
    """Microseconds since 1970, where the store tells."""
    tag: str | None = None
    """What an object store tells the content by, such as S3's ETag."""

    @property
    def source(self) -> str:
        """The absolute path, or the URL, as text."""
        return named(self.place if is_url(self.place) else os.path.abspath(self.place))  # noqa: PTH100  (keeps symlinks)

    def open(self) -> BinaryIO:
        """Open it for reading, seekable."""
        if is_url(self.place):
            fs, path = filesystem(self.place)
            return fs.open(path, "rb")  # type: ignore[no-any-return]
        return open(self.place, "rb")  # noqa: PTH123


def is_url(place: str) -> bool:
    """Whether it is for fsspec to open."""
    return "://" in place


def normal(place: str) -> str:
    """A local file's URL as its path."""
    return place.removeprefix("file://") if place.startswith("file:///") else place


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it; UsageError where a library for it is missing."""
    from fsspec.core import url_to_fs

    try:
        fs, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url}: {' '.join(str(error).split())}") from error
    return fs, path


def describe(place: str) -> File:
    """Describe a file; raises OSError where it cannot be read or is none."""
    if is_url(place):
        fs, path = filesystem(place)
        return from_info(place, fs.info(path))
    status = os.stat(place)  # noqa: PTH116
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, f"a {kind(status.st_mode)}, no file")
    return File(place, status.st_size, status.st_mtime_ns // 1000)


def from_info(place: str, info: dict[str, Any]) -> File:
    """A file by what fsspec says of it."""
    if info.get("type") != "file":
        raise OSError(0, f"a {info.get('type')}, no file")
    modified = next((info[key] for key in ("mtime", "LastModified", "last_modified", "updated") if info.get(key)), None)
    tag = next((str(info[key]) for key in ("ETag", "etag", "md5Hash", "content_md5") if info.get(key)), None)
    return File(place, int(info.get("size") or 0), _microseconds(modified), tag)


def reason(error: BaseException) -> str:
    """What went wrong, in the operating system's words where they are its own, on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


class Store:
    """A folder that takes whole files: one is there with all its bytes, or not at all."""

    def __init__(self, place: str) -> None:
        self.place = normal(place).rstrip("/") or place
        """Path or URL."""
        self._fs: Any = None
        self._root = ""
        if is_url(self.place):
            self._fs, self._root = filesystem(self.place)

    @property
    def fs(self) -> Any:
        """The fsspec file system; None for a local folder."""
        return self._fs

    def draft(self) -> BinaryIO:
        """A file to write to, which nobody sees before it is published, or discarded."""
        if self._fs is not None:
            return BytesIO()
        # Beside the tables, for readers of these take any file; on the same disk, for only so a rename is atomic.
        path = Path(self.place, TEMPORARY, uuid4().hex)
        try:
            return path.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("wb")

    def publish(self, draft: BinaryIO, name: str) -> None:
        """Give a draft its name, in place of a file of that name."""
        if isinstance(draft, BytesIO):
            self._fs.pipe_file(f"{self._root}/{name}", draft.getvalue())
            return
        draft.close()
        path = Path(self.place, name)
        try:
            os.replace(draft.name, path)  # noqa: PTH105
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(draft.name, path)  # noqa: PTH105

    def discard(self, draft: BinaryIO) -> None:
        """Forget a draft."""
        if not isinstance(draft, BytesIO):
            with suppress(OSError):  # the disk is full
                draft.close()
            Path(draft.name).unlink(missing_ok=True)

    def put(self, name: str, data: bytes) -> None:
        """Write a file at once, in place of one of that name."""
        draft = self.draft()
        try:
            draft.write(data)
            self.publish(draft, name)
        except BaseException:
            self.discard(draft)
            raise

    def get(self, name: str) -> bytes | None:
        """A file's bytes; None where it is not there."""
        try:
            if self._fs is not None:
                return bytes(self._fs.cat_file(f"{self._root}/{name}"))
            return Path(self.place, name).read_bytes()
        except FileNotFoundError:
            return None

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        if self._fs is not None:
            return bool(self._fs.exists(f"{self._root}/{name}"))
        return Path(self.place, name).exists()

    def empty(self) -> bool:
        """Whether nothing is there, but what another run has just begun."""
        if self._fs is not None:
            return not self._fs.exists(self._root) or not self._fs.ls(self._root)
        path = Path(self.place)
        return not path.exists() or all(found.name == TEMPORARY for found in path.iterdir())

    def remove(self, pattern: str) -> None:
        """Remove the files that a glob pattern names."""
        if self._fs is not None:
            for path in self._fs.glob(f"{self._root}/{pattern}"):
                self._fs.rm_file(path)
            return
        for found in Path(self.place).glob(pattern):
            found.unlink(missing_ok=True)

    def hollow(self, pattern: str) -> list[str]:
        """Names, without suffix, of files that have no byte, among those of a pattern: power failures leave such."""
        names = []
        for path in Path(self.place).glob(pattern) if self._fs is None else ():
            with suppress(FileNotFoundError):  # another run has removed it
                if not path.stat().st_size:
                    names.append(path.stem)
        return names

    def tidy(self, age: float) -> None:
        """Remove what runs that were killed more than so many seconds ago have left half written."""
        now = datetime.now(UTC).timestamp()
        for path in Path(self.place, TEMPORARY).glob("*") if self._fs is None else ():
            try:
                if now - path.stat().st_mtime > age:
                    path.unlink()
            except FileNotFoundError:
                pass  # it was another run's, and is done


TEMPORARY = "_temporary"


def _microseconds(moment: Any) -> int | None:
    """Of what a file system calls the time of a file: seconds, a datetime, or ISO 8601."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return None
    if isinstance(moment, datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return int(moment * 1_000_000) if isinstance(moment, int | float) else None
