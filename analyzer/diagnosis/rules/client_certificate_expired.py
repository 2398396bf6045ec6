"""The client's certificate had expired when the server saw it.

What it means: The certificate's validity period ended before the handshake, and the server will not believe it.

On the wire: The client's flight is complete, then the server refuses: OpenSSL and current Go name it
(certificate_expired), Java says certificate_unknown, older Go bad_certificate, GnuTLS access_denied, Node just closes,
nginx answers HTTP 400. In TLS 1.3 the alert is encrypted, and often lost behind a reset.

Client's owner: Have the certificate renewed, install it with its intermediates, and restart what has read the old one.

Server's owner: Nothing, if the certificate has really expired. Where a certificate is compared with a list (a
truststore of leaves, a mapping to users), the new one has to be added there too.

References: RFC 5280, section 4.1.2.5; RFC 8446, section 6.2.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The leaf's period ended before the handshake."""
    expired = faults.has_fault(case, "client", "validity-period", leaf=True, got="expired")
    sure = faults.confidence(case, "client", "expired", expired)
    if sure is None:
        return None
    leaf = case.leaf("client")
    remedy = advise(
        client="renew the certificate, install it with its intermediates, and restart the program that uses it.",
        server="if it compares certificates with a list, add the new one before the change.",
        confirm="`openssl x509 -in client.pem -noout -enddate` for the file that the client uses.",
    )
    return faults.refused(
        case, "client", sure, f"expired on {faults.day(leaf.not_after)}" if leaf else "has expired", remedy
    )
