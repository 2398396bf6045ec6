"""The client's certificate is self-signed, and the server does not know it.

What it means: Nobody but the client itself vouches for the certificate. A server accepts that only if exactly this
certificate is in its truststore for clients; many products refuse self-signed ones altogether.

On the wire: As for an unknown issuer, with one certificate whose issuer is its subject.

Client's owner: Have a certificate issued by an authority that the server accepts.

Server's owner: If self-signed client certificates are wanted, add this one to the truststore for clients.

References: RFC 5280, section 6.1.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The leaf vouches for itself, and is no anchor."""
    sure = faults.trust_confidence(case, "client", "self-signed", "self-signed")
    if sure is None:
        return None
    remedy = advise(
        client="have a certificate issued by an authority that the server accepts.",
        server="or, where self-signed ones are wanted, add this certificate to the truststore for clients.",
        confirm="`openssl x509 -in client.pem -noout -issuer -subject` for the file that the client uses.",
    )
    return faults.refused(case, "client", sure, "is self-signed and no anchor of the server", remedy)
