"""The server never asked for a client certificate, where one was expected.

What it means: A client sends its certificate only if the server asks. If it does not ask, a perfect client
configuration changes nothing: the port is the wrong one (443 instead of 8443), a load balancer ends TLS in front of the
server, the virtual host chosen by SNI does not ask, or only some paths do (see client-authentication-deferred).

On the wire: No CertificateRequest in the server's flight; the handshake succeeds, and the application then answers 401
or 403. In TLS 1.3 without keys: four records in the server's flight instead of five, and a client flight that is
Finished alone.

Client's owner: Check port and host name (SNI); nothing about the certificate itself is wrong.

Server's owner: Ask for client certificates on this port and virtual host, or at the balancer in front of it, and let
that hand the certificate on.

References: RFC 8446, section 4.3.2; RFC 5246, section 7.4.4.
"""

from analyzer.diagnosis import application
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("established",)


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether nobody asked, and either the application refused or the client has a certificate for this host."""
    if report.client_certificate_requested is not False or report.resumption is not None:
        return False
    if report.facts is not None and report.facts.plaintext:
        return True
    return around.presents_elsewhere(report) is not None


def judge(case: Case) -> Judgment | None:
    """One-way, and the application wants a certificate, or the client showed one on another port or name."""
    response = application.response(case.plaintext("server"))
    elsewhere = case.around.presents_elsewhere(case.report)
    asks = ""
    if elsewhere:
        asks = (
            f"; it does ask at {elsewhere.server} for {elsewhere.server_name or 'no name'} ({elsewhere.display_filter})"
        )
    remedy = advise(
        client="check port and host name: this endpoint does not ask.",
        server="ask for client certificates on this port and virtual host, or at the balancer in front of it.",
        confirm=f"{case.s_client()} prints `No client certificate CA names sent` where nobody asks.",
    )
    if response is not None and response.status in (400, 401, 403, 495, 496) and response.speaks_of_certificate:
        return Judgment(
            confidence="certain",
            summary=f"{sentence(case.name('server'))} did not ask for a client certificate in the handshake, and the "
            f"application answered {response.words}{asks}.",
            remedy=remedy,
            evidence=[case.lacks("certificate_request"), *case.see(case.report.last_frame)],
        )
    if not elsewhere and not (response is not None and response.status in (401, 403)):
        return None
    refused = f", and the application answered {response.words}" if response and response.status in (401, 403) else ""
    return Judgment(
        confidence="likely" if refused and elsewhere else "possible",
        severity="warning" if refused else "notice",
        explains=False,
        summary=f"{sentence(case.name('server'))} did not ask for a client certificate{refused}{asks}.",
        remedy=remedy,
        evidence=[case.lacks("certificate_request")],
    )
