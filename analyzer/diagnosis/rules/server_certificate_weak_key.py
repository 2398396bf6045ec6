"""The server's certificate has a key or a signature that is too weak for the client.

What it means: An RSA key below 2048 bits, or a signature with SHA-1 or MD5. Current clients refuse them: OpenSSL by its
security level, Java by jdk.certpath.disabledAlgorithms, Go and browsers always.

On the wire: The client refuses right after the server's flight: bad_certificate or handshake_failure, sometimes
insufficient_security.

Client's owner: Lowering the security level helps with an old appliance for the time being, for that connection only.

Server's owner: Have a certificate issued with a key of 2048 bits or more (or an elliptic curve) and SHA-256.

References: NIST SP 800-131A; RFC 9155; OpenSSL, SSL_CTX_set_security_level.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A key that is too short, or a broken hash, in the chain."""
    check = case.check("server", "weak-key") or case.check("server", "weak-signature")
    sure = faults.confidence(case, "server", "weak", True) if check else None
    if check is None or sure is None:
        return None
    remedy = advise(
        client="for an old appliance, and for this connection only, lower the security level (OpenSSL: "
        "DEFAULT@SECLEVEL=1).",
        server="have a certificate issued with a key of 2048 bits or more and SHA-256.",
        confirm=case.s_client("-cipher", "DEFAULT@SECLEVEL=0", then="openssl x509 -noout -text"),
    )
    shown = case.certificate("server", check.certificate)
    return faults.refused(
        case, "server", sure, f"has {check.got}, where {check.expected} is expected", remedy, certificate=shown
    )
