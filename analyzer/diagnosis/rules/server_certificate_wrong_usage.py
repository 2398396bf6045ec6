"""The server's certificate may not be used for a TLS server.

What it means: The certificate (or an intermediate) says what it is for, and that is something else: a client
certificate, code signing, or a key usage without what the cipher suite needs.

On the wire: The client refuses right after the server's flight: unsupported_certificate from OpenSSL, bad_certificate
or certificate_unknown from others.

Client's owner: Nothing.

Server's owner: Have a certificate issued with extended key usage serverAuth and key usage digitalSignature.

References: RFC 5280, sections 4.2.1.3 and 4.2.1.12.
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
    """Extended key usage or key usage forbid it, or the alert says so."""
    check = case.check("server", "extended-key-usage") or case.check("server", "key-usage", leaf=True)
    seen = faults.has_fault(case, "server", "extended-key-usage")
    sure = faults.confidence(case, "server", "usage", bool(check) if seen is not None else None)
    if sure is None:
        return None
    fault = "may not be used for a TLS server"
    if check is not None:
        fault = f"is for {check.got}, where {check.expected} is needed"
    remedy = advise(
        server="have a certificate issued with extended key usage serverAuth and key usage digitalSignature.",
        confirm=f"{case.s_client(then='openssl x509 -noout -ext extendedKeyUsage,keyUsage')}",
    )
    return faults.refused(case, "server", sure, fault, remedy)
