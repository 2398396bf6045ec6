"""The client's certificate is from a public authority that will not issue such ones any more.

What it means: Root programs want public certificates for servers only. Public authorities stop putting clientAuth into
their certificates between 2025 and 2027, so that the next renewal of this certificate can no longer be used for mutual
TLS.

On the wire: The client's certificate has both purposes, serverAuth and clientAuth, and the timestamps of Certificate
Transparency that only public authorities embed.

Client's owner: Move to a private authority, or one that still issues client certificates, before the next renewal.

Server's owner: Add that authority to the truststore for clients.

References: Chrome Root Program Policy, section 3.2 (dedicated TLS server authentication); RFC 5280, section 4.2.1.12.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.faults import day, described
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "notice"
STAGE = "client-authentication"
SPECIFICITY = 1
WHEN = ("established",)


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether the client's certificate can be read, and was not looked at before."""
    certificates = report.certificates["client"]
    return bool(certificates) and certificates[0].sha256 not in around.unremarkable


def judge(case: Case) -> Judgment | None:
    """Both purposes, and embedded timestamps."""
    leaf, parsed = case.leaf("client"), case.parsed("client")
    purposes = parsed[0].extended_key_usage if parsed else None
    if leaf is None or not purposes or not {"serverAuth", "clientAuth"} <= set(purposes) or not parsed[0].scts:
        if leaf is not None:
            case.around.unremarkable.add(leaf.sha256)
        return None
    return Judgment(
        confidence="likely",
        explains=False,
        summary=f"The client presented {described(leaf)}, of the public authority {leaf.issuer}; such authorities stop "
        f"issuing certificates for clients, and this one ends on {day(leaf.not_after)}.",
        remedy=advise(
            client="move to an authority that issues client certificates before the next renewal.",
            server="add that authority to the truststore for clients in time.",
            confirm="`openssl x509 -in renewed.pem -noout -ext extendedKeyUsage` must list TLS Web Client "
            "Authentication.",
        ),
        evidence=case.see(case.sent("certificate", "client")),
    )
