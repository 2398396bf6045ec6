"""Client and server have no cipher suite in common.

What it means: None of the suites that the client offers is switched on at the server, or none fits the server's
certificate: a server with an ECDSA certificate alone cannot use an ECDHE_RSA suite, and the other way round.

On the wire: ClientHello, then handshake_failure by the server, no ServerHello. The same alert is sent for groups and
signature algorithms: which of them it is, is told by what the client offers little of, and by what the server chose for
others.

Client's owner: Offer the suites of today: ECDHE with AES-GCM or ChaCha20, and those of TLS 1.3.

Server's owner: Switch on a suite that the client offers, or add a certificate of the other kind (RSA beside ECDSA).

References: RFC 5246, section 7.4.1.3; RFC 8446, sections 4.1.1 and 6.2.
"""

from analyzer.diagnosis import offers
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import sentence
from analyzer.diagnosis.finding import Judgment, advise, listed
from analyzer.tls import registry

SEVERITY = "error"
STAGE = "hello"
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """A hello is turned down, and suites are the likeliest reason."""
    sure = offers.missing(case, "suites")
    if sure is None or case.hello is None:
        return None
    made = offers.offer(case.hello)
    suites = [registry.cipher_suite(code) for code in made.suites]
    kinds = {suite.authentication for code in made.suites if (suite := registry.suite(code)) is not None} - {None}
    only = f", all of them for {kinds.pop()} certificates" if len(kinds) == 1 and not made.only_tls13 else ""
    return Judgment(
        confidence=sure,
        summary=f"{sentence(case.name('client'))} offers {len(suites)} cipher suite{'s' * (len(suites) != 1)} "
        f"({listed(suites)}){only}, and {case.name('server')} "
        f"{case.ending.words}.{offers.server_chose(case, 'cipher_suite')}",
        remedy=advise(
            client="offer the suites of today: ECDHE with AES-GCM or ChaCha20, and those of TLS 1.3.",
            server="switch on a suite that the client offers, and see that the certificate's kind fits it (RSA, "
            "ECDSA).",
            confirm=f"{case.s_client()} with a wide offer tells which suite the server chooses.",
        ),
        evidence=case.see(case.sent("client_hello"), case.ending),
    )
