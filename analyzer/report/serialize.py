"""How a report becomes JSON: the public schema, key by key in the order of `analyzer.results`."""

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

from analyzer.results import ApplicationReport, CaptureReport, ChainReport, Finding, HandshakeReport

JSON = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CAPTURE_KEYS = ("format", "frames", "bytes", "start", "end", "connections", "conversations", "error")


def handshake(report: HandshakeReport) -> JSON:
    """One handshake as the contract's object, ready for `json.dumps`."""
    made = _record(report)
    made["start"] = timestamp(report.start)
    made["duration"] = _seconds(report.duration)
    made["client"] = _record(report.client)
    made["server"] = _record(report.server)
    made["resumes"] = _optional(report.resumes)
    made["evidence"] = _records(report.evidence)
    made["proofs"] = _records(report.proofs)
    made["messages"] = messages = _records(report.messages)
    for message in messages:
        message["time"] = round(message["time"], 9)
    made["alerts"] = _records(report.alerts)
    made["closed_by"] = _optional(report.closed_by)
    made["certificates"] = {side: _records(sent) for side, sent in report.certificates.items()}
    made["chain"] = {side: _chain(chain) for side, chain in report.chain.items()}
    made["findings"] = [_finding(finding) for finding in report.findings]
    made["application"] = _application(report.application)
    return made


def encode(report: HandshakeReport) -> str:
    """Return the same object as JSON text in ASCII; the fast way, for thousands of them."""
    import orjson

    top = _record(report)
    top["start"] = timestamp(report.start)
    top["duration"] = _seconds(report.duration)
    try:
        text = orjson.dumps(top)
    except TypeError:  # text that is not Unicode: a file name, say
        text = b"\xff"
    # A peer's text may hold marks that turn a terminal's text around: they stay escaped.
    return text.decode() if text.isascii() else json.dumps(handshake(report), separators=(",", ":"))


def capture(report: CaptureReport) -> JSON:
    """Describe the capture itself, without handshakes and issues."""
    made: JSON = {"name": report.capture}
    made.update((key, getattr(report, key)) for key in _CAPTURE_KEYS)
    made["start"], made["end"] = (None if t is None else timestamp(t) for t in (report.start, report.end))
    return made


def issues(report: CaptureReport) -> list[JSON]:
    """What the capture lacks or hides: `code`, `message`, `count`, `frame`."""
    return _records(report.issues)


def timestamp(nanoseconds: int) -> str:
    """ISO 8601 in UTC with microseconds, or nanoseconds where they are not 0."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    microseconds, rest = divmod(fraction, 1000)
    digits = f"{fraction:09d}" if rest else f"{microseconds:06d}"
    return f"{_second(seconds)}.{digits}Z"


@lru_cache
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def _chain(report: ChainReport | None) -> JSON | None:
    if report is None:
        return None
    return {**_record(report), "checks": _records(report.checks)}


def _finding(report: Finding) -> JSON:
    return {**_record(report), "evidence": _records(report.evidence)}


def _application(report: ApplicationReport | None) -> JSON | None:
    if report is None:
        return None
    return {**_record(report), "request": _optional(report.request), "response": _optional(report.response)}


def _seconds(duration: float | None) -> float | None:
    return None if duration is None else round(duration, 9)


def _optional(value: Any) -> JSON | None:
    return None if value is None else _record(value)


def _record(value: Any) -> JSON:
    """Fields of a dataclass in their order, nested values as they are."""
    names, get = _columns(value.__class__)
    return dict(zip(names, get(value), strict=True))


def _records(values: list[Any]) -> list[JSON]:
    if not values:
        return []
    names, get = _columns(values[0].__class__)
    return [dict(zip(names, get(value), strict=True)) for value in values]


@cache
def _columns(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in fields(kind) if field.repr)  # what is not shown is not of the schema
    return names, attrgetter(*names)
