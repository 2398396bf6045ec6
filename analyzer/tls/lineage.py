"""Which session is it that a handshake resumes? (RFC 5246, section 7.3; RFC 5077; RFC 8446, section 2.2.)"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from analyzer.results import Authentication, Endpoint
from analyzer.tls import messages
from analyzer.tls.handshake import Handshake
from analyzer.tls.resumption import Resumption

_KEPT = 20_000
_KEPT_PAIRS = 5_000
_KEPT_OF_PAIR = 16
_EARLY_RECORDS = 16
_PACKED_TICKETS = 4


@dataclass(slots=True, frozen=True)
class Original:
    """The session that was resumed, and what it had found out."""

    stream: int
    handshake: int
    first_frame: int
    authentication: Authentication
    requested: bool | None
    presented: bool | None


Told = tuple[Authentication, bool | None, bool | None]
"""What a session says of the client: the verdict, whether it was asked, and whether it presented a certificate."""
Key = tuple[str, bytes]
"""By which a session can be resumed: its id, or what stands for a ticket."""
Place = tuple[str, int, int]
"""Transport, stream and number of a handshake."""


class Claim(NamedTuple):
    """Which session a handshake says that it resumes."""

    key: Key | None
    """None where the handshake shows none."""
    length: int
    """Bytes of the identity of a pre-shared key; 0 of a session id or a ticket of TLS 1.2."""
    external: bool
    """As `Resumption.external`."""
    is_quic: bool
    """Over QUIC sizes do not tell which session it was."""


class Session(NamedTuple):
    """What the lineage needs to know of a handshake: it can be resumed, it resumes another, or both."""

    first_frame: int
    place: Place
    pair: "_Pair"
    claim: Claim | None
    """None where it resumes nothing."""
    established: bool
    """It can be resumed."""
    keys: tuple[Key, ...]
    """By which."""
    added: int
    """Bytes that type and tag add to the records of TLS 1.3."""
    records: tuple[int, ...] | None
    """Sizes of records of which one may hold a ticket; None before TLS 1.3."""
    told: Told
    """Where it resumes nothing."""


def inherited(original: Original | None, *, external: bool) -> Told:
    """What a resumed session says of the client; `external` is as in `Resumption`."""
    if original is not None:
        return original.authentication, original.requested, original.presented
    return ("psk", False, False) if external else ("undetermined", None, None)


def session(
    handshake: Handshake,
    place: Place,
    client: Endpoint,
    server: Endpoint,
    resumed: Resumption | None,
    flights: Collection[int] | None,
    told: Told,
) -> Session:
    """What the lineage needs to know; `flights` are the positions in `Handshake.sent` of encrypted records that hold no
    ticket, None where it is not established.
    """
    hello, answer, keys, records = handshake.client_hello, handshake.server_hello, list[Key](), None
    established = flights is not None and answer is not None
    if established and answer is not None:
        if handshake.is_tls13 and handshake.quic is None:
            data = [
                sent.length
                for index, sent in enumerate(handshake.sent)
                if sent.sender == "server" and sent.name == "application_data" and index not in (flights or ())
            ]
            records = tuple(data[:_EARLY_RECORDS])
        elif answer.session_id:
            keys.append(("id", answer.session_id))
        for sent in handshake.sent:
            if isinstance(sent.message, messages.NewSessionTicket) and sent.message.ticket:
                keys.append(_ticket(sent.message.ticket))
        if resumed is not None and hello is not None and hello.session_ticket:
            keys.append(_ticket(hello.session_ticket))
    tag_length = handshake.suite.tag_length if handshake.suite else 0
    return Session(
        handshake.first_frame,
        place,
        (client.ip, (server.ip, server.port), hello.server_name if hello else None),
        _claim(handshake, resumed) if resumed is not None else None,
        established,
        tuple(keys),
        1 + (tag_length or 16),
        records,
        told,
    )


def _claim(handshake: Handshake, resumed: Resumption) -> Claim:
    hello, answer = handshake.client_hello, handshake.server_hello
    key, length = None, 0
    if hello is not None and resumed.how == "session-id":
        key = "id", hello.session_id
    elif hello is not None and resumed.how == "session-ticket":
        key = _ticket(hello.session_ticket or b"")
    elif hello is not None:
        identities = hello.psk_identities or ()
        chosen = answer.selected_psk if answer else None
        if chosen is not None and chosen < len(identities):
            identity = identities[chosen].identity
            key, length = _ticket(identity), len(identity)
    return Claim(key, length, resumed.external, handshake.quic is not None)


class Lineage:
    """Remembers by what the capture's sessions can be resumed; bounded, the oldest are forgotten."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[Key, Original] = OrderedDict()
        self._encrypted: OrderedDict[_Pair, dict[Place, tuple[Original, int, tuple[int, ...]]]] = OrderedDict()
        """By client and server, sessions of TLS 1.3, and the sizes of records of which one may hold a ticket, behind
        what type and tag add to each."""

    def link(self, sessions: Iterable[Session]) -> dict[Place, tuple[Original | None, str | None]]:
        """Remember the sessions; returns, for each that resumes another, that one and how it is known.

        They are taken in the order in which they began: a session resumes an earlier one.
        """
        links: dict[Place, tuple[Original | None, str | None]] = {}
        for one in sorted(sessions, key=_began):
            told = one.told
            if one.claim is not None:
                links[one.place] = found = self._original(one, one.claim)
                told = inherited(found[0], external=one.claim.external)
            if one.established:
                _, stream, handshake = one.place
                self._remember(one, Original(stream, handshake, one.first_frame, *told))
        return links

    def _remember(self, session: Session, original: Original) -> None:
        """Note what an established handshake can be resumed by."""
        for key in session.keys:
            self._keep(key, original)
        if session.records is not None:
            of_pair = self._encrypted.setdefault(session.pair, {})
            of_pair.pop(session.place, None)
            of_pair[session.place] = original, session.added, session.records
            if len(of_pair) > _KEPT_OF_PAIR:
                del of_pair[next(iter(of_pair))]
            self._encrypted.move_to_end(session.pair)
            if len(self._encrypted) > _KEPT_PAIRS:
                self._encrypted.popitem(last=False)

    def _original(self, session: Session, claim: Claim) -> tuple[Original | None, str | None]:
        """The session that a handshake resumes, where the capture holds it; and how that is known."""
        if claim.key is None:
            return None, None
        known = self._sessions.get(claim.key)
        if known is not None and known.first_frame < session.first_frame:
            return known, None
        if not claim.length or claim.external:
            return None, None
        if claim.is_quic:
            return None, "Packets of QUIC hold more than tickets, so that sizes do not tell which session it was."
        # Without keys the ticket is unseen, but its length is that of the identity: a NewSessionTicket has 13 to
        # 21 bytes, a nonce and a few extensions beside it, and a record its type, tag and perhaps padding. Servers
        # that pack (BoringSSL, rustls) send several alike in one record.
        fitting = [
            (candidate.first_frame, length, candidate)
            for candidate, added, lengths in self._encrypted.get(session.pair, {}).values()
            for length in lengths
            if _holds_ticket(length - added, claim.length) and candidate.first_frame < session.first_frame
        ]
        if not fitting:
            return None, None
        _, length, latest = max(fitting, key=lambda found: found[0])
        if len({candidate.authentication for _, _, candidate in fitting}) > 1:
            return None, f"Several sessions fit a ticket of {claim.length} bytes, and they differ in authentication."
        return latest, f"A record of {length} in stream {latest.stream} fits a ticket of {claim.length} bytes."

    def _keep(self, key: Key, original: Original) -> None:
        # The first to be given a session is its original; one that resumed it may have been given it again.
        known = self._sessions.setdefault(key, original)
        if original.first_frame < known.first_frame:
            self._sessions[key] = original
        if len(self._sessions) > _KEPT:
            self._sessions.popitem(last=False)


def _began(session: Session) -> tuple[int, Place]:
    return session.first_frame, session.place


def _holds_ticket(content: int, ticket: int) -> bool:
    """Whether a record may hold NewSessionTickets that are equally long, with tickets of this length."""
    if 13 <= content - ticket <= 13 + 8 + 32 + 16:
        return True
    counts = (count for count in range(2, _PACKED_TICKETS + 1) if content % count == 0)
    return any(13 <= content // count - ticket <= 13 + 8 + 32 for count in counts)


_Pair = tuple[str, tuple[str, int], str | None]
"""Client, server and its name: a client offers a ticket to the server of that name only (RFC 8446, section 4.6.1)."""


def _ticket(ticket: bytes) -> Key:
    """What stands for a ticket, which may be long."""
    return "ticket", blake2b(ticket, digest_size=16).digest()
