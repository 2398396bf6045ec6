"""Was a connection that never became TLS meant to be TLS, and what was there instead?"""

import re
from dataclasses import dataclass

from analyzer.net.rows import ACK, FIN, RST
from analyzer.results import Evidence, Sender
from analyzer.tls.follower import Follower, Mark
from analyzer.tls.preambles import Prologue, begins_tls

TLS_PORTS = frozenset((443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 5061, 5671, 6443, 6514, 6697))
TLS_PORTS |= frozenset((8443, 8883, 9443))
"""Ports on which TLS begins with the first byte (IANA's registry, and common use)."""


@dataclass(slots=True)
class Attempt:
    """A connection without TLS that may have been meant to be TLS."""

    client_direction: int
    certain: bool
    """Its bytes say so; else it depends on whether the server's endpoint speaks TLS."""
    evidence: Evidence
    """What was there instead."""


def attempt(follower: Follower) -> Attempt | None:
    """What a connection without a handshake shows; None where nothing speaks of TLS."""
    beginning = follower.beginning
    prologue, client = beginning.prologue, beginning.opener
    if follower.session is not None:
        return _not_begun(follower, prologue, follower.session.client_direction) if prologue is not None else None
    if prologue is not None and prologue.state == "refused":
        direction = client if client is not None else 0
        says = prologue.preambles[-1].says
        return Attempt(direction, True, Evidence(follower.first_frame, "server", None, says))
    asked = prologue.preambles[-1] if prologue is not None and prologue.preambles else None
    if asked is not None and asked.state == "waiting" and beginning.lacking is not None:
        return None  # what is missing may have been the rest of the header, or the answer
    if asked is not None and asked.state == "waiting" and asked.asked:
        if not follower.closings:
            return None  # the answer may still come
        says = f"The client asked for TLS or a tunnel ({asked.name}) and got no answer."
        return Attempt(client if client is not None else 0, True, Evidence(follower.first_frame, "client", None, says))
    if client is None:
        return None
    sent, answered = beginning.heads[client], beginning.heads[1 - client]
    if sent:
        return _plaintext(follower, client, sent, answered)
    if answered:
        return None
    reset = next((mark for mark in follower.closings if mark.flags & RST and mark.direction != client), None)
    replied = any(mark.direction != client for mark in follower.openings)
    if reset is not None and not replied:
        return Attempt(client, False, Evidence(reset.frame, "server", None, "The server refused the connection (RST)."))
    if not replied and len(follower.openings) > 1:  # after one alone the answer may merely not be in the capture
        says = f"The server did not answer ({len(follower.openings)} SYNs sent)."
        return Attempt(client, False, Evidence(follower.openings[0].frame, "client", None, says))
    return None


def _not_begun(follower: Follower, prologue: Prologue, client: int) -> Attempt | None:
    """TLS was agreed on in clear, and then the connection was closed: by a probe, or by who changed its mind."""
    agreed, closing = prologue.preambles[-1] if prologue.preambles else None, next(iter(follower.closings), None)
    if agreed is None or agreed.state != "tls" or agreed.tunnel or closing is None:
        return None
    if not _said_no_more(follower, closing, client, prologue.client):
        return None
    who: Sender = "client" if closing.direction == client else "server"
    how = "reset the connection (RST)" if closing.flags & RST else "closed the connection (FIN)"
    says = f"{agreed.says.removesuffix('.')}; then the {who} {how}, before any ClientHello."
    return Attempt(client, True, Evidence(closing.frame, who, None, says))


def _said_no_more(follower: Follower, closing: Mark, client: int, end: int) -> bool:
    """Whether the client sent nothing behind `end` until `closing`, and the capture does not merely lack it."""
    stream, initial = follower.streams[client], follower.connection.initial_sequence[client]
    # The stream goes as far as the client's FIN and the server's acknowledgments say.
    if stream is None or stream.next != end or initial is None:
        return False
    if closing.direction != client and not closing.flags & (FIN | ACK):
        return False  # such an RST answers a segment (RFC 9293, section 3.5.2), and does not say which one
    resets = (mark for mark in follower.closings if mark.direction == client and mark.flags & RST)
    return all((mark.sequence - initial - 1 - end) % 2**32 <= 1 for mark in resets)  # 1: behind a FIN


def _plaintext(follower: Follower, client: int, sent: bytes, answered: bytes) -> Attempt | None:
    """The client sent something else than a ClientHello."""
    if begins_tls(sent) is not False:
        return None
    certain = bool(begins_tls(answered)) or _ASKS_FOR_HTTPS.match(answered) is not None
    shown = sent[:40].split(b"\r")[0].decode("ascii", "backslashreplace")
    says = f"The client sent no ClientHello but {shown!r}."
    return Attempt(client, certain, Evidence(follower.first_frame, "client", None, says))


_ASKS_FOR_HTTPS = re.compile(
    rb"HTTP/1\.[01] 4\d\d .*(?:plain HTTP .{0,40}(?:HTTPS|SSL)|HTTP request to an HTTPS server|port requires TLS)",
    re.DOTALL,
)
"""As nginx, Apache httpd, Go and Tomcat answer a request that comes without TLS."""
