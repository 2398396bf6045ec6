"""What does a batch tell while it runs, and at its end? A live display on a terminal, plain lines elsewhere."""

import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from typing import Any, Self

from analyzer.archive.plan import Plan
from analyzer.archive.run import Progress
from analyzer.archive.task import PASSWORD_VARIABLE, Done
from analyzer.cli.messages import complain
from analyzer.errors import UsageError
from analyzer.report.words import count

LINE_EVERY = 30.0
"""Seconds between two plain lines."""
_PER_INPUT = 10_000_000
"""What an input costs beside its size, in bytes that could be read meanwhile: so the time that is left is told."""


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """The options for the workers, once it is known that they are in order; raises UsageError."""
    import os

    from analyzer.api import analyze
    from analyzer.errors import CaptureError
    from analyzer.secrets import load

    options = dict(options)
    if options.pop("redact", False):
        raise UsageError("a dataset holds what was seen; mtlscope analyze --redact makes reports that leave the house")
    load(options.get("keylog", ()), options.get("server_key", ()), password=os.environ.get(PASSWORD_VARIABLE))
    others = {name: value for name, value in options.items() if name not in ("keylog", "server_key")}
    with suppress(CaptureError):
        analyze(b"", **others)  # finds no capture, but looks at the options first
    return options


class Display:
    """Is told of everything that was done; a context manager, for the live display must end."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stack = ExitStack()
        self._started = self._told = time.monotonic()
        self._live: _Live | None = None

    def __enter__(self) -> Self:
        for name, twin in self._plan.duplicates:
            complain(f"{name}: holds the same bytes as {twin}: counted once")
        if sys.stderr.isatty() and self._plan.tasks:
            self._live = _Live(self._stack)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, progress: Progress, done: list[Done]) -> None:
        """Show how far it is, and what went wrong, each input once."""
        for each in done:
            if each.error is not None:
                complain(f"{each.name}: {each.error}")
            elif each.cut is not None:
                complain(f"{each.name}: {each.cut}")
        now = time.monotonic()
        if self._live is not None:
            self._live.show(progress)
        elif now - self._told >= LINE_EVERY:
            self._told = now
            complain(self._line(progress, now - self._started))

    def interrupted(self) -> None:
        """Say how to go on."""
        self._stack.close()
        complain("interrupted; what is done is kept, and the same command goes on")

    def conclusion(self, progress: Progress, seconds: float) -> str:
        """The last line."""
        known = sum(each.is_capture and each.error is None for each in self._plan.done)
        before = f", {known:,} done before" if known else ""
        verdicts = f": {_ranked(progress.authentication)}; {_ranked(progress.outcome)}" if progress.outcome else ""
        failed = f"; {count(progress.failed, 'input')} could not be read" if progress.failed else ""
        handshakes = count(progress.outcome.total(), "handshake")
        return (
            f"{count(progress.captures, 'capture')} analyzed in {seconds:.1f} s"
            f" ({_rate(progress.finished_size, seconds)}){before}{failed}\n{handshakes}{verdicts}"
        )

    def _line(self, progress: Progress, seconds: float) -> str:
        done, whole = _work(progress)
        left = f", {_duration(seconds * (whole - done) / done)} left" if done else ""
        return (
            f"{progress.finished:,} of {count(progress.tasks, 'input')}, {_sizes(progress)},"
            f" {_rate(progress.finished_size, seconds)}{left},"
            f" {progress.failed:,} failed; {count(progress.outcome.total(), 'handshake')}"
        )


class _Live:
    """Bars on a terminal."""

    def __init__(self, stack: ExitStack) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.fields[inputs]}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[sizes]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[verdicts]}", markup=False),
        )
        self._bars = stack.enter_context(Bars(*columns, console=Console(stderr=True), transient=True))
        self._task = self._bars.add_task("", total=None, inputs="", sizes="", verdicts="")
        self._started = time.monotonic()

    def show(self, progress: Progress) -> None:
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        done, whole = _work(progress)
        rate = _rate(progress.finished_size, time.monotonic() - self._started)
        self._bars.update(
            self._task,
            completed=done,
            total=whole,
            sizes=f"{_sizes(progress)}, {rate}",
            inputs=f"{progress.finished:,} of {count(progress.tasks, 'input')}{failed}",
            verdicts=_ranked(progress.authentication),
        )


def _work(progress: Progress) -> tuple[int, int]:
    """How much is done, and how much there is."""
    done = progress.finished_size + progress.finished * _PER_INPUT
    return done, progress.size + progress.tasks * _PER_INPUT


def _sizes(progress: Progress) -> str:
    return f"{progress.finished_size / 1e6:,.0f} of {progress.size / 1e6:,.0f} MB"


def _ranked(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {word}" for word, number in sorted(counts.items(), key=lambda item: (-item[1], item)))


def _rate(size: int, seconds: float) -> str:
    return f"{size / 1e6 / max(seconds, 1e-3):,.0f} MB/s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
