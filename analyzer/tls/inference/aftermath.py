"""What comes behind the client's flight: does the server go on, refuse, or ask for a certificate later?"""

from analyzer.tls.handshake import Handshake
from analyzer.tls.inference.sizes import (
    PATIENCE,
    SMALLEST_CERTIFICATE,
    SMALLEST_PACKED_ANSWER,
    Expected,
    Inference,
    Records,
    began,
)

_CONTEXTS = range(1, 65)
"""Lengths of the context that such a request and its answer have: 16 of NSS, 32 of OpenSSL."""
_SIGNATURES = frozenset(
    (128, 256, 384, 512, *range(68, 73), *range(100, 105), *range(136, 140), 64, 114, 2420, 3309, 4627)
)
"""Lengths of RSA, ECDSA, EdDSA and ML-DSA signatures."""


def judge_acceptance(
    handshake: Handshake, server: Records, client: Records, sizes: Expected, result: Inference
) -> None:
    """What the server does behind the client's flight."""
    if result.client_finished is None:
        if _go_on(server, client, sizes):
            result.accepted = True
        return
    done = next(i for i, sent in client if sent is result.client_finished)
    alerts = sizes.alerts
    # A record of the server's flight that lacks a part may seem to end behind the client's.
    later = [(i, sent) for i, sent in server if i > client[0][0] and began(sent) > client[0][1].frame]
    if any(i < done and sent.length not in alerts for i, sent in later):
        # Data of a server that does not wait for the client's flight. An alert may refuse the Certificate at once.
        later = [(i, sent) for i, sent in later if i > done]
    if not later:
        return
    index, first = later[0]
    lost = any(who == "server" and hole.frame >= client[0][1].frame for who, hole in handshake.holes)
    only_alerts = all(sent.length in alerts for _, sent in later)
    if first.length not in alerts:
        result.accepted = True
    elif only_alerts and not lost and not _client_left(handshake, client, done, index, sizes):
        waited = first.time - handshake.sent[done].time
        if waited > PATIENCE:
            says = f"The server's first record behind the client's flight is an alert ({first.length})"
            result.because(first, "server", f"{says}, {waited / 1e9:.1f} s later: it may have waited for a request.")
            result.accepted = True if result.answer == "not-asked" else None
            return
        result.accepted = False
        result.alert = first
        result.roles[index] = "alert"
        where = "behind" if index > done else "within"
        says = f"The server's first record {where} the client's flight is an alert ({first.length})."
        result.because(first, "server", says)


def judge_padded_reply(server: Records, client: Records, sizes: Expected, result: Inference) -> None:
    """A server that pads sends nothing shorter than an alert: something longer is none."""
    done = next(i for i, sent in client if sent is result.client_finished)
    later = [sent for i, sent in server if i > done and began(sent) > client[0][1].frame]
    shortest = min(sent.length for _, sent in server)
    if _go_on(server, client, sizes) or (later and later[0].length > shortest):
        result.accepted = True
    result.unclear = bool(later) and not result.accepted


def _go_on(server: Records, client: Records, sizes: Expected) -> bool:
    """Whether both sides exchange more than an answer and alerts."""
    if not client:
        return False
    replies, requests = ([i for i, sent in side if sent.length not in sizes.alerts] for side in (server, client))
    reply = next((i for i in replies if i > client[0][0]), None)
    request = next((i for i in requests if reply is not None and i > reply), None)
    return request is not None and any(i > request for i in replies)


def _client_left(handshake: Handshake, client: Records, done: int, index: int, sizes: Expected) -> bool:
    """Whether the client closed before the server's alert, which then is but the answer to that."""
    own = sizes.finished.get(handshake.sent[done].length)
    alerts = sizes.alerts if own is None else {own.alert}  # a Finished alone tells whether the client pads its records
    if any(done < i < index and sent.length in alerts for i, sent in client):
        return True
    begin, end = handshake.sent[done].frame, handshake.sent[index].frame
    return any(one.sender == "client" and begin <= one.frame < end for one in handshake.closings)


def judge_afterwards(
    handshake: Handshake, server: Records, client: Records, sizes: Expected, result: Inference
) -> None:
    """Post-handshake authentication: a request, and then a client's flight in the midst of its data."""
    hello, done = handshake.client_hello, result.client_finished
    # A hello that the capture lacks may have offered it; a client's flight that it lacks is one without a request.
    lacks = not client or (done is None and not (result.answer == "unknown" and result.asked is False))
    if result.answer in ("presented", "refused-server") or lacks or (hello and not hello.post_handshake_auth):
        return
    begin = client[0][0] if done is None else next(i for i, sent in client if sent is done)
    later = [(i, sent) for i, sent in client if i > begin]
    for at in range(1, len(later)):
        index, last = later[at]
        size = sizes.finished.get(last.length)
        if size is None:
            continue
        before, flight = later[at - 1][1].length, later[max(at - 2, 0) : at + 1]
        lengths = " ".join(str(sent.length) for _, sent in flight)
        if (
            len(flight) == 3
            and before - size.of(8) in _SIGNATURES
            and flight[0][1].length >= SMALLEST_CERTIFICATE
            and _between(server, begin, flight[0][0]) > 0
        ):
            if _between(server, flight[0][0], index) > 0:
                # Data, perhaps; but what the server sent before comes again within the flight where segments are lost.
                result.afterwards = "unknown"
                says = f"Later records ({lengths}) may be a Certificate, a CertificateVerify and Finished."
                result.because(flight[0][1], "client", says)
                continue
            result.afterwards = "presented"
            names = ("certificate", "certificate_verify", "finished")
            result.roles.update((i, name) for (i, _), name in zip(flight, names, strict=True))
            says = f"Later records ({lengths}) are a Certificate, a CertificateVerify and Finished: it was asked then."
            result.because(flight[0][1], "client", says)
            return
        asked = _between(server, begin, later[at - 1][0]) > 0 and _between(server, later[at - 1][0], index) == 0
        if asked and before - size.empty_certificate in _CONTEXTS and result.afterwards is None:
            result.afterwards = "declined"
            says = (
                f"Later records ({before} {last.length}) may be an empty Certificate and Finished, on a later request."
            )
            result.because(later[at - 1][1], "client", says)
    if result.afterwards is None and hello is not None:
        _judge_packed_afterwards(server, later, begin, sizes, result)


def _judge_packed_afterwards(server: Records, later: Records, begin: int, sizes: Expected, result: Inference) -> None:
    """A client that packs its flight (NSS) answers a request with one record, which data may look like, too."""
    ahead = begin
    for index, sent in later:
        asked = [reply.length for i, reply in server if ahead < i < index]
        request = any(len(asked) == 1 and 0 <= asked[0] - size.of(0) - 60 <= 120 for size in sizes.both)
        if ahead != begin and request and sent.length >= SMALLEST_PACKED_ANSWER:
            result.afterwards = "unknown"
            says = f"Records of {asked[0]} and {sent.length} may be a later request for a certificate, and its answer."
            result.because(sent, "client", says)
            return
        ahead = index


def _between(records: Records, begin: int, end: int) -> int:
    return sum(begin < i < end for i, _ in records)
