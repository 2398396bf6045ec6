"""JSON Lines: one handshake a line, as the public schema says; the same object as in `json`."""

from collections.abc import Iterable
from typing import TextIO

from analyzer.report.serialize import encode
from analyzer.results import CaptureReport

SUFFIXES = (".jsonl", ".ndjson")
HOLDS_ISSUES = False
IN_PARTS = True
DRAWS = False


def write(reports: Iterable[CaptureReport], out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write a line a handshake, in ASCII (a control character of a peer's name stays escaped)."""
    for report in reports:
        for each in report.handshakes:
            out.write(encode(each) + "\n")
