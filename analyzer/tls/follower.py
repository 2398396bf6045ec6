"""Follows one connection: from its segments to where TLS begins, and on to its session."""

from bisect import bisect_left
from dataclasses import dataclass

from analyzer.net.connections import Arrivals, Connection
from analyzer.net.rows import ACK, FIN, MARKS, RST, SYN, Rows, held
from analyzer.net.stream import ByteStream, Gap, Piece, Stretch
from analyzer.settings import Limits
from analyzer.tls.preambles import Deframer, Prologue, deframer, follow
from analyzer.tls.record import HEADER, Event, plausible_header
from analyzer.tls.session import Session

_UNKNOWN_BYTES = 8 << 10
"""So much of a direction that looks like nothing known is searched for a ClientHello."""


@dataclass(slots=True, frozen=True)
class Mark:
    """A SYN, FIN or RST."""

    frame: int
    time: int
    direction: int
    flags: int
    sequence: int


class Follower:
    """What is kept of one connection between batches."""

    __slots__ = (
        "_deframers",
        "_early",
        "_events",
        "_limits",
        "_virtual",
        "closings",
        "connection",
        "first_frame",
        "first_time",
        "heads",
        "last_time",
        "opener",
        "openings",
        "prologue",
        "session",
        "skipped_number",
        "streams",
    )

    def __init__(self, connection: Connection, limits: Limits) -> None:
        self.connection = connection
        self.streams: list[ByteStream | None] = [None, None]
        """Of either direction, from its first payload on."""
        self.opener: int | None = None
        """The direction that opened the connection, by SYN or SYN+ACK."""
        self.openings: list[Mark] = []
        """The first SYNs."""
        self.closings: list[Mark] = []
        """The first FINs and RSTs."""
        self.prologue: Prologue | None = None
        """What was said before TLS."""
        self.session: Session | None = None
        """Set once TLS has begun."""
        self.heads: list[bytes] = [b"", b""]
        """First bytes of either direction where TLS did not begin."""
        self.skipped_number: int | None = None
        """The frame at which Wireshark skips a stream number on account of this connection."""
        self.first_frame = self.first_time = self.last_time = 0
        self._limits = limits
        self._early: tuple[list[Piece], list[Piece]] | None = ([], [])
        self._events: list[Event] = []
        self._deframers: tuple[Deframer, Deframer] | None = None
        self._virtual = [0, 0]

    def arrive(self, rows: Rows, arrivals: Arrivals) -> None:
        """Take what a batch brings; `advance` must be called before the batch is gone."""
        for direction, first, behind in arrivals.spans:
            other, acknowledged = self.streams[1 - direction], arrivals.acknowledged[direction]
            if other is not None and acknowledged is not None:
                other.acknowledged = acknowledged
            if not self.first_frame or rows.frame[first] < self.first_frame:
                self.first_frame, self.first_time = rows.frame[first], rows.time[first]
            self.last_time = max(self.last_time, rows.time[behind - 1])
            following = self._early is not None or self.session is not None
            run = bisect_left(rows.run_starts, first + 1)
            start = first
            while start < behind:
                stop = min(rows.run_starts[run], behind)
                if rows.flags[start] & MARKS:
                    self._mark(
                        Mark(rows.frame[start], rows.time[start], direction, rows.flags[start], rows.sequence[start])
                    )
                if following and rows.length[start]:
                    pieces = (self.streams[direction] or self._stream(direction)).feed(rows, start, stop)
                    if pieces:
                        self._take(direction, pieces)
                start = stop
                run += 1

    def advance(self) -> None:
        """Interpret what has arrived so far, in the order of the capture."""
        if self._early is not None:
            self._find_beginning(*self._early)
        if self._events and self.session is not None:
            self._events.sort(key=_frame)
            self.session.process(self._events)
            self._events = []

    def finish(self) -> None:
        """No more segments will come."""
        for direction, stream in enumerate(self.streams):
            pieces = stream.finish() if stream is not None else []
            if pieces:
                self._take(direction, pieces)
        self.advance()
        if self.session is not None:
            for direction in (0, 1):
                self.session.reader(direction).finish(self._events)
            self.advance()
            self.session.finish()
        self._early = None

    def _stream(self, direction: int) -> ByteStream:
        """The direction's stream, made at its first payload."""
        stream = self.streams[direction] = ByteStream(self._limits.pending_bytes)
        for opening in self.openings:
            if opening.direction == direction:
                stream.synchronize(opening.sequence)
        return stream

    def _take(self, direction: int, pieces: list[Piece]) -> None:
        if self._early is not None:
            self._early[direction].extend(pieces)
        elif self.session is not None:
            reader = self.session.reader(direction)
            for piece in self._unframed(direction, pieces) if self._deframers else pieces:
                reader.feed(piece, self._events)

    def _mark(self, mark: Mark) -> None:
        if mark.flags & SYN:
            if self.opener is None:
                self.opener = 1 - mark.direction if mark.flags & ACK else mark.direction
            if len(self.openings) < _MARKS_KEPT:
                self.openings.append(mark)
            stream = self.streams[mark.direction]
            if stream is not None:
                stream.synchronize(mark.sequence)
        if mark.flags & (FIN | RST) and len(self.closings) < _MARKS_KEPT:
            self.closings.append(mark)

    # Where TLS begins

    def _find_beginning(self, first: list[Piece], second: list[Piece]) -> None:
        early = (first, second)
        if not first and not second:
            return
        client = self._likely_client(early)
        prefixes = [_prefix(pieces, self._limits.prologue_bytes) for pieces in early]
        prologue = follow(prefixes[client], prefixes[1 - client], client_known=self.opener is not None)
        if prologue.swapped:
            client = 1 - client
        self.prologue = prologue
        if prologue.state == "tls":
            if any(preamble.name in ("socks4", "socks5") for preamble in prologue.preambles):
                self._skip_number(early, {client: prologue.client, 1 - client: prologue.server})
            starts = (prologue.client, prologue.server)
            self._begin(client, {client: starts[0], 1 - client: starts[1]}, prologue.framing)
            return
        hello = next((found for d in (client, 1 - client) if (found := _find_hello(d, early[d])) is not None), None)
        if hello is not None:
            self._begin(hello[0], {hello[0]: hello[1]}, None)
            return
        whole = all(self._is_synchronized(d) and not _starts_with_gap(early[d]) for d in (0, 1) if early[d])
        if not whole and prologue.state in ("unknown", "waiting") and not prologue.preambles:
            # The connection began before the capture: records may begin anywhere.
            self._begin(client, {}, None)
            return
        size = max(len(prefix) for prefix in prefixes)
        bound = _UNKNOWN_BYTES if prologue.state in ("unknown", "other") else self._limits.prologue_bytes
        if size >= bound:
            self._ignore(prefixes)
        else:
            self._early = (_copied(first), _copied(second))
            self.heads = [prefix[:_HEAD_BYTES] for prefix in prefixes]

    def _skip_number(self, early: tuple[list[Piece], list[Piece]], starts: dict[int, int]) -> None:
        """Note where the tunnel's first bytes are, on the port that Wireshark takes for SOCKS."""
        if all(self.connection.endpoint(direction).port != _SOCKS_PORT for direction in (0, 1)):
            return
        first = [
            piece.seen(starts[direction])[0]
            for direction in (0, 1)
            for piece in early[direction]
            if isinstance(piece, Stretch) and piece.begin <= starts[direction] < piece.end
        ]
        if first:
            self.skipped_number = min(first)

    def _is_synchronized(self, direction: int) -> bool:
        stream = self.streams[direction]
        return stream is not None and stream.synchronized

    def _likely_client(self, early: tuple[list[Piece], list[Piece]]) -> int:
        """The direction in which the client sends: the opener's, else that toward the lower port."""
        if self.opener is not None:
            return self.opener
        ports = [self.connection.endpoint(d).port for d in (0, 1)]
        return 0 if ports[0] > ports[1] else 1

    def _begin(self, client: int, starts: dict[int, int], framing: str | None) -> None:
        """TLS begins at these positions of the directions; in one that is not named, it is searched for."""
        early, self._early = self._early, None
        self.session = Session(self._limits, client)
        if framing is not None:
            self._deframers = (deframer(framing), deframer(framing))
        for direction in (0, 1):
            reader = self.session.reader(direction)
            start = starts.get(direction)
            if start is None:
                reader.search()
            elif framing is None:
                reader.start_at(start)
            if early is not None and early[direction]:
                pieces = early[direction]
                if framing is not None and start:
                    pieces = [p.after(start) if isinstance(p, Stretch) else p for p in pieces if p.end > start]
                self._take(direction, pieces)

    def _ignore(self, prefixes: list[bytes]) -> None:
        self.heads = [prefix[:_HEAD_BYTES] for prefix in prefixes]
        self._early = None
        self.streams = [None, None]

    def _unframed(self, direction: int, pieces: list[Piece]) -> list[Piece]:
        """What the framing carries, at positions of its own."""
        assert self._deframers is not None
        carried: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Gap):
                begin = self._virtual[direction]
                self._virtual[direction] += piece.end - piece.begin
                carried.append(Gap(begin, self._virtual[direction], piece.reason, piece.frame))
                continue
            for part in piece.pieces():
                frame, time = part.seen(part.begin)
                for chunk in self._deframers[direction].feed(part.read(part.begin, part.end - part.begin)):
                    begin = self._virtual[direction]
                    self._virtual[direction] += len(chunk.data)
                    carried.append(Stretch(held(chunk.data, frame, time), 0, 1, begin, begin))
        return carried


_MARKS_KEPT = 8
_SOCKS_PORT = 1080
_HEAD_BYTES = 512


def _frame(event: Event) -> int:
    return event.frame


def _prefix(pieces: list[Piece], limit: int) -> bytes:
    """The direction's first bytes up to the first gap."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        if isinstance(piece, Gap) or size >= limit:
            break
        take = min(piece.end - piece.begin, limit - size)
        parts.append(piece.read(piece.begin, take))
        size += take
    return b"".join(parts)


def _starts_with_gap(pieces: list[Piece]) -> bool:
    return isinstance(pieces[0], Gap)


def _copied(pieces: list[Piece]) -> list[Piece]:
    """The same, so that it outlives the batch."""
    copies: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Gap):
            copies.append(piece)
        else:
            copies.extend(piece.pieces())
    return copies


def _find_hello(direction: int, pieces: list[Piece]) -> tuple[int, int] | None:
    """Direction and position of a ClientHello at the start of a segment."""
    for piece in pieces:
        if isinstance(piece, Stretch):
            for start in piece.segment_starts():
                if start and piece.end - start >= _HELLO_BYTES and _is_hello(piece.read(start, _HELLO_BYTES)):
                    return direction, start
    return None


_HELLO_BYTES = HEADER + 6


def _is_hello(head: bytes) -> bool:
    """Whether a record header and a handshake header of a ClientHello stand here."""
    length = head[3] << 8 | head[4]
    body = int.from_bytes(head[6:9])
    return (
        head[0] == 0x16
        and head[5] == 1
        and plausible_header(head[0], head[1] << 8 | head[2], length)
        and head[9] == 3
        and head[10] <= 4
        and body >= 38
        and (body + 4 == length or length >= 512)
    )
