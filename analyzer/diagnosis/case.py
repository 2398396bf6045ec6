"""What is known of one handshake, in the words in which a diagnosis asks for it?"""

import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from analyzer.diagnosis import stacks
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.pki.certificate import Certificate
from analyzer.pki.names import Name
from analyzer.results import CertificateReport, CheckReport, FindingEvidence, HandshakeReport, Sender
from analyzer.tls import inference, messages, outcome, registry
from analyzer.tls.handshake import Parting, Sent

Stage = Literal[
    "connection",
    "preamble",
    "hello",
    "server-authentication",
    "client-authentication",
    "finished",
    "resumption",
    "application",
    "capture",
]
"""Where in a connection something is: before TCP was open, in what is spoken before TLS, until the ServerHello, until
the client answers the server's flight, until the server takes the client's certificate, or its Finished; with a
session that goes on, in the application, or in the capture itself."""
How = Literal["alert", "encrypted-alert", "fin", "rst", "close", "left", "silence"]

OTHER: dict[Sender, Sender] = {"client": "server", "server": "client"}
_HANDSHAKE_TYPES = {
    "hello_request": 0,
    "client_hello": 1,
    "server_hello": 2,
    "hello_retry_request": 2,
    "new_session_ticket": 4,
    "encrypted_extensions": 8,
    "certificate": 11,
    "server_key_exchange": 12,
    "certificate_request": 13,
    "server_hello_done": 14,
    "certificate_verify": 15,
    "client_key_exchange": 16,
    "finished": 20,
    "compressed_certificate": 25,
}
_ENDS_NOTHING = frozenset(("close_notify", "no_renegotiation", "no_certificate", "unrecognized_name", "user_canceled"))
"""Alerts that, as warnings, do not end a handshake (RFC 5246, section 7.2)."""
_ABOUT_CERTIFICATES = frozenset(
    (
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
    )
)
_SAYS_NOTHING = frozenset((0x00, 0x01, 0x0C))
"""Errors of QUIC that a program closes with for any reason: NO_ERROR, INTERNAL_ERROR, APPLICATION_ERROR."""
_ANSWERS_A_CLOSING = frozenset(("close_notify", "decode_error", "internal_error", "unexpected_message"))
"""Alerts that a stack may send because the peer has closed in mid-handshake."""


@dataclass(slots=True, frozen=True)
class Ending:
    """How the handshake ended, and by whom."""

    sender: Sender | None
    """Who ended it; None where the capture shows no end."""
    how: How
    alert: str | None = None
    """IANA's name of the alert; None where there is none, or it is encrypted."""
    frame: int | None = None
    time: int | None = None
    """Nanoseconds since 1970-01-01 UTC."""
    parting: Parting | None = None
    """The FIN or RST that it is."""

    def knew(self, sent: Sent) -> bool:
        """Whether whoever ended it can have known this before; an alert is taken to answer all that there is."""
        return self.parting is None or self.parting.knew(sent)

    @property
    def words(self) -> str:
        """What the sender did: `sent the fatal alert unknown_ca`."""
        match self.how:
            case "alert":
                return f"sent the alert {self.alert}"
            case "encrypted-alert":
                return "sent an alert that is encrypted"
            case "fin":
                return "closed the connection (FIN) without an alert"
            case "rst":
                return "reset the connection (RST) without an alert"
            case "close":
                return "closed the connection with an error that is no alert"
            case "left":
                return "finished the handshake and left without a request"
        return "went silent"


class Case:
    """One handshake, or a connection that should have become one, and what the capture knows around it."""

    def __init__(self, report: HandshakeReport, around: Surroundings) -> None:
        self.report = report
        self.around = around
        self.facts = report.facts
        self.carrier = report.carrier
        self.hello = report.facts.client_hello if report.facts else None
        self.answer = report.facts.server_hello if report.facts else None

    # How it went

    @property
    def established(self) -> bool:
        """Both sides finished."""
        return self.report.outcome == "established"

    @property
    def failed(self) -> bool:
        """Something ended it before."""
        return self.report.outcome == "failed"

    @cached_property
    def sizes(self) -> inference.Inference | None:
        """What the sizes of encrypted records tell; None before TLS 1.3."""
        if self.facts is None or self.answer is None or not self.facts.is_tls13:
            return None
        return inference.infer(self.facts)

    @cached_property
    def ending(self) -> Ending:
        """What ended it: an alert before all, or else the first FIN or RST."""
        closing = self._closing()
        alert = self._alert()
        left = outcome.gave_up(self.facts, self.sizes) if self.facts is not None and self.failed else None
        if left is not None and (alert is None or self._is_farewell(alert, left)):
            return _ending(left)
        if alert is None or closing is None:
            return alert or closing or Ending(None, "silence")
        comes_after = alert.frame is not None and closing.frame is not None and alert.frame > closing.frame
        if comes_after and alert.sender != closing.sender and self._may_answer(alert):
            return closing
        return alert

    def _is_farewell(self, alert: Ending, left: Parting) -> bool:
        """Whether an alert is not what made the other side leave before it had all of the handshake."""
        return alert.sender != left.sender and (alert.how == "encrypted-alert" or (alert.frame or 0) > left.frame)

    def _may_answer(self, alert: Ending) -> bool:
        """Whether an alert may be sent merely because the peer has closed; one of TLS 1.3 that only its size tells is
        what the server says of the client's flight."""
        if alert.how == "encrypted-alert":
            return self.facts is not None and not self.facts.is_tls13
        if alert.alert == "handshake_failure":  # JSSE; a server whose flight was not answered has nothing to refuse
            return alert.sender == "server" and self._stage(None) == "server-authentication"
        return alert.alert in _ANSWERS_A_CLOSING

    def _closing(self) -> Ending | None:
        if self.facts is not None:
            for error in self.facts.quic.closed if self.facts.quic is not None else ():
                if error.by_application or error.code in _SAYS_NOTHING:
                    return Ending(error.sender, "close", None, error.frame, error.time)
            return _ending(self.facts.closings[0]) if self.facts.closings else None
        for mark in self.carrier.closings if self.carrier else ():
            return Ending(mark.sender, "rst" if mark.kind == "rst" else "fin", None, mark.frame, mark.time)
        return None

    def _alert(self) -> Ending | None:
        if self.facts is None:
            return None
        readable = [alert for alert in self.facts.alerts if alert.description is not None]
        for alert in sorted(readable, key=lambda alert: not alert.fatal):
            description = registry.alert_description(alert.description or 0)
            if alert.fatal or description not in _ENDS_NOTHING:
                return Ending(alert.sender, "alert", description, alert.frame, alert.time)
        hidden = next((alert for alert in self.facts.alerts if alert.description is None), None)
        if hidden is not None:
            return Ending(hidden.sender, "encrypted-alert", None, hidden.frame, hidden.time)
        roles = self.sizes.roles if self.sizes else {}
        sent = next((self.facts.sent[index] for index, role in sorted(roles.items()) if role == "alert"), None)
        if sent is None and self.cut_flight:
            sent = self.cut_flight[-1]
        return Ending(sent.sender, "encrypted-alert", None, sent.frame, sent.time) if sent else None

    @cached_property
    def cut_flight(self) -> list[Sent]:
        """The server's encrypted records where they end in an alert before its flight is complete (TLS 1.3)."""
        facts = self.facts
        if facts is None or not facts.is_tls13 or facts.suite is None or facts.quic is not None:
            return []
        hidden = [sent for sent in facts.sent if sent.name == "application_data" and sent.protection == "encrypted"]
        flight = [sent for sent in hidden if sent.sender == "server"]
        if self.sizes is not None and self.sizes.cut is not None:
            return flight[: flight.index(self.sizes.cut) + 1]
        sizes = inference.expected(facts.suite.hash_length, facts.suite.tag_length or 16)
        if len(flight) < 2 or len(flight) != len(hidden) or flight[-1].length not in sizes.alerts:
            return []
        return [] if any(sent.length in sizes.finished for sent in flight) else flight

    @cached_property
    def stage(self) -> Stage:
        """Where it stopped, for whoever ended it: what did not reach that side any more does not count."""
        return self._stage(self.ending)

    def _stage(self, ending: Ending | None) -> Stage:
        """Where it stood at an ending; without one, how far it came in all."""
        if self.facts is None:
            return "preamble" if self.carrier and self.carrier.preambles else "connection"
        if self.established:
            return "application"
        if self.answer is None and not self.sent("server_hello_done") and not self.sent("client_key_exchange"):
            return "hello"
        if not self._client_answered(ending):
            return "server-authentication"
        return "client-authentication" if self.report.client_certificate_requested else "finished"

    @cached_property
    def client_answered(self) -> bool:
        """Whether the client took the server's flight: something of it followed that is no alert."""
        return self._client_answered(None)

    def _client_answered(self, ending: Ending | None) -> bool:
        """The same, and whether the side that ended it can have known that."""
        facts = self.facts
        if facts is None:
            return False
        names = ("finished", "certificate") if facts.is_tls13 else ("client_key_exchange", "certificate", "finished")
        answers = [sent for name in names if (sent := self.sent(name, "client")) is not None]
        if facts.is_tls13 and not answers:
            if self.sizes is None or self.sizes.answer == "refused-server":
                return False
            roles = sorted((i, role) for i, role in self.sizes.roles.items() if role != "end_of_early_data")
            answers = [facts.sent[i] for i, _ in roles if facts.sent[i].sender == "client"]
            if self.sizes.answer == "unknown":
                early = self.hello is not None and self.hello.early_data
                first = facts.first("application_data", "client")
                answers = [first] if first is not None and not early else []
            elif not answers:
                return True
        return any(ending is None or ending.knew(sent) for sent in answers)

    def reached(self, name: str, sender: Sender | None = None) -> bool:
        """Whether the capture shows a message, and whoever ended it can have known it."""
        sent = self.sent(name, sender)
        return sent is not None and self.ending.knew(sent)

    @property
    def _waited_for_more(self) -> bool:
        """Whether the server left late, and lacked a part of the client's flight until then."""
        facts = self.facts
        if facts is None or not self.is_late or facts.has_hole("client"):
            return False
        if not facts.is_tls13:
            return not self.reached("client_key_exchange", "client")
        done = facts.first("finished", "client") or (self.sizes.client_finished if self.sizes else None)
        return done is None or not self.ending.knew(done)

    def refusal(self, of: Sender) -> Ending | None:
        """How the other side turned down the certificate of this one; None where it did not.

        curl and Node finish a handshake with a server that they dislike, and leave without a request; at times before
        the server's Finished has come.
        """
        ending = self.ending
        if of == "server" and self.established and left_silently(self.report):
            return Ending("client", "left", None, self.report.last_frame)
        if not self.failed or ending.sender != OTHER[of]:
            return None
        if of == "client":
            presented = self.report.client_certificate_presented is True and self.stage == "client-authentication"
            return ending if presented and not self._waited_for_more else None
        shown = bool(self.report.certificates["server"]) or self.hidden_server_certificate
        certificate = self.sent("certificate", "server")
        if certificate is not None and not ending.knew(certificate):
            return None
        # NSS judges the certificate while the handshake goes on, and may refuse it behind its own Finished.
        late = ending.how == "encrypted-alert" or ending.alert in _ABOUT_CERTIFICATES
        left = ending.how in ("fin", "rst") and left_silently(self.report)
        return ending if shown and (late or left or self.stage == "server-authentication") else None

    @property
    def hidden_server_certificate(self) -> bool:
        """Whether the server's certificate is there, encrypted: TLS 1.3 without keys, and no pre-shared key."""
        if self.facts is None or not self.facts.is_tls13 or self.answer is None or self.answer.selected_psk is not None:
            return False
        # Over datagrams what is of the handshake can be told from data.
        name = "application_data" if self.facts.datagrams is None else "encrypted_handshake"
        protected = (sent for sent in self.facts.sent if sent.name == name and sent.sender == "server")
        return any(sent.length > 200 for sent in protected)

    @property
    def declined(self) -> bool:
        """Whether the client was asked for a certificate and sent none."""
        return self.report.authentication == "requested-not-provided"

    @property
    def asked(self) -> bool:
        """Whether the client was asked for a certificate."""
        return self.report.client_certificate_requested is True

    # What was said

    def sent(self, name: str, sender: Sender | None = None) -> Sent | None:
        """The first readable message of this name."""
        found = self.facts.first(name, sender) if self.facts else None
        return found if found is not None and (found.message is not None or name == "change_cipher_spec") else None

    @cached_property
    def request(self) -> messages.CertificateRequest | None:
        """The CertificateRequest, where it can be read."""
        return self.facts.find(messages.CertificateRequest, "server") if self.facts else None

    @cached_property
    def authorities(self) -> list[str]:
        """The authorities that the CertificateRequest names, as text."""
        return [name_of(encoded) for encoded in self.request.certificate_authorities] if self.request else []

    @cached_property
    def head(self) -> dict[Sender, bytes]:
        """First bytes of either side where they are no TLS."""
        return self.carrier.heads if self.carrier else {"client": b"", "server": b""}

    def plaintext(self, sender: Sender) -> bytes:
        """The first bytes of decrypted application data of a side; empty without keys."""
        return self.facts.plaintext.get(sender, b"") if self.facts else b""

    def lacks_some(self) -> bool:
        """Whether the capture lacks what may tell another story: not what whoever ended it lacked as well, nor an alert
        in front of a closing."""
        facts, of = self.facts, self.ending.sender
        return facts is not None and any(
            (who == of or of is None or hole.reason != "missing") and not outcome.holds_alert(facts, who, hole)
            for who, hole in facts.holes
        )

    # Certificates

    def leaf(self, side: Sender) -> CertificateReport | None:
        """The certificate that a side presented, where it can be read."""
        certificates = self.report.certificates[side]
        return certificates[0] if certificates else None

    def parsed(self, side: Sender) -> list[Certificate]:
        """A side's certificates, to ask for more than a report says."""
        found = self.facts.find(messages.Certificate, side) if self.facts else None
        return [Certificate(encoded) for encoded in found.certificates] if found else []

    def check(self, side: Sender, name: str, *, leaf: bool | None = None) -> CheckReport | None:
        """The first failed check of this name; `leaf`: of the first certificate only, or of the others only."""
        chain, first = self.report.chain[side], self.leaf(side)
        if chain is None or first is None:
            return None
        for check in chain.checks:
            if check.check == name and check.status == "fail":
                is_first = check.certificate in (None, first.sha256)
                if leaf is None or leaf == is_first:
                    return check
        return None

    def certificate(self, side: Sender, sha256: str | None) -> CertificateReport | None:
        """The certificate of a side that a check is about."""
        return next((one for one in self.report.certificates[side] if one.sha256 == sha256), None)

    # Who they are

    @cached_property
    def client_stack(self) -> stacks.Guess | None:
        """Which implementation the client may be."""
        return stacks.client(self.facts) if self.facts else None

    @cached_property
    def server_stack(self) -> stacks.Guess | None:
        """Which implementation the server may be."""
        return stacks.server(self.facts) if self.facts else None

    def stack(self, side: Sender) -> stacks.Guess | None:
        """Which implementation a side may be."""
        return self.client_stack if side == "client" else self.server_stack

    def name(self, side: Sender) -> str:
        """A side in words, with what it seems to be: `the client 192.0.2.10 (by its hello, Java JSSE)`."""
        guess = self.stack(side)
        where = f"the client {self.report.client.ip}" if side == "client" else f"the server {self.report.server}"
        return f"{where} ({guess.words})" if guess else where

    # Where to look, and how to try

    def see(self, *things: Sent | Ending | int | None) -> list[FindingEvidence]:
        """Where things are, each once; None is left out."""
        found: dict[tuple[int | None, str], FindingEvidence] = {}
        for thing in things:
            if thing is None or (isinstance(thing, Ending) and thing.frame is None):
                continue
            one = self._see(thing)
            found[one.frame, one.display_filter] = one
        return list(found.values()) or [FindingEvidence(self.report.first_frame, self.report.display_filter)]

    def _see(self, thing: Sent | Ending | int) -> FindingEvidence:
        frame = thing if isinstance(thing, int) else thing.frame
        shows = f"frame.number == {frame}"
        protocol = "dtls" if self.report.transport == "udp" else "tls"
        if isinstance(thing, Ending) and thing.how == "alert":
            shows = f"{self.report.display_filter} && {protocol}.alert_message"
        elif isinstance(thing, Sent) and thing.protection != "encrypted" and thing.name in _HANDSHAKE_TYPES:
            shows = f"{self.report.display_filter} && {protocol}.handshake.type == {_HANDSHAKE_TYPES[thing.name]}"
        return FindingEvidence(frame, shows)

    def lacks(self, name: str) -> FindingEvidence:
        """A display filter that shows nothing, since this message is not there."""
        protocol = "dtls" if self.report.transport == "udp" else "tls"
        return FindingEvidence(
            None, f"{self.report.display_filter} && {protocol}.handshake.type == {_HANDSHAKE_TYPES[name]}"
        )

    @property
    def keys_wanted(self) -> str:
        """How to make the encrypted part readable."""
        return (
            "let the client write its secrets (SSLKEYLOGFILE; Java: an agent such as extract-tls-secrets), capture "
            "again, "
            "and give the file with --keylog"
        )

    def s_client(self, *options: str, then: str = "", typed: bool = False) -> str:
        """An `openssl s_client` that tries the same server, piped into `then`; safe to paste whatever the names are.

        `typed`: it stays open for what a person types.
        """
        server = self.report.server
        name = ["-servername", self.report.server_name] if self.report.server_name else ["-noservername"]
        spoken = (self.report.preamble or "").rpartition("+")[2]
        if spoken in _STARTTLS:
            name += ["-starttls", _STARTTLS[spoken]]
        if self.report.transport == "udp":
            given = [option.replace("-tls1", "-dtls1") for option in options]
            options = tuple(given) if any(option.startswith("-dtls1") for option in given) else ("-dtls", *given)
        elif self.report.transport == "quic":  # from OpenSSL 3.5 on
            options = ("-quic", "-alpn", "h3", *(option for option in options if not option.startswith("-tls1")))
        words = ["openssl", "s_client", "-connect", str(server), *name, *options]
        nothing = "" if typed else " </dev/null"
        return f"`{' '.join(map(shlex.quote, words))}{nothing}{' | ' + then if then else ''}`"

    @property
    def is_late(self) -> bool:
        """Whether somebody closed without an alert after a silence that no network explains."""
        waited = self.gap(self.ending) if self.ending.how in ("fin", "rst") else None
        return waited is not None and waited >= _LONG

    def gap(self, later: Ending) -> float | None:
        """Seconds between the last message before an ending and the ending."""
        if self.facts is None or later.time is None:
            return None
        before = [sent.time for sent in self.facts.sent if sent.time < later.time]
        return (later.time - max(before, default=self.report.start)) / 1e9


def _ending(closing: Parting) -> Ending:
    return Ending(closing.sender, "rst" if closing.how == "rst" else "fin", None, closing.frame, closing.time, closing)


def left_silently(report: HandshakeReport) -> bool:
    """Whether the client of an established handshake said nothing more, and the connection is over."""
    if report.closed_by is None or report.resumption is not None or report.facts is None:
        return False
    return not any(
        one.message == "application_data" and one.sender == "client" and one.length not in _ALERT_LENGTHS
        for one in report.messages
    )


_STARTTLS = {name: name for name in ("ftp", "imap", "irc", "ldap", "lmtp", "mysql", "nntp", "pop3", "smtp", "xmpp")} | {
    "managesieve": "sieve",
    "postgresql": "postgres",
}
"""What openssl calls the protocols in which it can begin TLS."""
_LONG = 2.5
"""Seconds of silence that no network explains; retransmissions begin within one."""
_ALERT_LENGTHS = frozenset((2, 11, 18, 19, 26, 35))


def name_of(encoded: bytes) -> str:
    """A distinguished name as text, or what it is instead."""
    try:
        return Name(encoded).text or "an empty name"
    except ValueError:
        return f"a name that cannot be parsed ({len(encoded)} bytes)"
