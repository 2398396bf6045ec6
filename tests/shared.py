"""One capture analyzed in several shares: by threads that take the same steps, as `analyzer.crew` has processes do."""

import pickle
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.transform import readdress
from lab.wire import frames, pcap, read_segments

from analyzer.shares import Share


class Threads(Share):
    """The share of one thread among others."""

    def __init__(self, index: int, count: int, barrier: threading.Barrier, told: list[bytes]) -> None:
        self.index = index
        self.count = count
        self._barrier = barrier
        self._told = told

    def exchange(self, step: str, mine: Any) -> list[Any]:
        """Through memory; pickled, as on the way to another process."""
        self._told[self.index] = pickle.dumps((step, mine))
        self._barrier.wait(30)
        told = [pickle.loads(words) for words in self._told]
        self._barrier.wait(30)
        assert {where for where, _ in told} == {step}
        return [words for _, words in told]


def in_shares(count: int, work: Callable[[Share], Any]) -> list[Any]:
    """What each of so many shares returns."""
    barrier, told = threading.Barrier(count), [b""] * count

    def do(index: int) -> Any:
        try:
            return work(Threads(index, count, barrier, told))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(do, range(count)))


def crowd(files: Iterable[Path], apart: int) -> bytes:
    """One capture of all connections of captures, each of which has clients of its own and begins so many nanoseconds
    after the one before."""
    segments = []
    for number, file in enumerate(files):
        some = read_segments(file)
        addresses = {segment.source.ip: segment.source.ip for segment in some}
        addresses[some[0].source.ip] = f"203.0.113.{number}"
        shift = number * apart - some[0].time + 1_795_000_000 * 10**9
        segments += [replace(segment, time=segment.time + shift) for segment in readdress(some, addresses)]
    segments.sort(key=lambda segment: segment.time)
    return pcap(frames(segments))
