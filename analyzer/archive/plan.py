"""Which captures do the sources hold, which of them are done, and what is left to do?"""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzer.archive import identity
from analyzer.archive.dataset import Known
from analyzer.archive.members import ARCHIVE, CAPTURE, Member, zipped
from analyzer.archive.store import File, describe, filesystem, from_info, is_url, normal, reason
from analyzer.archive.task import Done, Task
from analyzer.capture.rotation import rotated
from analyzer.filenames import named

PIECE_FILES = 8
PIECE_BYTES = 1 << 30
"""A rotated set is cut in pieces of at least so many files and bytes, to be analyzed side by side."""

_Found = tuple[str, File | str]
"""Name of an input, and the file, or why there is none."""


@dataclass(slots=True)
class Plan:
    """What there is to do."""

    tasks: list[Task] = field(default_factory=list)
    """What is left, the largest first."""
    done: list[Done] = field(default_factory=list)
    """What the dataset has already, without its handshakes."""
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    """Files that hold the same bytes as others, and these: they are counted once."""
    stale: list[str] = field(default_factory=list)
    """Captures of the dataset that others have replaced."""


def plan(sources: Iterable[str], known: Iterable[Known], options_digest: str) -> Plan:
    """Find the captures in files, folders, archives, glob patterns and fsspec URLs.

    `known` is what the dataset has. A source that cannot be read becomes a task that says so.
    """
    planner = _Planner(known, options_digest)
    found: dict[str, _Found] = {}
    for source in sources:
        for name, file in _expand(normal(source)):
            found.setdefault(File(name, 0, None).source, (name, file))
    for name, why in found.values():
        if isinstance(why, str):
            planner.unreadable(File(name, 0, None), why)
    readable = {name: file for name, file in found.values() if isinstance(file, File)}
    for name, pieces in rotated(sorted(readable)).items():
        planner.add(name, [readable[piece] for piece in pieces])
    return planner.finish()


class _Planner:
    def __init__(self, known: Iterable[Known], options_digest: str) -> None:
        self.result = Plan()
        self._digest = options_digest
        self._known = {each.capture_id: each for each in known}
        self._by_source: dict[str, list[Known]] = {}
        for each in self._known.values():
            self._by_source.setdefault(each.source, []).append(each)
        self._planned: dict[str, File] = {}
        """Single files by id."""

    def unreadable(self, file: File, why: str) -> None:
        """Plan the row of an input that cannot be read."""
        capture_id = identity.of("unreadable", file.source, why, self._digest)
        self._plan(Task(capture_id, named(file.place), (file,), 0, error=why))

    def add(self, name: str, files: Sequence[File]) -> None:
        """Plan what is to be done with a file, or with a set of them."""
        ids: list[str] = []
        readable: list[File] = []
        for file in files:
            try:
                ids.append(self._unchanged(file) or identity.of_content(file, self._digest))
                readable.append(file)
            except Exception as error:  # of any store
                self.unreadable(file, reason(error))
        if len(readable) == 1:
            self._add_one(readable[0], ids[0])
        elif readable:
            self._add_set(name, readable, ids)

    def _unchanged(self, file: File) -> str | None:
        """The id of a file that is as it was: to tell this, nothing of it is read."""
        return next(
            (
                known.capture_id
                for known in self._by_source.get(file.source, ())
                if (known.archive_id, known.size, known.modified) == (None, file.size, file.modified)
                and file.modified is not None
            ),
            None,
        )

    def _add_one(self, file: File, capture_id: str) -> None:
        twin = self._planned.get(capture_id)
        if twin is not None:
            if _same(file, twin):
                self.result.duplicates.append((file.place, twin.place))
                return
            capture_id = identity.of("twin", capture_id, file.source)
        self._planned[capture_id] = file
        task = Task(capture_id, named(file.place), (file,), file.size)
        if file.place.lower().endswith(".zip"):
            self._add_zip(task)
        else:
            self._plan(task)

    def _add_set(self, name: str, files: Sequence[File], ids: Sequence[str]) -> None:
        """A task for each piece; it reads a file on either side too, for what began or ends there."""
        pieces = list(_pieces(files))
        for start, stop in pieces:
            lead, tail = min(start, 1), min(len(files) - stop, 1)
            joined = tuple(files[start - lead : stop + tail])
            capture_id = identity.of("set", str(lead), str(tail), *ids[start - lead : stop + tail])
            size = sum(file.size for file in files[start:stop])
            called = named(name if len(pieces) == 1 else files[start].place)
            self._plan(Task(capture_id, called, joined, size, lead=lead, tail=tail))

    def finish(self) -> Plan:
        """The plan, once all is added."""
        planned = {task.capture_id for task in self.result.tasks}
        planned |= {done.capture_id for done in self.result.done}
        for each in self._known.values():
            if each.archive_id in planned and each.capture_id not in planned:
                self.result.done.append(Done(each.capture_id, each.capture, each.error))
        self.result.tasks.sort(key=lambda task: (-task.size, task.name))
        return self.result

    def _add_zip(self, task: Task) -> None:
        """A task for each capture in it, and one for its own row."""
        try:
            with task.files[0].open() as opened:
                members = zipped(opened, task.name)
        except Exception as error:  # of any store
            self._plan(replace(task, error=reason(error)))
            return
        nothing = None if members else "no captures in this archive"
        self._plan(replace(task, members=len(members), size=0, error=nothing))
        named = _distinct(members)
        for name, names in rotated(sorted(named)).items():
            # Behind the archive's name, so that an archive that was moved has the same members.
            capture_id = identity.of("member", task.capture_id, name.removeprefix(task.name))
            parts = [named[each] for each in names]
            size = sum(member.size for _, member in parts)
            positions = tuple(position for position, _ in parts)
            self._plan(Task(capture_id, name, task.files, size, positions, archive_id=task.capture_id))

    def _plan(self, task: Task) -> None:
        """Skip what is done, and note what it replaces: what the dataset has of the same file's former content."""
        source = task.source
        stale = () if task.archive_id else tuple(
            each.capture_id
            for each in self._by_source.get(source, ())
            # What cannot be read at present takes the place of nothing but what could not be read before.
            if (each.archive_id or each.capture_id) != task.capture_id and (each.error or not task.error)
        )  # fmt: skip
        known = self._known.get(task.capture_id)
        if known is not None and (known.source != source or known.modified == task.modified):
            self.result.done.append(Done(known.capture_id, known.capture, known.error, is_capture=task.is_capture))
            self.result.stale.extend(stale)
        else:
            self.result.tasks.append(replace(task, stale=stale))


def _same(one: File, other: File) -> bool:
    try:
        if not is_url(one.place) and not is_url(other.place) and os.path.samefile(one.place, other.place):  # noqa: PTH121
            return True
        return identity.same_content(one, other)
    except Exception:  # what cannot be compared is not the same
        return False


def _pieces(files: Sequence[File]) -> Iterator[tuple[int, int]]:
    """Where each piece of a set starts and stops; the last one is not shorter than the others."""
    start, size = 0, 0
    for index, file in enumerate(files):
        size += file.size
        if index + 1 - start >= PIECE_FILES and size >= PIECE_BYTES and len(files) - index - 1 >= PIECE_FILES:
            yield start, index + 1
            start, size = index + 1, 0
    yield start, len(files)


def _distinct(members: Iterable[tuple[int, Member]]) -> dict[str, tuple[int, Member]]:
    """By name; those that a hostile zip gives twice are told apart."""
    named: dict[str, tuple[int, Member]] = {}
    for position, member in members:
        name = member.name if member.name not in named else f"{member.name}#{position}"
        named[name] = (position, member)
    return named


# Where the files are


def _expand(source: str) -> Iterator[_Found]:
    if is_url(source):
        yield from _expand_url(source)
        return
    path = Path(source)
    if path.is_dir():
        yield from _checked(source, _in_folder(source, set()))
    elif glob.has_magic(source) and not path.exists():
        matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207  (names stay as they were given)
        if not matches:
            yield source, "nothing matches this pattern"
        for match in matches:
            yield from _expand(match) if Path(match).is_dir() else [_described(match)]
    else:
        yield _described(source)


def _expand_url(source: str) -> Iterator[_Found]:
    fs, path = filesystem(source)
    try:
        if glob.has_magic(path):
            infos = fs.glob(path, detail=True)
        elif fs.isdir(path):
            infos = {
                name: info
                for name, info in fs.find(path, detail=True).items()
                if CAPTURE.search(name) or ARCHIVE.search(name)
            }
        else:
            infos = {path: fs.info(path)}
    except Exception as error:  # every store has its own
        yield source, reason(error)
        return
    if not infos:
        yield source, "no captures here"
    for name, info in sorted(infos.items()):
        url = fs.unstrip_protocol(name)
        try:
            yield url, from_info(url, info)
        except OSError as error:
            yield url, reason(error)


def _checked(source: str, found: Iterable[_Found]) -> Iterator[_Found]:
    nothing = True
    for each in found:
        nothing = False
        yield each
    if nothing:
        yield source, "no captures in this folder"


def _in_folder(folder: str, seen: set[tuple[int, int]]) -> Iterator[_Found]:
    """Captures and archives in a folder and those below it, also behind links; no folder twice."""
    try:
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            return
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield folder, reason(error)
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if _is_folder(entry):
            yield from _in_folder(entry.path, seen)
        elif CAPTURE.search(entry.name) or ARCHIVE.search(entry.name):
            yield _described(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _described(path: str) -> _Found:
    try:
        return path, describe(path)
    except (OSError, ValueError) as error:
        return path, reason(error)
