"""From a capture to its report: the only module that wires the floors together."""

from collections.abc import Callable, Iterable, Iterator

from analyzer.assembly import Assembler
from analyzer.capture.reader import Capture, open_capture
from analyzer.capture.source import Input
from analyzer.errors import CaptureError
from analyzer.issues import Issues
from analyzer.net.connections import ConnectionTable
from analyzer.net.decode import Decoder
from analyzer.results import CaptureReport, HandshakeReport
from analyzer.settings import Limits
from analyzer.tls.follower import Follower

Progress = Callable[[int, int | None], None]
"""Called with the bytes of the input that were read and, where known, all there are."""


def analyze(
    capture: Input, *, limits: Limits | None = None, name: str | None = None, progress: Progress | None = None
) -> CaptureReport:
    """Analyze one capture: a path, `-` for stdin, bytes, or a binary file object.

    `name` is what the report calls it. What is wrong with the capture stands in the report's `issues`.

    Raises:
        CaptureError: nothing of it could be read.
    """
    limits = limits or Limits()
    with open_capture(capture, limits=limits, name=name) as opened:
        return _Analysis(opened, limits).run(progress)


def analyze_many(
    captures: Iterable[Input], *, limits: Limits | None = None, progress: Progress | None = None
) -> Iterator[CaptureReport]:
    """Analyze captures one after the other; one that cannot be read yields a report with `error` set."""
    for capture in captures:
        try:
            yield analyze(capture, limits=limits, progress=progress)
        except CaptureError as error:
            yield CaptureReport(capture=error.name, error=error.reason)


class _Analysis:
    """The way of one capture through the floors."""

    def __init__(self, capture: Capture, limits: Limits) -> None:
        self._capture = capture
        self._limits = limits
        self._issues = Issues()
        self._decoder = Decoder(limits, self._issues)
        self._table = ConnectionTable(limits.connections)
        self._assembler = Assembler(capture.name, limits, self._issues)
        self._report = CaptureReport(capture=capture.name, format=capture.format)

    def run(self, progress: Progress | None) -> CaptureReport:
        """Read the capture to its end."""
        report, capture = self._report, self._capture
        for batch in capture.batches():
            if report.start is None:
                report.start = int(batch.time[0])
            report.end = int(batch.time[-1])
            segments, _ = self._decoder.decode(batch)
            if len(segments):
                rows, arrivals, displaced = self._table.sort(segments)
                followers: list[Follower] = []
                for arrived in arrivals:
                    follower = arrived.connection.follower
                    if follower is None:
                        follower = arrived.connection.follower = Follower(arrived.connection, self._limits)
                    follower.arrive(rows, arrived)
                    followers.append(follower)
                for follower in followers:
                    follower.advance()
                    if follower.skipped_number is not None:
                        self._table.skip_number(follower.skipped_number)
                        follower.skipped_number = None
                for connection in displaced:
                    self._finish(connection.follower)
                for connection in self._table.drop_idle():
                    self._issues.add("connections", "Too many connections at once: the longest idle were let go.")
                    self._finish(connection.follower)
            if progress is not None:
                progress(capture.position, capture.size)
        for connection in sorted(self._table, key=lambda connection: connection.order):
            self._finish(connection.follower)
        report.handshakes.extend(self._assembler.late_attempts())
        report.frames, report.bytes = capture.frames, capture.bytes
        report.connections = self._table.opened
        report.handshakes.sort(key=_order)
        report.issues = [*capture.issues, *self._issues]
        return report

    def _finish(self, follower: Follower | None) -> None:
        """The connection is over: report its handshakes and what the capture lacks of it."""
        if follower is None:
            return
        follower.finish()
        self._report.handshakes.extend(self._assembler.reports(follower, self._table.stream(follower.connection)))
        follower.connection.follower = None


def _order(handshake: HandshakeReport) -> tuple[str, int, int]:
    return handshake.transport, handshake.stream, handshake.handshake
