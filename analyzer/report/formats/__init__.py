"""The formats that a report can be written in, one file each: the file's name is the word for `--format`.

A format is a module with a docstring (its documentation), `SUFFIXES`, `HOLDS_ISSUES` and `write`.
"""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Protocol, TextIO, cast

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
