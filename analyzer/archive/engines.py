"""Who does the tasks: this process, local processes, or a Dask cluster? All through `concurrent.futures`."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from analyzer.archive import need
from analyzer.errors import UsageError

_EARLY = 4
"""So many processes at most get ready before there are tasks for them."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Engine(Protocol):
    """Something that does tasks, several at a time."""

    divides: bool
    """A task may start processes of its own, which count as if they were given a task each."""

    @property
    def window(self) -> int:
        """How many tasks it is given at once."""
        ...

    def submit(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        """Have something done."""
        ...

    def is_death(self, error: BaseException) -> bool:
        """Whether a future failed with its worker, rather than by itself."""
        ...

    def close(self) -> None:
        """Stop, whatever is being done."""
        ...


class Serial:
    """Does each task at once in this process: for debugging."""

    window = 1
    divides = False

    def submit(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        """Do it."""
        future: Future[_T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def is_death(self, error: BaseException) -> bool:
        """Whoever asks is alive."""
        return False

    def close(self) -> None:
        """Nothing is open."""


class Processes:
    """Does as many tasks at a time as there are processes.

    Each process is a pool of its own, so that where one dies it is known which task killed it.
    """

    divides = True

    def __init__(self, jobs: int) -> None:
        self.window = jobs
        self._context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        self._idle = [self._new() for _ in range(min(jobs, _EARLY))]
        self._busy: dict[Future[Any], ProcessPoolExecutor] = {}

    def submit(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        """Have a process do it."""
        for done in [future for future in self._busy if future.done()]:
            pool = self._busy.pop(done)
            if done.cancelled() or not self.is_death(done.exception() or Exception()):
                self._idle.append(pool)
        pool = self._idle.pop() if self._idle else self._new()
        try:
            future = pool.submit(function, *args, **kwargs)
        except BrokenExecutor:  # it died while it had nothing to do
            pool = self._new()
            future = pool.submit(function, *args, **kwargs)
        self._busy[future] = pool
        return future

    def is_death(self, error: BaseException) -> bool:
        """Its pool is broken."""
        return isinstance(error, BrokenExecutor)

    def close(self) -> None:
        """Kill the processes."""
        for pool in [*self._idle, *self._busy.values()]:
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)

    def _new(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(1, mp_context=self._context, initializer=_begin)
        pool.submit(_get_ready)
        return pool


def _begin() -> None:
    """A local worker's first act."""
    # Ctrl-C reaches all processes of a terminal: the first one decides what becomes of the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _get_ready() -> None:
    """Import what tasks need, while the first process still looks for them."""
    import pyarrow.parquet  # noqa: F401

    import analyzer.archive.task  # noqa: F401


def _die_with(parent: Any) -> None:
    """A worker whose parent was killed would wait for tasks for ever."""
    parent.join()
    os._exit(1)


class Dask:
    """Does tasks on the workers of a Dask cluster, a few more at a time than these have threads."""

    divides = False  # its workers may not start processes

    def __init__(self, scheduler: str) -> None:
        """Connect to a scheduler by its address, or by its scheduler file; raises UsageError."""
        need("distributed")
        from distributed import Client

        try:
            file = Path(scheduler).is_file()
            self._client: Any = Client(scheduler_file=scheduler) if file else Client(scheduler)
        except (OSError, ValueError) as error:
            raise UsageError(f"{scheduler}: no scheduler answers: {' '.join(str(error).split())}") from error
        self._executor: Executor = self._client.get_executor(pure=False)

    @property
    def window(self) -> int:
        """Workers may come and go."""
        threads: int = sum(self._client.nthreads().values())
        return threads + threads // 4 + 1

    def submit(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        """Have a worker do it."""
        return self._executor.submit(function, *args, **kwargs)

    def is_death(self, error: BaseException) -> bool:
        """Dask has tried it on several workers, and all of them died."""
        from distributed import KilledWorker

        return isinstance(error, KilledWorker)

    def close(self) -> None:
        """Leave the cluster; what it has not begun is forgotten."""
        self._executor.shutdown(wait=False)  # of Dask's executor this cancels too
        self._client.close()


def local(jobs: int) -> Serial | Processes:
    """The engine for so many local processes; with 0 of them this one does it all."""
    return Processes(jobs) if jobs else Serial()
