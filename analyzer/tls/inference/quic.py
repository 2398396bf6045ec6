"""What do the sizes of QUIC's packets tell without keys?

What a client sends in Handshake packets is its flight: Finished, before it perhaps a Certificate, empty or with a
CertificateVerify (RFC 9001, section 4.1.2). Acknowledgments and padding share these packets, and the length of the
packet number is hidden, so that sizes are bounds. Initial packets can be read: of how many bytes this client's packet
numbers are, and whether its acknowledgments count marks of congestion, is seen there. What has no room for a
Certificate holds none; what is more than Finished and the longest acknowledgment, and not in a place that anybody pads,
holds one, if only an empty one. In between nothing is said.

Numbers being hidden, a packet that the capture lacks leaves no gap: that there is one shows only where no packet has
room for Finished, which the client must have sent.
"""

from typing import NamedTuple

from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.inference import Answer, Inference
from analyzer.tls.quic.facts import Quic, Seen
from analyzer.tls.quic.packet import SMALLEST_FIRST_DATAGRAM
from analyzer.tls.registry import Suite

_CRYPTO, _LONGEST_CRYPTO = 3, 4
"""Bytes of the header of a stream's first CRYPTO frame; its length may take two (RFC 9000, section 19.6)."""
_EMPTY_CERTIFICATE = 8
_SMALLEST_CERTIFICATE = 4 + 1 + 3 + 3 + 44 + 2
"""A raw Ed25519 key (RFC 7250)."""
_SMALLEST_VERIFY = 4 + 2 + 2 + 64
"""Ed25519's."""
_ACKNOWLEDGMENT = 8
"""Bytes of an ACK frame of one range, however long it was delayed (RFC 9000, section 19.3)."""
_PING = 1
_RANGE, _COUNTS = 2, 3
"""Bytes of another range, and of the three counts of marks."""
_SOON_ACKNOWLEDGED, _SOON = 6, 10**8
"""The same where it was delayed for less than so many nanoseconds."""
_ACKNOWLEDGMENTS = 64
"""No flight is acknowledged in more: it would have that many gaps."""
_NUMBERS = range(1, 5)
"""Bytes that a packet number may have."""
_MORE_THAN_A_CLOSE = 3
"""So many packets of different sizes, and the client went on after them; or after one, and others followed."""
_APPLICATION_SETTINGS, _SMALLEST_SETTINGS = (17513, 17613), 4 + 2 + 4
"""By these the client's flight may begin with EncryptedExtensions, of so many bytes (draft-vvv-tls-alps)."""

_FLIGHTS: dict[Answer, str] = {
    "not-asked": "finished",
    "declined": "certificate, finished",
    "presented": "certificate, certificate_verify, finished",
}


class _Bounds(NamedTuple):
    """How many bytes a Handshake packet of the client has beside its messages, at least and at most."""

    least: int
    """Tag and packet number."""
    most: int
    """With these the header of a CRYPTO frame, and an acknowledgment."""

    @property
    def most_of_none(self) -> int:
        """Bytes of a packet without messages, at most."""
        return self.most - _LONGEST_CRYPTO + _PING


def infer(handshake: Handshake, quic: Quic) -> Inference:
    """Judge the client's flight by the sizes of its packets, and whether both sides went on."""
    result, suite = Inference(), handshake.suite
    packets = [seen for seen in quic.seen if seen.sender == "client" and seen.kind == "handshake"]
    data = {
        sender: [seen for seen in quic.seen if seen.sender == sender and seen.kind == "1-rtt"]
        for sender in ("client", "server")
    }
    result.answered = any(sent.sender == "client" and sent.name == "encrypted_handshake" for sent in handshake.sent)
    result.client_finished = done = _last_of_flight(handshake, data["client"])
    begun = done.frame if done is not None else data["client"][0].frame if data["client"] else None
    if begun is not None:  # the client sends no data before Finished, though that may be lost, or come later
        result.accepted = went_on(begun, quic.last_data["client"], data["server"])
    if suite is None or done is None:
        result.because(None, "client", "That the client has finished is not seen: its flight may not be complete.")
        return result
    if handshake.has_hole("client"):
        result.because(done, "client", "The capture lacks a part of the client's packets.")
    else:
        # A close in Handshake packets comes with one behind it, in the same words; who says more has finished.
        has_finished = bool(result.accepted) or len({seen.length for seen in data["client"]}) > 1
        beside = _bounds(quic, suite, done)
        _judge_client(handshake, suite, packets, beside, done, has_finished, result)
        _name_flight(handshake, done, beside, result)
    if result.answer == "not-asked" and _replies(done.frame, data["server"]):
        result.accepted = True  # there was nothing to refuse
    return result


def _last_of_flight(handshake: Handshake, data: list[Seen]) -> Sent | None:
    """The client's last Handshake packet that is not behind its first data: nobody sends these before Finished."""
    flight = [sent for sent in handshake.sent if sent.sender == "client" and sent.name == "encrypted_handshake"]
    return next((sent for sent in reversed(flight) if data and sent.frame <= data[0].frame), None)


def _bounds(quic: Quic, suite: Suite, done: Sent) -> _Bounds:
    """By the client's Initial packets, and by how many ranges an acknowledgment of the server's flight may have."""
    numbers = quic.number_lengths or _NUMBERS
    before = [seen for seen in quic.seen if seen.kind == "handshake" and seen.frame < done.frame]
    counts = _COUNTS if quic.counts_marks is not False else 0
    acknowledgment = _ACKNOWLEDGMENT + _RANGE * max(sum(seen.sender == "server" for seen in before) - 1, 0) + counts
    most = max(numbers) + min(acknowledgment, _ACKNOWLEDGMENTS)
    last = before[-1] if before else None
    if last is not None and last.sender == "client" and done.time - before[0].time < _SOON:
        # All that had come was acknowledged in a packet of its own; where that has room for one range, what follows
        # holds no other, and its delay takes one byte more at most.
        alone = last.length - suite.tag_length
        if alone - min(numbers) <= _SOON_ACKNOWLEDGED + (_COUNTS if quic.counts_marks else 0):
            most = min(most, alone + 1)
    return _Bounds(suite.tag_length + min(numbers), suite.tag_length + most + _LONGEST_CRYPTO)


def _judge_client(
    handshake: Handshake,
    suite: Suite,
    packets: list[Seen],
    beside: _Bounds,
    done: Sent,
    has_finished: bool,
    result: Inference,
) -> None:
    finished = 4 + suite.hash_length
    shown = " ".join(str(seen.length) for seen in packets[:8])
    rooms = [seen.length - beside.least for seen in packets]
    if max(rooms) < _CRYPTO + finished:
        result.because(
            done, "client", f"The client's Handshake packets ({shown}) have no room for Finished: some lack."
        )
        return
    hello = handshake.client_hello
    says_more = hello is not None and hello.extension(*_APPLICATION_SETTINGS) is not None
    flight = [seen for seen in packets if seen.frame <= done.frame and not _may_be_padded(seen)]
    most = max((seen.length for seen in flight), default=0) - beside.most
    if sum(rooms) < _CRYPTO + _SMALLEST_CERTIFICATE + _SMALLEST_VERIFY + finished:
        result.presented = False
        alone = _CRYPTO + finished
        holding = [room for room in rooms if room >= _CRYPTO + _EMPTY_CERTIFICATE]
        if holding and all(alone <= room < alone + _EMPTY_CERTIFICATE for room in holding):
            result.answer = "not-asked"
            says = f"The client's Handshake packets ({shown}) have room for Finished, but for no empty Certificate."
        elif has_finished and most > finished and not (says_more and max(rooms) >= alone + _SMALLEST_SETTINGS):
            result.answer = "declined"
            says = f"The client's Handshake packets ({shown}) hold more than Finished and the longest acknowledgment, "
            says += "and have no room for a certificate and its signature: an empty Certificate."
        else:
            says = f"The client's Handshake packets ({shown}) have no room for a certificate and its signature."
        result.because(done, "client", says)
        return
    more = _LONGEST_CRYPTO + _EMPTY_CERTIFICATE + _ACKNOWLEDGMENTS
    large = [seen for seen in flight if seen.length - beside.most > finished + more]
    if has_finished and not says_more and large:
        result.answer, result.presented = "presented", True
        says = f"A Handshake packet of {large[0].length}, in a place that nobody pads, is more than Finished."
        result.because(done, "client", f"{says} It holds a Certificate that is not empty.")
        return
    last = flight[-1] if flight and flight[-1].frame == done.frame else None
    if has_finished and not says_more and last is not None and _ends_more(last, beside, finished):
        result.answer, result.presented = "presented", True
        says = (
            f"The client's last Handshake packet ({last.length}) is more than an acknowledgment, and has no room for "
        )
        says += f"Finished: it ends a flight that fills the packet before it ({shown}), and so holds a Certificate."
        result.because(done, "client", says)
        return
    says = f"The client's Handshake packets ({shown}) are encrypted, and may hold acknowledgments and padding."
    result.because(done, "client", f"{says} Their sizes do not tell.")


def _name_flight(handshake: Handshake, done: Sent, beside: _Bounds, result: Inference) -> None:
    """Name what the client's packets hold together, from the first that is more than an acknowledgment on."""
    names = _FLIGHTS.get(result.answer)
    packets = [
        (i, sent)
        for i, sent in enumerate(handshake.sent)
        if sent.sender == "client" and sent.name == "encrypted_handshake" and sent.frame <= done.frame
    ]
    begin = next((at for at, (_, sent) in enumerate(packets) if sent.length > beside.most_of_none), None)
    if names is None or begin is None:
        return
    positions = [i for i, _ in packets[begin:]]
    if positions == list(range(positions[0], positions[-1] + 1)):  # else nobody knows how far the flight had come
        result.roles.update(dict.fromkeys(positions, names))


def _ends_more(last: Seen, beside: _Bounds, finished: int) -> bool:
    """Whether the last packet of a flight holds the end of more messages than Finished, which is not divided."""
    return last.length > beside.most_of_none and last.length - beside.least < _CRYPTO + finished


def _may_be_padded(seen: Seen) -> bool:
    """Whether padding may fill a datagram up; it stands in an Initial packet, or at the end (RFC 9000, section 14.1).

    Padding that hides sizes is another matter, and known of no stack.
    """
    if seen.is_followed:
        return False
    return seen.with_initial or seen.datagram >= SMALLEST_FIRST_DATAGRAM


def _replies(flight: int, server: list[Seen]) -> list[Seen]:
    return [seen for seen in server if seen.frame > flight]


def went_on(flight: int, last_of_client: int, server: list[Seen]) -> bool | None:
    """Whether the server went on behind the client's flight, and the client after that; None: it cannot be told.

    A server that refuses a certificate closes the connection, in the same words as often as anything comes, and the
    client falls silent: what came before packets of another size was no close. What the server had sent before (it
    may, RFC 9001, section 4.1.1) may come late.

    Args:
        flight: the frame that shows that the client has finished.
        last_of_client: that of its last packet of data.
        server: the packets of data of the server.
    """
    replies = _replies(flight, server)
    answered = {seen.length for seen in replies if seen.frame < last_of_client}
    if len(answered) >= _MORE_THAN_A_CLOSE:
        return True
    if len({seen.length for seen in replies}) < 2:
        return None
    last = len(replies) - 1
    while replies[last - 1].length == replies[last].length:
        last -= 1
    if last_of_client > replies[last].frame:
        return True
    before = {seen.length for seen in replies[:last]}
    return True if answered and len(before) >= _MORE_THAN_A_CLOSE else None
