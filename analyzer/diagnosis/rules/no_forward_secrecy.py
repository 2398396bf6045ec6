"""Whoever records this connection and gets the server's key later can read it: there is no forward secrecy.

What it means: The client encrypts the pre-master secret with the server's public key (RSA key exchange), or both go by
a shared key alone. A key that leaks years later opens all recorded traffic.

On the wire: A cipher suite TLS_RSA_…, TLS_PSK_…, TLS_ECDH_…, or a session of TLS 1.3 with psk_ke.

Client's owner: Offer ECDHE suites before others.

Server's owner: Prefer ECDHE suites, and switch RSA key exchange off.

References: RFC 9325, section 4.1; RFC 8446, section 2.2.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "notice"
STAGE = "hello"
SPECIFICITY = 1
WHEN = ("established",)

_STATIC = ("TLS_RSA_", "TLS_PSK_", "TLS_ECDH_", "TLS_DH_RSA", "TLS_DH_DSS", "SSL2_", "SSL_RSA")


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether the key exchange is static."""
    return report.cipher_suite is not None and around.once(_is_static, report.cipher_suite)


def judge(case: Case) -> Judgment | None:
    """The suite says so."""
    if not applies(case.report, case.around):
        return None
    return Judgment(
        confidence="certain",
        explains=False,
        summary=f"The key exchange of {case.report.cipher_suite} has no forward secrecy: the server's key opens "
        "recordings.",
        remedy=advise(
            client="offer ECDHE suites first.",
            server="prefer ECDHE suites, and switch RSA key exchange off.",
            confirm=case.s_client("-cipher", "ECDHE"),
        ),
        evidence=case.see(case.sent("server_hello")),
    )


def _is_static(suite: str) -> bool:
    return suite.startswith(_STATIC) and "_anon_" not in suite
