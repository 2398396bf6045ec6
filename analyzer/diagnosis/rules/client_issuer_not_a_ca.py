"""The certificate that issued the client's is not one of an authority.

What it means: An issuer in the chain lacks basic constraints CA:TRUE, allows fewer intermediates below it, or may not
sign certificates. Home-made authorities of old often lack the extension.

On the wire: The server refuses after the client's flight, mostly with unknown_ca or bad_certificate.

Client's owner: Issue the authority's certificate anew with basicConstraints=critical,CA:TRUE and keyUsage=keyCertSign,
and the client's from it.

Server's owner: Nothing.

References: RFC 5280, sections 4.2.1.9 and 4.2.1.3.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """Basic constraints or key usage of an issuer forbid it."""
    check = case.check("client", "basic-constraints") or case.check("client", "key-usage", leaf=False)
    sure = faults.confidence(case, "client", "authority", True) if check else None
    if check is None or sure is None:
        return None
    remedy = advise(
        client="issue the authority's certificate anew with CA:TRUE and keyCertSign, and the client's certificate "
        "from it.",
        confirm="`openssl x509 -noout -ext basicConstraints,keyUsage -in issuer.pem` for each issuer of the client's "
        "chain.",
    )
    shown = case.certificate("client", check.certificate)
    fault = f"issued another, but has {check.got} where {check.expected} is needed"
    return faults.refused(case, "client", sure, fault, remedy, certificate=shown)
