"""Client and server have no application protocol in common.

What it means: The client offers protocols by ALPN (h2, http/1.1, mqtt …), and the server supports none of them. Servers
may go on without a protocol; this one insists.

On the wire: ClientHello, then no_application_protocol by the server; in TLS 1.3 Go, rustls and Java send it encrypted,
right behind the ServerHello.

Client's owner: Offer the protocol that is spoken on this port.

Server's owner: Add the client's protocol to the list, or do not insist.

References: RFC 7301, section 3.2.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise, listed

SEVERITY = "error"
STAGE = "hello"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """The alert says so; or the server stops where its choice would be, with an alert that is encrypted."""
    ending = case.ending
    if ending.sender is None:
        return None
    stops = bool(case.hello and case.hello.alpn) and len(case.cut_flight) == 1
    if ending.alert != "no_application_protocol" and not stops:
        return None
    offered = listed(list((case.hello.alpn if case.hello else None) or ()), 8) or "no protocol"
    return Judgment(
        confidence="likely" if stops else "certain",
        summary=f"{sentence(case.name('client'))} offers {offered} by ALPN, and {case.name(ending.sender)} "
        f"{ending.words}{', right behind its ServerHello' if stops else ''}.",
        remedy=advise(
            client="offer the application protocol that the server speaks on this port.",
            server="add one of the client's protocols to its list.",
            confirm=f"{case.s_client('-alpn', 'h2,http/1.1')} prints `ALPN protocol`.",
        ),
        evidence=case.see(case.sent("client_hello"), ending),
    )
