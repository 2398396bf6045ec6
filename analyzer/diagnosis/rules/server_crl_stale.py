"""The server's revocation list has expired, or it has none for this issuer: it refuses good client certificates.

What it means: A server that checks client certificates against a revocation list refuses all of an issuer once its list
of that issuer has passed its nextUpdate. OpenSSL (nginx, HAProxy, EMQX) then says certificate_expired although the
certificate is valid, or unknown_ca where there is no list at all.

On the wire: The client's certificate is valid at the time of the capture, yet the server says certificate_expired (list
expired) or unknown_ca (no list of that issuer). All clients fail, from one moment on.

Client's owner: Nothing; show this finding to the server's owner.

Server's owner: Fetch a current list of every authority in the chain, reload, and have that done by a timer well before
nextUpdate.

References: RFC 5280, section 5.1.2.5; OpenSSL, X509_V_ERR_CRL_HAS_EXPIRED.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Confidence, Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The alert says that the certificate has expired, and it has not; or all clients fail since a moment."""
    ending, leaf = case.refusal("client"), case.leaf("client")
    if ending is None or leaf is None or faults.has_fault(case, "client", "validity-period") is not False:
        return None
    accepted = [
        other
        for other in case.around.established_of_server(case.report)
        if other.client_certificate_presented and other.start < case.report.start
    ]
    if ending.alert == "certificate_expired":
        why = f"is valid until {faults.day(leaf.not_after)}: what has expired is the server's revocation list"
        sure: Confidence = "certain" if accepted else "likely"
    elif ending.alert == "unknown_ca" and faults.trust_fault(case, "client")[1] is False:
        why = "leads to an authority that the server should know: it may lack a revocation list of that authority"
        named = any(one.issuer in case.authorities for one in case.report.certificates["client"])
        sure = "likely" if named else "possible"
    else:
        return None
    remedy = advise(
        server="install a current revocation list of every authority in the chain, reload, and renew it by a timer.",
        confirm="`openssl crl -in list.pem -noout -nextupdate` for each list that the server uses.",
    )
    return faults.refused(case, "client", sure, why, remedy)
