"""What do the sizes of QUIC's packets tell without keys?

What a client sends in Handshake packets is its flight: Finished, before it perhaps a Certificate, empty or with a
CertificateVerify (RFC 9001, section 4.1.2). Acknowledgments and padding share these packets, and the length of the
packet number is hidden, so that sizes are bounds. What has no room for a Certificate holds none; what is large, and
not in a place that anybody pads, holds one. In between nothing is said.

Numbers being hidden, a packet that the capture lacks leaves no gap: that there is one shows only where no packet has
room for Finished, which the client must have sent.
"""

from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.inference import Inference
from analyzer.tls.quic.facts import Quic, Seen
from analyzer.tls.quic.packet import SMALLEST_FIRST_DATAGRAM
from analyzer.tls.registry import Suite

_CRYPTO = 3
"""Bytes of the smallest header of a CRYPTO frame."""
_EMPTY_CERTIFICATE = 8
_SMALLEST_CERTIFICATE = 4 + 1 + 3 + 3 + 44 + 2
"""A raw Ed25519 key (RFC 7250)."""
_SMALLEST_VERIFY = 4 + 2 + 2 + 64
"""Ed25519's."""
_ACKNOWLEDGMENTS = 64
"""No flight is acknowledged in more: it would have that many gaps."""
_LONGEST_NUMBER = 4
_MORE_THAN_A_CLOSE = 3
"""So many packets of different sizes, and the client went on after them."""
_APPLICATION_SETTINGS = (17513, 17613)


def infer(handshake: Handshake, quic: Quic) -> Inference:
    """Judge the client's flight by the sizes of its packets, and whether both sides went on."""
    result, suite = Inference(), handshake.suite
    packets = [seen for seen in quic.seen if seen.sender == "client" and seen.kind == "handshake"]
    data = {
        sender: [seen for seen in quic.seen if seen.sender == sender and seen.kind == "1-rtt"]
        for sender in ("client", "server")
    }
    result.answered = bool(packets)
    result.client_finished = done = _last_of_flight(handshake, data["client"])
    if suite is None or done is None:
        result.because(None, "client", "That the client has finished is not seen: its flight may not be complete.")
        return result
    result.accepted = went_on(done, quic.last_data["client"], data["server"])
    if handshake.has_hole("client"):
        result.because(done, "client", "The capture lacks a part of the client's packets.")
    else:
        _judge_client(handshake, suite, packets, done, result)
    if result.answer == "not-asked" and _replies(done, data["server"]):
        result.accepted = True  # there was nothing to refuse
    return result


def _last_of_flight(handshake: Handshake, data: list[Seen]) -> Sent | None:
    """The client's last Handshake packet that is not behind its first data: nobody sends these before Finished."""
    flight = [sent for sent in handshake.sent if sent.sender == "client" and sent.name == "encrypted_handshake"]
    return next((sent for sent in reversed(flight) if data and sent.frame <= data[0].frame), None)


def _judge_client(handshake: Handshake, suite: Suite, packets: list[Seen], done: Sent, result: Inference) -> None:
    tag, finished = suite.tag_length, 4 + suite.hash_length
    shown = " ".join(str(seen.length) for seen in packets[:8])
    rooms = [seen.length - tag - 1 for seen in packets]  # beside the shortest packet number
    if max(rooms) < _CRYPTO + finished:
        result.because(
            done, "client", f"The client's Handshake packets ({shown}) have no room for Finished: some lack."
        )
        return
    needed = _CRYPTO + _SMALLEST_CERTIFICATE + _SMALLEST_VERIFY + finished
    if sum(rooms) < needed:
        result.presented = False
        alone = _CRYPTO + finished
        holding = [room for room in rooms if room >= _CRYPTO + _EMPTY_CERTIFICATE]
        if holding and all(alone <= room < alone + _EMPTY_CERTIFICATE for room in holding):
            result.answer = "not-asked"
            says = f"The client's Handshake packets ({shown}) have room for Finished, but for no empty Certificate."
        else:
            says = f"The client's Handshake packets ({shown}) have no room for a certificate and its signature."
        result.because(done, "client", says)
        return
    hello = handshake.client_hello
    if result.accepted and (hello is None or hello.extension(*_APPLICATION_SETTINGS) is None):
        least = needed + _ACKNOWLEDGMENTS
        large = [seen for seen in packets if not _may_be_padded(seen) and seen.length - tag - _LONGEST_NUMBER >= least]
        if large:
            result.answer, result.presented = "presented", True
            says = f"A Handshake packet of {large[0].length}, in a place that nobody pads, is more than Finished."
            result.because(done, "client", f"{says} It holds a Certificate that is not empty.")
            return
    says = f"The client's Handshake packets ({shown}) are encrypted, and may hold acknowledgments and padding."
    result.because(done, "client", f"{says} Their sizes do not tell.")


def _may_be_padded(seen: Seen) -> bool:
    """Whether padding may fill a datagram up; it stands in an Initial packet, or at the end (RFC 9000, section 14.1).

    Padding that hides sizes is another matter, and known of no stack.
    """
    if seen.is_followed:
        return False
    return seen.with_initial or seen.datagram >= SMALLEST_FIRST_DATAGRAM


def _replies(done: Sent, server: list[Seen]) -> list[Seen]:
    return [seen for seen in server if seen.frame > done.frame]


def went_on(done: Sent, last_of_client: int, server: list[Seen]) -> bool | None:
    """Whether the server went on behind the client's flight, and the client after that; None: it cannot be told.

    A server that refuses a certificate closes the connection, in the same words as often as anything comes, and the
    client falls silent. What the server had sent before (it may, RFC 9001, section 4.1.1) may come late.
    """
    replies = _replies(done, server)
    answered = {seen.length for seen in replies if seen.frame < last_of_client}
    if len(answered) >= _MORE_THAN_A_CLOSE:
        return True
    if len({seen.length for seen in replies}) < 2:
        return None
    last = len(replies) - 1
    while replies[last - 1].length == replies[last].length:
        last -= 1
    return True if last_of_client > replies[last].frame else None
