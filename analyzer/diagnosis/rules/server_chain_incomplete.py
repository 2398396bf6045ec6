"""The server does not send an intermediate certificate that the client needs.

What it means: The certificate is issued by an intermediate authority, and a server must send that one's certificate
too. Browsers fetch or remember what is missing, so that "it works in the browser"; Java, OpenSSL, Go and Python do not.

On the wire: The Certificate message holds one certificate (about 1 kB) whose issuer is no anchor; the client refuses as
for an unknown issuer (unknown_ca, certificate_unknown, bad_certificate).

Client's owner: Adding the intermediate to the trust store helps for a while; the fault is the server's.

Server's owner: Configure the chain file that the authority publishes (leaf first, then the intermediates), not the
certificate alone: nginx ssl_certificate and Apache SSLCertificateFile take the whole chain.

References: RFC 8446, section 4.4.2; RFC 5246, section 7.4.2.
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
    """What was sent ends below an authority that was not."""
    sure = faults.trust_confidence(case, "server", "incomplete", "chain")
    if sure is None:
        return None
    last = case.report.certificates["server"][-1]
    count = len(case.report.certificates["server"])
    fault = (
        f"came {'alone' if count == 1 else f'in a chain of {count}'}, without that of {last.issuer}"
        f"{faults.seen_elsewhere(case, 'server')}"
    )
    remedy = advise(
        server=f"add the certificate of {last.issuer} to the chain file, behind the server's own, and reload.",
        client="until then, adding that intermediate to the trust store helps.",
        confirm=f"{case.s_client('-showcerts')} must list it.",
    )
    return faults.refused(case, "server", sure, fault, remedy)
