"""Is this an earlier session resumed? (RFC 5246, section 7.3; RFC 5077; RFC 8446, section 2.2.)"""

from dataclasses import dataclass
from typing import Literal

from analyzer.tls.handshake import Handshake


@dataclass(slots=True, frozen=True)
class Resumption:
    """How a handshake resumes a session."""

    how: Literal["session-id", "session-ticket", "psk"]
    frame: int
    """Of the ServerHello that accepts it."""
    says: str
    external: bool = False
    """A pre-shared key that no session of the capture can have given (RFC 8446, section 2.2)."""


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
