"""The server refused the connection right after the client's certificate, and why cannot be seen.

What it means: The client presented a certificate and the server ended the handshake. Its alert is encrypted, vague or
missing, and either the certificate cannot be read (TLS 1.3 without keys) or nothing is wrong with it by what is known
here: then the server trusts other authorities, its revocation list is old, or it compares with a list of its own.

On the wire: TLS 1.3: the client's flight (Certificate, CertificateVerify, Finished), then one record of 19 bytes (35
from Java) before any ticket, then FIN or RST; Node sends the FIN alone. TLS 1.2: an alert in clear after the client's
flight. A FIN or RST alone says so only where its acknowledgment number covers the Certificate, and not seconds later.
The client believes to be connected, and its application sees "connection reset".

Client's owner: Compare dates, purpose, chain and issuer of the certificate with what the server asks for.

Server's owner: The server's log says why. To see the certificate, make the secrets available.

References: RFC 8446, sections 4.4.2.4 and 6.2.
"""

from analyzer.diagnosis.case import Case, Ending
from analyzer.diagnosis.faults import CERTIFICATE_ALERTS, sentence
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 1
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The server ends it behind a client flight with a certificate."""
    ending = case.refusal("client")
    if ending is None or case.is_late:
        return None
    about = ending.alert in CERTIFICATE_ALERTS or ending.alert == "access_denied"
    if ending.how == "alert" and not about and ending.alert not in ("handshake_failure", "internal_error"):
        return None
    seen, chain = case.leaf("client"), case.report.chain["client"]
    fine = " By what is known here nothing is wrong with it." if chain and chain.status == "pass" else ""
    hidden = "" if seen else " Both certificate and reason are encrypted."
    worked = [
        other
        for other in case.around.established_of_server(case.report)
        if other.authentication == "mutual" and other.client.ip != case.report.client.ip
    ]
    others = f" Another client was accepted ({worked[0].display_filter})." if worked else ""
    return Judgment(
        confidence="certain" if about else "likely",
        summary=f"{sentence(case.name('client'))} presented a certificate, and {case.name('server')} {ending.words} "
        f"right after it.{fine}{hidden}{others}",
        remedy=advise(
            client="compare dates, purpose, chain and issuer of the certificate with what the server asks for"
            f"{'' if seen else '; or ' + case.keys_wanted}.",
            server="look into the log for the reason, then into the truststore for clients and its revocation lists.",
            confirm=_confirm(case, ending),
        ),
        evidence=case.see(case.sent("certificate", "client"), ending),
    )


def _confirm(case: Case, ending: Ending) -> str:
    """Only an alert that TLS 1.3 hides shows by another try; some servers send none."""
    credentials = ("-cert", "client.pem", "-key", "client.key")
    hides = case.facts is not None and case.facts.is_tls13 and case.facts.quic is None
    if ending.how == "encrypted-alert" and hides:
        return f"{case.s_client(*credentials, '-tls1_2')} shows the alert in clear, if the server speaks TLS 1.2."
    tried = case.s_client(*credentials, typed=True)
    return f"{tried} ends as here, and stays open with a certificate that the server accepts."
