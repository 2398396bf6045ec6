"""The server does not know the authority behind the client's certificate.

What it means: The client sent its certificate, and the chain ends in an authority that is not in the server's
truststore for clients. Clients such as OpenSSL, Node and GnuTLS send what they have, whatever authorities the server
named.

On the wire: The client's flight is complete, then the server refuses: unknown_ca from OpenSSL and current Go,
certificate_unknown from Java, bad_certificate from older Go, access_denied from GnuTLS. Node closes without an alert,
nginx finishes and answers HTTP 400. In TLS 1.3 the alert is encrypted and comes after the client believes to be
connected.

Client's owner: Have the certificate issued by one of the authorities that the server names in its CertificateRequest.

Server's owner: Or add the root of the client's authority to the truststore for clients.

References: RFC 8446, sections 4.3.2 and 6.2; RFC 5246, section 7.4.4.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise, listed

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The chain leads to no anchor that the server has for clients."""
    sure = faults.trust_confidence(case, "client", "unknown", "issuer")
    if sure is None:
        return None
    asked = f"; the server asked for one of {listed(case.authorities)}" if case.authorities else ""
    fault = f"is issued by an authority that the server does not know{asked}"
    if case.report.certificates["client"]:
        sent = faults.chain_words(case, "client")
        fault = f"leads to no authority that the server accepts (sent: {sent}{asked})"
    remedy = advise(
        client="have the certificate issued by an authority that the server names in its CertificateRequest.",
        server="or add the root of the client's authority to the truststore for client certificates.",
        confirm=f"{case.s_client()} lists the accepted authorities under `Acceptable client certificate CA names`.",
    )
    evidence = case.see(case.sent("certificate_request", "server")) if case.request else []
    return faults.refused(case, "client", sure, fault, remedy, evidence=evidence)
