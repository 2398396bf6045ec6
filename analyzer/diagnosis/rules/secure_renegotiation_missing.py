"""The server does not know secure renegotiation, and the client insists on it.

What it means: Servers without RFC 5746 (of 2010) can be attacked in a renegotiation. OpenSSL 3 refuses them ("unsafe
legacy renegotiation disabled"); old appliances and load balancers are such servers.

On the wire: A ServerHello of TLS 1.2 or older without the extension renegotiation_info, and handshake_failure by the
client right after it.

Client's owner: For this destination alone allow it (OpenSSL: SSL_OP_LEGACY_SERVER_CONNECT, option
UnsafeLegacyServerConnect).

Server's owner: Update the appliance, or switch secure renegotiation on.

References: RFC 5746, section 3.4; OpenSSL 3.0 migration guide.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 3
WHEN = ("failed",)

_RENEGOTIATION_INFO, _SCSV = 0xFF01, 0x00FF


def judge(case: Case) -> Judgment | None:
    """Offered by the client, not answered by the server, and refused by the client."""
    ending, hello, answer = case.ending, case.hello, case.answer
    if hello is None or answer is None or case.facts is None or case.facts.is_tls13:
        return None
    if ending.sender != "client" or ending.alert != "handshake_failure" or case.stage != "server-authentication":
        return None
    offered = _SCSV in hello.cipher_suites or hello.extension(_RENEGOTIATION_INFO) is not None
    if not offered or answer.extension(_RENEGOTIATION_INFO) is not None:
        return None
    return Judgment(
        confidence="likely",
        summary=f"The ServerHello of {case.name('server')} lacks renegotiation_info (RFC 5746), and "
        f"{case.name('client')} {ending.words}.",
        remedy=advise(
            client="allow it for this destination alone (OpenSSL: the option UnsafeLegacyServerConnect).",
            server="update it, or switch secure renegotiation on.",
            confirm=f"{case.s_client('-tls1_2', '-legacy_server_connect')} prints `Secure Renegotiation IS NOT "
            "supported`.",
        ),
        evidence=case.see(case.sent("server_hello"), ending),
    )
