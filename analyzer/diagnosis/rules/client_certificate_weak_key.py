"""The client's certificate has a key or a signature that is too weak for the server.

What it means: An RSA key below 2048 bits, or a signature with SHA-1 or MD5. Current servers refuse them: OpenSSL by its
security level, Java by jdk.certpath.disabledAlgorithms, Go always.

On the wire: The server refuses after the client's flight: bad_certificate or handshake_failure.

Client's owner: Have a certificate issued with a key of 2048 bits or more (or an elliptic curve) and SHA-256.

Server's owner: Lowering the security level helps for the time being, for this client only.

References: NIST SP 800-131A; RFC 9155; OpenSSL, SSL_CTX_set_security_level.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "client-authentication"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A key that is too short, or a broken hash, in the chain."""
    check = case.check("client", "weak-key") or case.check("client", "weak-signature")
    sure = faults.confidence(case, "client", "weak", True) if check else None
    if check is None or sure is None:
        return None
    remedy = advise(
        client="have a certificate issued with a key of 2048 bits or more and SHA-256.",
        server="for the time being, lower the security level (OpenSSL: DEFAULT@SECLEVEL=1).",
        confirm="`openssl x509 -in client.pem -noout -text` for the file that the client uses.",
    )
    shown = case.certificate("client", check.certificate)
    return faults.refused(
        case, "client", sure, f"has {check.got}, where {check.expected} is expected", remedy, certificate=shown
    )
