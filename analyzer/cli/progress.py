"""How far the reading of a capture has come: a bar on stderr, on a terminal only, if it takes long."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

from analyzer.report.escape import visible

PATIENCE = 0.5
"""Seconds before a bar appears."""
INTERVAL = 0.1
"""Seconds between two looks of it."""

Progress = Callable[[int, int | None], None]


@contextmanager
def progress(name: str) -> Iterator[Progress | None]:
    """Yield what `analyze` calls with bytes done and in all; None where nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    with ExitStack() as stack:
        yield _Bar(name, stack)


class _Bar:
    def __init__(self, name: str, stack: ExitStack) -> None:
        self._name = name
        self._stack = stack
        self._next = monotonic() + PATIENCE
        self._show: Progress | None = None

    def __call__(self, done: int, total: int | None) -> None:
        now = monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL
        if self._show is None:
            self._show = _rich_bar(self._name, self._stack)
        self._show(done, total)


def _rich_bar(name: str, stack: ExitStack) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    bar = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False))
    task = bar.add_task(visible(name), total=None)

    def show(done: int, total: int | None) -> None:
        bar.update(task, completed=done, total=total, refresh=True)

    return show
