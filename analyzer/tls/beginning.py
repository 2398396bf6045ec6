"""Where does TLS begin on a connection, if it does?"""

from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, NamedTuple

from analyzer.net.connections import Connection
from analyzer.net.stream import PIECE, Gap, Piece, Stretch
from analyzer.settings import Limits
from analyzer.tls.preambles import Prologue, begins_tls, follow
from analyzer.tls.record import HEADER, plausible_header

_SEGMENT = 256
"""Bytes that a segment takes which is kept until it is known where TLS begins, about, beside its content."""
_MOST_SEGMENTS = 2048
"""So many segments of a direction may come before TLS."""
_MONOLOGUE_BYTES = 1 << 10
"""After so much from one side alone, what it is does not depend on the other."""
_UNKNOWN_BYTES = 8 << 10
"""So much of a direction that looks like nothing known is searched for a ClientHello."""
HEAD_BYTES = 512
"""So much of what came instead of TLS is kept."""
_HELLO_BYTES = HEADER + 6

Said = tuple[list[Piece], ...]
"""What has arrived of either direction; empty once nothing is kept of it."""


class Start(NamedTuple):
    """TLS begins here."""

    client: int
    """The direction in which the client sends, as far as is known."""
    positions: dict[int, int]
    """Where it begins in either direction; in one that is not named, a record is to be searched for."""
    framing: str | None
    """What the records are wrapped in, if they are; see `deframer`."""
    said: Said
    """All that has arrived so far: what comes before TLS, and what is to be read as TLS."""


class Beginning:
    """What is said on a connection until it is known where TLS begins, and what is known of that afterwards."""

    __slots__ = (
        "_bytes",
        "_connection",
        "_head_begins",
        "_judged_bytes",
        "_kept",
        "_limits",
        "_said",
        "_segments",
        "_synchronized",
        "exceeded",
        "heads",
        "lacking",
        "opener",
        "prologue",
        "state",
    )

    def __init__(self, connection: Connection, limits: Limits) -> None:
        self.state: Literal["waiting", "searching", "begun", "given-up"] = "waiting"
        """waiting: more bytes may tell; searching: no preamble leads to TLS, and only a ClientHello that begins a
        segment is still looked for; begun: a `Start` was found; given-up: no more bytes are wanted."""
        self.opener: int | None = None
        """The direction that opened the connection, by SYN or SYN+ACK."""
        self.prologue: Prologue | None = None
        """What was said before TLS."""
        self.heads: list[bytes] = [b"", b""]
        """First bytes of either direction where TLS did not begin."""
        self.lacking: Gap | None = None
        """What the capture lacks, first of all, of what was said before TLS, if it began."""
        self.exceeded: int | None = None
        """The frame at which more had been said before TLS than is kept."""
        self._connection = connection
        self._limits = limits
        self._synchronized = [False, False]
        """Whether the capture holds the SYN of a direction, so that its first byte is known."""
        self._said: Said = ([], [])
        self._bytes = self._judged_bytes = 0
        self._segments = [0, 0]
        self._kept = [0, 0]
        """How many of the pieces outlive the batch."""
        self._head_begins = [0, 0]
        """Where in either direction the `heads` begin."""

    def open(self, direction: int, *, answers: bool) -> None:
        """A SYN was sent in this direction; `answers`: it acknowledges one."""
        if self.opener is None:
            self.opener = 1 - direction if answers else direction
        self._synchronized[direction] = True

    def take(self, direction: int, pieces: list[Piece]) -> None:
        """This has arrived."""
        self._said[direction].extend(pieces)
        for piece in pieces if self.state == "waiting" else ():
            self._bytes += piece.end - piece.begin
            self._segments[direction] += piece.segments

    def find(self, last_frame: int, *, ended: bool) -> Start | None:
        """Where TLS begins, as far as what has arrived tells; None: it does not, or not yet (see `state`).

        To be called before a batch is gone, of which `last_frame` is the last; `ended`: nothing more will come.
        """
        start: Start | None = None
        if self.state == "searching":
            start = self._search()
        # The whole beginning is looked at again, so it must have grown by a part of itself.
        elif ended or self._bytes * 16 >= self._judged_bytes * 17:
            self._judged_bytes = self._bytes
            start = self._judge(last_frame, ended)
        if start is None:
            self._keep()
        return start

    def give_up(self) -> None:
        """No more bytes are wanted."""
        self.state = "given-up"
        self._forget()

    @property
    def began_in_clear(self) -> bool:
        """Whether TLS began by a word in another protocol, and not in a tunnel or at once."""
        return self.prologue is not None and any(not preamble.tunnel for preamble in self.prologue.preambles)

    @property
    def held(self) -> int:
        """Bytes of memory that it keeps, about."""
        return self._bytes + PIECE * sum(map(len, self._said)) + _SEGMENT * sum(self._segments)

    # The rules, in their order

    def _judge(self, last_frame: int, ended: bool) -> Start | None:
        """Look at all that was said so far."""
        if not any(self._said):
            return None
        client = self._likely_client()
        if self.opener is not None and _starts_with_hello(self._said[client]):
            # The usual case needs no look at any preamble.
            return self._begin(client, {client: 0, 1 - client: 0})
        view = self._view(client, ended)
        self.prologue = view.prologue
        if view.prologue.state == "tls":
            return self._behind_preambles(view) if view.is_confirmed else None
        start = None if view.awaits_answer else self._with_hello(view.client, 1 - view.client)
        if start is not None:
            return start
        self._note(view)
        if view.began_before_the_capture or view.lacks_what_led_to_tls:
            # Records may begin anywhere.
            return self._begin(view.client, {})
        if view.is_settled:
            self._search_from_now_on()
        elif view.size >= self._limits.prologue_bytes or max(self._segments) > _MOST_SEGMENTS:
            self.exceeded = last_frame
            self.give_up()
        return None

    def _behind_preambles(self, view: "_View") -> Start:
        """TLS begins where the preambles end, or at once."""
        positions = {view.client: view.prologue.client, 1 - view.client: view.prologue.server}
        if not view.prologue.preambles:
            # Of a direction whose beginning the capture lacks, the first byte may be anywhere in a record.
            positions = {direction: at for direction, at in positions.items() if self._synchronized[direction]}
        return self._begin(view.client, positions, view.prologue.framing)

    def _with_hello(self, *directions: int) -> Start | None:
        """TLS begins where a ClientHello begins a segment, if one does."""
        for direction in directions:
            position = _find_hello(self._said[direction])
            if position is not None:
                return self._begin(direction, {direction: position})
        return None

    def _search_from_now_on(self) -> None:
        """Nothing that was said leads to TLS: look only for a ClientHello."""
        self.state = "searching"
        self._bytes, self._segments = 0, [0, 0]
        self._end_search()

    def _search(self) -> Start | None:
        """Look for a ClientHello in what has arrived since."""
        for direction, pieces in enumerate(self._said):
            self._extend_head(direction, pieces)
            start = self._with_hello(direction)
            if start is not None:
                return start
        self._end_search()
        return None

    def _end_search(self) -> None:
        """Give up where so much of a direction was searched in vain."""
        if any(pieces and pieces[-1].end >= _UNKNOWN_BYTES for pieces in self._said):
            self.give_up()

    def _begin(self, client: int, positions: dict[int, int], framing: str | None = None) -> Start:
        start = Start(client, positions, framing, self._said)
        self.state = "begun"
        self._forget()
        return start

    # What the rules look at

    def _likely_client(self) -> int:
        """The direction in which the client sends: the opener's, else that toward the lower port."""
        if self.opener is not None:
            return self.opener
        ports = [self._connection.endpoint(d).port for d in (0, 1)]
        return 0 if ports[0] > ports[1] else 1

    def _view(self, client: int, ended: bool) -> "_View":
        """Read what was said as preambles."""
        prefixes = [_prefix(pieces, self._limits.prologue_bytes) for pieces in self._said]
        known = self.opener is not None
        prologue = follow(prefixes[client], prefixes[1 - client], client_known=known, ended=ended)
        if prologue.swapped:
            client = 1 - client
        return _View(self._said, prefixes, self._synchronized, prologue, client, ended)

    def _note(self, view: "_View") -> None:
        """Note what came instead of TLS, and what is missing of it."""
        self.lacking = view.lacking
        # A PROXY header, or what opened a tunnel, is not what came instead of TLS.
        if view.prologue.state == "unknown":
            self._head_begins[view.client] = view.prologue.client
            self._head_begins[1 - view.client] = view.prologue.server
        self.heads = [prefix[self._head_begins[d] :][:HEAD_BYTES] for d, prefix in enumerate(view.prefixes)]

    def _extend_head(self, direction: int, pieces: list[Piece]) -> None:
        """Note more of what came instead of TLS."""
        head = self.heads[direction]
        if pieces and len(head) < HEAD_BYTES and pieces[0].begin == self._head_begins[direction] + len(head):
            self.heads[direction] += _prefix(pieces, HEAD_BYTES - len(head))

    # What is kept

    def _keep(self) -> None:
        """Copy what has arrived and will be looked at again, so that it outlives the batch."""
        for direction, pieces in enumerate(self._said):
            if self.state == "searching":
                pieces.clear()
                continue
            kept = self._kept[direction]
            pieces[kept:] = [piece.copy() if isinstance(piece, Stretch) else piece for piece in pieces[kept:]]
            self._kept[direction] = len(pieces)

    def _forget(self) -> None:
        self._said, self._bytes, self._segments = (), 0, [0, 0]


@dataclass(slots=True)
class _View:
    """What was said on a connection so far, and what it shows."""

    said: Said
    prefixes: list[bytes]
    """First bytes of either direction, up to the first gap."""
    synchronized: list[bool]
    prologue: Prologue
    """What these are as preambles."""
    client: int
    """The direction in which the client sends, most likely."""
    ended: bool

    @property
    def is_confirmed(self) -> bool:
        """Whether TLS, of which the preambles say where it begins, is seen to begin, or will never be."""
        if not self.prologue.preambles or self.ended:
            return True
        ends = ((self.client, self.prologue.client), (1 - self.client, self.prologue.server))
        return any(_goes_on(self.said[direction], self.prefixes[direction], end) for direction, end in ends)

    @property
    def awaits_answer(self) -> bool:
        """Whether the preambles go on.

        What the server says to a ClientHello within a dialogue shows which of its lines was the answer before.
        """
        is_open = self.prologue.state == "waiting" and bool(self.prologue.preambles) and not self.ended
        return is_open and not _has_record(self.said[1 - self.client])

    @property
    def began_before_the_capture(self) -> bool:
        """Whether the capture lacks the first bytes, and what it has makes no sense, or is TLS already."""
        if self.is_whole or self.prologue.preambles:
            return False
        return self.is_settled or self.ended or self.size >= _UNKNOWN_BYTES or self.has_records

    @property
    def lacks_what_led_to_tls(self) -> bool:
        """Whether some bytes are missing, and the records behind them tell that TLS was there."""
        return self.lacking is not None and not self.is_settled and self.has_records

    @property
    def is_settled(self) -> bool:
        """Whether it leads to no TLS, however many more bytes come."""
        # As long as one side says little and the other nothing, that may still make sense of it.
        return self.prologue.is_settled and (all(self.prefixes) or self.size >= _MONOLOGUE_BYTES)

    @property
    def is_whole(self) -> bool:
        """Whether it holds the first bytes of both directions, if these said anything."""
        return all(
            self.synchronized[direction] and not isinstance(pieces[0], Gap)
            for direction, pieces in enumerate(self.said)
            if pieces
        )

    @property
    def has_records(self) -> bool:
        """Whether segments begin like records."""
        return any(map(_has_record, self.said))

    @property
    def lacking(self) -> Gap | None:
        """What is missing first."""
        gaps = (piece for pieces in self.said for piece in pieces if isinstance(piece, Gap))
        return min(gaps, key=attrgetter("frame"), default=None)

    @property
    def size(self) -> int:
        """How much there is of the direction that said more."""
        return max(map(len, self.prefixes))


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
