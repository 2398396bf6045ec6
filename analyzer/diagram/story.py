"""Which step comes where? The textbook's order of messages and of what happens inside the parties.

Messages are those that were seen, in the order of the frames. Notes are set where the textbook has them, as soon
as what they need has been seen and the party has gone on: nothing is drawn that did not happen.
"""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.diagram import details, words
from analyzer.diagram.events import Event
from analyzer.diagram.sequence import Line, Step, seconds
from analyzer.diagram.words import Note
from analyzer.results import HandshakeReport, Sender
from analyzer.tls.handshake import Handshake
from analyzer.tls.registry import Suite

_MOST_STEPS = 60
_PAUSE = 1.0
"""Seconds without anything that are worth a gap of their own."""
_HTTP = ("h2", "http/1.1", "http/1.0")
_HOLES = {
    "snap-length": "The frames were cut when they were captured: something of the {sender}'s is missing",
    "damaged": "What the {sender} sends here is not TLS, or damaged",
}


_HELLOS = frozenset(("client_hello", "server_hello", "hello_retry_request", "hello_verify_request", "hello_request"))
_SERVER_FLIGHT = frozenset(
    (
        "certificate", "compressed_certificate", "certificate_status", "server_key_exchange", "certificate_request",
        "server_hello_done", "supplemental_data",
    )
)  # fmt: skip
_CLIENT_FLIGHT = frozenset(
    (
        "certificate", "compressed_certificate", "certificate_url", "client_key_exchange", "certificate_verify",
        "client_master_key",
    )
)  # fmt: skip


class Story:
    """Draws step after step, and remembers what notes need."""

    def __init__(self, report: HandshakeReport, events: list[Event], suite: Suite | None) -> None:
        self.report = report
        self.facts: Handshake | None = report.facts
        self.events = events
        self.suite = suite
        self.tls13 = report.version in ("TLSv1.3", "DTLSv1.3")
        self.made: list[Step] = []
        self.seen: set[tuple[Sender, str]] = set()
        self.noted: set[str] = set()
        self.phase = words.HELLO
        self.refusal = next((event for event in self.events if event.refuses), None)
        self.given_up = False
        """The server has sent the alert by which the handshake failed."""

    def steps(self) -> list[Step]:
        """All but the conclusion."""
        self._beginning()
        holes = sorted(self.facts.holes, key=lambda hole: hole[1].frame) if self.facts else []
        hellos = [event for event in self.events if event.names == ("client_hello",)]
        answer = details.answer_in_clear(self.report)
        before: Event | None = None
        for number, event in enumerate(self.events):
            if len(self.made) >= _MOST_STEPS:
                left = sum(later.count for later in self.events[number:])
                self._gap("more", f"{left:,} more messages and {words.unit(self.report.transport)}s are not drawn")
                break
            while holes and holes[0][1].frame <= event.frame:
                sender, hole = holes.pop(0)
                self._hole(sender, hole.reason)
            self._pause(before, event)
            self._notes_before(event)
            self.phase = self._phase(event)
            self.made.append(self._step(event))
            self._remember(event)
            self._notes_after(event)
            if answer is not None and event is hellos[-1]:
                self.made.append(replace(answer, phase=self.phase))
            before = event
        for sender, hole in holes:
            self._hole(sender, hole.reason)
        self._last_notes()
        return self.made

    def _beginning(self) -> None:
        if self.report.preamble:
            self._note(
                Note("preamble", None, "In clear before TLS", words.preamble(self.report.preamble)), phase=words.BEFORE
            )
        first = self.events[0].names[0] if self.events else ""
        if first not in ("client_hello", "hello_request"):
            self._gap("beginning", "The capture does not show how it began")

    def _step(self, event: Event) -> Step:
        step = Step(
            kind="message",
            key=", ".join(event.names),
            title=words.titles(event.names, event.empty),
            meaning=self._meaning(event),
            sender=event.sender,
            lines=tuple(self._lines(event)),
            phase=self.phase,
            frame=event.frame,
            last_frame=event.last_frame,
            time=event.time,
            protection=event.protection,
            inferred=event.inferred,
            tone="bad" if event.fails(self.report) else "plain",
        )
        if event.repeated > 1:
            step = replace(step, title=f"{step.title} \N{MULTIPLICATION SIGN}{event.repeated}")
        if event.names == ("application_data",) and self.report.alpn in _HTTP:
            step = replace(step, title="HTTPS traffic")
        if event.closing is not None:
            step = replace(step, title=words.closing(event.closing))
        if event.names == ("alert",) and event.alert is not None and event.alert.description:
            level = f"{event.alert.level} " if event.alert.level else ""
            step = replace(step, title=f"Alert: {level}{event.alert.description}")
        return step

    def _meaning(self, event: Event) -> str:
        names, sender = event.names, event.sender
        if names == ("application_data",):
            return "" if self._has_traffic() else words.USERS_LOG_IN_HERE
        if names == ("early_data",):
            return words.EARLY
        assert sender is not None
        if names == ("closed",):
            return "" if self.report.alerts else words.CLOSED_SILENTLY
        if names == ("alert",):
            return words.sentence(words.alert(event.alert.description if event.alert else None))
        if "finished" in names and len(names) <= 2 and names[0] in ("finished", "change_cipher_spec"):
            other: Sender = "server" if sender == "client" else "client"
            return words.finished(sender, self.tls13, (other, "finished") in self.seen)
        if names[0] in ("server_key_exchange", "client_key_exchange") and self.suite is not None:
            return words.key_exchange(self.suite.key_exchange, self.suite.authentication, sender)
        if len(names) == 1 and event.empty:
            return words.DECLINED
        if names == ("certificate",) and event.inferred and (sender, "finished") in self.seen:
            return words.ASKED_LATER
        shown = self.report.certificates[sender]
        if names[0] in ("certificate", "compressed_certificate") and shown and shown[0].self_signed:
            return f"The {sender}'s public key, signed with that very key"
        if names == ("server_hello",) and self.tls13 and self.report.resumption is None:
            return "Chooses version and cipher suite, with the server random and its key share"
        if names == ("encrypted_handshake",):
            return words.RENEGOTIATED if self._finished() else words.HIDDEN
        if names == ("client_hello",) and sender and (sender, "client_hello") in self.seen:
            return words.OFFERED_AGAIN
        if len(names) > 1:
            return f"One {words.unit(self.report.transport)}, or several that sizes do not tell apart"
        return words.meaning(names[0], sender)

    def _lines(self, event: Event) -> Iterator[Line]:
        if event.after_dummy:
            yield Line("", "Behind a ChangeCipherSpec, which means nothing in TLS 1.3")
        if event.sent is not None:
            for line in details.lines(event.sent, self.report):
                if event.empty and not line.label:
                    continue
                yield line
        if event.names[-1:] == ("finished",) and (event.sent is None or event.sent.message is None):
            assert event.sender is not None
            yield details.signature(event.sender, "finished", self.report)
        if event.lengths:
            several = f"{len(event.lengths)} {words.unit(self.report.transport)}s"
            shown = ", ".join(f"{length:,}" for length in event.lengths[:6])
            more = f" and {len(event.lengths) - 6} more" if len(event.lengths) > 6 else ""
            yield Line(several if len(event.lengths) > 1 else "length", f"{shown}{more} bytes, encrypted")
        for said in event.says:
            yield Line("", said)

    def _phase(self, event: Event) -> str:
        """Which part of the handshake it belongs to; what is not telling stays where it is."""
        names, sender = event.names, event.sender
        if names in (("alert",), ("closed",)):
            return self.phase
        if names[0] in _HELLOS or names == ("early_data",):
            return words.HELLO
        if names[0] in ("application_data", "key_update") or self._finished():
            return words.TRAFFIC
        if self.report.resumption:
            return words.RESUMED
        if self.tls13:
            if sender == "server":
                return words.SERVER
            return words.CLIENT if "certificate" in names else self.phase if self._client_sent() else words.FINISHED
        if sender == "server" and names[0] in _SERVER_FLIGHT:
            return words.SERVER if self._server_proves("certificate" in names) else words.KEYS
        if sender == "client" and names[0] in _CLIENT_FLIGHT:
            asked = ("server", "certificate_request") in self.seen or ("client", "certificate") in self.seen
            return f"{words.CLIENT} and key exchange" if asked or "certificate" in names else words.KEYS
        if "change_cipher_spec" in names or names[0] in ("finished", "new_session_ticket"):
            return words.FINISHED
        return self.phase

    def _server_proves(self, certificate: bool) -> bool:
        """Whether the server shows who it is; the capture may lack its certificate."""
        known = self.suite is not None and self.suite.authentication in ("RSA", "ECDSA", "DSS")
        return certificate or known or ("server", "certificate") in self.seen

    def _finished(self) -> bool:
        return ("client", "finished") in self.seen and ("server", "finished") in self.seen

    def _has_traffic(self) -> bool:
        return any(step.key == "application_data" for step in self.made)

    def _client_sent(self) -> bool:
        return ("client", "certificate") in self.seen

    def _remember(self, event: Event) -> None:
        self.given_up = self.given_up or (event.refuses and event.sender == "server")
        for name in event.names:
            plain = name.removeprefix("compressed_")
            if event.sender is not None and not (plain == "certificate" and event.empty):
                self.seen.add((event.sender, plain))

    # What happens inside the parties

    def _notes_before(self, event: Event) -> None:
        client = event.sender in ("client", None) and event.names[0] not in ("end_of_early_data", "early_data")
        if client:
            self._verify_server()
        if event.sender != "client":
            self._verify_client()
        if not self.tls13 and event.sender == "client" and "change_cipher_spec" in event.names:
            self._verify_client()
            self._derive()

    def _notes_after(self, event: Event) -> None:
        if event.names == ("server_hello",):
            self._keys_from_hellos()
        elif event.names == ("client_key_exchange",) and self._transports_secret():
            self._note(words.DECRYPT, lines=(self._decrypted(),))

    def _transports_secret(self) -> bool:
        """Whether the client sent the pre-master secret for the key of the server's certificate."""
        export = ("server", "server_key_exchange") in self.seen
        return self.suite is not None and self.suite.key_exchange == "RSA" and not export

    def _last_notes(self) -> None:
        """Who broke off has looked at the other's certificate before."""
        if self.report.outcome != "failed":
            return
        closed = self.report.closed_by
        if closed is not None and closed.sender == "client":
            self._verify_server()
        if closed is not None and closed.sender == "server":
            self._verify_client()

    def _keys_from_hellos(self) -> None:
        if self.report.resumption and not self.tls13:
            self._note(words.DERIVE_RESUMED)
        elif self.tls13:
            self._note(self._tls13_keys())

    def _tls13_keys(self) -> Note:
        if self.report.resumption != "psk":
            return words.DERIVE_TLS13
        return words.DERIVE_TLS13_BOTH if self.report.group else words.DERIVE_TLS13_PSK

    def _verify_server(self) -> None:
        proved = ("server", "certificate_verify" if self.tls13 else "server_key_exchange") in self.seen
        hidden = self.tls13 and ("server", "encrypted_handshake") in self.seen and not self.report.resumption
        if ("server", "certificate") in self.seen and (self.tls13 or ("server", "server_hello_done") in self.seen):
            signed = proved and (self.suite is None or self.suite.key_exchange != "RSA")
            note = words.VERIFY_SERVER if signed else words.VERIFY_CERTIFICATE
        elif hidden:
            signed, note = True, words.VERIFY_SERVER
        else:
            return
        lines = details.chain("server", self.report)
        if signed:
            message = "certificate_verify" if self.tls13 else "server_key_exchange"
            lines = (*lines, details.signature("server", message, self.report))
        self._note(note, lines=lines, refused="client")

    def _verify_client(self) -> None:
        if ("client", "certificate") not in self.seen:
            return
        if self.tls13 and ("client", "finished") not in self.seen:
            return
        lines = details.chain("client", self.report)
        if ("client", "certificate_verify") in self.seen:
            lines = (*lines, details.signature("client", "certificate_verify", self.report))
        self._note(words.VERIFY_CLIENT, lines=lines, refused="server")

    def _derive(self) -> None:
        if ("client", "client_key_exchange") not in self.seen:
            return
        exchange = self.suite.key_exchange if self.suite else ""
        note = words.DERIVE
        if self.given_up:
            note = words.DERIVE_IN_VAIN
        elif "DH" in exchange:
            note = words.DERIVE_SHARES
        elif "PSK" in exchange:
            note = words.DERIVE_SHARED
        hello, answer = (self.facts.client_hello, self.facts.server_hello) if self.facts else (None, None)
        extended = bool(hello and answer and hello.extended_master_secret and answer.extended_master_secret)
        self._note(note, lines=(Line("", words.MASTER_SECRET_EXTENDED),) if extended else ())

    def _decrypted(self) -> Line:
        """Whether the server has shown that it could read the pre-master secret."""
        line = details.signature("server", "finished", self.report)
        if line.mark == "verified":
            return Line("", "Shown by the server's Finished, verified here", "verified")
        if self.report.outcome == "established":
            return Line("", "The client accepted the server's Finished, which cannot be checked here", "unchecked")
        return Line("", "It would show in the server's Finished", "unchecked")

    # What is no message

    def _note(
        self, note: Note, lines: tuple[Line, ...] = (), phase: str | None = None, refused: Sender | None = None
    ) -> None:
        if note.key in self.noted:
            return
        self.noted.add(note.key)
        refusal = self.refusal
        bad = refused is not None and refusal is not None and refusal.sender == refused and refusal.about_certificates
        self.made.append(
            Step(
                kind="note",
                key=note.key,
                title=note.title,
                meaning=note.meaning,
                sender=note.over,
                lines=lines,
                phase=self.phase if phase is None else phase,
                tone="bad" if bad else "plain",
            )
        )

    def _gap(self, key: str, title: str) -> None:
        self.made.append(Step(kind="gap", key=key, title=title, phase=self.phase))

    def _pause(self, before: Event | None, event: Event) -> None:
        if before is None or before.last_time is None or event.time is None:
            return
        if event.time - before.last_time >= _PAUSE:
            self._gap("pause", f"{seconds(event.time - before.last_time)} pass")

    def _hole(self, sender: Sender, reason: str) -> None:
        words_ = _HOLES.get(reason, "The capture lacks something that the {sender} sent here")
        self._gap("hole", words_.format(sender=sender))
