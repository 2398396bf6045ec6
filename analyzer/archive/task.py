"""What is done with one input: analyze its captures and write their rows. This is what workers run."""

import gc
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO

from analyzer import crew, secrets
from analyzer.api import analyze, analyze_live
from analyzer.archive import identity
from analyzer.archive.dataset import Dataset, columns
from analyzer.archive.members import ARCHIVE, MAX_EXPANSION, ArchiveError, Member, walk, zipped
from analyzer.archive.rows import Row, Rows
from analyzer.archive.store import File, is_url, reason
from analyzer.capture import open_capture
from analyzer.errors import CaptureError, UsageError
from analyzer.filenames import named
from analyzer.issues import unread
from analyzer.results import CaptureReport
from analyzer.secrets import Secrets
from analyzer.settings import Limits
from analyzer.shares import ALONE, AloneError, Share

_CUT = ("capture-cut-short", "capture-damaged")
"""Issues which say that a capture ends before its end."""
_LIMITS = Limits(handshakes=2000, expansion=MAX_EXPANSION)
"""Of a capture with more handshakes, so many are held and judged together: about 50 MB."""
PASSWORD_VARIABLE = "MTLSCOPE_KEY_PASSWORD"
"""Environment variable of the workers that holds the password of encrypted private keys: no task carries it."""


@dataclass(slots=True, frozen=True)
class Task:
    """An input: a capture, a rotated set, an archive, or one capture of a zip."""

    capture_id: str
    """Names its rows; of an archive the row of the archive itself."""
    name: str
    """What its captures are called, or begin with."""
    files: tuple[File, ...]
    """The file; of a rotated set all of them, in order."""
    size: int
    """Bytes to read."""
    positions: tuple[int, ...] = ()
    """Of captures in a zip: which of its members, a rotated set in order."""
    archive_id: str | None = None
    """Of captures in a zip: that of the zip."""
    lead: int = 0
    """Of a piece of a rotated set: how many of its files are read only for what began in them."""
    tail: int = 0
    """And how many only for what ends in them."""
    members: int | None = None
    """Of a zip: how many captures it has, each with a task of its own; nothing else is to be found out."""
    error: str | None = None
    """Why it cannot be read, where that is known already."""
    stale: tuple[str, ...] = ()
    """Captures of the dataset that this replaces."""
    shares: int = 1
    """How many processes do it together."""

    @property
    def source(self) -> str:
        """Absolute path or URL of the file, of a set that of its first one."""
        return self.files[self.lead].source

    @property
    def modified(self) -> int | None:
        """When its files were modified last, in microseconds since 1970."""
        return max((file.modified or 0 for file in self.files), default=0) or None

    @property
    def is_capture(self) -> bool:
        """Whether its row is that of a capture, and not that of an archive."""
        return self.members is None and (self.error is not None or not self.is_archive)

    @property
    def is_file(self) -> bool:
        """Whether it is a capture, or a rotated set, that every process of this machine can open."""
        inside = self.is_archive or self.positions or self.error is not None or self.members is not None
        return not inside and not any(is_url(file.place) for file in self.files)

    @property
    def is_archive(self) -> bool:
        """Whether captures are in it, rather than it being one."""
        return bool(ARCHIVE.search(self.name))


@dataclass(slots=True)
class Done:
    """What became of one capture, or of an archive as such."""

    capture_id: str
    name: str
    error: str | None = None
    """Why it could not be read."""
    cut: str | None = None
    """Where it ends, though more should follow: all that there is was read."""
    is_capture: bool = True
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Handshakes by authentication and outcome."""


def perform(tasks: Iterable[Task], place: str, options: Mapping[str, Any]) -> list[Done]:
    """Analyze what the tasks name and write it to the dataset at `place`.

    What is wrong with the input becomes a row. Raises UsageError where an option is wrong, OSError where the
    dataset cannot be written.
    """
    _hurry()
    named = {name: tuple(options.get(name) or ()) for name in ("keylog", "server_key")}
    options = {name: value for name, value in options.items() if name not in named}
    if any(named.values()):
        options["keylog"] = _secrets(**named, password=os.environ.get(PASSWORD_VARIABLE))
    dataset, done = Dataset(place), list[Done]()
    for task in tasks:
        worker = _Worker(task, dataset, options)
        with worker.opened:
            done += worker.run()
    return done


def _hurry() -> None:
    # What an analysis makes dies by reference count; looking for cycles in it would take a third of the time.
    gc.set_threshold(1_000_000, 20, 100)


def share(mine: Share, task: Task, place: str, options: Mapping[str, Any]) -> None:
    """What each of the other processes does that do a capture together: its rows go to the first one."""
    _hurry()
    worker, rows = _Worker(task, Dataset(place), options), Rows(task.capture_id)
    with worker.opened:
        for report in worker.reports(task.name, worker.sources(), mine):
            mine.gather("part", columns(rows.part(report)))
    mine.gather("rows", rows)


class _Worker:
    def __init__(self, task: Task, dataset: Dataset, options: Mapping[str, Any]) -> None:
        self._task = task
        self._dataset = dataset
        self._options = options
        self._late_secrets = False
        """Some came behind traffic that they open."""
        self.opened = ExitStack()

    def run(self) -> Iterator[Done]:
        task = self._task
        about = {"archive_id": task.archive_id, "members": task.members, "size": task.size}
        if task.error is not None or task.members is not None:
            yield self._write([CaptureReport(capture=task.name, error=task.error)], task.capture_id, about)
            return
        try:
            sources = self.sources()
        except Exception as error:  # of the file system, be it S3's, or of zipfile
            yield self._write([CaptureReport(capture=task.name, error=reason(error))], task.capture_id, about)
            return
        if task.is_archive:
            yield from self._archive(sources[0], about)
        else:
            yield self._capture(task.capture_id, task.name, sources, about)

    def _archive(self, file: BinaryIO, about: Row) -> Iterator[Done]:
        """Every capture in it, then the archive."""
        task, count, error = self._task, 0, None
        names: Counter[str] = Counter()
        try:
            for member in walk(file, task.name):
                count += 1
                names[member.name] += 1
                name = member.name if names[member.name] == 1 else f"{member.name}#{names[member.name]}"
                # Behind the archive's name, so that an archive that was moved has the same members.
                capture_id = identity.of("member", task.capture_id, name.removeprefix(task.name))
                if not self._dataset.holds(capture_id):
                    self._dataset.note(task.capture_id, f"{capture_id} {name}")
                    yield self._member(capture_id, name, member)
        except ArchiveError as stop:
            error = str(stop)
        if not count and error is None:
            error = "no captures in this archive"
        yield self._write([CaptureReport(task.name, error=error)], task.capture_id, {**about, "members": count})
        self._dataset.forget(task.capture_id)

    def _member(self, capture_id: str, name: str, member: Member) -> Done:
        about = {"archive_id": self._task.archive_id or self._task.capture_id, "size": member.size}
        try:
            return self._capture(capture_id, name, [member.open()], about)
        except ArchiveError as error:
            return self._write([CaptureReport(capture=name, error=str(error))], capture_id, about)

    def _capture(self, capture_id: str, name: str, sources: list[Any], about: Row) -> Done:
        task = self._task
        try:
            if task.shares > 1:
                with (
                    suppress(AloneError, crew.FailedShareError),
                    crew.together(task.shares, share, task, self._dataset.place, self._options) as mine,
                ):
                    return self._write(self.reports(name, sources, mine), capture_id, about, mine)
            done = self._write(self.reports(name, sources), capture_id, about)
            if self._late_secrets and all(isinstance(source, str) for source in sources):
                # They open what came before them, but that takes another reading, and all of it at once.
                done = self._write(self.reports(name, sources, again=True), capture_id, about)
            return done
        except CaptureError as error:
            why = error.reason
        except _FaultError as error:  # must not stop the other captures
            why = f"this is a fault of mtlscope, please report it: {error}"
        return self._write([CaptureReport(capture=name, error=why)], capture_id, about)

    def reports(
        self, name: str, sources: list[Any], mine: Share = ALONE, *, again: bool = False
    ) -> Iterator[CaptureReport]:
        """The parts of the report, so that not all of a large one has to be held; `again`, all in one."""
        capture = sources[0] if len(sources) == 1 else sources
        own = _Own(self._task, sources) if self._task.lead or self._task.tail else None
        try:
            options = {"name": name, "limits": _LIMITS, "share": mine, **self._options}
            for report in [analyze(capture, **options)] if again else analyze_live(capture, **options):
                self._late_secrets = any(issue.code == "secrets-late" for issue in report.issues)
                if own is not None:
                    own.keep(report)
                yield report
        except (CaptureError, UsageError, AloneError, crew.BrokenShareError, crew.FailedShareError):
            raise
        except Exception as error:
            raise _FaultError(f"{type(error).__name__}: {error}") from error

    def sources(self) -> list[Any]:
        """What is to be read: a local capture by its path, all else as streams."""
        task = self._task
        if task.positions:
            members = _zip(task.files[0]).members
            return [self.opened.enter_context(members[position].open()) for position in task.positions]
        if task.is_archive:
            return [self._open(task.files[0])]
        return [self._open(file) if is_url(file.place) else file.place for file in task.files]

    def _open(self, file: File) -> BinaryIO:
        return self.opened.enter_context(file.open())

    def _write(self, reports: Iterable[CaptureReport], capture_id: str, about: Row, mine: Share = ALONE) -> Done:
        """Write the parts of a report as they come, from all shares; the last one is of the whole capture."""
        task = self._task
        about = {
            "source": task.source,
            "modified": task.modified,
            "files": [named(file.place) for file in task.files] if len(task.files) > 1 else None,
            **about,
        }
        rows = Rows(capture_id)
        with self._dataset.part(capture_id) as part:
            for report in reports:
                part.merge(mine.gather("part", columns(rows.part(report))))
                report.handshakes.clear()
                last = report
            for others in mine.gather("rows", rows)[1:]:
                rows.add(others)
            why = unread(last.issues)
            last.error = last.error or (why and why.rstrip("."))
            part.extend(rows.end(last, about))
        cut = next((issue.message for issue in last.issues if issue.code in _CUT), None)
        is_capture = about.get("members") is None
        return Done(capture_id, last.capture, last.error, cut=cut, is_capture=is_capture, verdicts=rows.verdicts)


class _FaultError(Exception):
    """Something that nobody foresaw."""


class _Own:
    """What of a rotated set's piece is not its neighbours': each handshake is of the piece in which it began."""

    def __init__(self, task: Task, sources: list[Any]) -> None:
        lead, tail = task.lead, task.tail
        self._neighbours = [*sources[:lead], *sources[len(sources) - tail :]]
        self._begin = _first_time(sources[lead]) if lead else None
        self._end = _first_time(sources[len(sources) - tail]) if tail else None
        for source in sources:
            _rewind(source)

    def keep(self, report: CaptureReport) -> None:
        """Leave out of a report, or of a part of one, what the neighbours' tasks report."""
        report.handshakes = [
            each
            for each in report.handshakes
            if (self._begin is None or each.start >= self._begin) and (self._end is None or each.start < self._end)
        ]
        if report.part:
            return
        for source in self._neighbours:
            _rewind(source)
            with suppress(CaptureError), open_capture(source) as capture:
                for _ in capture.batches():
                    pass
                report.frames -= capture.frames
                report.bytes -= capture.bytes
        report.start = self._begin or report.start
        report.end = self._end or report.end


def _first_time(source: Any) -> int | None:
    """When a capture begins; None where it cannot be read."""
    with suppress(CaptureError), open_capture(source) as capture:
        return next((int(batch.time[0]) for batch in capture.batches()), None)
    return None


def _rewind(source: Any) -> None:
    if hasattr(source, "seek"):
        source.seek(0)


@lru_cache(maxsize=1)
def _secrets(keylog: tuple[str, ...], server_key: tuple[str, ...], password: str | None) -> Secrets:
    return secrets.load(keylog, server_key, password=password)


class _Zip:
    """An open zip, until nobody needs it."""

    def __init__(self, opened: BinaryIO, name: str) -> None:
        self._opened = opened
        self.members = dict(zipped(opened, name))

    def __del__(self) -> None:
        self._opened.close()


@lru_cache(maxsize=1)
def _zip(file: File) -> _Zip:
    """A list of many members takes long to read, and the next task is often of the same zip."""
    return _Zip(file.open(), file.place)
