"""A packet of the handshake was too big for a link on the way, whose router said so, and the handshake went no further.

What it means: The opposite of a black hole: the message about the smaller link (ICMP "fragmentation needed" or "packet
too big") came. Whose packet it was did not send smaller ones: its program gave up at the error, its datagrams have a
fixed size, or its host's firewall drops ICMP before anybody reads it.

On the wire: ICMP type 3 code 4 (IPv6: type 2) that quotes a packet of the handshake, and nothing new from the other
side behind it.

Client's owner: If the client's packets were too big, let it send smaller ones (OpenSSL: `-mtu`, SSL_set_mtu; the
interface's MTU), and let ICMP reach its host.

Server's owner: If the server's were, the same.

Network's owner: Look for the tunnel whose MTU is lower than that of the links around it.

References: RFC 1191; RFC 8201; RFC 6347, section 4.1.1.1; RFC 9000, section 14.
"""

from analyzer.diagnosis.case import OTHER, Case
from analyzer.diagnosis.finding import Judgment, advise

SEVERITY = "error"
STAGE = None
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """An ICMP error about the size of a packet, and no answer to what the packet held."""
    facts, below = case.facts, case.facts.datagrams if case.facts is not None else None
    if facts is None or below is None or below.too_long is None or case.ending.how in ("alert", "encrypted-alert"):
        return None
    sender, frame, takes = below.too_long
    if any(sent.sender == OTHER[sender] and sent.frame > frame for sent in facts.sent):
        return None  # it arrived after all, in smaller packets
    again = any(sent.sender == sender and sent.frame > frame for sent in facts.sent)
    again = again or any(repeated > frame for repeated in below.repeated[sender])
    size = f", and the link takes {takes} bytes" if takes else ""
    smaller = "let it send smaller packets (OpenSSL: `-mtu`, SSL_set_mtu), and let ICMP reach its host."
    return Judgment(
        confidence="likely" if again else "certain",
        summary=f"A packet of {case.name(sender)} was too big for a link on the way (so says an ICMP error{size}), and "
        f"nothing new came from the {OTHER[sender]} behind that{', though it was sent again' if again else ''}.",
        remedy=advise(
            client=smaller if sender == "client" else "",
            server=smaller if sender == "server" else "",
            network="look for the tunnel whose MTU is lower than that of the links around it.",
            confirm="the display filter `(icmp.type == 3 && icmp.code == 4) || icmpv6.type == 2`.",
        ),
        evidence=case.see(frame),
    )
