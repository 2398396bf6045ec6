"""Where a report goes and how it looks: the format that was asked for, on stdout or in a file."""

import io
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TextIO

from analyzer.cli.messages import complain
from analyzer.errors import UsageError
from analyzer.report import formats
from analyzer.report.words import issue
from analyzer.results import CaptureReport


def write_report(reports: Iterable[CaptureReport], output: str, format_name: str | None) -> None:
    """Write reports as they come to a file or `-`; the file's suffix chooses the format where none is named.

    Raises UsageError where neither says the format, OSError where the file cannot be written.
    """
    chosen = _chosen(output, format_name)
    if not chosen.HOLDS_ISSUES:
        reports = telling_issues(reports)
    if output != "-":
        reports = _begun(reports)
        with open(output, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:  # noqa: PTH123
            chosen.write(_flushing(reports, file), file)
        return
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    on_terminal = out.isatty()
    chosen.write(
        _flushing(reports, out),
        out,
        color=on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        width=shutil.get_terminal_size().columns if on_terminal else None,
    )


def takes_parts(output: str, format_name: str | None) -> bool:
    """Whether the chosen format can show the report of a live capture part by part."""
    return _chosen(output, format_name).IN_PARTS


def draws(output: str, format_name: str | None) -> bool:
    """Whether the chosen format draws handshakes."""
    return _chosen(output, format_name).DRAWS


def _chosen(output: str, format_name: str | None) -> formats.Format:
    return formats.load(format_name or _format_of(output))


def _flushing(reports: Iterable[CaptureReport], out: TextIO) -> Iterator[CaptureReport]:
    """Let every part of a live capture's report be seen before the next one is waited for."""
    for report in reports:
        yield report
        if report.part:
            out.flush()


def _format_of(output: str) -> str:
    if output == "-":
        return formats.DEFAULT
    name = formats.of_file(output)
    if name is None:
        raise UsageError(f"{output}: its suffix says no format; --format does ({', '.join(formats.REGISTRY.names())})")
    return name


def _begun(reports: Iterable[CaptureReport]) -> Iterator[CaptureReport]:
    """The same, once there is a first one: an option that is wrong shows before a file is written over."""
    rest = iter(reports)
    return chain(list(islice(rest, 1)), rest)


def telling_issues(reports: Iterable[CaptureReport]) -> Iterator[CaptureReport]:
    """The same reports; what the captures lack is said on stderr."""
    for report in reports:
        for each in report.issues:
            complain(f"{report.capture}: {issue(each)}")
        yield report
