"""JSON: one object with `capture`, `handshakes` and `issues`; of several captures a list of these.

One capture: `{"schema_version", "capture", "handshakes", "issues"}`, where `capture` is the object `name`,
`format`, `frames`, `bytes`, `start`, `end`, `connections` (TCP), `conversations` (UDP), `error`. Several (or none):
`{"schema_version", "captures": [{"capture", "handshakes", "issues"}, …]}`. Each capture, handshake and issue is one
line.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TextIO

from analyzer.report.serialize import capture, encode, issues
from analyzer.results import SCHEMA_VERSION, CaptureReport

SUFFIXES = (".json",)
HOLDS_ISSUES = True
IN_PARTS = False
DRAWS = False


def write(reports: Iterable[CaptureReport], out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write one JSON document, in ASCII, a capture at a time."""
    rest = iter(reports)
    first = list(islice(rest, 2))
    out.write(f'{{"schema_version": {SCHEMA_VERSION},\n')
    if len(first) == 1:
        _write_members(first[0], out)
    else:
        out.write('"captures": [')
        for number, report in enumerate(chain(first, rest)):
            out.write(",\n{\n" if number else "\n{\n")
            _write_members(report, out)
            out.write("}")
        out.write("\n]\n")
    out.write("}\n")


def _write_members(report: CaptureReport, out: TextIO) -> None:
    out.write(f'"capture": {json.dumps(capture(report))},\n"handshakes": [')
    _write_lines(map(encode, report.handshakes), out)
    out.write('],\n"issues": [')
    _write_lines(map(json.dumps, issues(report)), out)
    out.write("]\n")


def _write_lines(objects: Iterator[str], out: TextIO) -> None:
    end = ""
    for number, each in enumerate(objects):
        out.write((",\n" if number else "\n") + each)
        end = "\n"
    out.write(end)
