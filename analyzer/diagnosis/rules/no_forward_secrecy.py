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
    """Whether the key exchange is static, or there is none."""
    if report.cipher_suite is None:
        return False
    return around.once(_is_static, report.cipher_suite) or _is_psk_alone(report)


def judge(case: Case) -> Judgment | None:
    """The suite says so, or in TLS 1.3 a ServerHello that takes a pre-shared key and brings no key share."""
    if not applies(case.report, case.around):
        return None
    suite = case.report.cipher_suite or ""
    if _is_psk_alone(case.report):
        return _judgment(
            case,
            "The session rests on a pre-shared key alone (psk_ke) and has no forward secrecy: that key opens "
            "recordings.",
            client="offer psk_dhe_ke, not psk_ke.",
            server="take pre-shared keys with psk_dhe_ke only.",
            confirm=f"the display filter `{case.see(case.sent('server_hello'))[0].display_filter}` shows a ServerHello "
            "with pre_shared_key and without key_share.",
        )
    what = f"The key exchange of {suite} has no forward secrecy"
    if "_PSK_" in suite:
        both = "the server's key and the shared key together open" if suite.startswith("TLS_RSA_") else "that key opens"
        return _judgment(
            case,
            f"{what}: it rests on a shared key, and {both} recordings.",
            client="offer ECDHE_PSK suites first.",
            server="prefer ECDHE_PSK suites, and switch those with a bare PSK off.",
            confirm=case.s_client("-psk", "KEY", "-cipher", "kECDHEPSK"),
        )
    return _judgment(
        case,
        f"{what}: the server's key opens recordings.",
        client="offer ECDHE suites first.",
        server=f"prefer ECDHE suites, and switch {_exchange(suite)} key exchange off.",
        confirm=case.s_client("-cipher", "ECDHE"),
    )


def _judgment(case: Case, summary: str, *, client: str, server: str, confirm: str) -> Judgment:
    return Judgment(
        confidence="certain",
        explains=False,
        summary=summary,
        remedy=advise(client=client, server=server, confirm=confirm),
        evidence=case.see(case.sent("server_hello")),
    )


def _is_static(suite: str) -> bool:
    return suite.startswith(_STATIC) and "_anon_" not in suite


def _exchange(suite: str) -> str:
    """What the server's lasting key does in a static suite."""
    return "static ECDH" if "_ECDH_" in suite else "static DH" if "_DH_" in suite else "RSA"


def _is_psk_alone(report: HandshakeReport) -> bool:
    """Whether a session of TLS 1.3 has no key exchange (RFC 8446, section 4.2.9)."""
    facts = report.facts
    if report.group is not None or facts is None or not facts.is_tls13 or facts.server_hello is None:
        return False
    return facts.server_hello.selected_psk is not None and facts.server_hello.key_share_group is None
