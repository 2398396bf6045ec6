"""Nobody answered the client's attempts to connect.

What it means: The SYNs (of DTLS and QUIC the ClientHellos), or the answers to them, are dropped: a firewall or security
group, a wrong route, a host that is down. This is no TLS matter.

On the wire: SYN or ClientHello, repeated after 1, 3, 7 seconds, and nothing from the server.

Client's owner: Check host and port; ask whether this client's address is allowed through.

Server's owner: Let the client's address through the firewall and the security group, and look for the way back.

References: RFC 9293, section 3.8; RFC 6347, section 4.2.4; RFC 9002, section 6.2.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.tls.handshake import Handshake

SEVERITY = "error"
STAGE = "connection"
SPECIFICITY = 3
WHEN = ("attempt", "failed")


def judge(case: Case) -> Judgment | None:
    """SYNs, and not a segment of the server; of DTLS and QUIC ClientHellos."""
    below = case.carrier
    if case.facts is not None:
        return _datagrams(case, case.facts)
    if below is None or any(mark.sender == "server" for mark in (*below.openings, *below.closings)):
        return None
    syns = [mark for mark in below.openings if mark.kind == "syn"]
    if not syns or any(below.heads.values()) or below.preambles:
        return None
    server, seconds = case.report.server, (syns[-1].time - syns[0].time) / 1e9
    count = f"{len(syns)} SYNs within {seconds:.0f} s" if len(syns) > 1 else "1 SYN"
    return Judgment(
        confidence="certain" if len(syns) > 1 else "likely",
        summary=f"The server {server} did not answer {case.report.client.ip} ({count}): something on the way drops it.",
        remedy=advise(
            client="check host name and port.",
            network=f"let {case.report.client.ip} through to {server}, and the answers back.",
            confirm=f"`nc -vz {server.ip} {server.port}`, and a capture on the server's side: do the SYNs arrive?",
        ),
        evidence=case.see(*(mark.frame for mark in syns)),
    )


def _datagrams(case: Case, facts: Handshake) -> Judgment | None:
    below, hello = facts.datagrams, facts.first("client_hello", "client")
    if (
        below is None
        or (hello is None and not facts.has_hole("client"))  # it may be cut to a snap length
        or facts.alerts
        or below.refused
        or any(sent.sender == "server" for sent in facts.sent)
        or (facts.quic is not None and facts.quic.answered)
    ):
        return None
    protocol, attempt = ("DTLS", f"openssl s_client -dtls -connect {case.report.server}")
    if facts.quic is not None:
        protocol, attempt = "QUIC", f"curl --http3-only https://{case.report.server}/"
    server, again = case.report.server, below.repeated["client"]
    return Judgment(
        confidence="likely",
        summary=f"The server {server} did not answer {case.report.client.ip} ({len(again) + 1} ClientHellos within "
        f"{(below.last_time - facts.start) / 1e9:.0f} s): no {protocol} server listens there, or something on the "
        "way drops it.",
        remedy=advise(
            client="check host name and port.",
            server=f"see that {protocol} is spoken on UDP port {server.port}.",
            network=f"let UDP of {case.report.client.ip} through to {server}, and the answers back.",
            confirm=f"`{attempt}`, and a capture on the server's side: do the ClientHellos arrive?",
        ),
        evidence=case.see(hello or facts.first_frame, *again[:3]),
    )
