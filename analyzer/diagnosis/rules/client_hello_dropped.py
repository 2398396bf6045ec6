"""A ClientHello larger than one segment got no answer: something on the way cannot take it.

What it means: Post-quantum key shares (X25519MLKEM768) make hellos of about 1.8 kB, which travel in two segments. Some
middleboxes and old load balancers look for the server name in the first segment only, and drop or reset the rest.

On the wire: A ClientHello in two segments or more, then silence and retransmissions, or a reset, and not a byte of the
server. Hellos below 1,400 bytes to the same server are answered.

Client's owner: To get by, switch the hybrid group off for now (Go: GODEBUG=tlsmlkem=0; OpenSSL: -groups X25519:P-256;
Chrome and Edge: the policy PostQuantumKeyAgreementEnabled).

Network's owner: Update the middlebox: a ClientHello may be of any length and come in any number of segments.

References: RFC 8446, section 4.1.2; draft-ietf-tls-ecdhe-mlkem; https://tldr.fail
"""

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import Confidence, Judgment, advise
from analyzer.tls import registry

SEVERITY = "error"
STAGE = "hello"
SPECIFICITY = 3
WHEN = ("failed", "incomplete")

_SEGMENT = 1400
"""Bytes of a hello that fit in one segment nearly everywhere."""
_LARGE_GROUPS = frozenset((0x11EB, 0x11EC, 0x11ED, 0x6399, 0x639A, 0x0200, 0x0201, 0x0202))


def judge(case: Case) -> Judgment | None:
    """A large hello, and nothing of the server."""
    facts, below = case.facts, case.carrier
    if facts is None or below is None or case.hello is None or case.stage != "hello" or case.head["server"]:
        return None
    if facts.quic is not None:  # each of its datagrams is as long as the first
        return None
    sent = facts.first("client_hello", "client")
    if sent is None or sent.length < _SEGMENT or any(one.sender == "server" for one in facts.sent):
        return None
    repeated = len(below.repeated["client"])
    waited = case.gap(case.ending) or 0.0
    by_server = case.ending.sender == "server" and case.ending.how == "fin"
    if by_server or (case.ending.how == "silence" and not repeated):
        return None
    others = case.around.established_of_server(case.report)
    small = [other for other in others if other.hello_length is not None and other.hello_length < _SEGMENT]
    groups = [registry.group(group) for group in case.hello.key_share_groups or () if group in _LARGE_GROUPS]
    share = f", with a key share of {groups[0]}" if groups else ""
    sure: Confidence = "likely" if small or repeated or (groups and waited >= 1) else "possible"
    what = f"was sent again {repeated} times" if repeated else f"got no answer in {waited:.1f} s"
    if case.ending.how == "rst" and case.ending.sender == "server":
        what = "was answered by a reset"
    control = f" A hello of {small[0].hello_length} bytes was answered ({small[0].display_filter})." if small else ""
    return Judgment(
        confidence="certain" if small and repeated else sure,
        summary=f"The ClientHello of {case.report.client.ip} to {case.report.server} is {sent.length} bytes "
        f"long{share}, "
        f"more than one segment, and {what}.{control}",
        remedy=advise(
            client="switch the post-quantum group off for now (Go: GODEBUG=tlsmlkem=0; OpenSSL: -groups X25519:P-256).",
            network="update the middlebox or balancer before the server, so that it takes a hello in several segments.",
            confirm=f"{case.s_client('-groups', 'X25519:P-256')} succeeds, and with X25519MLKEM768 it hangs.",
        ),
        evidence=case.see(sent, *below.repeated["client"][:2], case.ending),
    )
