"""Which of the things that were sent does a diagram draw as one step? From messages and records to events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from analyzer.diagram import words
from analyzer.results import AlertReport, Closing, HandshakeReport, Protection, Sender
from analyzer.tls import inference, messages
from analyzer.tls.handshake import Handshake, Sent


@dataclass(slots=True, kw_only=True)
class Event:
    """One step to be: a message, several in one arrow, or a stretch of records."""

    names: tuple[str, ...]
    """Contract names; of a stretch of records `application_data`, `early_data` or `encrypted_handshake`."""
    sender: Sender | None
    """None where both send."""
    frame: int
    last_frame: int
    time: float | None
    """Seconds since the handshake's start, where they are known."""
    last_time: float | None
    protection: Protection = "cleartext"
    inferred: bool = False
    """What it is was concluded from sizes."""
    sent: Sent | None = None
    """The message whose details are shown."""
    alert: AlertReport | None = None
    closing: Closing | None = None
    """It is the end of the connection, by which the handshake failed."""
    refuses: bool = False
    """It is an alert by which the handshake failed."""
    empty: bool = False
    """A Certificate without a certificate."""
    after_dummy: bool = False
    """A ChangeCipherSpec without a meaning stands before it."""
    repeated: int = 1
    """So many of the same message, one behind the other."""
    count: int = 1
    """Messages and records that it stands for."""
    lengths: list[int] = field(default_factory=list)
    """Of its encrypted records."""
    says: list[str] = field(default_factory=list)
    """What else is to be said."""

    def fails(self, report: HandshakeReport) -> bool:
        """Whether it is what the handshake failed by."""
        return self.refuses or self.closing is not None or (self.empty and report.outcome == "failed")

    @property
    def about_certificates(self) -> bool:
        """Whether it is an alert that refuses a certificate or a signature."""
        return self.alert is not None and self.alert.description in words.ABOUT_CERTIFICATES


def events(report: HandshakeReport) -> list[Event]:
    """What a handshake's diagram draws as arrows, in the order of the frames."""
    made = merged(_Reader(report).read(), report)
    closed = report.closed_by
    if report.outcome != "failed" or closed is None or any(event.refuses for event in made):
        return made
    at = next((at for at, event in enumerate(made) if event.frame > closed.frame), len(made))
    return [*made[:at], _closed(closed, report), *made[at:]]


def _closed(closed: Closing, report: HandshakeReport) -> Event:
    """The end of the connection as an event; its time is known to the facts alone."""
    facts: Handshake | None = report.facts
    nanoseconds = next((one.time for one in facts.closings if one.frame == closed.frame), None) if facts else None
    time = (nanoseconds - report.start) / 1e9 if nanoseconds is not None else None
    return Event(
        names=("closed",),
        sender=closed.sender,
        frame=closed.frame,
        last_frame=closed.frame,
        time=time,
        last_time=time,
        closing=closed,
    )


class _Reader:
    """Gives each thing that was sent its names."""

    def __init__(self, report: HandshakeReport) -> None:
        self.report = report
        self.facts: Handshake | None = report.facts
        self.sent = self.facts.sent if self.facts else _reported(report)
        self.tls13 = report.version in ("TLSv1.3", "DTLSv1.3")
        sizes = inference.infer(self.facts) if self.facts and self.tls13 and self.facts.server_hello else None
        self.roles = dict(sizes.roles) if sizes else {}
        self.done = sizes.client_finished if sizes else None
        self.empty = sizes is not None and sizes.answer == "declined"
        """The client's Certificate is; a later one, behind its Finished, is not."""
        self.flights = _hidden_flights(self.sent, sizes) if self.tls13 and report.transport == "tcp" else {}
        self.switched: set[Sender] = set()
        self.dummies: set[Sender] = set()

    def read(self) -> Iterator[Event]:
        """One event for each."""
        alerts = iter(self.report.alerts)
        with_alerts = [(at, sent, next(alerts, None) if sent.name == "alert" else None)
                       for at, sent in enumerate(self.sent)]  # fmt: skip
        for at, sent, alert in sorted(with_alerts, key=lambda one: one[1].frame):
            if sent.name == "change_cipher_spec" and self.tls13:
                self.dummies.add(sent.sender)
                continue
            event = self._event(at, sent, alert)
            if sent.sender in self.dummies:
                self.dummies.discard(sent.sender)
                event.after_dummy = True
            yield event

    def _event(self, at: int, sent: Sent, alert: AlertReport | None) -> Event:
        time = (sent.time - self.report.start) / 1e9
        event = Event(
            names=(sent.name,),
            sender=sent.sender,
            frame=sent.frame,
            last_frame=sent.frame,
            time=time,
            last_time=time,
            protection=sent.protection,
            sent=sent,
        )
        if sent.name in _HIDDEN and self.tls13 and sent.protection == "encrypted":
            self._hidden(event, at, sent)
        elif sent.name == "encrypted_handshake":
            if sent.sender in self.switched:  # the first record behind ChangeCipherSpec
                event.names = ("finished",)
                self.switched.discard(sent.sender)
            else:
                event.lengths = [sent.length]
        elif sent.name == "change_cipher_spec":
            self.switched.add(sent.sender)
        elif sent.name == "finished":
            self.switched.discard(sent.sender)
        elif sent.name == "alert":
            event.alert = alert
            event.refuses = self.report.outcome == "failed" and _ends(alert)
        elif isinstance(sent.message, messages.Certificate):
            event.empty = sent.sender == "client" and not sent.message.entries
        return event

    def _hidden(self, event: Event, at: int, sent: Sent) -> None:
        """A protected record of TLS 1.3, of which only the size is known."""
        role = self.roles.get(at)
        if role is None:
            event.names = (self.flights.get(at, sent.name),)
            event.lengths = [sent.length] if event.names == ("encrypted_handshake",) else []
            return
        event.names = tuple(role.split(", "))
        event.inferred = True
        event.lengths = [sent.length]
        event.empty = event.names[0] in _CERTIFICATES and sent.sender == "client" and self.empty
        self.empty = self.empty and sent is not self.done
        if role == "alert":
            event.alert = AlertReport(sent.frame, sent.sender, None, None)
            event.refuses = self.report.outcome == "failed"


_HIDDEN = ("application_data", "encrypted_handshake")
"""What TLS 1.3's protected records are called; over datagrams it is known which are of the handshake."""


_CERTIFICATES = frozenset(("certificate", "compressed_certificate"))


def _ends(alert: AlertReport | None) -> bool:
    """Whether an alert may be what a handshake failed by: fatal, or encrypted."""
    return alert is not None and (alert.level == "fatal" or alert.description is None)


def _reported(report: HandshakeReport) -> list[Sent]:
    """What was sent, where only the report is left."""
    return [
        Sent(
            sender=message.sender,
            name=message.message,
            frame=message.frame,
            time=report.start + round(message.time * 1e9),
            length=message.length,
            protection=message.protection,
        )
        for message in report.messages
    ]


def _hidden_flights(sent: list[Sent], sizes: inference.Inference | None) -> dict[int, str]:
    """TLS 1.3's protected records that belong to the handshake, or precede it, though their role is not known."""
    protected = [(at, one) for at, one in enumerate(sent) if one.name == "application_data"]
    hello = next((at for at, one in enumerate(sent) if one.name == "server_hello"), 0)
    flights = {at: "early_data" for at, one in protected if one.sender == "client" and at < hello}
    server = next((at for at, one in protected if one.sender == "server"), None)
    if server is None:
        return flights
    known = sizes.client_finished if sizes else None
    done = next((at for at, one in protected if one is known), None)
    if done is None:  # the server's flight lasts until the client answers, the client's until the server goes on
        answer = next((at for at, one in protected if one.sender == "client" and at > server), len(sent))
        done = next((at for at, one in protected if one.sender == "server" and at > answer), len(sent)) - 1
    return flights | {at: "encrypted_handshake" for at, _ in protected if server <= at <= done}


def merged(every: Iterable[Event], report: HandshakeReport) -> list[Event]:
    """Draw ChangeCipherSpec with its Finished, and stretches of the same as one."""
    made: list[Event] = []
    for event in every:
        last = made[-1] if made else None
        if last is not None and _joins(last, event):
            _join(last, event)
        else:
            made.append(event)
    for event in made:
        if event.names == ("application_data",):
            _count(event, report, sum(one.names == ("application_data",) for one in made) == 1)
    return _without_farewell(made, report)


def _joins(last: Event, event: Event) -> bool:
    if event.names == last.names and event.names == ("application_data",):
        return True
    if event.sender != last.sender:
        return False
    if last.names == ("change_cipher_spec",) and event.names == ("finished",):
        return True
    if event.names == last.names and event.inferred and last.inferred:  # a message that takes several records
        return True
    if event.names == last.names == ("encrypted_handshake",) or event.names == last.names == ("early_data",):
        return True
    return event.names == last.names == ("new_session_ticket",)


def _join(last: Event, event: Event) -> None:
    if event.names == ("finished",):
        last.names = ("change_cipher_spec", "finished")
        last.protection, last.sent, last.inferred = event.protection, event.sent, event.inferred
    elif event.names == ("new_session_ticket",):
        last.repeated += 1
    if event.sender != last.sender:
        last.sender = None
    last.lengths += event.lengths
    last.last_frame, last.last_time = event.last_frame, event.last_time
    last.count += event.count


def _count(event: Event, report: HandshakeReport, only: bool) -> None:
    """Say how much application data there was."""
    event.sent = None
    facts: Handshake | None = report.facts
    if facts is None:
        return
    if facts.is_tls13 and event.protection == "encrypted":
        event.says.append("Tickets, data and alerts look alike: which is which needs the keys")
    if not only:
        return
    counts = dict(facts.application_data)
    if facts.is_tls13:
        for one in facts.sent:
            counts[one.sender] -= one.name == "application_data"
        counts["client"], counts["server"] = max(counts["client"], 0), max(counts["server"], 0)
        event.says.insert(0, f"{event.count + counts['client'] + counts['server']:,} {words.unit(report.transport)}s")
        return
    parts = [f"{number:,} from the {sender}" for sender, number in counts.items() if number]
    event.says.insert(0, f"Records: {', '.join(parts)}")


def _without_farewell(made: list[Event], report: HandshakeReport) -> list[Event]:
    """Leave out the alerts that end a connection in order: they are no part of the handshake."""
    if report.outcome != "established":
        return made
    while made and made[-1].names == ("alert",) and not _fatal(made[-1]):
        made.pop()
    return made


def _fatal(event: Event) -> bool:
    return event.alert is not None and event.alert.level == "fatal"
