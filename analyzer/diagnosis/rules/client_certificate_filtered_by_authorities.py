"""The client has a certificate, and held it back: none of the authorities that the server named has issued it.

What it means: A CertificateRequest may list the authorities that the server accepts. Java, Go, .NET and Salesforce send
a certificate only if its chain leads to one of these names, and otherwise an empty Certificate; OpenSSL, Node and
GnuTLS send what they have. So it looks as if the client had no certificate at all.

On the wire: A CertificateRequest with a list of names, then a client Certificate of 3 bytes. The same client presents a
certificate to another server, or to this one when the list is empty or names its issuer.

Client's owner: Have the certificate issued by one of the authorities in the list; or complete the chain in the
keystore, so that it leads to one of them.

Server's owner: Add the authority of the client's certificate to the list (nginx ssl_client_certificate, Apache
SSLCADNRequestFile, HAProxy ca-file), or send an empty list (nginx ssl_trusted_certificate, HAProxy ca-verify-file).

References: RFC 8446, section 4.2.4; RFC 5246, section 7.4.4.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Confidence, Judgment, advise, listed
from analyzer.diagnosis.stacks import FILTERS_BY_AUTHORITIES
from analyzer.diagnosis.surroundings import Sighting
from analyzer.results import HandshakeReport

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed", "established")


def applies(report: HandshakeReport, around: object) -> bool:
    """Whether a certificate was asked for and not given."""
    return report.authentication == "requested-not-provided" and report.authentication_basis != "inferred"


def judge(case: Case) -> Judgment | None:
    """A list of authorities, an empty Certificate, and a client that has a certificate or is known to filter."""
    if not case.declined or not case.authorities or not (case.established or case.stage == "client-authentication"):
        return None
    guess = case.client_stack
    filters = guess is not None and guess.stack in FILTERS_BY_AUTHORITIES
    held = [other for other in case.around.client_identities(case.report) if not _is_named(other, case.authorities)]
    sure: Confidence
    if held:
        sure = "likely"
        certificate = held[0].certificates["client"][0]
        has = f"it presented {certificate.subject}, issued by {certificate.issuer}, to {held[0].server} "
        has += f"({held[0].display_filter})"
    elif filters and case.failed:
        sure = "possible"
        has = "clients of its kind hold back a certificate that none of these has issued"
    else:
        return None
    return Judgment(
        confidence=sure,
        severity="warning" if case.established else None,
        explains=case.failed,
        summary=f"{sentence(case.name('server'))} accepts certificates of {listed(case.authorities)}; "
        f"{case.name('client')} sent none: {has}.",
        remedy=advise(
            client=f"have the certificate issued by one of {listed(case.authorities)}, or complete its chain up to "
            "one.",
            server="add the client's authority to the list, or send an empty list.",
            confirm=f"{case.s_client()} lists them under `Acceptable client certificate CA names`.",
        ),
        evidence=case.see(case.sent("certificate_request", "server"), case.sent("certificate", "client"), case.ending),
    )


def _is_named(other: Sighting, authorities: list[str]) -> bool:
    """Whether the chain that a client presented leads to one of the names."""
    chain = other.certificates["client"]
    return any(one.issuer in authorities for one in chain)
