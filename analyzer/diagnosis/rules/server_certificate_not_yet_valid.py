"""The server's certificate was not valid yet when the client saw it.

What it means: The validity period begins after the handshake. Either the certificate was issued ahead of time, or one
of the machines (the client, or the authority that issued it) has a wrong clock.

On the wire: The client refuses right after the server's flight, mostly with bad_certificate (OpenSSL, Go, GnuTLS) or
certificate_unknown (Java).

Client's owner: Compare the clock with the time of the capture: a machine that woke up in the past sees this everywhere.

Server's owner: Go on with the former certificate until the day on which the new one begins.

References: RFC 5280, section 4.1.2.5.
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
    """The leaf's period begins later than the handshake."""
    early = faults.has_fault(case, "server", "validity-period", leaf=True, got="not valid before")
    sure = faults.confidence(case, "server", "not-yet-valid", early)
    leaf = case.leaf("server")
    if sure is None or leaf is None:
        return None
    remedy = advise(
        client="compare its clock with the time of the capture.",
        server="present the former certificate until then, or have one issued that is valid now.",
        confirm=f"{case.s_client(then='openssl x509 -noout -dates')}",
    )
    return faults.refused(case, "server", sure, f"is not valid before {faults.day(leaf.not_before)}", remedy)
