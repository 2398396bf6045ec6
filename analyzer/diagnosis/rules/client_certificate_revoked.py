"""The client's certificate has been revoked.

What it means: The authority has taken the certificate back before its end, and the server found it in a revocation list
or asked an OCSP responder.

On the wire: certificate_revoked from OpenSSL after the client's flight, certificate_unknown from Java; in TLS 1.3
encrypted.

Client's owner: Make a new key and have a new certificate issued; find out why the old one was revoked.

Server's owner: Nothing, if the list is right. (A list that has expired looks different: see server-crl-stale.)

References: RFC 5280, section 5; RFC 8446, section 6.2.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A list says so, or the alert."""
    check = case.check("client", "revocation-list") or case.check("client", "ocsp-staple")
    revoked = check is not None and "revoked" in (check.got or "")
    sure = faults.confidence(case, "client", "revoked", True if revoked else None)
    if sure is None:
        return None
    fault = f"is {check.got}" if revoked and check else "the server found to be revoked"
    remedy = advise(
        client="make a new key and have a new certificate issued.",
        server="if the certificate should be good, look at the list that the server uses, and at its age.",
        confirm="`openssl crl -in list.pem -noout -text` and look for the certificate's serial number.",
    )
    return faults.refused(case, "client", "certain" if not revoked else sure, fault, remedy)
