"""The server's certificate has been revoked.

What it means: The authority has taken the certificate back before its end, and the client found out: by a stapled OCSP
response, a revocation list, or a list of its own.

On the wire: certificate_revoked (or bad_certificate_status_response) right after the server's flight.

Client's owner: Nothing: do not connect.

Server's owner: Find out why (a key that leaked, a certificate that was replaced), make a new key, and have a new
certificate issued.

References: RFC 5280, section 5; RFC 6960; RFC 8446, section 6.2.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A list or a stapled response says so, or the alert."""
    check = case.check("server", "revocation-list") or case.check("server", "ocsp-staple")
    revoked = check is not None and "revoked" in (check.got or "")
    sure = faults.confidence(case, "server", "revoked", True if revoked else None)
    if sure is None:
        return None
    fault = f"is {check.got}" if revoked and check else "the client found to be revoked"
    remedy = advise(
        client="do not connect, and do not switch the revocation check off.",
        server="make a new key, have a new certificate issued, and reload.",
        confirm=f"{case.s_client('-status')} shows what the responder says, where the server staples it.",
    )
    return faults.refused(case, "server", "certain" if not revoked else sure, fault, remedy)
