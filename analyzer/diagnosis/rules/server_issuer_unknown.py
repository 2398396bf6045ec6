"""The client does not know the authority behind the server's certificate.

What it means: The chain is there, but it ends in an authority that is not among the client's trust anchors: a private
authority, a new root that an old trust store lacks, or a proxy that makes its own certificates (see tls-inspection).

On the wire: The client refuses right after the server's flight: unknown_ca from OpenSSL and rustls, certificate_unknown
from Java, bad_certificate from Go and GnuTLS. OpenSSL, curl and Python do so in clear even in TLS 1.3; Java, Go, GnuTLS
and rustls encrypt it there.

Client's owner: Add the authority's root certificate to the trust store that this program uses (Java: cacerts or its own
truststore; Node: NODE_EXTRA_CA_CERTS; Python requests: REQUESTS_CA_BUNDLE), not the server's own certificate.

Server's owner: Clients that are not yours need a certificate from a public authority.

References: RFC 5280, section 6.1.1; RFC 8446, section 6.2.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed", "established")

applies = faults.left_for


def judge(case: Case) -> Judgment | None:
    """The chain leads to no anchor that the client has."""
    sure = faults.trust_confidence(case, "server", "unknown", "issuer")
    if sure is None:
        return None
    fault = "is issued by an authority that the client does not know"
    certificates = case.report.certificates["server"]
    if certificates:
        fault = f"leads to no authority that the client knows (sent: {faults.chain_words(case, 'server')})"
    remedy = advise(
        client="add the root certificate of that authority to the trust store that this program uses.",
        server="for clients that are not yours, have a certificate issued by a public authority.",
        confirm=f"{case.s_client('-showcerts', '-CAfile', 'the-clients-anchors.pem')} says whether they suffice.",
    )
    return faults.refused(case, "server", sure, fault, remedy)
