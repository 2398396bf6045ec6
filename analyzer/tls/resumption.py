"""Is this an earlier session resumed, and which? (RFC 5246, section 7.3; RFC 5077; RFC 8446, section 2.2.)"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from analyzer.results import Authentication, Endpoint
from analyzer.tls import messages
from analyzer.tls.handshake import Handshake

_KEPT = 20_000
_KEPT_PAIRS = 5_000
_KEPT_OF_PAIR = 16
_EARLY_RECORDS = 16
_PACKED_TICKETS = 4


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
    first_frame: int
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
    switch = handshake.first("change_cipher_spec", "server")
    abbreviated = (
        switch is not None
        and handshake.first("certificate", "server") is None
        and handshake.first("server_key_exchange", "server") is None
        and handshake.first("server_hello_done", "server") is None
        and handshake.first("client_key_exchange", "client") is None
        and not handshake.has_hole("server", until=switch)
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
        self._sessions: OrderedDict[tuple[str, bytes], Original] = OrderedDict()
        self._encrypted: OrderedDict[_Pair, list[tuple[Original, int, tuple[int, ...]]]] = OrderedDict()
        """By client and server, sessions of TLS 1.3, and the sizes of records of which one may hold a ticket, behind
        what type and tag add to each."""

    def remember(
        self, handshake: Handshake, client: Endpoint, server: Endpoint, original: Original, flights: set[int]
    ) -> None:
        """Note what an established handshake can be resumed by.

        `flights` are the positions in `Handshake.sent` of encrypted records that hold no ticket.
        """
        answer = handshake.server_hello
        if answer is None:
            return
        if handshake.is_tls13 and handshake.quic is None:
            records = [
                sent.length
                for index, sent in enumerate(handshake.sent)
                if sent.sender == "server" and sent.name == "application_data" and index not in flights
            ]
            pair = _pair(handshake, client, server)
            sessions = self._encrypted.setdefault(pair, [])
            tag = handshake.suite.tag_length if handshake.suite else None
            sessions.append((original, 1 + (tag or 16), tuple(records[:_EARLY_RECORDS])))
            del sessions[:-_KEPT_OF_PAIR]
            self._encrypted.move_to_end(pair)
            if len(self._encrypted) > _KEPT_PAIRS:
                self._encrypted.popitem(last=False)
        elif answer.session_id:
            self._keep(("id", answer.session_id), original)
        for sent in handshake.sent:
            if isinstance(sent.message, messages.NewSessionTicket) and sent.message.ticket:
                self._keep(_ticket(sent.message.ticket), original)
        if resumption(handshake) is not None and handshake.client_hello and handshake.client_hello.session_ticket:
            self._keep(_ticket(handshake.client_hello.session_ticket), original)

    def original(
        self, handshake: Handshake, how: Resumption, client: Endpoint, server: Endpoint
    ) -> tuple[Original | None, str | None]:
        """The session that a handshake resumes, where the capture holds it; and how that is known."""
        hello = handshake.client_hello
        if hello is None:
            return None, None
        if how.how == "session-id":
            return self._before(handshake, ("id", hello.session_id)), None
        if how.how == "session-ticket":
            return self._before(handshake, _ticket(hello.session_ticket or b"")), None
        answer = handshake.server_hello
        identities = hello.psk_identities or ()
        chosen = answer.selected_psk if answer else None
        if chosen is None or chosen >= len(identities):
            return None, None
        identity = identities[chosen].identity
        known = self._before(handshake, _ticket(identity))
        if known is not None or how.external:
            return known, None
        if handshake.quic is not None:
            return None, "Packets of QUIC hold more than tickets, so that sizes do not tell which session it was."
        # Without keys the ticket is unseen, but its length is that of the identity: a NewSessionTicket has 13 to
        # 21 bytes, a nonce and a few extensions beside it, and a record its type, tag and perhaps padding. Servers
        # that pack (BoringSSL, rustls) send several alike in one record.
        fitting = [
            (candidate.first_frame, length, candidate)
            for candidate, added, lengths in self._encrypted.get(_pair(handshake, client, server), ())
            for length in lengths
            if _holds_ticket(length - added, len(identity)) and candidate.first_frame < handshake.first_frame
        ]
        if not fitting:
            return None, None
        _, length, latest = max(fitting, key=lambda found: found[0])
        if len({candidate.authentication for _, _, candidate in fitting}) > 1:
            return None, f"Several sessions fit a ticket of {len(identity)} bytes, and they differ in authentication."
        return latest, f"A record of {length} in stream {latest.stream} fits a ticket of {len(identity)} bytes."

    def _before(self, handshake: Handshake, key: tuple[str, bytes]) -> Original | None:
        """The session of this id or ticket, if it began before the handshake."""
        found = self._sessions.get(key)
        return found if found is not None and found.first_frame < handshake.first_frame else None

    def _keep(self, key: tuple[str, bytes], original: Original) -> None:
        # The first to be given a session is its original; one that resumed it may have been given it again.
        known = self._sessions.setdefault(key, original)
        if original.first_frame < known.first_frame:
            self._sessions[key] = original
        if len(self._sessions) > _KEPT:
            self._sessions.popitem(last=False)


def _holds_ticket(content: int, ticket: int) -> bool:
    """Whether a record may hold NewSessionTickets that are equally long, with tickets of this length."""
    if 13 <= content - ticket <= 13 + 8 + 32 + 16:
        return True
    counts = (count for count in range(2, _PACKED_TICKETS + 1) if content % count == 0)
    return any(13 <= content // count - ticket <= 13 + 8 + 32 for count in counts)


_Pair = tuple[str, Endpoint, str | None]


def _pair(handshake: Handshake, client: Endpoint, server: Endpoint) -> _Pair:
    """Whose tickets they are: a client offers one to the server of that name only (RFC 8446, section 4.6.1)."""
    return client.ip, server, handshake.client_hello.server_name if handshake.client_hello else None


def _ticket(ticket: bytes) -> tuple[str, bytes]:
    """What stands for a ticket, which may be long."""
    return "ticket", blake2b(ticket, digest_size=16).digest()
