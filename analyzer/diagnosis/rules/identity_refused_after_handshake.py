"""The handshake was mutual and succeeded, and the application then refused who the client is.

What it means: TLS has done its part: the certificate is good and its key was proved. Which user or account belongs to
it is another matter: the certificate is not registered, is mapped to another organization, or the balancer in front
hands it on in a header that the application does not understand (X-Forwarded-Client-Cert, X-Amzn-Mtls-Clientcert).

On the wire: A clean mutual handshake, then HTTP 401 or 403, or a fault such as MUTUAL_AUTHENTICATION_FAILED.

Client's owner: Ask to have this very certificate registered (its SHA-256 is in the report).

Server's owner: Register the certificate with the account, and look at how the certificate reaches the application.

References: RFC 9440; RFC 8705, section 2.
"""

from analyzer.diagnosis import application, faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "error"
STAGE = "application"
SPECIFICITY = 3
WHEN = ("established",)


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether it was mutual and the answer can be read."""
    return report.authentication == "mutual" and report.facts is not None and bool(report.facts.plaintext)


def judge(case: Case) -> Judgment | None:
    """The application answers 401 or 403, or names the fault."""
    response = application.response(case.plaintext("server"))
    if response is None:
        return None
    names_it = response.refuses_identity
    if not names_it and (response.status not in (401, 403) or response.speaks_of_certificate):
        return None
    leaf = case.leaf("client")
    shown = faults.described(leaf) if leaf else "its certificate"
    return Judgment(
        confidence="certain" if names_it else "likely",
        severity=None if names_it else "warning",
        explains=names_it,
        summary=f"{faults.sentence(case.name('client'))} proved that it has {shown}, and the application at "
        f"{case.report.server} answered {response.words}{' (MUTUAL_AUTHENTICATION_FAILED)' if names_it else ''}.",
        remedy=advise(
            client="have this very certificate registered with the account that it is used for.",
            server="register it, and see how the certificate reaches the application behind a balancer.",
            confirm="`openssl x509 -in client.pem -noout -fingerprint -sha256` must be the one that is registered.",
        ),
        evidence=case.see(case.sent("certificate", "client"), case.report.last_frame),
    )
