"""When is a connection over, so that it can be let go while the capture goes on?"""

from bisect import bisect_left
from collections.abc import Iterator

from analyzer.net.connections import Arrivals, Connection, Span, cut
from analyzer.net.rows import FIN, RST, Rows

LINGER = 5 * 1_000_000_000
"""Nanoseconds of capture time for which a closed connection must be silent to be over (Zeek's tcp_close_delay)."""

_BOTH = 0b11


class Lifetime:
    """Follows one connection to its end: FIN from both sides or an RST, and then nothing for `LINGER`.

    What comes after that is left out whether the connection has been let go or not, so that its report does not
    depend on how the capture was cut into batches. An RST closes nothing as long as the other side has sent neither
    data nor SYN: a client sends it when a server takes its SYN for one of an old connection, and then tries again.
    """

    __slots__ = ("_closed", "_heard", "_last", "_over")

    def __init__(self) -> None:
        self._heard = 0  # bit d: direction d has sent data or SYN, FIN, RST
        self._closed = 0  # bit d: direction d has ended
        self._last = 0
        self._over = False

    @property
    def closed(self) -> bool:
        """Whether both sides have sent FIN, or one an RST."""
        return self._closed == _BOTH

    def hear(self, direction: int) -> None:
        """A SYN was sent in this direction."""
        self._heard |= 1 << direction

    def admit(self, rows: Rows, spans: list[Span]) -> list[Span]:
        """What of these rows comes before the end."""
        if self._over:
            return []
        closings = sorted(_closings(rows, spans))
        if closings or self.closed:
            latest = max(rows.time[behind - 1] for _, _, behind in spans)
            since = self._last if self.closed else min(rows.time[row] for _, _, row in closings)
            if latest - since > LINGER:
                return self._cut(rows, spans)
            self._last = max(self._last, latest)
            for frame, direction, row in closings:
                for other, first, _ in spans:
                    self._heard |= (rows.frame[first] < frame) << other
                self._close(direction, rows.flags[row])
        for direction, _, _ in spans:
            self._heard |= 1 << direction
        return spans

    def _cut(self, rows: Rows, spans: list[Span]) -> list[Span]:
        """The same, row by row in frame order."""
        seen = [(rows.frame[row], direction, row) for direction, first, behind in spans for row in range(first, behind)]
        for frame, direction, row in sorted(seen):
            if self.closed and rows.time[row] - self._last > LINGER:
                self._over = True
                return cut(spans, frame, rows)[0]
            self._close(direction, rows.flags[row])
            self._heard |= 1 << direction
            self._last = max(self._last, rows.time[row])
        return spans

    def _close(self, direction: int, flags: int) -> None:
        if flags & RST and self._heard >> (1 - direction) & 1:
            self._closed = _BOTH
        elif flags & FIN:
            self._closed |= 1 << direction


class Stranger:
    """A connection that another process follows (see `analyzer.shares`): here it is only known when it is over."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lifetime = Lifetime()
        self.last_time = 0
        if connection.opening is not None:
            _, self.last_time, direction, *_ = connection.opening
            self.lifetime.hear(direction)
            connection.opening = None

    def arrive(self, rows: Rows, arrivals: Arrivals) -> None:
        """Take what a batch brings."""
        for _, _, behind in self.lifetime.admit(rows, arrivals.spans):
            self.last_time = max(self.last_time, rows.time[behind - 1])


def _closings(rows: Rows, spans: list[Span]) -> Iterator[tuple[int, int, int]]:
    """Frame, direction and row of what has FIN or RST."""
    closings = rows.closings
    for direction, first, behind in spans:
        at = bisect_left(closings, first)
        while at < len(closings) and closings[at] < behind:
            yield rows.frame[closings[at]], direction, closings[at]
            at += 1
