"""The server's certificate is self-signed, and the client does not know it.

What it means: Nobody but the server itself vouches for the certificate. A client accepts that only if exactly this
certificate is among its trust anchors.

On the wire: As for an unknown issuer, with one certificate whose issuer is its subject.

Client's owner: For a server of your own, add this certificate to the trust store; do not switch verification off.

Server's owner: Have a certificate issued by an authority that the clients know. An appliance that shows a self-signed
certificate was often never configured.

References: RFC 5280, section 6.1.
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
    """The leaf vouches for itself, and is no anchor."""
    sure = faults.trust_confidence(case, "server", "self-signed", "self-signed")
    if sure is None:
        return None
    remedy = advise(
        client="if the server is yours, add this certificate to the trust store of the program.",
        server="have a certificate issued by an authority that the clients know.",
        confirm=case.s_client(then="openssl x509 -noout -issuer -subject"),
    )
    return faults.refused(case, "server", sure, "is self-signed and no anchor of the client", remedy)
