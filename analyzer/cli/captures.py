"""From the arguments CAPTURE… to reports: which files they name, and what of one that cannot be read."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from analyzer.cli.live import interrupt_ends_input
from analyzer.cli.messages import complain, fault
from analyzer.cli.progress import progress
from analyzer.cli.secrets import read_secrets
from analyzer.cli.shares import worthwhile
from analyzer.errors import CaptureError, UsageError
from analyzer.filenames import named
from analyzer.issues import unread
from analyzer.results import CaptureReport

_CAPTURE = re.compile(r"\.(pcap|pcapng|cap|dmp|snoop)\d*(\.(gz|bz2|xz|zst|lz4))?$", re.IGNORECASE)
"""What a capture's name in a folder ends with; tcpdump -C numbers its files behind the suffix."""


class Captures:
    """Iterating analyzes capture after capture and yields reports; one that fails does not stop the rest."""

    def __init__(
        self,
        arguments: Iterable[str],
        *,
        in_parts: bool = False,
        shares: bool = False,
        redact: bool = False,
        **options: Any,
    ) -> None:
        """Take files, folders and `-`, each capture once; `options` go to `analyzer.api.analyze`.

        `in_parts`: a report may come in parts, of a capture that is still being made as its handshakes end.
        `shares`: several processes may analyze a capture together, for nobody asks for the facts of a handshake.
        `redact`: the reports have placeholders for addresses and names; complaints name the captures all the same.
        """
        self.unreadable = False
        """Whether something could not be read so far."""
        self._in_parts = in_parts
        self._shares = shares and not redact
        self._options = read_secrets(options)
        self._redact = redact
        self._names: dict[str, str] = {}
        """Real path of each capture (of stdin `-`), and how it was named first."""
        for argument in arguments:
            for name in self._expand(argument):
                self._names.setdefault(name if name == "-" else os.path.realpath(name), name)

    def __iter__(self) -> Iterator[CaptureReport]:
        if not self._redact:
            return self._reports()
        from analyzer.report.redact import redacted

        return redacted(self._reports())

    def _reports(self) -> Iterator[CaptureReport]:
        from analyzer.capture.rotation import rotated

        for name, files in rotated(self._names.values()).items():
            if len(files) > 1:
                complain(f"{name}: {len(files)} files of one rotated capture, joined in time")
            for report in self._analyze(name, files):
                if report.error is not None:
                    self._failed(name, report.error)
                self.unreadable |= unread(report.issues) is not None
                yield report

    def protect(self, output: str) -> None:
        """Raise UsageError where `output` is one of the captures, by whatever name: writing would destroy it."""
        status = _status(output, 1)
        if status is None:
            return
        for name in self._names.values():
            capture = _status(name, 0)
            if capture is not None and os.path.samestat(capture, status):
                where = "stdout" if output == "-" else output
                raise UsageError(f"{where}: is a capture to read, not a place to write to")

    def _analyze(self, name: str, files: list[str]) -> Iterator[CaptureReport]:
        from analyzer.api import analyze, analyze_live
        from analyzer.capture.source import is_live

        capture = files if len(files) > 1 else name
        is_being_made = len(files) == 1 and is_live(name)
        try:
            if self._in_parts and is_being_made:
                with interrupt_ends_input() if name == "-" else nullcontext():
                    yield from analyze_live(capture, **self._options)
                return
            jobs = worthwhile(files) if self._shares else 1
            with progress(named(name)) as advance:
                if self._in_parts:
                    yield from analyze_live(capture, progress=advance, jobs=jobs, **self._options)
                    return
                report = analyze(capture, progress=advance, jobs=jobs, **self._options)
        except CaptureError as error:
            report = CaptureReport(capture=named(name), error=error.reason)
        except UsageError:  # no capture's fault: all others would meet with it, too
            raise
        except Exception as error:
            report = CaptureReport(capture=named(name), error=fault(error))
        yield report

    def _expand(self, argument: str) -> list[str]:
        if argument == "-" or not Path(argument).is_dir():
            return [argument]
        names = sorted(_in_folder(Path(argument)))
        if not names:
            self._failed(argument, "no captures in this folder")
        return [name for name in names if self._is_file(name)]

    def _is_file(self, name: str) -> bool:
        """Whether it is no pipe, socket or device: one that lies in a folder is told, and not waited for."""
        from analyzer.archive.store import describe, reason
        from analyzer.capture.source import is_live

        if not is_live(name):
            return True
        try:
            describe(name)
        except OSError as error:
            self._failed(name, reason(error))
        return False

    def _failed(self, name: str, reason: str) -> None:
        complain(f"{name}: {reason}")
        self.unreadable = True


def _status(name: str, descriptor: int) -> os.stat_result | None:
    """What a regular file is known by, be it open as stdin or stdout (`-`); None where there is none."""
    try:
        status = os.fstat(descriptor) if name == "-" else os.stat(name)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _in_folder(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (str(Path(parent, name)) for name in names if _CAPTURE.search(name))
