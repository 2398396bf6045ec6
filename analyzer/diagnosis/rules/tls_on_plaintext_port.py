"""The client spoke TLS to a port that expects plaintext.

What it means: A URL begins with https:// where the server speaks HTTP, a port number is wrong, or the protocol wants a
word in clear first (STARTTLS) on this port: mail servers speak TLS at once on 465, 993 and 995 only.

On the wire: ClientHello, answered by bytes that are no TLS record: `HTTP/1.1 400`, `220 `, `* OK`, `SSH-`. The client
closes without an alert; its log says "wrong version number", "unsupported or unrecognized SSL message" or "packet
length too long".

Client's owner: Use the port that speaks TLS, or the client's STARTTLS option.

Server's owner: Switch TLS on for this port (`listen … ssl`), if it was meant to be.

References: RFC 8446, section 5.1; RFC 8314.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.tls.preambles import begins_tls

SEVERITY = "error"
STAGE = "hello"
SPECIFICITY = 3
WHEN = ("failed", "incomplete")

_SPEAKS = (
    (b"HTTP/", "HTTP"),
    (b"<!DOCTYPE", "HTTP"),
    (b"<html", "HTTP"),
    (b"SSH-", "SSH"),
    (b"220", "SMTP or FTP"),
    (b"* OK", "IMAP"),
    (b"+OK", "POP3"),
    (b"RFB ", "VNC"),
    (b"-ERR", "POP3 or Redis"),
    (b"AMQP", "AMQP"),
)


def judge(case: Case) -> Judgment | None:
    """A hello, and an answer that is no TLS."""
    answer = case.head["server"]
    if case.stage != "hello" or case.hello is None or not answer or begins_tls(answer) is not False:
        return None
    if case.report.preamble is not None:
        return None
    speaks = next((name for begins, name in _SPEAKS if answer.startswith(begins)), None)
    shown = answer[:40].split(b"\r")[0].split(b"\n")[0].decode("ascii", "backslashreplace")
    starttls = speaks in ("SMTP or FTP", "IMAP", "POP3")
    hint = "use its STARTTLS option, or the port on which this protocol speaks TLS at once" if starttls else ""
    server = case.report.server
    return Judgment(
        confidence="certain" if speaks else "likely",
        summary=f"The client {case.report.client.ip} sent a ClientHello to {server}, which answered in clear: {shown!r}"
        f"{f' ({speaks})' if speaks else ''}.",
        remedy=advise(
            client=f"{hint or 'use the port that speaks TLS, or the plaintext protocol for this one'}.",
            server=f"if port {server.port} is meant to speak TLS, switch it on there.",
            confirm=f"`nc {server.ip} {server.port}` shows what the server says in clear.",
        ),
        evidence=case.see(case.sent("client_hello"), case.ending),
    )
