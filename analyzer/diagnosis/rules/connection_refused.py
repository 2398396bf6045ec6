"""The server refused the TCP connection: nobody listens on that port.

What it means: The host is there and answers, but no program accepts connections on this port, or a firewall rejects
them. This is no TLS matter.

On the wire: SYN, answered by RST,ACK.

Client's owner: Check host and port.

Server's owner: Start the service, let it listen on the outer address (not 127.0.0.1 alone), open the firewall.

References: RFC 9293, section 3.5.2.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "connection"
SPECIFICITY = 3
WHEN = ("attempt",)


def judge(case: Case) -> Judgment | None:
    """A SYN, and a reset in answer."""
    below = case.carrier
    if below is None or any(mark.kind == "syn-ack" for mark in below.openings) or any(below.heads.values()):
        return None
    reset = below.closed("server", "rst")
    if reset is None:
        return None
    server = case.report.server
    return Judgment(
        confidence="certain",
        summary=f"The server {server} refused the connection of {case.report.client.ip} (RST in answer to SYN): "
        "no program listens there, or a firewall rejects it.",
        remedy=advise(
            client="check host name and port.",
            server=f"start the service on port {server.port}, on the address that clients use, and open the firewall.",
            confirm=f"`nc -vz {server.ip} {server.port}`.",
        ),
        evidence=case.see(*(mark.frame for mark in below.openings[:1]), reset.frame),
    )
