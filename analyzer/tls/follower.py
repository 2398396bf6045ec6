"""Follows one connection: from its segments to where TLS begins, and on to its session."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.net.connections import Arrivals, Connection
from analyzer.net.lifetime import Lifetime
from analyzer.net.rows import ACK, FIN, MARKS, RST, SYN, Rows, held
from analyzer.net.stream import PIECE, ByteStream, Gap, Piece, Stretch
from analyzer.settings import Limits
from analyzer.tls.keyring import Keyring
from analyzer.tls.preambles import Deframer, Prologue, begins_tls, deframer, follow
from analyzer.tls.record import HEADER, Event, plausible_header
from analyzer.tls.session import Session

_OWN, _OWN_OF_SESSION = 4 << 10, 2 << 10
"""Bytes that following a connection takes by itself, and reading TLS on it."""
_MADE_OF_MESSAGES = 3
"""Bytes that a byte of a message takes, with what is made of it."""
_SEGMENT = 256
"""Bytes that a segment takes which is kept until it is known where TLS begins, about, beside its content."""
_EARLY_SEGMENTS = 2048
"""So many segments of a direction may come before TLS."""
_MONOLOGUE_BYTES = 1 << 10
"""After so much from one side alone, what it is does not depend on the other."""
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
        "_early_bytes",
        "_early_segments",
        "_events",
        "_head_begins",
        "_judged_bytes",
        "_kept",
        "_keyring",
        "_limits",
        "_prologue_exceeded",
        "_searching",
        "_virtual",
        "closings",
        "connection",
        "counted",
        "first_frame",
        "first_time",
        "heads",
        "lacking",
        "last_frame",
        "last_time",
        "lifetime",
        "opener",
        "openings",
        "prologue",
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
        self.lacking: Gap | None = None
        """What the capture lacks, first of all, of what was said before TLS, if it began."""
        self.reported = 0
        """How many of the session's handshakes are in a report."""
        self.skipped_number: int | None = None
        """The frame at which Wireshark skips a stream number on account of this connection."""
        self.first_frame = self.first_time = self.last_frame = self.last_time = 0
        self._limits = limits
        self._keyring = keyring
        self._early: tuple[list[Piece], list[Piece]] | None = ([], [])
        """What was said so far, until it is known where TLS begins."""
        self._early_bytes = self._judged_bytes = 0
        self._early_segments = [0, 0]
        self._head_begins = [0, 0]
        """Where in either direction the `heads` begin."""
        self._kept = [0, 0]
        """How many of these pieces outlive the batch."""
        self._searching = False
        """No preamble leads to TLS; only a ClientHello that begins a segment is still looked for."""
        self._events: list[Event] = []
        self._prologue_exceeded: int | None = None
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
            following = self._early is not None or self.session is not None
            run = bisect_left(rows.run_starts, first + 1)
            start = first
            while start < behind:
                stop = min(rows.run_starts[run], behind)
                flags = rows.flags[start]
                if flags & MARKS:
                    self._mark(Mark(rows.frame[start], rows.time[start], direction, flags, rows.sequence[start]))
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
        if self._early is not None:
            if self._searching:
                self._search(self._early)
            # The whole beginning is looked at again, so it must have grown by a part of itself.
            elif ended or self._early_bytes * 16 >= self._judged_bytes * 17:
                self._judged_bytes = self._early_bytes
                self._find_beginning(self._early, ended)
            self._keep_early()
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
            pieces = stream.finish(acknowledged, self.last_frame) if stream is not None else []
            if pieces:
                self._take(direction, pieces)
        self.advance(ended=True)
        if self.session is not None:
            for direction in (0, 1):
                self.session.reader(direction).finish(self._events)
            self.advance()
            self.session.finish()
        self._early = None

    @property
    def disputed(self) -> int | None:
        """The first frame that brought other bytes for a place than came before; None where none did."""
        frames = (frame for stream in self.streams if stream is not None for frame in stream.conflicts)
        return min(frames, default=None)

    def defects(self) -> Iterator[tuple[str, int]]:
        """What the capture lacks of the session or shows twice and differently: an issue's code, and a frame."""
        if self.lacking is not None and self.prologue is not None and self._lost_tls(self.prologue):
            yield _DEFECTS[self.lacking.reason], self.lacking.frame
        for handshake in self.session.handshakes if self.session is not None else ():
            yield from ((_DEFECTS[hole.reason], hole.frame) for _, hole in handshake.holes)
            for stream in self.streams if handshake.index == 0 else ():
                yield from (("overlaps-differ", frame) for frame in (stream.conflicts if stream is not None else ()))

    def _lost_tls(self, prologue: Prologue) -> bool:
        """Whether TLS was asked for, or its records are there, behind preambles, and no handshake is to be seen."""
        if self.session is not None:
            return bool(prologue.preambles) and not self.session.handshakes
        return any(preamble.asked for preamble in prologue.preambles)

    def _keep_answer(self, direction: int) -> None:
        """Keep how the server answers a ClientHello, where that is no TLS."""
        stream = self.streams[direction]
        answer = stream.head(self.prologue.server if self.prologue else 0, _HEAD_BYTES) if stream else b""
        if begins_tls(answer) is False:
            self.heads[direction] = answer

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
        if initial is None or (self._early is None and self.session is None):
            return None
        stream = self._stream(direction)
        stream.expect((initial + 1) % 2**32)
        return stream

    def _keep_early(self) -> None:
        """Copy what has arrived and will be looked at again, so that it outlives the batch."""
        for direction, pieces in enumerate(self._early or ()):
            if self._searching:
                pieces.clear()
                continue
            kept = self._kept[direction]
            pieces[kept:] = [piece.copy() if isinstance(piece, Stretch) else piece for piece in pieces[kept:]]
            self._kept[direction] = len(pieces)

    def _take(self, direction: int, pieces: list[Piece]) -> None:
        if self._early is not None:
            self._early[direction].extend(pieces)
            if not self._searching:
                self._early_bytes += sum(piece.end - piece.begin for piece in pieces)
                self._early_segments[direction] += sum(piece.segments for piece in pieces)
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
        if mark.flags & (FIN | RST):
            self.closings.append(mark)

    # Where TLS begins

    def _find_beginning(self, early: tuple[list[Piece], list[Piece]], ended: bool) -> None:
        if not early[0] and not early[1]:
            return
        client = self._likely_client(early)
        if self.opener is not None and _starts_with_hello(early[client]):
            # The usual case needs no look at any preamble.
            self._begin(client, {client: 0, 1 - client: 0}, None)
            return
        prefixes = [_prefix(pieces, self._limits.prologue_bytes) for pieces in early]
        known = self.opener is not None
        prologue = follow(prefixes[client], prefixes[1 - client], client_known=known, ended=ended)
        if prologue.swapped:
            client = 1 - client
        self.prologue = prologue
        if prologue.state == "tls":
            starts = {client: prologue.client, 1 - client: prologue.server}
            if prologue.preambles and not ended and not any(_goes_on(early[d], prefixes[d], starts[d]) for d in (0, 1)):
                return  # what comes next tells whether TLS does begin
            if any(preamble.name in ("socks4", "socks5") for preamble in prologue.preambles):
                self._skip_number(early, starts)
            if not prologue.preambles:
                # Of a direction whose beginning the capture lacks, the first byte may be anywhere in a record.
                starts = {direction: at for direction, at in starts.items() if self._is_synchronized(direction)}
            self._begin(client, starts, prologue.framing)
            return
        # What the server says to a ClientHello within a dialogue shows which of its lines was the answer before.
        is_open = prologue.state == "waiting" and prologue.preambles and not ended
        for direction in (client, 1 - client) if not is_open or _has_record(early[1 - client]) else ():
            if self._begin_with_hello(direction, early[direction]):
                return
        gaps = (piece for pieces in early for piece in pieces if isinstance(piece, Gap))
        self.lacking = min(gaps, key=_frame, default=None)
        size = max(len(prefix) for prefix in prefixes)
        # A PROXY header, or what opened a tunnel, is not what came instead of TLS.
        if prologue.state == "unknown":
            self._head_begins[client], self._head_begins[1 - client] = prologue.client, prologue.server
        self.heads = [prefix[self._head_begins[d] :][:_HEAD_BYTES] for d, prefix in enumerate(prefixes)]
        whole = all(self._is_synchronized(d) and not _starts_with_gap(early[d]) for d in (0, 1) if early[d])
        # As long as one side says little and the other nothing, that may still make sense of it.
        is_settled = prologue.is_settled and (all(prefixes) or size >= _MONOLOGUE_BYTES)
        if not (whole or prologue.preambles) and (
            is_settled or ended or size >= _UNKNOWN_BYTES or any(map(_has_record, early))
        ):
            # The connection began before the capture: records may begin anywhere.
            self._begin(client, {}, None)
        elif self.lacking is not None and not is_settled and any(map(_has_record, early)):
            # What would have led to TLS is missing: the records tell that it was there.
            self._begin(client, {}, None)
        elif is_settled:
            self._searching = True
            self._early_bytes, self._early_segments = 0, [0, 0]
            for stream in self.streams:
                if stream is not None:
                    stream.forget()
            self._stop_search()
        elif size >= self._limits.prologue_bytes or max(self._early_segments) > _EARLY_SEGMENTS:
            self._prologue_exceeded = self.last_frame
            self._ignore()

    def _search(self, early: tuple[list[Piece], list[Piece]]) -> None:
        """Look for a ClientHello in what has arrived since."""
        for direction, pieces in enumerate(early):
            if pieces and len(self.heads[direction]) < _HEAD_BYTES:
                missing = _HEAD_BYTES - len(self.heads[direction])
                if pieces[0].begin == self._head_begins[direction] + len(self.heads[direction]):
                    self.heads[direction] += _prefix(pieces, missing)
            if self._begin_with_hello(direction, pieces):
                return
        self._stop_search()

    def _begin_with_hello(self, direction: int, pieces: list[Piece]) -> bool:
        """TLS begins where a ClientHello begins a segment, if one does."""
        start = _find_hello(pieces)
        if start is not None:
            self._begin(direction, {direction: start}, None)
        return start is not None

    def _stop_search(self) -> None:
        if any(stream is not None and stream.next >= _UNKNOWN_BYTES for stream in self.streams):
            self._ignore()

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
        """Whether the capture holds the SYN of this direction, so that its first byte is known."""
        return any(opening.direction == direction for opening in self.openings)

    def _likely_client(self, early: tuple[list[Piece], list[Piece]]) -> int:
        """The direction in which the client sends: the opener's, else that toward the lower port."""
        if self.opener is not None:
            return self.opener
        ports = [self.connection.endpoint(d).port for d in (0, 1)]
        return 0 if ports[0] > ports[1] else 1

    def _begin(self, client: int, starts: dict[int, int], framing: str | None) -> None:
        """TLS begins at these positions of the directions; in one that is not named, it is searched for."""
        early, self._early = self._early, None
        self.session = Session(self._limits, client, self._keyring)
        if framing is not None:
            self._deframers = (deframer(framing), deframer(framing))
        for direction in (0, 1):
            reader = self.session.reader(direction)
            reader.began_in_clear = framing is None and self._began_in_clear
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

    @property
    def _began_in_clear(self) -> bool:
        """Whether TLS began by a word in another protocol, and not in a tunnel or at once."""
        return self.prologue is not None and any(not preamble.tunnel for preamble in self.prologue.preambles)

    @property
    def exceeded(self) -> dict[str, int]:
        """The limits that it exceeded, and the frame in which it did so first."""
        found = dict(self.session.exceeded) if self.session is not None else {}
        if self._prologue_exceeded is not None:
            found["prologue-bytes"] = self._prologue_exceeded
        for stream in self.streams:
            if stream is not None and stream.overflowed is not None:
                found.setdefault("pending-bytes", stream.overflowed)
        return found

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about."""
        held = _OWN + sum(stream.held for stream in self.streams if stream is not None)
        if self._early is not None:
            held += self._early_bytes + PIECE * sum(map(len, self._early)) + _SEGMENT * sum(self._early_segments)
        return held + _OWN_OF_SESSION + _MADE_OF_MESSAGES * self.session.held if self.session is not None else held

    def _ignore(self) -> None:
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
_HEAD_BYTES = 512


def _frame(event: Event | Mark | Gap) -> int:
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


def _starts_with_hello(pieces: list[Piece]) -> bool:
    """Whether the direction's first bytes are those of a ClientHello."""
    if not pieces or isinstance(pieces[0], Gap) or pieces[0].begin or pieces[0].end < _HELLO_BYTES:
        return False
    return _is_hello(pieces[0].read(0, _HELLO_BYTES))


def _goes_on(pieces: list[Piece], prefix: bytes, position: int) -> bool:
    """Whether it is known, or will never be, how a direction goes on from a position on."""
    return begins_tls(prefix[position:]) is not None or any(isinstance(piece, Gap) for piece in pieces)


def _starts_with_gap(pieces: list[Piece]) -> bool:
    return isinstance(pieces[0], Gap)


def _has_record(pieces: list[Piece]) -> bool:
    """Whether a segment begins like a record."""
    return any(
        begins_tls(piece.read(start, HEADER)) is True
        for piece in pieces
        if isinstance(piece, Stretch)
        for start in piece.segment_starts()
        if piece.end - start >= HEADER
    )


def _find_hello(pieces: list[Piece]) -> int | None:
    """Position of a ClientHello at the start of a segment."""
    for piece in pieces:
        if isinstance(piece, Stretch):
            for start in piece.segment_starts():
                if piece.end - start >= _HELLO_BYTES and _is_hello(piece.read(start, _HELLO_BYTES)):
                    return start
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
