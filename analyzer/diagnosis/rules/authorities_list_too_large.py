"""The server's list of accepted authorities is too large to be sent, or for the client to take.

What it means: A CertificateRequest holds at most 65,535 bytes of names. A server whose truststore for clients is a
whole bundle of public roots (or thousands of private ones) cannot send its request; some clients refuse long ones
before that.

On the wire: TLS 1.2: ServerHello, Certificate, ServerKeyExchange, then internal_error by the server, no
CertificateRequest. TLS 1.3: EncryptedExtensions, then at once an alert. From the client's side: decode_error,
illegal_parameter or record_overflow behind a very long CertificateRequest.

Client's owner: Nothing.

Server's owner: Put only the authorities that issue client certificates into the list (nginx: ssl_client_certificate for
the list, ssl_trusted_certificate for the rest; HAProxy: ca-verify-file).

References: RFC 5246, section 7.4.4; RFC 8446, section 4.2.4.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Confidence, Judgment, advise
from analyzer.tls.proofs import KEY_TRANSPORT

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)

_LONG = 8192
_TOO_LONG = ("decode_error", "illegal_parameter", "record_overflow", "internal_error")


def judge(case: Case) -> Judgment | None:
    """The server stops where its CertificateRequest should be, or the client at a very long one."""
    ending = case.ending
    if case.stage != "server-authentication" or case.facts is None or case.answer is None:
        return None
    sure: Confidence
    request = case.sent("certificate_request", "server")
    if ending.sender == "client" and request is not None and request.length > _LONG and ending.alert in _TOO_LONG:
        sure, what = "likely", f"sent a CertificateRequest of {request.length} bytes"
    elif ending.sender == "server" and request is None and _stops_at_request(case):
        sure, what = "likely", "stopped in the middle of its flight, where a CertificateRequest would be"
    else:
        return None
    return Judgment(
        confidence=sure,
        summary=f"{sentence(case.name('server'))} {what}, and {case.name(ending.sender)} {ending.words}: its list of "
        "authorities is too large.",
        remedy=advise(
            server="list only the authorities that issue client certificates, not a whole bundle of roots.",
            confirm="`grep -c BEGIN` on the server's file of client authorities: hundreds are too many.",
        ),
        evidence=case.see(case.sent("server_key_exchange") or case.sent("server_hello"), request, ending),
    )


def _stops_at_request(case: Case) -> bool:
    facts, ending = case.facts, case.ending
    if facts is None:
        return False
    if not facts.is_tls13 or case.sent("encrypted_extensions"):
        # Where a ServerKeyExchange belongs in between and is not sent, it is the signature that the server failed at.
        signs = facts.suite is None or facts.suite.key_exchange not in KEY_TRANSPORT
        before = "encrypted_extensions" if facts.is_tls13 else "server_key_exchange" if signs else "certificate"
        behind = case.sent(before, "server")
        ahead = case.sent("server_hello_done" if not facts.is_tls13 else "certificate", "server")
        return behind is not None and ahead is None and ending.alert == "internal_error"
    return len(case.cut_flight) == 2
