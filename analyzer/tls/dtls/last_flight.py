"""Did the last flight of a handshake over datagrams arrive? (RFC 6347, section 4.2.4; RFC 9147, section 5.8.)

Nothing answers the last Finished of DTLS 1.2 but data. Whoever waits for it sends its own flight again, and the other
side its last one in answer: where the first then sends again once more, and nothing else, it has not got it. DTLS 1.3
acknowledges the last flight, and its sender repeats it until that comes.
"""

from analyzer.results import Sender
from analyzer.tls.handshake import Handshake, Sent


def is_unheard(handshake: Handshake, last: Sent) -> bool:
    """Whether the last Finished seems not to have arrived, up to the end of the capture."""
    below = handshake.datagrams
    other: Sender = "server" if last.sender == "client" else "client"
    if below is None or handshake.application_data[other]:
        return False
    if any(sent.sender == other and sent.frame > last.frame for sent in handshake.sent):
        return False
    own, others = ([frame for frame in below.repeated[who] if frame > last.frame] for who in (last.sender, other))
    if handshake.is_tls13:
        return bool(own) and below.acknowledged[other] < last.frame
    return bool(others) and any(others[0] < frame < others[-1] for frame in own)
