"""From the arguments CAPTURE… to reports: which files they name, and what of one that cannot be read."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from analyzer.cli.messages import complain, fault
from analyzer.cli.progress import progress
from analyzer.errors import CaptureError, UsageError
from analyzer.results import CaptureReport

_CAPTURE = re.compile(r"\.(pcap|pcapng|cap|dmp|snoop)\d*(\.(gz|xz|zst|lz4))?$", re.IGNORECASE)
"""What a capture's name in a folder ends with; tcpdump -C numbers its files behind the suffix."""


class Captures:
    """Iterating analyzes capture after capture and yields reports; one that fails does not stop the rest."""

    def __init__(self, arguments: Iterable[str], **options: Any) -> None:
        """Take files, folders and `-`, each capture once; `options` go to `analyzer.api.analyze`."""
        self.unreadable = False
        """Whether something could not be read so far."""
        self._options = options
        self._names: dict[str, str] = {}
        """Real path of each capture (of stdin `-`), and how it was named first."""
        for argument in arguments:
            for name in self._expand(argument):
                self._names.setdefault(name if name == "-" else os.path.realpath(name), name)

    def __iter__(self) -> Iterator[CaptureReport]:
        for name in self._names.values():
            report = self._analyze(name)
            if report.error is not None:
                self._failed(name, report.error)
            yield report

    def protect(self, output: str) -> None:
        """Raise UsageError where `output` names one of the captures, which writing would destroy."""
        if os.path.realpath(output) in self._names:
            raise UsageError(f"{output}: is a capture to read, not a place to write to")

    def _analyze(self, name: str) -> CaptureReport:
        from analyzer.api import analyze

        with progress(name) as advance:
            try:
                return analyze(name, progress=advance, **self._options)
            except CaptureError as error:
                return CaptureReport(capture=name, error=error.reason)
            except Exception as error:
                return CaptureReport(capture=name, error=fault(error))

    def _expand(self, argument: str) -> list[str]:
        if argument == "-" or not Path(argument).is_dir():
            return [argument]
        names = sorted(_in_folder(Path(argument)))
        if not names:
            self._failed(argument, "no captures in this folder")
        return names

    def _failed(self, name: str, reason: str) -> None:
        complain(f"{name}: {reason}")
        self.unreadable = True


def _in_folder(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (str(Path(parent, name)) for name in names if _CAPTURE.search(name))
