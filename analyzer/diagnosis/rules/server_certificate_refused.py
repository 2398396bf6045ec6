"""The client refused the server, and what it dislikes cannot be seen.

What it means: The client ended the handshake right after the server's flight. Its alert is encrypted, vague or missing,
and either the certificate cannot be read (TLS 1.3 without keys) or nothing is wrong with it by what is known here: then
the client trusts other authorities, expects another name, or has a wrong clock.

On the wire: The server's flight, then an alert of the client (in TLS 1.3 a record of 19 bytes, 35 from Java), a FIN or
an RST, and no Finished.

Client's owner: The client's log says why. To see the certificate, make the secrets available.

Server's owner: Look at the chain as a client sees it.

References: RFC 8446, section 6.2.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import CERTIFICATE_ALERTS, sentence
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = "server-authentication"
SPECIFICITY = 1
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """An alert about the certificate, or one that is encrypted, right after the server's flight."""
    ending = case.refusal("server")
    if ending is None:
        return None
    about = ending.alert in CERTIFICATE_ALERTS
    if not about and ending.how != "encrypted-alert":
        return None
    seen = case.leaf("server")
    chain = case.report.chain["server"]
    fine = " By what is known here nothing is wrong with the certificate." if chain and chain.status == "pass" else ""
    hidden = "" if seen else " The certificate is encrypted."
    return Judgment(
        confidence="certain" if about else "likely",
        summary=f"{sentence(case.name('client'))} refused the server right after its flight: it "
        f"{ending.words}.{fine}{hidden}",
        remedy=advise(
            client=f"look into its log for the reason{'' if seen else '; or ' + case.keys_wanted}.",
            server="see that certificate, chain, name and dates are right as a client sees them.",
            confirm=case.s_client("-showcerts", "-verify_return_error"),
        ),
        evidence=case.see(case.sent("certificate", "server"), ending),
    )
