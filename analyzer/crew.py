"""Who does the other shares of a capture: processes of this machine, which talk through pipes."""

import multiprocessing
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from analyzer.shares import ALONE, AloneError, Share

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkContext, SpawnContext
    from multiprocessing.process import BaseProcess

_T = TypeVar("_T")

_FAILED = b"failed"
"""The step of a process that cannot go on."""
_END = b"\n"
"""What parts a step from the words that are said there."""


class BrokenShareError(BrokenExecutor):
    """One of the processes has died."""


class FailedShareError(Exception):
    """One of the processes cannot go on, and says why."""


class _Leader(Share):
    def __init__(self, others: "list[Connection]") -> None:
        self._others = others
        self.count = 1 + len(others)

    def exchange(self, step: str, mine: _T) -> list[_T]:
        with _others_alive():
            told = [_dump(mine), *self._received(step)]
            for index, other in enumerate(self._others, 1):
                other.send_bytes(_dump([*told[:index], b"", *told[index + 1 :]]))
        return [mine, *map(pickle.loads, told[1:])]

    def gather(self, step: str, mine: _T) -> list[_T]:
        with _others_alive():
            return [mine, *map(pickle.loads, self._received(step))]

    def _received(self, step: str) -> Iterator[bytes]:
        for other in self._others:
            its, _, words = other.recv_bytes().partition(_END)
            if its == _FAILED:
                raise FailedShareError(words.decode())
            if its != step.encode():
                raise AloneError
            yield words


@contextmanager
def _others_alive() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise BrokenShareError("a process that analyzed a share of a capture has died") from error


class _Member(Share):
    def __init__(self, leader: "Connection", index: int, count: int) -> None:
        self._leader = leader
        self.index = index
        self.count = count

    def exchange(self, step: str, mine: _T) -> list[_T]:
        with _others_alive():
            self._leader.send_bytes(step.encode() + _END + _dump(mine))
            told: list[bytes] = pickle.loads(self._leader.recv_bytes())
        return [mine if index == self.index else pickle.loads(words) for index, words in enumerate(told)]

    def gather(self, step: str, mine: _T) -> list[_T]:
        with _others_alive():
            self._leader.send_bytes(step.encode() + _END + _dump(mine))
        return []


@contextmanager
def together(count: int, work: Callable[..., Any], *arguments: Any) -> Iterator[Share]:
    """Have `count - 1` other processes call `work(share, *arguments)`, while this one does its share: the first.

    They end with this block. Raises BrokenShareError from within it where one dies, FailedShareError where one fails.
    """
    if count == 1:
        yield ALONE
        return
    # A fork is there at once; but of a process with threads it may hang.
    forks = sys.platform == "linux" and threading.active_count() == 1
    context: ForkContext | SpawnContext = multiprocessing.get_context("spawn")
    if forks:
        context = multiprocessing.get_context("fork")
    pipes: list[Connection] = []
    processes: list[BaseProcess] = []
    try:
        for index in range(1, count):
            mine, its = context.Pipe()
            inherited = (*pipes, mine) if forks else ()
            task = (its, inherited, index, count, work, arguments)
            process = context.Process(target=_work, args=task, daemon=True)
            process.start()
            its.close()  # so that the end of the process is the end of what it says
            pipes.append(mine)
            processes.append(process)
        yield _Leader(pipes)
    finally:
        for mine in pipes:
            mine.close()
        for started in processes:
            started.terminate()
            started.join()


def _work(
    leader: "Connection",
    inherited: "tuple[Connection, ...]",
    index: int,
    count: int,
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    """What another process does; `inherited` are the leader's ends of pipes."""
    for its in inherited:
        its.close()
    # Ctrl-C reaches all processes of a terminal: the first one decides what becomes of the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work(_Member(leader, index, count), *arguments)
    except BrokenShareError:
        pass  # the first one has ended
    except BaseException as error:  # whatever it is, the first one must not wait for ever
        with suppress(OSError):
            leader.send_bytes(_FAILED + _END + f"{type(error).__name__}: {error}".encode(errors="replace"))


def _dump(value: Any) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
