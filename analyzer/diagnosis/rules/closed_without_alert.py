"""One side closed the connection in the middle of the handshake and said nothing.

What it means: A program that closes without an alert: it gave up, it refuses without a word (Node refuses certificates
like that), it is no TLS server, or it is a health check that only wants to see that the port is open.

On the wire: FIN before both Finished, and no alert.

Client's owner: If the client closed, its log says why.

Server's owner: If the server closed, its log says why; see that TLS is switched on for this port.

References: RFC 8446, section 6.1.
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
    "server-authentication": "before the client had answered the server's flight",
    "client-authentication": "after the client had answered",
    "finished": "after the client had answered",
}


def judge(case: Case) -> Judgment | None:
    """Ended by FIN."""
    ending = case.ending
    if ending.how != "fin" or ending.sender is None or case.facts is None:
        return None
    where = _WHERE.get(case.stage, "in the handshake") if case.hello else "in the middle of the ClientHello"
    hello = case.sent("client_hello")
    if hello is not None and not ending.knew(hello):
        where = "before the ClientHello had reached it"
    return Judgment(
        confidence="certain",
        summary=f"{sentence(case.name(ending.sender))} closed the connection {where}, without an alert.",
        remedy=advise(
            client="if it was the client, look into its log." if ending.sender == "client" else "",
            server="look into its log, and see that TLS is switched on for this port."
            if ending.sender == "server"
            else "see that certificate and chain are right as a client sees them.",
            confirm=case.s_client(),
        ),
        evidence=case.see(ending),
    )
