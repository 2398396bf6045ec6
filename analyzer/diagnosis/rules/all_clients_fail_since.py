"""From one moment on the server refuses every client that it accepted before.

What it means: Many clients do not break at the same time: something of the server's changed or ended. A revocation list
passed its nextUpdate, a certificate or an authority expired, a configuration was reloaded.

On the wire: Established handshakes with this server until a moment, and none after it, from two clients or more.

Client's owner: Nothing; show this finding to the server's owner.

Server's owner: Look at what happened at that time: lists, certificates, deployments.

References: RFC 5280, section 5.1.2.5.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.pki.times import iso

SEVERITY = "warning"
STAGE = "client-authentication"
SPECIFICITY = 2
WHEN = ("failed",)

_FAILURES = 3
_CLIENTS = 2


def judge(case: Case) -> Judgment | None:
    """All handshakes from the first failure on fail, and those before it succeeded."""
    outage = case.around.outages.get(case.report.server)
    if outage is None or len(outage.failed) < _FAILURES or outage.clients < _CLIENTS:
        return None
    return Judgment(
        confidence="likely",
        explains=False,
        summary=f"The server {case.report.server} accepted {outage.accepted} handshakes until {iso(outage.since)} "
        f"and none of {len(outage.failed)} from {outage.clients} clients since then: something of the server's changed "
        "or expired.",
        remedy=advise(
            server=f"look at what happened at {iso(outage.since)}: revocation lists, certificates, a reload.",
            confirm=f"the display filter `ip.addr == {case.report.server.ip} && tls.alert_message`, sorted by time.",
        ),
        evidence=case.see(*(other.first_frame for other in outage.failed[:3])),
    )
