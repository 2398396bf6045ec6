"""The client's certificate was not valid yet when the server saw it.

What it means: The validity period begins after the handshake: the certificate was issued ahead of time, or the clock of
the server or of the authority is wrong.

On the wire: The server refuses after the client's flight, mostly with bad_certificate (OpenSSL, Go) or
certificate_unknown (Java).

Client's owner: Go on with the former certificate until the new one begins.

Server's owner: Compare the clock with the time of the capture.

References: RFC 5280, section 4.1.2.5.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The leaf's period begins later than the handshake."""
    early = faults.has_fault(case, "client", "validity-period", leaf=True, got="not valid before")
    sure = faults.confidence(case, "client", "not-yet-valid", early)
    leaf = case.leaf("client")
    if sure is None or leaf is None:
        return None
    remedy = advise(
        client="use the former certificate until then, or have one issued that is valid now.",
        server="compare its clock with the time of the capture.",
        confirm="`openssl x509 -in client.pem -noout -startdate` for the file that the client uses.",
    )
    return faults.refused(case, "client", sure, f"is not valid before {faults.day(leaf.not_before)}", remedy)
