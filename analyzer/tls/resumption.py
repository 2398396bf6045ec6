"""Is this an earlier session resumed, and which? (RFC 5246, section 7.3; RFC 5077; RFC 8446, section 2.2.)"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from analyzer.results import Authentication, Endpoint
from analyzer.tls import messages
from analyzer.tls.handshake import Handshake

_KEPT = 20_000
_EARLY_RECORDS = 16


@dataclass(slots=True, frozen=True)
class Resumption:
    """How a handshake resumes a session."""

    how: Literal["session-id", "session-ticket", "psk"]
    frame: int
    """Of the ServerHello that accepts it."""
    says: str
    external: bool = False
    """A pre-shared key that no session of the capture can have given (RFC 8446, section 2.2)."""


@dataclass(slots=True, frozen=True)
class Original:
    """The session that was resumed, and what it had found out."""

    stream: int
    handshake: int
    authentication: Authentication
    requested: bool | None
    presented: bool | None


def resumption(handshake: Handshake) -> Resumption | None:
    """How the handshake resumes an earlier session; None where it does not, or where that cannot be told."""
    hello, answer = handshake.client_hello, handshake.server_hello
    sent = handshake.first("server_hello", "server")
    if answer is None or sent is None:
        return None
    if handshake.is_tls13:
        if answer.selected_psk is None:
            return None
        identities = hello.psk_identities if hello else None
        # A key from outside of TLS has no age (RFC 8446, section 4.2.11).
        external = bool(
            identities
            and answer.selected_psk < len(identities)
            and not identities[answer.selected_psk].obfuscated_ticket_age
        )
        says = "The server accepted a pre-shared key instead of sending a certificate."
        return Resumption("psk", sent.frame, says, external)
    abbreviated = (
        handshake.first("change_cipher_spec", "server") is not None
        and handshake.first("certificate", "server") is None
        and handshake.first("server_key_exchange", "server") is None
        and handshake.first("server_hello_done", "server") is None
        and handshake.first("client_key_exchange", "client") is None
        and not handshake.has_hole("server")
    )
    if not abbreviated or hello is None:
        return None
    if hello.session_ticket and (not answer.session_id or answer.session_id == hello.session_id):
        return Resumption("session-ticket", sent.frame, "The server accepted the client's session ticket.")
    if answer.session_id and answer.session_id == hello.session_id:
        return Resumption("session-id", sent.frame, "The server accepted the session id that the client offered.")
    return None


class Lineage:
    """Remembers by what the capture's sessions can be resumed; bounded, the oldest are forgotten."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[tuple[str, object], Original] = OrderedDict()
        self._tickets: OrderedDict[tuple[str, str], list[tuple[int, Original]]] = OrderedDict()

    def remember(self, handshake: Handshake, client: Endpoint, server: Endpoint, original: Original) -> None:
        """Note what a finished handshake can be resumed by."""
        answer = handshake.server_hello
        if answer is None:
            return
        if handshake.is_tls13:
            sizes = self._tickets.setdefault((client.ip, server.ip), [])
            records = [s.length for s in handshake.sent if s.sender == "server" and s.name == "application_data"]
            sizes += [(length, original) for length in records[:_EARLY_RECORDS]]
            del sizes[:-512]
            self._tickets.move_to_end((client.ip, server.ip))
            if len(self._tickets) > _KEPT:
                self._tickets.popitem(last=False)
        elif answer.session_id:
            self._keep(("id", answer.session_id), original)
        for sent in handshake.sent:
            if isinstance(sent.message, messages.NewSessionTicket) and sent.message.ticket:
                self._keep(("ticket", sent.message.ticket), original)
        if resumption(handshake) is not None and handshake.client_hello and handshake.client_hello.session_ticket:
            self._keep(("ticket", handshake.client_hello.session_ticket), original)

    def original(
        self, handshake: Handshake, how: Resumption, client: Endpoint, server: Endpoint
    ) -> tuple[Original | None, str | None]:
        """The session that a handshake resumes, where the capture holds it; and how that is known."""
        hello = handshake.client_hello
        if hello is None:
            return None, None
        if how.how == "session-id":
            return self._sessions.get(("id", hello.session_id)), None
        if how.how == "session-ticket":
            return self._sessions.get(("ticket", hello.session_ticket)), None
        answer = handshake.server_hello
        identities = hello.psk_identities or ()
        chosen = answer.selected_psk if answer else None
        if chosen is None or chosen >= len(identities):
            return None, None
        identity = identities[chosen].identity
        known = self._sessions.get(("ticket", identity))
        if known is not None:
            return known, None
        # Without keys the ticket is unseen, but its length is that of the identity: a NewSessionTicket has 13 to
        # 21 bytes, a nonce and a few extensions beside it, and a record its type, tag and perhaps padding.
        for length, candidate in reversed(self._tickets.get((client.ip, server.ip), ())):
            if 13 <= length - len(identity) - 17 <= 13 + 8 + 32 + 16:
                says = f"A record of {length} in stream {candidate.stream} fits a ticket of {len(identity)} bytes."
                return candidate, says
        return None, None

    def _keep(self, key: tuple[str, object], original: Original) -> None:
        # The first to be given a session is its original; one that resumed it may have been given it again.
        self._sessions.setdefault(key, original)
        if len(self._sessions) > _KEPT:
            self._sessions.popitem(last=False)
