"""The server asks for the client's certificate only after the handshake, and that does not work here.

What it means: Some servers (Apache with per-directory SSLVerifyClient, IIS, SAP) first look at the request and then
ask: in TLS 1.2 by a renegotiation, in TLS 1.3 by post-handshake authentication. Go, rustls, BoringSSL and HTTP/2 allow
neither, and few clients of TLS 1.3 offer it.

On the wire: TLS 1.2: after application data a HelloRequest (28 encrypted bytes), then a second handshake, or the alert
no_renegotiation, or a close. That handshake is encrypted: without keys the sizes and the number of the client's records
up to its ChangeCipherSpec tell whether it sent a certificate there. TLS 1.3: the ClientHello lacks post_handshake_auth,
and the server answers 403.

Client's owner: Use a client that can (curl with HTTP/1.1, OpenSSL's -enable_pha), or an endpoint that asks at once.

Server's owner: Ask in the first handshake, on a host name or port of its own (SSLVerifyClient on the virtual host; IIS:
`Negotiate Client Certificate` enabled for the binding).

References: RFC 8446, section 4.6.2; RFC 5246, section 7.4.1.1; RFC 9113, section 9.2.1; RFC 8740.
"""

from typing import Literal

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport
from analyzer.tls.handshake import Sent

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed", "established")

Result = Literal["shown", "open", "failed"]
"""The client showed a certificate then, showed none or it cannot be told, or it came to nothing."""

_HELLO_REQUESTS = frozenset((20, 28, 48, 64, 80))
"""Lengths of an encrypted HelloRequest: ChaCha20, GCM, CBC with its MACs."""
_SMALL = 100
"""Longer than an encrypted Certificate without entries, shorter than any other."""


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether something like a handshake goes on behind application data."""
    if report.handshake:
        return True
    messages = report.messages
    return (
        bool(messages)
        and report.resumption is None
        and messages[-1].message != "application_data"
        and (
            any(one.message in ("encrypted_handshake", "hello_request", "certificate_request") for one in messages[-3:])
        )
    )


def judge(case: Case) -> Judgment | None:
    """A renegotiation that asks for a certificate, one that is refused, or a request behind the handshake."""
    facts = case.facts
    if facts is None:
        return None
    if case.failed:
        renegotiates = facts.index > 0 and (case.asked or case.ending.alert == "no_renegotiation")
        return _judgment(case, "renegotiated to ask for one, which failed", None, "failed") if renegotiates else None
    shown: Result = "shown" if case.report.client_certificate_presented else "open"
    if facts.index and case.asked:
        return _judgment(case, "asked for one by a renegotiation", case.sent("certificate_request"), shown)
    data = [sent for sent in facts.sent if sent.name == "application_data"]
    begun = data[0].frame if data else None
    if facts.is_tls13:
        finished = facts.first("finished", "client")
        later = [
            sent
            for sent in facts.sent
            if finished and sent.name == "certificate_request" and sent.frame > finished.frame
        ]
        if later:
            return _judgment(case, "asked for one after the handshake", later[0], shown)
        return None
    if begun is None:
        return None
    asks = next((sent for sent in facts.sent if sent.frame > begun and _is_hello_request(sent)), None)
    if asks is None:
        return None
    if case.around.following(case.report) is not None:
        return None  # which was read, and has a finding of its own
    flight = _hidden_flight(case, asks)
    if flight:
        told, result = _told(flight)
        return _judgment(case, f"began a second handshake, {told}", asks, result)
    return _judgment(case, "seems to have asked for a renegotiation, which the client did not begin", asks, "failed")


def _hidden_flight(case: Case, asks: Sent) -> list[int]:
    """Lengths of the client's encrypted messages behind the request, up to its ChangeCipherSpec."""
    behind = [one for one in (case.facts.sent if case.facts else ()) if one.frame > asks.frame]
    lengths = []
    for one in behind:
        if one.sender == "client" and one.name == "change_cipher_spec":
            break
        if one.sender == "client" and one.name == "encrypted_handshake":
            lengths.append(one.length)
    return lengths


def _told(flight: list[int]) -> tuple[str, Result]:
    """What the lengths tell of the client's answer: behind its hello [Certificate], ClientKeyExchange, [its proof]."""
    _, *answer = flight
    shown = " ".join(map(str, answer))
    if len(answer) > 2 and answer[0] > _SMALL:
        return f"which is encrypted; by its records ({shown}) the client sent a certificate there", "shown"
    if len(answer) == 2 and answer[0] < _SMALL:
        return (
            f"which is encrypted; by its records ({shown}) the client sent no certificate there, though asked",
            "open",
        )
    return "which is encrypted; its records do not tell whether the client sent a certificate there", "open"


def _is_hello_request(sent: Sent) -> bool:
    if sent.sender != "server":
        return False
    return sent.name == "hello_request" or (sent.name == "encrypted_handshake" and sent.length in _HELLO_REQUESTS)


def _judgment(case: Case, what: str, sent: Sent | None, result: Result) -> Judgment:
    failed = result == "failed"
    return Judgment(
        confidence="likely",
        severity=None if case.failed else "warning" if failed else "notice",
        explains=case.failed,
        summary=f"{sentence(case.name('server'))} did not ask for a client certificate at once, but {what}.",
        remedy=_remedy(case, result),
        evidence=case.see(sent, case.ending if failed else None),
    )


def _remedy(case: Case, result: Result) -> str:
    """By the version, which decides how a client is asked later, and by what came of it here."""
    options: tuple[str, ...] = ("-tls1_2",)
    how, able = "a renegotiation", "OpenSSL, or curl with HTTP/1.1"
    if case.facts is not None and case.facts.is_tls13:
        options = "-tls1_3", "-enable_pha"
        how, able = "post-handshake authentication", "OpenSSL's -enable_pha, curl with HTTP/1.1"
    client = {
        "failed": f"use a client that lets itself be asked by {how} ({able}), or another endpoint.",
        "shown": f"nothing is wrong here; another client may not let itself be asked by {how}.",
        "open": f"give the client its certificate for this destination; it lets itself be asked by {how}.",
    }[result]
    tried = case.s_client(*options, "-cert", "client.pem", "-key", "client.key", typed=True)
    return advise(
        client=client,
        server="ask in the first handshake, on a host name or port of its own.",
        confirm=f"{tried}, then request by HTTP/1.1 the path that needs a certificate.",
    )
