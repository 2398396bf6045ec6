"""Follows one connection: from its segments to its streams, to where TLS begins, and on to its session."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.net.connections import Arrivals, Connection
from analyzer.net.lifetime import Lifetime
from analyzer.net.rows import ACK, FIN, MARKS, RST, SYN, Rows, held
from analyzer.net.stream import ByteStream, Gap, Piece, Stretch
from analyzer.settings import Limits
from analyzer.tls.beginning import HEAD_BYTES, Beginning, Start
from analyzer.tls.keyring import Keyring
from analyzer.tls.preambles import Deframer, begins_tls, deframer
from analyzer.tls.record import Event
from analyzer.tls.session import Session

_OWN, _OWN_OF_SESSION = 4 << 10, 2 << 10
"""Bytes that following a connection takes by itself, and reading TLS on it."""
_MADE_OF_MESSAGES = 3
"""Bytes that a byte of a message takes, with what is made of it."""


@dataclass(slots=True, frozen=True)
class Mark:
    """A SYN, FIN or RST."""

    frame: int
    time: int
    direction: int
    flags: int
    sequence: int
    acknowledgment: int | None = None
    """Its acknowledgment number, where it carries one."""


class Follower:
    """What is kept of one connection between batches."""

    __slots__ = (
        "_deframers",
        "_events",
        "_keyring",
        "_limits",
        "_virtual",
        "beginning",
        "closings",
        "connection",
        "counted",
        "first_frame",
        "first_time",
        "last_frame",
        "last_time",
        "lifetime",
        "openings",
        "reported",
        "session",
        "skipped_number",
        "streams",
    )

    def __init__(self, connection: Connection, limits: Limits, keyring: Keyring | None = None) -> None:
        self.connection = connection
        self.lifetime = Lifetime()
        """Whether it is closed."""
        self.streams: list[ByteStream | None] = [None, None]
        """Of either direction, from its first payload on."""
        self.openings: list[Mark] = []
        """The first SYNs."""
        self.closings: list[Mark] = []
        """The first FINs and RSTs."""
        self.beginning = Beginning(connection, limits)
        """Finds where TLS begins, and knows what was said before."""
        self.session: Session | None = None
        """Set once TLS has begun."""
        self.reported = 0
        """How many of the session's handshakes are in a report."""
        self.skipped_number: int | None = None
        """The frame at which Wireshark skips a stream number on account of this connection."""
        self.first_frame = self.first_time = self.last_frame = self.last_time = 0
        self._limits = limits
        self._keyring = keyring
        self._events: list[Event] = []
        self._deframers: tuple[Deframer, Deframer] | None = None
        self._virtual = [0, 0]
        self.counted = 0
        """What of `held` whoever watches over all connections has counted."""
        if connection.opening is not None:
            self._begin_with(Mark(*connection.opening))
            connection.opening = None

    def arrive(self, rows: Rows, arrivals: Arrivals) -> None:
        """Take what a batch brings; `advance` must be called before the batch is gone."""
        for direction, first, behind in self.lifetime.admit(rows, arrivals.spans):
            if not self.first_frame or rows.frame[first] < self.first_frame:
                self.first_frame, self.first_time = rows.frame[first], rows.time[first]
            self.last_frame = max(self.last_frame, rows.frame[behind - 1])
            self.last_time = max(self.last_time, rows.time[behind - 1])
            following = self.beginning.state != "given-up"
            run = bisect_left(rows.run_starts, first + 1)
            start = first
            while start < behind:
                stop = min(rows.run_starts[run], behind)
                flags = rows.flags[start]
                if flags & MARKS:
                    heard = rows.acknowledgment[start] if flags & ACK else None
                    mark = Mark(rows.frame[start], rows.time[start], direction, flags, rows.sequence[start], heard)
                    self._mark(mark)
                if following and (rows.length[start] or flags & FIN):
                    pieces = (self.streams[direction] or self._stream(direction)).feed(rows, start, stop)
                    if pieces:
                        self._take(direction, pieces)
                start = stop
                run += 1
        # The directions came one after the other.
        self.closings.sort(key=_frame)
        del self.closings[_MARKS_KEPT:]

    def _begin_with(self, opening: Mark) -> None:
        """Take the SYN that came before the first arrivals."""
        self.first_frame, self.first_time = opening.frame, opening.time
        self.last_frame, self.last_time = opening.frame, opening.time
        self.lifetime.hear(opening.direction)
        self._mark(opening)

    def advance(self, *, ended: bool = False) -> None:
        """Interpret what has arrived so far, in the order of the capture; `ended`: nothing more will come."""
        if self.session is None and self.beginning.state != "given-up":
            self._find_beginning(ended)
        if self._events and self.session is not None:
            self._events.sort(key=_frame)
            self.session.process(self._events)
            self._events = []

    def finish(self) -> None:
        """No more segments will come."""
        if self.session is not None and all(one.server_hello is None for one in self.session.handshakes):
            self._keep_answer(1 - self.session.client_direction)
        for direction in (0, 1):
            stream = self.streams[direction] or self._unseen(direction)
            acknowledged = self.connection.acknowledged[1 - direction]
            reset, reached = self._reset(direction), self.connection.reached[direction]
            pieces = stream.finish(acknowledged, self.last_frame, reset, reached) if stream is not None else []
            if pieces:
                self._take(direction, pieces)
        self.advance(ended=True)
        if self.session is not None:
            for direction in (0, 1):
                self.session.reader(direction).finish(self._events)
            self.advance()
            self.session.finish()
        else:
            self.beginning.give_up()

    def received(self, closing: Mark) -> int | None:
        """What of the other side's stream had been received by whoever closed; None where that is not known.

        What a tunnel carries stands at positions of its own.
        """
        stream = self.streams[1 - closing.direction]
        if stream is None or closing.acknowledgment is None or self._deframers is not None:
            return None
        return stream.position(closing.acknowledgment)

    def unheard(self, direction: int) -> tuple[int, int] | None:
        """Where all ends in a side's repeating itself: from which stream position on it was never acknowledged, and
        when it said so last."""
        stream, number = self.streams[direction], self.connection.acknowledged[1 - direction]
        again = stream.passage.repetitions[-1:] if stream is not None and self._deframers is None else ()
        if stream is None or number is None or not again or again[0].frame != self.last_frame:
            return None
        position = stream.position(number)
        return (position, again[0].time) if position is not None and position < stream.next else None

    def _reset(self, direction: int) -> int | None:
        """The sequence number of the first RST: what its sender had sent before."""
        resets = (one for one in self.closings if one.direction == direction and one.flags & RST)
        return next((one.sequence for one in resets if not self.reopened_behind(one)), None)

    def reopened_behind(self, closing: Mark) -> bool:
        """Whether it is a reset of something before: its sender opens the connection behind it."""
        if not closing.flags & RST:
            return False
        return any(one.frame > closing.frame and one.direction == closing.direction for one in self.openings)

    @property
    def disputed(self) -> int | None:
        """The first frame that brought other bytes for a place than came before; None where none did."""
        frames = (frame for stream in self.streams if stream is not None for frame in stream.conflicts)
        return min(frames, default=None)

    def defects(self) -> Iterator[tuple[str, int]]:
        """What the capture lacks of the session or shows twice and differently: an issue's code, and a frame."""
        lacking = self.beginning.lacking
        if lacking is not None and self._lost_tls():
            yield _DEFECTS[lacking.reason], lacking.frame
        for handshake in self.session.handshakes if self.session is not None else ():
            yield from ((_DEFECTS[hole.reason], hole.frame) for _, hole in handshake.holes)
            for stream in self.streams if handshake.index == 0 else ():
                yield from (("overlaps-differ", frame) for frame in (stream.conflicts if stream is not None else ()))

    def _lost_tls(self) -> bool:
        """Whether TLS was asked for, or its records are there, behind preambles, and no handshake is to be seen."""
        preambles = self.beginning.prologue.preambles if self.beginning.prologue is not None else ()
        if self.session is not None:
            return bool(preambles) and not self.session.handshakes
        return any(preamble.asked for preamble in preambles)

    def _keep_answer(self, direction: int) -> None:
        """Keep how the server answers a ClientHello, where that is no TLS."""
        stream, prologue = self.streams[direction], self.beginning.prologue
        answer = stream.head(prologue.server if prologue else 0, HEAD_BYTES) if stream else b""
        if begins_tls(answer) is False:
            self.beginning.heads[direction] = answer

    def _stream(self, direction: int) -> ByteStream:
        """The direction's stream, made at its first payload."""
        initial = self.connection.initial_sequence[direction]
        expected = None if initial is None else (initial + 1) % 2**32
        stream = self.streams[direction] = ByteStream(self._limits.pending_bytes, expected)
        for opening in self.openings:
            if opening.direction == direction:
                stream.synchronize(opening.sequence)
        return stream

    def _unseen(self, direction: int) -> ByteStream | None:
        """A stream of which the capture holds nothing, though the peer may have acknowledged some of it."""
        initial = self.connection.initial_sequence[direction]
        if initial is None or self.beginning.state == "given-up":
            return None
        stream = self._stream(direction)
        stream.expect((initial + 1) % 2**32)
        return stream

    def _take(self, direction: int, pieces: list[Piece]) -> None:
        if self.session is None:
            self.beginning.take(direction, pieces)
        else:
            reader = self.session.reader(direction)
            for piece in self._unframed(direction, pieces) if self._deframers else pieces:
                reader.feed(piece, self._events)

    def _mark(self, mark: Mark) -> None:
        if mark.flags & SYN:
            if len(self.openings) < _MARKS_KEPT:
                self.openings.append(mark)
                self.beginning.open(mark.direction, answers=bool(mark.flags & ACK))
            stream = self.streams[mark.direction]
            if stream is not None:
                stream.synchronize(mark.sequence)
        if mark.flags & (FIN | RST):
            self.closings.append(mark)

    def _find_beginning(self, ended: bool) -> None:
        """See whether TLS begins in what has arrived."""
        start = self.beginning.find(self.last_frame, ended=ended)
        if start is not None:
            self._begin(start)
        elif self.beginning.state == "searching":
            for stream in self.streams:
                if stream is not None:
                    stream.forget()
        elif self.beginning.state == "given-up":
            self.streams = [None, None]

    def _begin(self, start: Start) -> None:
        """Read on as TLS."""
        self.session = Session(self._limits, start.client, self._keyring)
        if start.framing is not None:
            self._deframers = (deframer(start.framing), deframer(start.framing))
        self._skip_number(start)
        began_in_clear = start.framing is None and self.beginning.began_in_clear
        for direction, said in enumerate(start.said):
            reader, pieces = self.session.reader(direction), said
            reader.began_in_clear = began_in_clear
            position = start.positions.get(direction)
            if position is None:
                reader.search()
            elif start.framing is None:
                reader.start_at(position)
            else:
                pieces = [p.after(position) if isinstance(p, Stretch) else p for p in said if p.end > position]
            if pieces:
                self._take(direction, pieces)

    def _skip_number(self, start: Start) -> None:
        """Note where the first bytes of a SOCKS tunnel are, on the port that Wireshark takes for SOCKS."""
        prologue = self.beginning.prologue
        if prologue is None or prologue.state != "tls":
            return
        if all(preamble.name not in ("socks4", "socks5") for preamble in prologue.preambles):
            return
        if all(self.connection.endpoint(direction).port != _SOCKS_PORT for direction in (0, 1)):
            return
        first = [
            piece.seen(position)[0]
            for direction, position in start.positions.items()
            for piece in start.said[direction]
            if isinstance(piece, Stretch) and piece.begin <= position < piece.end
        ]
        if first:
            self.skipped_number = min(first)

    @property
    def exceeded(self) -> dict[str, int]:
        """The limits that it exceeded, and the frame in which it did so first."""
        found = dict(self.session.exceeded) if self.session is not None else {}
        if self.beginning.exceeded is not None:
            found["prologue-bytes"] = self.beginning.exceeded
        for stream in self.streams:
            if stream is not None and stream.overflowed is not None:
                found.setdefault("pending-bytes", stream.overflowed)
        return found

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about."""
        held = _OWN + sum(stream.held for stream in self.streams if stream is not None)
        if self.session is None:
            return held + self.beginning.held
        return held + _OWN_OF_SESSION + _MADE_OF_MESSAGES * self.session.held

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
                    carried.append(Stretch(held(chunk.data, frame, time), 0, 1, begin))
        return carried


_DEFECTS = {
    "snap-length": "frames-cut",
    "not-captured": "segments-not-captured",
    "missing": "segments-missing",
    "damaged": "records-damaged",
}
_MARKS_KEPT = 8
_SOCKS_PORT = 1080


def _frame(event: Event | Mark | Gap) -> int:
    return event.frame
