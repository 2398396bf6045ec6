"""A packet of the handshake was too big for a link on the way, whose router said so, and the handshake went no further.

What it means: The opposite of a black hole: the message about the smaller link (ICMP "fragmentation needed" or "packet
too big") came. Whose packet it was did not send smaller ones: its program gave up at the error, its datagrams have a
fixed size, or its host's firewall drops ICMP before anybody reads it.

On the wire: ICMP type 3 code 4 (IPv6: type 2) that quotes a packet of the handshake, and nothing new from the other
side behind it; of TCP, the segment that the other side waits for in the end is larger than the link takes. Over
datagrams it is merely possible where the sender has sent again, for nobody acknowledges these.

Client's owner: If the client's packets were too big, let it send smaller ones (OpenSSL: `-mtu`, SSL_set_mtu; the
interface's MTU), and let ICMP reach its host.

Server's owner: If the server's were, the same.

Network's owner: Look for the tunnel whose MTU is lower than that of the links around it.

References: RFC 1191; RFC 8201; RFC 6347, section 4.1.1.1; RFC 9000, section 14.
"""

from collections.abc import Sequence

from analyzer.diagnosis.case import OTHER, Case
from analyzer.diagnosis.finding import Confidence, Judgment, advise
from analyzer.net.passage import Passage
from analyzer.results import Sender

SEVERITY = "error"
STAGE = None
SPECIFICITY = 3
WHEN = ("failed",)


def judge(case: Case) -> Judgment | None:
    """An ICMP error about the size of a packet, and no answer to what the packet held."""
    facts, below = case.facts, case.carrier
    if facts is None or case.ending.how in ("alert", "encrypted-alert"):
        return None
    told = facts.datagrams.too_long if facts.datagrams is not None else below.too_long if below is not None else None
    if told is None or any(sent.sender == OTHER[told.sender] and sent.frame > told.frame for sent in facts.sent):
        return None  # it arrived after all, in smaller packets
    sender, frame, takes = told
    again = any(sent.sender == sender and sent.frame > frame for sent in facts.sent)
    again = again or any(repeated > frame for repeated in _repeated(case, sender))
    sure: Confidence
    if facts.datagrams is not None:
        sure = "possible" if again else "certain"  # of datagrams nobody knows whether they arrived
    elif below is not None and _is_waited_for(below.passages.get(sender), takes):
        sure = "likely"
    else:
        return None
    size = f", and the link takes {takes} bytes" if takes else ""
    smaller = "let it send smaller packets (OpenSSL: `-mtu`, SSL_set_mtu), and let ICMP reach its host."
    return Judgment(
        confidence=sure,
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


def _repeated(case: Case, sender: Sender) -> Sequence[int]:
    """The frames in which a side sent only what it had sent before."""
    below = case.facts.datagrams if case.facts is not None else None
    if below is not None:
        return below.repeated[sender]
    return case.carrier.repeated[sender] if case.carrier is not None else ()


def _is_waited_for(passage: Passage | None, takes: int) -> bool:
    """Whether the peer waits in the end for a segment that the link does not take."""
    copies = passage.waited_for if passage is not None else []
    return bool(copies) and (not takes or min(one.size for one in copies) + _HEADERS > takes)


_HEADERS = 40
"""Bytes that IPv4 and TCP have at least."""
