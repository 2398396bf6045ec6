"""The formats that a report can be written in, one file each: the file's name is the word for `--format`.

A format is a module with a docstring (its documentation), `SUFFIXES`, `HOLDS_ISSUES`, `IN_PARTS`, `DRAWS` and `write`.
"""

from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path, PurePath
from typing import Protocol, TextIO, cast

from analyzer.errors import UsageError
from analyzer.plugins import Registry
from analyzer.results import CaptureReport

REGISTRY = Registry(__name__)
DEFAULT = "table"


class Format(Protocol):
    """What a module of this folder offers."""

    SUFFIXES: tuple[str, ...]
    """Endings of file names, with the dot, that choose this format."""
    HOLDS_ISSUES: bool
    """Whether what `write` writes tells a capture's issues; if not, the command line tells them on stderr."""

    IN_PARTS: bool
    """Whether handshakes stand for themselves, so that a live capture's report can be written part by part."""

    DRAWS: bool
    """Whether it draws handshakes, for which it needs their `facts`."""

    def write(
        self, reports: Iterable[CaptureReport], out: TextIO, *, color: bool = False, width: int | None = None
    ) -> None:
        """Write the reports as they come; `color` and `width` (columns) are for formats that people read."""


def load(name: str) -> Format:
    """Import a format; KeyError where there is none of that name."""
    return cast(Format, REGISTRY.load(name))


def of_file(name: str) -> str | None:
    """Which format a file's suffix asks for; None where it asks for none."""
    suffix = PurePath(name).suffix.lower()
    return next((format_name for format_name in REGISTRY.names() if suffix in load(format_name).SUFFIXES), None)


def save(reports: Iterable[CaptureReport], path: str | PathLike[str]) -> None:
    """Write reports to a file, in UTF-8; its suffix says the format.

    Raises:
        UsageError: its suffix is that of no format.
        OSError: the file cannot be written.
    """
    name = of_file(fspath(path))
    if name is None:
        raise UsageError(f"{fspath(path)}: its suffix says no format of reports ({', '.join(REGISTRY.names())})")
    chosen = load(name)
    with Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        chosen.write(reports, file)
