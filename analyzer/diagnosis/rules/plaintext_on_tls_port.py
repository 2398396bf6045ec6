"""The client spoke plaintext to a port that expects TLS.

What it means: A URL begins with http:// where it should be https://, a health check or a load balancer forwards without
TLS, or a client speaks another protocol.

On the wire: The client's first bytes are `GET /`, `POST`, or the like. nginx and Go answer HTTP 400 and say so, OpenSSL
and Node close without a word, Java and GnuTLS send the alert unexpected_message.

Client's owner: Use https:// (or the TLS option of the protocol).

Server's owner: If plaintext shall be allowed, redirect it on a port of its own; have health checks speak TLS.

References: RFC 8446, section 5.1.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.tls.preambles import begins_tls

SEVERITY = "error"
STAGE = "preamble"
SPECIFICITY = 3
WHEN = ("attempt",)


def judge(case: Case) -> Judgment | None:
    """First bytes that are no TLS, to a server that speaks it."""
    below = case.carrier
    if below is None or below.refused or not below.heads["client"] or begins_tls(below.heads["client"]):
        return None
    answer = below.heads["server"]
    says_so = b"HTTPS" in answer or bool(begins_tls(answer))
    speaks = any(other.preamble is None for other in case.around.established_of_server(case.report))
    if not (says_so or speaks or case.report.server.port in case.around.tls_ports):
        return None
    shown = below.heads["client"][:40].split(b"\r")[0].split(b"\n")[0].decode("ascii", "backslashreplace")
    answered = answer[:40].split(b"\r")[0].decode("ascii", "backslashreplace")
    what = "an alert of TLS" if begins_tls(answer) else repr(answered) if answered else "nothing before it closed"
    return Judgment(
        confidence="certain" if says_so or speaks else "likely",
        summary=f"The client {case.report.client.ip} sent {shown!r} in clear to {case.report.server}, which expects "
        "TLS "
        f"and answered {what}.",
        remedy=advise(
            client="use https:// (or the TLS option of the protocol) for this port.",
            server="have health checks and balancers in front of it speak TLS too.",
            confirm=f"{case.s_client()} should show a certificate.",
        ),
        evidence=case.see(case.report.evidence[0].frame if case.report.evidence else None, case.ending),
    )
