"""How does a capture climb through the floors? Here they are wired together."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from io import BytesIO
from operator import attrgetter
from time import monotonic, time_ns
from typing import TYPE_CHECKING, NamedTuple

from analyzer.assembly import Assembler
from analyzer.capture.batch import FrameBatch
from analyzer.capture.join import Joined
from analyzer.capture.pcapng import TLS_KEY_LOG
from analyzer.capture.reader import Capture
from analyzer.chains import Chains
from analyzer.diagnosis.application import exchange
from analyzer.diagnosis.engine import diagnose
from analyzer.diagnosis.surroundings import sighting
from analyzer.issues import Issues
from analyzer.net.connections import Connection, ConnectionTable
from analyzer.net.decode import Decoder
from analyzer.net.lifetime import LINGER, Stranger
from analyzer.results import CaptureReport, HandshakeReport
from analyzer.secrets import Secrets
from analyzer.settings import Limits
from analyzer.shares import ALONE, AloneError, Earliest, Share
from analyzer.tls.follower import Follower
from analyzer.tls.keyring import Keyring

if TYPE_CHECKING:
    from analyzer.associations import Associations
    from analyzer.diagnosis.profile import Profile
    from analyzer.net.segments import DatagramBatch
    from analyzer.tls.association import Association

_PATIENCE = 0.5
"""Seconds of silence after which a capture that is being made gets its turn."""
_SETTLING = 2 * 1_000_000_000
"""Nanoseconds after which an established handshake of such a capture is reported."""
_AT_ONCE = 500
"""So many connections are finished at the capture's end before what they were is judged."""
_CURRENT = 60 * 1_000_000_000
"""A frame that is younger, in nanoseconds, has just been captured."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes of the input that were read and, where known, all there are."""


class Setup(NamedTuple):
    """What an analysis needs beside the capture."""

    limits: Limits
    chains: Chains
    secrets: Secrets
    assumed_trust: bool
    """Nobody said whom the clients trust."""
    profile: "Profile | None"
    tls_ports: frozenset[int]
    """Those on which TLS is expected."""
    application: bool
    """Tell the first request and response."""
    share: Share = ALONE
    """Which connections are this process's."""


class Analysis:
    """The way of one capture through the floors.

    Where several processes share it, each takes the same steps in the same order: what is said of one's own connections
    is told where it says `exchange`, all else is found by all alike.
    """

    def __init__(self, capture: Capture | Joined, setup: Setup, embedded: list[bytes]) -> None:
        """`embedded` are key logs that the capture is known to hold."""
        self._setup, limits, secrets = setup, setup.limits, setup.secrets
        self._chains = setup.chains
        self._capture = capture
        self._limits = limits
        self._ended: list[HandshakeReport] = []
        self._collects = False
        """All reports are kept to the end, so that there must not be too many."""
        self._attempts: Earliest[HandshakeReport] = Earliest(limits.attempts, setup.share)
        """Where all reports are kept to the end: of connections that failed to become TLS."""
        self._share = setup.share
        self._held = 0
        """Bytes kept of this process's connections."""
        self._skipped: list[int] = []
        """Frames at which Wireshark skips a stream number, of this batch."""
        self._closed: OrderedDict[Follower | Stranger, None] = OrderedDict()
        """Those of which no more should come, the longest silent first."""
        self._awaited: dict[Follower | Association, int] = {}
        """Of a capture that is being made: those with something to report, and when to look at them."""
        self._issues = Issues()
        """What the capture lacks of this process's connections."""
        self._common = Issues()
        """What it lacks else."""
        self._decoder = Decoder(limits, self._common)
        self._table = ConnectionTable(limits.connections, limits.bygone_connections)
        self._associations: Associations | None = None
        """Those of DTLS and QUIC; made when there are datagrams."""
        self._assembler = Assembler(capture.name, limits, self._issues, self._table, setup.tls_ports, setup.share)
        self._report = CaptureReport(capture=capture.name, format=capture.format)
        self._keyring = Keyring(secrets.log, secrets.private_keys)
        self._common.extend(secrets.issues)
        self.embedded: list[bytes] = []
        """The key logs that the capture holds, as far as it has been read."""
        self.late_secrets = False
        """One of them came behind frames, and was not known before."""
        for log in embedded:
            self._keyring.embedded.read(BytesIO(log))
        self._known = len(embedded)

    def run(self, progress: Progress | None) -> CaptureReport:
        """Read the capture to its end."""
        self._collects = True
        handshakes = self._report.handshakes
        for ended in self._read(progress, live=False):
            handshakes += ended
        attempts, dropped = self._attempts.settle()
        if dropped:
            message = "Too many connections failed to become TLS: not all are listed."
            self._issues.add("attempts", message, count=dropped)
        handshakes += attempts
        self._judge(handshakes)
        return self.complete()

    def judged(self, progress: Progress | None) -> Iterator[list[HandshakeReport]]:
        """Read the capture to its end; yields what has ended, time and again: of a live capture at once.

        What is left at the end goes into the report.
        """
        most = 1 if self._capture.live else self._limits.handshakes
        held: list[HandshakeReport] = []
        for ended in self._read(progress, live=self._capture.live):
            held += ended
            if sum(self._share.exchange("held", len(held))) >= most:
                self._judge(held)
                yield held
                held = []
        self._judge(held)
        self._report.handshakes = held

    def _judge(self, handshakes: list[HandshakeReport]) -> None:
        """Sort them, and judge chains and causes knowing all of them."""
        setup = self._setup
        self._assembler.link()
        handshakes.sort(key=by_place)
        self._chains.learn(self._share.pool("sent", self._chains.sent(handshakes)))
        for handshake in handshakes:
            self._chains.judge(handshake)
            if setup.application and handshake.facts is not None:
                handshake.application = exchange(handshake.facts)
        sightings = sorted(self._share.pool("sightings", [sighting(one) for one in handshakes]), key=by_place)
        diagnose(
            handshakes,
            sightings=sightings,
            assumed_trust=setup.assumed_trust,
            profile=setup.profile,
            tls_ports=setup.tls_ports,
        )

    def complete(self) -> CaptureReport:
        """The report of what has been read: the capture, and what it lacks."""
        report, capture = self._report, self._capture
        report.frames, report.bytes = capture.frames, capture.bytes
        report.connections = self._table.opened
        report.conversations = self._associations.conversations if self._associations is not None else 0
        told = self._share.exchange("issues", (self._keyring.asked, self._keyring.matched, list(self._issues)))
        if self._table.bygone.forgotten:
            message = "Too many connections: a late segment of one that is over may count as a new connection."
            self._common.add("bygone-connections", message, count=self._table.bygone.forgotten)
        if self.late_secrets:
            self._common.add("secrets-late", "Secrets came behind traffic that they may open, which stays closed.")
        if any(asked for asked, *_ in told) and not any(matched for _, matched, _ in told):
            self._common.add("secrets-unused", "No secret fits any connection of this capture.")
        for *_, issues in told:
            self._common.extend(issues)
        report.issues = [*capture.issues, *self._common.sorted()]
        return report

    def _read(self, progress: Progress | None, *, live: bool) -> Iterator[list[HandshakeReport]]:
        """Read the capture to its end; yields the reports of what has ended, time and again."""
        report, capture = self._report, self._capture
        now, read_at, current = 0, 0.0, False
        for batch in capture.batches(patience=_PATIENCE if live else None):
            self._learn_secrets(late=report.start is not None)
            if len(batch):
                if report.start is None:
                    report.start = int(batch.time[0])
                report.end = now = int(batch.time[-1])
                self._follow(batch)
                read_at, current = monotonic(), live and time_ns() - now < _CURRENT
            else:
                now, current = (report.end or 0) + int((monotonic() - read_at) * 1e9), True
            self._let_go(now - (_SETTLING if current else 2 * LINGER))
            if live:
                self._await(now, current=current)
            if progress is not None:
                progress(capture.position, capture.size)
            yield self._take_ended()
        self._learn_secrets(late=report.start is not None)
        self._decoder.close()
        at_once = min(self._limits.handshakes, _AT_ONCE)
        connections = sorted(self._table, key=attrgetter("order"))
        for start in range(0, len(connections), at_once):
            for connection in connections[start : start + at_once]:
                self._finish(connection)
            yield self._take_ended()
        associations = {each.connection.stream: each for each in self._associations.all()} if self._associations else {}
        streams = sorted(self._share.pool("associations", list(associations)))
        for start in range(0, len(streams), at_once):
            for stream in streams[start : start + at_once]:
                if stream in associations:
                    self._finish_association(associations[stream])
            yield self._take_ended()
        if self._associations is not None:
            self._associations.close(self._common)
        yield self._take_ended() + self._assembler.late_attempts()

    def _take_ended(self) -> list[HandshakeReport]:
        ended, self._ended = self._ended, []
        return ended

    def _follow(self, batch: FrameBatch) -> None:
        """Take the batch through the floors."""
        segments, datagrams = self._decoder.decode(batch)
        if len(datagrams):
            self._follow_datagrams(datagrams)
        if not len(segments):
            return
        rows, arrivals, displaced = self._table.sort(segments)
        for arrived in arrivals:
            if arrived.lone:
                continue
            follower: Follower | Stranger | None = arrived.connection.follower
            if follower is None:
                follower = arrived.connection.follower = self._begin(arrived.connection)
            follower.arrive(rows, arrived)
            if isinstance(follower, Follower):
                self._advance(follower)
            if follower.lifetime.closed:
                self._closed[follower] = None
                self._closed.move_to_end(follower)
        held = 0
        step = f"{batch.number[-1]} frames to {batch.time[-1]}"
        for theirs, skipped in self._share.exchange(step, (self._held, self._skipped)):
            held += theirs
            for frame in skipped:
                self._table.skip_number(frame)
        self._skipped = []
        for connection in displaced:
            self._finish(connection)
        for connection in self._table.drop_idle():
            self._common.add("connections", "Too many connections at once: the longest idle were let go.")
            self._finish(connection)
        if held > self._limits.held_bytes // 2:
            self._hold_less(held)

    def _begin(self, connection: Connection) -> Follower | Stranger:
        if self._share.owns(connection.order):
            return Follower(connection, self._limits, self._keyring)
        return Stranger(connection)

    def _advance(self, follower: Follower) -> None:
        """Interpret what a batch has brought to a connection."""
        begun = follower.session is not None
        follower.advance()
        if follower.skipped_number is not None:
            self._skipped.append(follower.skipped_number)
            follower.skipped_number = None
        held = follower.held
        self._held += held - follower.counted
        follower.counted = held
        if follower.session is not None:
            if not begun:
                self._assembler.begin(follower)
            if self._capture.live and follower.reported < len(follower.session.handshakes):
                self._awaited.setdefault(follower, follower.last_time + _SETTLING)

    def _follow_datagrams(self, batch: "DatagramBatch") -> None:
        """Take the batch through the floors, as far as it may be DTLS or QUIC."""
        if self._associations is None:
            from analyzer.associations import Associations

            self._associations = Associations(self._limits, self._issues, self._keyring, self._share)
        for association in self._associations.follow(batch):
            self._assembler.begin(association)
            if self._capture.live and association.reported < len(association.session.handshakes):
                self._awaited.setdefault(association, association.last_time + _SETTLING)
        for association in self._associations.too_many():
            self._finish_association(association)

    def _hold_less(self, total: int) -> None:
        """Let go of connections that were closed just now; where that is not enough, of those idle longest.

        `total` is what all connections hold.
        """
        candidates = [connection.follower for connection in self._table] if total > self._limits.held_bytes else []
        mine = [(one.connection.order, one.counted) for one in candidates or self._closed if isinstance(one, Follower)]
        held = dict(self._share.pool("held by connections", mine))
        """By the number of a connection."""
        while self._closed and total > self._limits.held_bytes // 4:
            connection = next(iter(self._closed)).connection
            total -= held.get(connection.order, 0)
            self._finish(connection)
            self._table.drop(connection)
        for connection in list(self._table) if total > self._limits.held_bytes else ():
            if total <= self._limits.held_bytes * 3 // 4:
                return
            if held.get(connection.order):
                self._common.add("held-bytes", "Too much to keep at once: the connections idle longest were let go.")
                total -= held[connection.order]
                self._finish(connection)
                self._table.drop(connection)

    def _let_go(self, silent_since: int) -> None:
        """Finish and forget the connections that were closed and have been silent since this time."""
        while self._closed:
            follower = next(iter(self._closed))
            if follower.last_time >= silent_since:
                break
            self._finish(follower.connection)
            self._table.drop(follower.connection)
        if self._associations is not None:
            for association in self._associations.silent(silent_since):
                self._finish_association(association)

    def _await(self, now: int, *, current: bool) -> None:
        """Report what was established while the capture is being made, though the connection goes on."""
        if not current:
            return
        for follower in [follower for follower, due in self._awaited.items() if due <= now]:
            del self._awaited[follower]
            if isinstance(follower, Follower) or follower.pause():
                self._ended += self._assembler.settled(follower, now - _SETTLING)

    def _learn_secrets(self, *, late: bool) -> None:
        """Take the secrets that a pcapng file has brought along since."""
        for kind, data in self._capture.secrets[len(self.embedded) :]:
            self.embedded.append(data if kind == TLS_KEY_LOG else b"")
            if self._share.count > 1 and self.embedded[-1]:
                raise AloneError
            if len(self.embedded) > self._known and self.embedded[-1]:
                self._keyring.embedded.read(BytesIO(data))
                self.late_secrets = self.late_secrets or late

    def _finish(self, connection: Connection) -> None:
        """The connection is over: report its handshakes and what the capture lacks of it."""
        follower: Follower | Stranger | None = connection.follower
        connection.follower = None
        if follower is None:  # a SYN and nothing more, or acknowledgments only
            return
        self._closed.pop(follower, None)
        if isinstance(follower, Stranger):
            return
        follower.finish()
        for report in self._assembler.reports(follower):
            if report.facts is None and self._collects:
                self._attempts.add(connection.order, report)
            else:
                self._ended.append(report)
        self._held -= follower.counted
        self._note_defects(follower)
        self._awaited.pop(follower, None)

    def _finish_association(self, association: "Association") -> None:
        """The same of one of DTLS or QUIC."""
        association.connection.follower = None  # so that nothing is left of either when both are forgotten
        association.finish()
        self._ended += self._assembler.reports(association)
        self._note_defects(association)
        self._awaited.pop(association, None)

    def _note_defects(self, follower: "Follower | Association") -> None:
        for limit, frame in follower.exceeded.items():
            self._issues.add(limit, _EXCEEDED[limit], frame=frame)
        for code, frame in follower.defects():
            self._issues.add(code, _DEFECTS[code], frame=frame)


_DEFECTS = {
    "frames-cut": "The capture holds only the first bytes of frames that carry TLS.",
    "segments-not-captured": "The capture lacks segments of TLS connections that the receiver acknowledged.",
    "segments-missing": "Segments of TLS connections are missing.",
    "datagrams-missing": "Datagrams with parts of DTLS or QUIC handshakes are missing.",
    "records-damaged": "Bytes within a TLS connection are no records.",
    "overlaps-differ": "Segments of TLS connections bring other bytes for a place than came first, which count.",
}
_EXCEEDED = {
    "pending-bytes": "Too much waited for a missing segment or message, which was taken for lost.",
    "prologue-bytes": "A connection talked for too long before TLS, and was not followed any more.",
    "message-bytes": "A handshake message is too long to be read.",
    "handshake-bytes": "A handshake has too many messages to keep all of them.",
    "handshake-records": "A connection has too many records or packets of handshakes to read all of them.",
}

by_place = attrgetter("place")
"""What handshakes are sorted by in a report."""
