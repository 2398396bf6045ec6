"""The handshake agreed on a protocol version that must no longer be used.

What it means: SSL 2.0, SSL 3.0, TLS 1.0 and TLS 1.1 have known weaknesses; RFC 8996 forbids TLS 1.0 and 1.1, and
current stacks switch them off, so that this connection will fail after the next update of either side.

On the wire: The version in the ServerHello.

Client's owner: Offer TLS 1.2 and 1.3.

Server's owner: Switch TLS 1.2 and 1.3 on, and the old ones off.

References: RFC 8996; RFC 7568; RFC 6176.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "warning"
STAGE = "hello"
SPECIFICITY = 2
WHEN = ("established",)

_DEPRECATED = frozenset(("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "DTLSv1.0"))


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether the version is one of them."""
    return report.version in _DEPRECATED


def judge(case: Case) -> Judgment | None:
    """The version is one of them, and who has no better."""
    if not applies(case.report, case.around):
        return None
    offered = (case.hello.supported_versions or (case.hello.legacy_version,)) if case.hello else ()
    who = "the client offered no better" if offered and max(offered) <= 0x0302 else "the client offered better"
    return Judgment(
        confidence="certain",
        explains=False,
        summary=f"Client and server agreed on {case.report.version}, which RFC 8996 and its like forbid ({who}).",
        remedy=advise(
            client="offer TLS 1.2 and 1.3.",
            server="switch TLS 1.2 and 1.3 on, and the older ones off.",
            confirm=case.s_client("-tls1_2"),
        ),
        evidence=case.see(case.sent("server_hello")),
    )
