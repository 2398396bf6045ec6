"""One side speaks the PROXY protocol, and the other does not expect it.

What it means: A load balancer puts a PROXY header before the ClientHello and the server takes it for a broken hello; or
the server waits for the header and gets a ClientHello at once.

On the wire: (a) ClientHello, and the server resets or closes without a byte (nginx), while other connections to it
begin with `PROXY TCP4 …` or its binary form; (b) a PROXY header, then ClientHello, and an HTTP 400 in clear (nginx),
the alert unexpected_message (Java), or a close (OpenSSL).

Client's owner: As the balancer's owner, switch the header on or off to match the server.

Server's owner: Configure the listener for the header (`listen … proxy_protocol`), or use another for direct clients.

References: The PROXY protocol, versions 1 and 2 (haproxy.org).
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "preamble"
SPECIFICITY = 3
WHEN = ("failed", "attempt")

_NAME = "proxy-protocol"


def judge(case: Case) -> Judgment | None:
    """A header that is not understood, or the lack of one where others send it."""
    ending, preamble = case.ending, case.report.preamble or ""
    if ending.sender != "server" or case.stage not in ("hello", "preamble"):
        return None
    expected = [o for o in case.around.established_of_server(case.report) if _NAME in (o.preamble or "")]
    plain = [o for o in case.around.established_of_server(case.report) if o.preamble is None]
    silent = ending.how in ("fin", "rst") and not case.head["server"]
    last = case.carrier.preambles[-1] if case.carrier and case.carrier.preambles else None
    if _NAME in preamble:
        if case.facts is None and last is not None and last.name != _NAME and last.state == "tls":
            return None  # the server took the header, and agreed to TLS behind it
        if not (silent or case.head["server"] or ending.alert == "unexpected_message") or expected:
            return None
        header = f"The connection of {case.report.client.ip} to {case.report.server} begins with a PROXY header"
        said = f"{header}, which the server does not seem to expect: it {ending.words}."
        sure = "certain" if plain else "likely"
    elif case.hello is not None and silent and expected and not plain:
        said = (
            f"The server {case.report.server} {ending.words} right after the ClientHello of {case.report.client.ip}; "
            f"where it answers ({expected[0].display_filter}), a PROXY header comes first."
        )
        sure = "likely"
    else:
        return None
    return Judgment(
        confidence="certain" if sure == "certain" else "likely",
        summary=said,
        remedy=advise(
            client="if a balancer: switch its PROXY header on or off, to match the server.",
            server="configure the listener for the header, or use another one for direct clients.",
            confirm=f"`curl --haproxy-protocol -vk https://{case.report.server}/`, and the same without that option.",
        ),
        evidence=case.see(case.report.first_frame, ending),
    )
