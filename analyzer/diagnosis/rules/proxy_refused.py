"""The forward proxy declined to open a tunnel to the server, or did not answer.

What it means: The client asked its proxy (HTTP CONNECT or SOCKS) for a connection, and the proxy said no: the
destination or the port is not allowed, the proxy wants a login (407), or could not reach or resolve the server (502,
503, 504). Some close the connection without a word where they cannot reach it.

On the wire: `CONNECT host:port`, answered by a status other than 2xx, and no ClientHello.

Client's owner: For 407 give the proxy's credentials; else check that the proxy is the right one for this destination.

Network's owner: Allow the destination and port at the proxy, or let its name be resolved there.

References: RFC 9110, section 9.3.6; RFC 1928, section 6.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "preamble"
SPECIFICITY = 3
WHEN = ("attempt",)


def judge(case: Case) -> Judgment | None:
    """The last preamble asked for a tunnel, and was declined or not answered."""
    below = case.carrier
    last = below.preambles[-1] if below and below.preambles else None
    if below is None or last is None or last.name not in ("http-connect", "socks4", "socks5"):
        return None
    if not below.refused and not last.asked:
        return None
    login = " 407" in last.says
    proxy = case.report.server
    return Judgment(
        confidence="certain" if below.refused else "likely",
        summary=f"The proxy {proxy} opened no tunnel for {case.report.client.ip}. {last.says.rstrip('.')}.",
        remedy=advise(
            client="give the proxy's user name and password." if login else "check that this is the right proxy.",
            network="" if login else "allow the destination and its port at the proxy, and see that it can reach it.",
            confirm=f"`curl -v --proxy http://{proxy} https://…` prints the proxy's answer.",
        ),
        evidence=case.see(case.report.first_frame, case.report.last_frame),
    )
