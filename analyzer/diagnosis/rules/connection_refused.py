"""The server refused the connection: nobody listens on that port.

What it means: The host is there and answers, but no program accepts connections on this port, or a firewall rejects
them. This is no TLS matter.

On the wire: SYN, answered by RST,ACK; of DTLS or QUIC a ClientHello, answered by ICMP "port unreachable". Where other
ClientHellos before or after it met with silence, a program may have been there at that time.

Client's owner: Check host and port.

Server's owner: Start the service, let it listen on the outer address (not 127.0.0.1 alone), open the firewall.

References: RFC 9293, section 3.5.2; RFC 1122, section 4.1.3.1.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.tls.handshake import Handshake

SEVERITY = "error"
STAGE = "connection"
SPECIFICITY = 3
WHEN = ("attempt", "failed")


def judge(case: Case) -> Judgment | None:
    """A SYN, and a reset in answer."""
    below = case.carrier
    if case.facts is not None:
        return _datagrams(case, case.facts)
    if below is None or any(mark.kind == "syn-ack" for mark in below.openings):
        return None
    if any(below.heads.values()) or below.preambles:
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


def _datagrams(case: Case, facts: Handshake) -> Judgment | None:
    """A ClientHello, and an ICMP error in answer."""
    below, hello = facts.datagrams, facts.first("client_hello", "client")
    if below is None or below.refused is None or hello is None or any(sent.sender == "server" for sent in facts.sent):
        return None
    sender, frame = below.refused
    if sender != "client":
        return None
    server, client = case.report.server, case.report.client.ip
    before = sum(again < frame for again in below.repeated["client"])
    after = sum(again > max(frame, below.refused_last) for again in below.repeated["client"])
    summary = (
        f"The server {server} refused the ClientHello of {client} (ICMP: unreachable): no program listens there, or "
    )
    summary += "a firewall rejects it."
    if before:
        summary = (
            f"The server {server} left {before} ClientHellos of {client} unanswered, then it could not be reached "
        )
        summary += "(ICMP: unreachable): its program ended meanwhile, its host is down, or a firewall rejects it."
    elif after:
        summary = (
            f"The server {server} refused the ClientHello of {client} (ICMP: unreachable), as no program listened "
        )
        summary += (
            f"there, and left {after} later ones unanswered: it began to listen meanwhile and is not heard, or the "
        )
        summary += "errors are rationed."
    return Judgment(
        confidence="likely" if before or after else "certain",
        summary=summary,
        remedy=advise(
            client="check host name and port.",
            server=f"start the service on UDP port {server.port}, on the address that clients use, and open the "
            "firewall.",
            confirm=f"`curl --http3-only https://{server}/`."
            if facts.quic is not None
            else f"`openssl s_client -dtls -connect {server}`.",
        ),
        evidence=case.see(hello, frame),
    )
