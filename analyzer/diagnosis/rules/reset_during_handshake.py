"""One side, or something between them, reset the TCP connection in the middle of the handshake.

What it means: An RST comes from a program that died or closed with data unread, from a firewall or an inspection device
that dislikes the connection, or from a server that refuses without a word.

On the wire: RST before both Finished, and no alert before it. A reset of the network's has often another time to live
or IP identification than the packets of the side that it pretends to be.

Client's owner: If the client reset, its log says why: a timeout, or a certificate that it did not like.

Server's owner: If the server reset, look into its log and that of the balancer in front of it.

Network's owner: Ask for a firewall or inspection device on the way.

References: RFC 9293, section 3.5.2.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = None
SPECIFICITY = 0
WHEN = ("failed",)

_WHERE = {
    "hello": "after the ClientHello",
    "server-authentication": "after the server's flight had begun",
    "client-authentication": "after the client had answered",
    "finished": "after the client had answered",
}


def judge(case: Case) -> Judgment | None:
    """Ended by RST."""
    ending = case.ending
    if ending.how != "rst" or ending.sender is None:
        return None
    waited = case.gap(ending)
    after = f", {waited:.1f} s after the last message" if waited is not None and waited >= 1 else ""
    server, hello = case.report.server, case.sent("client_hello")
    where = _WHERE.get(case.stage, "in the handshake")
    if hello is not None and not ending.knew(hello):
        where = "before the ClientHello had reached it"
    return Judgment(
        confidence="certain",
        summary=f"{sentence(case.name(ending.sender))} reset the connection {where}{after}, without an alert.",
        remedy=advise(
            client="if it was the client, look into its log: a timeout, or something in the server's flight.",
            server="if it was the server, look into its log, and that of a balancer in front of it.",
            network="look for a firewall that resets connections.",
            confirm=f"the display filter `ip.addr == {server.ip} && tcp.flags.reset == 1`, and compare ip.ttl with "
            "others.",
        ),
        evidence=case.see(ending),
    )
