"""One side closed the QUIC connection during the handshake, with an error of QUIC and not of TLS.

What it means: The error's name says what: CONNECTION_REFUSED, a server that takes no new connections; INVALID_TOKEN, a
client that returned a token that the server did not give it, or that had expired; TRANSPORT_PARAMETER_ERROR and
PROTOCOL_VIOLATION, a fault of one of the two; NO_ERROR and APPLICATION_ERROR, a program that gave up.

On the wire: A CONNECTION_CLOSE frame before the handshake is complete, whose code stands for no TLS alert.

Client's owner: Update the QUIC library, or switch HTTP/3 off; the text of the frame, which Wireshark shows, often says
more.

Server's owner: Look into the log of the side that closed; behind a balancer, see that all servers share the key of
their tokens.

References: RFC 9000, sections 10.2 and 20.1.
"""

from analyzer.diagnosis.case import OTHER, Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = None
SPECIFICITY = 1
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A CONNECTION_CLOSE that is no alert."""
    quic = case.facts.quic if case.facts is not None else None
    closed = next((one for one in quic.closed if one.alert is None), None) if quic is not None else None
    if quic is None or closed is None or case.ending.how == "alert" or not (quic.answered or closed.code):
        return None
    advice = {
        closed.sender: "look into its log for the reason.",
        OTHER[closed.sender]: "compare with one that succeeds.",
    }
    return Judgment(
        confidence="certain",
        summary=f"{sentence(case.name(closed.sender))} closed the connection during the handshake with {closed.says}.",
        remedy=advise(
            client=advice["client"],
            server=advice["server"],
            confirm=f"the display filter `{case.report.display_filter} && quic.frame_type == "
            f"{'0x1d' if closed.by_application else '0x1c'}`.",
        ),
        evidence=case.see(closed.frame),
    )
