"""A device between client and server makes its own certificates: TLS inspection.

What it means: A security gateway or a local antivirus ends the client's TLS and opens its own to the server. The client
sees a certificate made on the spot, which only machines trust that have the gateway's root. Client certificates cannot
pass: the server sees the gateway, not the client.

On the wire: The issuer's name is that of a gateway's maker (Zscaler, Netskope, Fortinet …), or the same server name
shows certificates of different issuers in one capture.

Client's owner: Import the gateway's root into the trust store that this program uses (Java and Python have their own);
have destinations that need client certificates exempted.

Network's owner: Exempt destinations with mutual TLS from inspection.

References: RFC 8446, section 9.3.
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Judgment, advise
from analyzer.diagnosis.surroundings import Sighting, Surroundings
from analyzer.results import HandshakeReport

SEVERITY = "warning"
STAGE = "server-authentication"
SPECIFICITY = 2
WHEN = ("failed", "established")

_MAKERS = (
    "zscaler", "netskope", "fortinet", "fortigate", "palo alto", "blue coat", "bluecoat", "mcafee web gateway",
    "skyhigh", "cisco umbrella", "sophos", "check point", "forcepoint", "websense", "iboss", "cato networks",
    "barracuda", "sonicwall", "watchguard", "smoothwall", "untangle", "kaspersky", "eset ssl filter", "avast",
    "bitdefender", "mitmproxy", "charles proxy", "fiddler", "portswigger", "menlo security", "contentkeeper",
    "squid",
)  # fmt: skip


def applies(report: HandshakeReport, around: Surroundings) -> bool:
    """Whether a maker's name stands in the last issuer."""
    certificates = report.certificates["server"]
    return bool(certificates) and around.once(_is_makers, certificates[-1].issuer)


def judge(case: Case) -> Judgment | None:
    """A maker's name among the issuers; of a failed handshake also another issuer of the same name elsewhere."""
    certificates = case.report.certificates["server"]
    if not certificates:
        return None
    maker = next((one.issuer for one in certificates if _is_makers(one.issuer)), None)
    other = None if case.established else _other_issuer(case)
    if maker is None and other is None:
        return None
    said = f"The server certificate for {case.report.server_name or case.report.server.ip} is issued by "
    said += f"{certificates[0].issuer}"
    if maker is None and other is not None:
        said += (
            f"; in {other.display_filter} the same name shows one issued by {other.certificates['server'][0].issuer}"
        )
    return Judgment(
        confidence="likely" if maker else "possible",
        explains=False,
        severity="notice" if case.established else None,
        summary=f"{said}: a device between client and server seems to inspect TLS.",
        remedy=advise(
            client="import the device's root into the trust store of this very program.",
            network="exempt destinations that need client certificates from inspection: they cannot pass.",
            confirm=f"{case.s_client(then='openssl x509 -noout -issuer')} from this network and from another one.",
        ),
        evidence=case.see(case.sent("certificate", "server")),
    )


def _is_makers(issuer: str) -> bool:
    return any(maker in issuer.lower() for maker in _MAKERS)


def _other_issuer(case: Case) -> Sighting | None:
    name = case.report.server_name
    issuer = case.report.certificates["server"][0].issuer
    for other in case.around.by_name.get(name, ()) if name else ():
        if other.certificates["server"][0].issuer != issuer:
            return other
    return None
