"""An intermediate certificate of the client's chain is out of its validity period.

What it means: The client's own certificate is good, but one of those that lead from it to an anchor is not.

On the wire: As for an expired client certificate: the server refuses after the client's flight.

Client's owner: Replace the intermediate beside the certificate by the one that the authority publishes today.

Server's owner: If the intermediate comes from the server's own truststore, replace it there.

References: RFC 5280, section 6.1.3.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A certificate behind the leaf is out of its time."""
    check = case.check("client", "validity-period", leaf=False)
    sure = faults.confidence(case, "client", "expired", bool(check)) if check else None
    if check is None or sure is None:
        return None
    remedy = advise(
        client="replace the intermediate beside the certificate by the one that the authority publishes today.",
        server="if the truststore holds that intermediate, replace it there too.",
        confirm="`openssl crl2pkcs7 -nocrl -certfile chain.pem | openssl pkcs7 -print_certs -noout`, and the dates "
        "of each.",
    )
    shown = case.certificate("client", check.certificate)
    return faults.refused(case, "client", sure, check.got or "is out of its time", remedy, certificate=shown)
