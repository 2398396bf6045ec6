"""The cipher suite of this handshake is weak.

What it means: It encrypts with something that is broken or too short (RC4, DES, 3DES, export ciphers, MD5), not at all
(NULL), or nobody proves an identity (anonymous).

On the wire: The cipher suite in the ServerHello.

Client's owner: Do not offer it.

Server's owner: Switch it off; offer ECDHE with AES-GCM or ChaCha20, and TLS 1.3.

References: RFC 9325, section 4.2; RFC 7465; RFC 9155.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "warning"
STAGE = "hello"
SPECIFICITY = 2
WHEN = ("established",)

_WEAK = (
    ("_anon_", "nobody proves an identity"),
    ("NULL", "nothing is encrypted"),
    ("EXPORT", "the key is deliberately short"),
    ("RC4", "RC4 is broken"),
    ("RC2", "RC2 is broken"),
    ("3DES", "3DES has blocks of 64 bits"),
    ("_DES", "DES keys have 56 bits"),
    ("_MD5", "MD5 is broken"),
    ("IDEA", "IDEA has blocks of 64 bits"),
)


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether the suite is known to be weak."""
    return report.cipher_suite is not None and around.once(_why, report.cipher_suite) is not None


def judge(case: Case) -> Judgment | None:
    """Why the suite is weak."""
    why = _why(case.report.cipher_suite or "")
    if why is None:
        return None
    return Judgment(
        confidence="certain",
        explains=False,
        summary=f"The cipher suite {case.report.cipher_suite} is weak: {why}.",
        remedy=advise(
            client="do not offer it.",
            server="switch it off, and offer ECDHE with AES-GCM or ChaCha20, and TLS 1.3.",
            confirm=case.s_client("-cipher", "ECDHE+AESGCM:ECDHE+CHACHA20"),
        ),
        evidence=case.see(case.sent("server_hello")),
    )


def _why(suite: str) -> str | None:
    return next((why for part, why in _WEAK if part in suite), None)
