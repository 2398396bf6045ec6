"""The client's certificate may not be used for a TLS client.

What it means: The certificate says what it is for, and clientAuth is not among it. Public authorities stop issuing
certificates with clientAuth in 2025 to 2027, so that a renewal which changes nothing else loses it.

On the wire: The server refuses after the client's flight: unsupported_certificate from OpenSSL, certificate_unknown
from Java, bad_certificate from Go. A .NET client does not even send such a certificate: it declines.

Client's owner: Have a certificate issued with extended key usage clientAuth, from a private authority if the public one
no longer does.

Server's owner: Accept an authority that still issues client certificates. Do not switch the purpose check off.

References: RFC 5280, section 4.2.1.12.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """Extended key usage or key usage forbid it, or the alert says so."""
    check = case.check("client", "extended-key-usage") or case.check("client", "key-usage", leaf=True)
    seen = faults.has_fault(case, "client", "extended-key-usage")
    sure = faults.confidence(case, "client", "usage", bool(check) if seen is not None else None)
    if sure is None:
        return None
    fault = "may not be used for a TLS client"
    if check is not None:
        fault = f"is for {check.got}, where {check.expected} is needed"
    remedy = advise(
        client="have a certificate issued with extended key usage clientAuth.",
        server="accept an authority that issues such certificates.",
        confirm="`openssl x509 -in client.pem -noout -ext extendedKeyUsage,keyUsage` for the file that the client "
        "uses.",
    )
    return faults.refused(case, "client", sure, fault, remedy)
