"""Client and server have no version of QUIC in common.

What it means: The server answered the client's first packet with the list of versions that it speaks, and the client
speaks none of them. TLS was not reached: most clients go on with TLS over TCP then.

On the wire: A Version Negotiation packet instead of the server's Initial packet, and nothing more of the client.

Client's owner: Update the client, or its QUIC library, so that it speaks QUIC version 1.

Server's owner: Switch QUIC version 1 on; it is what nearly all clients speak.

References: RFC 9000, section 6; RFC 9368; RFC 9369.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "hello"
SPECIFICITY = 3
WHEN = ("failed",)
_SHOWN = 8


def judge(case: Case) -> Judgment | None:
    """A Version Negotiation, and no ServerHello after it."""
    quic = case.facts.quic if case.facts is not None else None
    if quic is None or quic.refused is None or case.answer is not None:
        return None
    from analyzer.tls.quic.packet import name_of

    frame, version, versions = quic.refused
    speaks = ", ".join(map(name_of, versions[:_SHOWN])) or "none that it names"
    return Judgment(
        confidence="certain",
        summary=f"{case.report.client.ip} speaks version {name_of(version)} of QUIC, and the server "
        f"{case.report.server} does not: its versions are {speaks}.",
        remedy=advise(
            client="update its QUIC library, so that it speaks version 1.",
            server="switch QUIC version 1 on.",
            confirm=f"the display filter `{case.report.display_filter} && quic.supported_version`.",
        ),
        evidence=case.see(case.sent("client_hello"), frame),
    )
