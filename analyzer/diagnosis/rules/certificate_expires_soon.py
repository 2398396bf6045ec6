"""A certificate of this handshake expires within weeks.

What it means: Everything works today. Renewing takes time: a request, a change window, partners who must register the
new certificate.

On the wire: NotAfter of a certificate is near the time of the handshake.

Client's owner: If it is the client's certificate, renew it and tell the server's owner beforehand.

Server's owner: If it is the server's certificate or an intermediate, renew it.

References: RFC 5280, section 4.1.2.5.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import day, described
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport, Sender

SEVERITY = "notice"
STAGE = "server-authentication"
SPECIFICITY = 1
WHEN = ("established",)

_SIDES: tuple[Sender, ...] = ("client", "server")


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether the check says so of either chain."""
    return any("expires-soon" in around.failures(report.chain[side]) for side in _SIDES)


def judge(case: Case) -> Judgment | None:
    """Name the certificates that are near their end."""
    found, sides = [], set()
    for side in _SIDES:
        check = case.check(side, "expires-soon")
        one = case.certificate(side, check.certificate) if check else None
        if one is not None:
            sides.add(side)
            found.append(f"{described(one)} ({side}) on {day(one.not_after)}")
    if not found:
        return None
    return Judgment(
        confidence="certain",
        explains=False,
        summary=f"It expires soon: {'; '.join(found)}.",
        remedy=advise(
            client="renew its certificate, and tell the server's owner beforehand." if "client" in sides else "",
            server="renew its certificate." if "server" in sides else "",
            confirm=case.s_client(then="openssl x509 -noout -enddate")
            if "server" in sides
            else "`openssl x509 -in client.pem -noout -enddate`.",
        ),
        evidence=case.see(*(case.sent("certificate", side) for side in sorted(sides))),
    )
