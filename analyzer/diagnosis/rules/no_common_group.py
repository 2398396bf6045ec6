"""Client and server have no key-exchange group in common.

What it means: The client offers few elliptic curves or groups (supported_groups), and none of them is switched on at
the server. A HelloRetryRequest alone is normal: then there was a common group, only no key share for it.

On the wire: ClientHello, then handshake_failure by the server; or a client that cannot follow a HelloRetryRequest.

Client's owner: Offer x25519 and secp256r1, which every server knows.

Server's owner: Switch on x25519 and secp256r1 beside others.

References: RFC 8446, sections 4.2.7, 4.2.8 and 9.1.
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
    """A hello is turned down, and groups are the likeliest reason; or a retry leads nowhere."""
    if case.hello is None:
        return None
    retry = case.facts.hello_retry_request if case.facts else None
    sure = offers.missing(case, "groups")
    refused = case.ending.how == "alert" and case.ending.alert in offers.REFUSALS
    if retry is not None and case.answer is None and refused:
        sure = "likely"
    if sure is None:
        return None
    groups = [registry.group(code) for code in offers.offer(case.hello).groups]
    wanted = retry.key_share_group if retry else None
    asked = f" The server had asked for {registry.group(wanted)}." if wanted is not None else ""
    who = case.name(case.ending.sender or "server")
    return Judgment(
        confidence=sure,
        summary=f"{sentence(case.name('client'))} offers the group{'s' * (len(groups) != 1)} "
        f"{listed(groups, 8)}, and {who} {case.ending.words}.{asked}{offers.server_chose(case, 'group')}",
        remedy=advise(
            client="offer x25519 and secp256r1 among its groups.",
            server="switch on x25519 and secp256r1 beside the groups that it has.",
            confirm=f"{case.s_client()} prints the group as `Server Temp Key` or `Negotiated TLS1.3 group`.",
        ),
        evidence=case.see(case.sent("client_hello"), case.sent("hello_retry_request"), case.ending),
    )
