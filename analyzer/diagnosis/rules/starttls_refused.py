"""The server declined the client's request to begin TLS on a plaintext connection.

What it means: The protocol begins in clear, the client asks for TLS by a word (STARTTLS, STLS, AUTH TLS, SSLRequest),
and the server says no, or does not answer: it has no certificate, the feature is switched off, or a middlebox removes
it.

On the wire: `454 TLS not available`, `502`, `NO`, `BAD`, `-ERR`, `N`, and no ClientHello; or one all the same
(`openssl s_client` tries anyway), which the server takes for a line that it does not know.

Client's owner: Use the port on which TLS begins at once (465, 993, 995, 636), if the server has one.

Server's owner: Configure certificate and key, and look into the log for why TLS could not be started.

References: RFC 3207; RFC 9051, section 6.2.1; RFC 8314.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "preamble"
SPECIFICITY = 3
WHEN = ("attempt", "failed")


def judge(case: Case) -> Judgment | None:
    """The last preamble asked for TLS, and was declined or not answered; the client may have begun TLS all the same."""
    below = case.carrier
    last = below.preambles[-1] if below and below.preambles else None
    if below is None or last is None or last.tunnel or last.name in ("http-connect", "socks4", "socks5"):
        return None
    if not below.refused and not (last.asked and case.hello is None):
        return None
    if case.answer is not None:
        return None
    return Judgment(
        confidence="certain" if below.refused else "likely",
        summary=f"TLS was not begun in {last.name} at {case.report.server}. {last.says.rstrip('.')}.",
        remedy=advise(
            client="use the port of this protocol on which TLS begins at once, if the server has one.",
            server="configure certificate and key for it, and look into its log for why TLS is not available.",
            confirm=f"{case.s_client()} tries the same.",
        ),
        evidence=case.see(case.report.first_frame, case.report.last_frame),
    )
