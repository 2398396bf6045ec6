"""The server's certificate does not name the server that the client meant.

What it means: The client compares the name it was told (RFC 9525: only subject alternative names count) with the
certificate, and they differ: a default virtual host answered, a host was renamed, or the client used an address.

On the wire: bad_certificate from OpenSSL, Go, GnuTLS and rustls, certificate_unknown from Java. curl and BoringSSL
finish the handshake and close without a request; Node closes.

Client's owner: Connect with a name that the certificate has, and let the hello name it (server name indication).

Server's owner: Have a certificate issued with that name among its subject alternative names, or serve the right virtual
host for it.

References: RFC 9525, section 6; RFC 6066, section 3.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise, listed

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed", "established")


applies = faults.left_for


def judge(case: Case) -> Judgment | None:
    """The name that the hello asks for is not in the certificate."""
    check, leaf = case.check("server", "name-match"), case.leaf("server")
    if check is None or leaf is None:
        return None
    names = listed(leaf.san) or "nobody as a subject alternative name"
    fault = f"names {names}, not {check.expected}"
    remedy = advise(
        client="connect by a name that the certificate has.",
        server=f"have a certificate issued that names {check.expected}, or serve the virtual host that has one.",
        confirm=case.s_client("-verify_hostname", check.expected or ""),
    )
    sure = faults.confidence(case, "server", "name", True)
    return faults.refused(case, "server", sure, fault, remedy) if sure else None
