"""The two textbook handshakes as data: which message may follow which, and what each is for.

A handshake is a walk through `TLS12` (RFC 5246, section 7.3; SSLv3 to TLS 1.2) or `TLS13` (RFC 8446,
section 2). Each row reads: in this state, this side sends this message, and then the handshake is in that
state. The reference diagrams are drawn from these rows.

    TLS 1.2                                     TLS 1.3

    client_hello         >                      client_hello         >
                         < server_hello                              < server_hello
                         < certificate                               < [encrypted_extensions]
                         < server_key_exchange                       < [certificate_request]   (mutual)
                         < certificate_request  (mutual)             < [certificate]
                         < server_hello_done                         < [certificate_verify]
    certificate          >  (mutual)                                 < [finished]
    client_key_exchange  >                      [certificate]        >  (mutual)
    certificate_verify   >  (mutual)            [certificate_verify] >  (mutual)
    change_cipher_spec   >                      [finished]           >
    [finished]           >
                         < change_cipher_spec
                         < [finished]
"""

from typing import Literal, NamedTuple

Side = Literal["client", "server"]


class Transition(NamedTuple):
    """In `state`, `sender` sends `message`, and the handshake is in state `then`."""

    state: str
    sender: Side
    message: str
    then: str
    stage: str
    """What this step is about, in the words of the diagnosis."""
    mutual: bool = False
    """Only where the client is asked for its certificate."""


START = "start"
ESTABLISHED = "established"


def _rows(
    *rows: tuple[str, Side, str, str, str] | tuple[str, Side, str, str, str, bool],
) -> tuple[Transition, ...]:
    return tuple(Transition(*row) for row in rows)


TLS12 = _rows(
    ("start", "client", "client_hello", "hello-sent", "hello"),
    ("hello-sent", "server", "hello_verify_request", "start", "hello"),
    ("hello-sent", "server", "server_hello", "hello-answered", "hello"),
    ("hello-answered", "server", "certificate", "server-certificate", "server-authentication"),
    ("hello-answered", "server", "server_key_exchange", "key-exchange-sent", "key-exchange"),
    ("hello-answered", "server", "server_hello_done", "server-done", "key-exchange"),
    ("server-certificate", "server", "certificate_status", "server-certificate", "server-authentication"),
    ("server-certificate", "server", "server_key_exchange", "key-exchange-sent", "key-exchange"),
    ("server-certificate", "server", "certificate_request", "client-asked", "client-authentication", True),
    ("server-certificate", "server", "server_hello_done", "server-done", "key-exchange"),
    ("key-exchange-sent", "server", "certificate_request", "client-asked", "client-authentication", True),
    ("key-exchange-sent", "server", "server_hello_done", "server-done", "key-exchange"),
    ("client-asked", "server", "server_hello_done", "server-done-asking", "client-authentication", True),
    ("server-done-asking", "client", "certificate", "client-certificate", "client-authentication", True),
    (
        "client-certificate",
        "client",
        "client_key_exchange",
        "client-keyed-with-certificate",
        "key-exchange",
        True,
    ),
    ("server-done-asking", "client", "client_key_exchange", "client-keyed", "key-exchange"),
    ("server-done", "client", "client_key_exchange", "client-keyed", "key-exchange"),
    (
        "client-keyed-with-certificate",
        "client",
        "certificate_verify",
        "client-keyed",
        "client-authentication",
        True,
    ),
    ("client-keyed", "client", "change_cipher_spec", "client-switched", "finished"),
    ("client-keyed-with-certificate", "client", "change_cipher_spec", "client-switched", "finished"),
    ("client-switched", "client", "finished", "client-finished", "finished"),
    ("client-finished", "server", "new_session_ticket", "client-finished", "finished"),
    ("client-finished", "server", "change_cipher_spec", "server-switched", "finished"),
    ("server-switched", "server", "finished", "established", "finished"),
    # Resumption (RFC 5246, section 7.3, figure 2; RFC 5077): the server finishes first.
    ("hello-answered", "server", "new_session_ticket", "resumption-answered", "resumption"),
    ("hello-answered", "server", "change_cipher_spec", "resumption-switched", "resumption"),
    ("resumption-answered", "server", "change_cipher_spec", "resumption-switched", "resumption"),
    ("resumption-switched", "server", "finished", "resumption-finished", "resumption"),
    ("resumption-finished", "client", "change_cipher_spec", "resumption-both-switched", "resumption"),
    ("resumption-both-switched", "client", "finished", "established", "resumption"),
)

TLS13 = _rows(
    ("start", "client", "client_hello", "hello-sent", "hello"),
    ("hello-sent", "server", "hello_retry_request", "start", "hello"),
    ("hello-sent", "server", "server_hello", "hello-answered", "hello"),
    ("hello-answered", "server", "encrypted_extensions", "extensions-sent", "server-parameters"),
    ("extensions-sent", "server", "certificate_request", "client-asked", "client-authentication", True),
    ("extensions-sent", "server", "certificate", "server-certificate", "server-authentication"),
    ("extensions-sent", "server", "finished", "server-finished", "resumption"),
    ("client-asked", "server", "certificate", "server-certificate-asking", "server-authentication", True),
    ("server-certificate", "server", "certificate_verify", "server-proved", "server-authentication"),
    ("server-proved", "server", "finished", "server-finished", "finished"),
    (
        "server-certificate-asking",
        "server",
        "certificate_verify",
        "server-proved-asking",
        "server-authentication",
        True,
    ),
    ("server-proved-asking", "server", "finished", "server-finished-asking", "finished", True),
    ("server-finished-asking", "client", "certificate", "client-certificate", "client-authentication", True),
    ("client-certificate", "client", "certificate_verify", "client-proved", "client-authentication", True),
    ("client-certificate", "client", "finished", "established", "finished", True),
    ("client-proved", "client", "finished", "established", "finished", True),
    ("server-finished", "client", "end_of_early_data", "server-finished", "resumption"),
    ("server-finished", "client", "finished", "established", "finished"),
)


def awaited(table: tuple[Transition, ...], state: str) -> tuple[Transition, ...]:
    """What may come next."""
    return tuple(row for row in table if row.state == state)
