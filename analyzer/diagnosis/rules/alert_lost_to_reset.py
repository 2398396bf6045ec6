"""The server's alert was followed by a reset, so that the client's application never saw it.

What it means: The server refused by an alert and closed while data of the client were still on their way; TCP answers
those with RST, and the client's system throws away what it had not read yet: the alert. The application reports
"connection reset" (ECONNRESET, EPIPE), and the real reason stands only in the capture.

On the wire: An alert of the server, then FIN, then RST by the same side, with data of the client in between. Typical of
TLS 1.3, where the client sends its request together with its certificate.

Client's owner: Do not look for a network fault: read the alert, here or in the server's log.

Server's owner: Read what the client has sent before closing.

References: RFC 9293, section 3.10.4; RFC 8446, section 6.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "notice"
STAGE = "application"
SPECIFICITY = 0
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """An alert of the server, then its reset."""
    ending, below = case.ending, case.carrier
    if below is None or case.facts is None or ending.sender != "server" or ending.frame is None:
        return None
    if ending.how not in ("alert", "encrypted-alert"):
        return None
    reset = below.closed("server", "rst")
    if reset is None or reset.frame < ending.frame or not case.client_answered:
        return None
    return Judgment(
        confidence="likely",
        explains=False,
        summary=f"The server {ending.words} and then reset the connection: the client's application probably reports "
        "a reset instead of the alert.",
        remedy=advise(
            client="take the alert for the reason, not the reset.",
            server="read what the client has sent before closing.",
            confirm=f"the display filter `{case.report.display_filter} && (tcp.flags.reset == 1 || "
            "tls.alert_message)`.",
        ),
        evidence=case.see(ending, reset.frame),
    )
