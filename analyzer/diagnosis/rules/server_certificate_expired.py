"""The server's certificate had expired when the client saw it.

What it means: The certificate's validity period ended before the handshake, and the client will not believe it. If the
clients of many servers complain at once, their own clock is wrong.

On the wire: The client refuses right after the server's flight: OpenSSL, rustls and current Java name it
(certificate_expired), Java 17 says certificate_unknown, Go and GnuTLS bad_certificate, Node just closes.

Client's owner: Nothing but to compare the clock with the time of the capture. Do not switch verification off.

Server's owner: Install a renewed certificate and reload the server. A file that is replaced but not reloaded is the
usual reason why a renewal does not show.

References: RFC 5280, section 4.1.2.5; RFC 8446, section 6.2.
"""

from analyzer.diagnosis import faults
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed", "established")


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether the chain is out of its time."""
    return "validity-period" in around.failures(report.chain["server"])


def judge(case: Case) -> Judgment | None:
    """Refused by the client, or (a warning) accepted all the same."""
    expired = faults.has_fault(case, "server", "validity-period", leaf=True, got="expired")
    leaf = case.leaf("server")
    when = f"expired on {faults.day(leaf.not_after)}" if leaf else "had expired"
    remedy = advise(
        client="compare its clock with the time of the capture; do not switch verification off.",
        server="renew the certificate and reload the server, so that it presents the new one.",
        confirm=f"{case.s_client(then='openssl x509 -noout -dates')}",
    )
    sure = faults.confidence(case, "server", "expired", expired)
    if case.established and sure is None:
        if not expired or leaf is None:
            return None
        return Judgment(
            confidence="certain",
            severity="warning",
            explains=False,
            summary=f"The client accepted {faults.described(leaf)}, which {when}: it does not verify.",
            remedy=remedy,
            evidence=case.see(case.sent("certificate", "server")),
        )
    return faults.refused(case, "server", sure, when, remedy) if sure else None
