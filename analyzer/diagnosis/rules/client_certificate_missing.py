"""The server asked for a certificate, and the client sent none.

What it means: The server sent a CertificateRequest, the client answered with an empty Certificate, and the server
insists. The client has no certificate configured for this destination, cannot read its keystore, or holds its
certificate back (see client-certificate-filtered-by-authorities and client-key-unacceptable).

On the wire: CertificateRequest; a client Certificate of 3 bytes (TLS 1.3: a record of 25 bytes, 41 from Java); then
handshake_failure from OpenSSL, bad_certificate from Java and older Go; in TLS 1.3 certificate_required, encrypted.
A FIN or RST alone says so only where its acknowledgment number covers that Certificate. In DTLS GnuTLS, Mbed TLS and
wolfSSL fall silent.

Client's owner: Configure certificate and private key for this destination (Java: javax.net.ssl.keyStore; curl: --cert
and --key; Node: cert and key), and see that the program may read them.

Server's owner: If clients without a certificate shall be let in, ask without insisting (`ssl_verify_client optional`).

References: RFC 8446, sections 4.3.2, 4.4.2.4 and 6.2; RFC 5246, section 7.4.6.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise, listed
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 2
WHEN = ("failed", "established")

_REQUIRED = "certificate_required"


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether the server said so after all: it asked when the handshake was over."""
    return bool(report.alerts) and any(alert.description == _REQUIRED for alert in report.alerts)


def judge(case: Case) -> Judgment | None:
    """Asked, declined, and the server ended it."""
    ending = case.ending
    if not case.declined or (ending.sender != "server" and not _falls_silent(case)):
        return None
    if case.stage != "client-authentication" and ending.alert != _REQUIRED:
        return None
    clear = case.report.authentication_basis in ("observed", "decrypted") and ending.how == "alert"
    asked = f", from one of {listed(case.authorities)}" if case.authorities else ""
    elsewhere = [o for o in case.around.client_identities(case.report) if o.certificates["client"]]
    has = ""
    if elsewhere:
        has = (
            f" Elsewhere it presented {elsewhere[0].certificates['client'][0].subject} ({elsewhere[0].display_filter})."
        )
    return Judgment(
        confidence="certain" if clear else "likely",
        summary=f"{sentence(case.name('server'))} asked for a client certificate{asked}; {case.name('client')} sent "
        "none, "
        f"and the server {ending.words}.{has}",
        remedy=advise(
            client="configure certificate and private key for this destination, and see that the program can read "
            "them.",
            server="ask without insisting, if clients without a certificate shall be let in.",
            confirm=f"{case.s_client('-cert', 'client.pem', '-key', 'client.key')} should succeed.",
        ),
        evidence=case.see(
            case.sent("certificate_request", "server"), case.sent("certificate", "client"), _hidden(case), ending
        ),
    )


def _falls_silent(case: Case) -> bool:
    """Over datagrams many servers refuse without a word, and the client sends its flight again until it gives up.

    A server that has sent anything again may lack the client's flight, or have given up before it came.
    """
    facts = case.facts
    if facts is None or not facts.is_dtls or facts.datagrams is None or case.ending.how != "silence":
        return False
    return not facts.datagrams.repeated["server"]


def _hidden(case: Case) -> int | None:
    """The frame with the encrypted, empty Certificate."""
    roles = case.sizes.roles if case.sizes and case.facts else {}
    sent = case.facts.sent if case.facts else []
    return next(
        (
            sent[index].frame
            for index, role in roles.items()
            if role.startswith("certificate") and sent[index].sender == "client"
        ),
        None,
    )
