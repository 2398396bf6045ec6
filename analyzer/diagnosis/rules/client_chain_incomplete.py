"""The client does not send an intermediate certificate that the server needs.

What it means: The client's certificate is issued by an intermediate authority, and the client sent it alone. A server
that has only the root in its truststore cannot build the chain. Windows and .NET send the leaf alone unless the
intermediates are in the machine's store; keystores often hold the certificate without its chain.

On the wire: The client's Certificate message holds one certificate whose issuer is neither an anchor nor among the
authorities that the server named; the server refuses as for an unknown issuer.

Client's owner: Put the intermediates behind the certificate in the file or keystore (leaf first).

Server's owner: Adding the intermediate to the truststore for clients helps too.

References: RFC 8446, section 4.4.2; RFC 5246, section 7.4.6.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise, listed

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """What was sent ends below an authority that was not, and that the server does not name."""
    sure = faults.trust_confidence(case, "client", "incomplete", "chain")
    if sure is None:
        return None
    last = case.report.certificates["client"][-1]
    if last.issuer in case.authorities:
        return None
    count = len(case.report.certificates["client"])
    asked = f"; the server asked for {listed(case.authorities)}" if case.authorities else ""
    fault = (
        f"came {'alone' if count == 1 else f'in a chain of {count}'}, without that of {last.issuer}"
        f"{faults.seen_elsewhere(case, 'client')}{asked}"
    )
    remedy = advise(
        client=f"add the certificate of {last.issuer} behind its own in the file or keystore that the program uses.",
        server="or add that intermediate to the truststore for client certificates.",
        confirm="`openssl crl2pkcs7 -nocrl -certfile client-chain.pem | openssl pkcs7 -print_certs -noout` must list "
        "it.",
    )
    return faults.refused(case, "client", sure, fault, remedy)
