"""What does the client's flight hold: Finished, an empty Certificate and Finished, an alert, or a Certificate?"""

from functools import lru_cache
from typing import NamedTuple

from analyzer.tls.handshake import Handshake
from analyzer.tls.inference.server_flight import messages
from analyzer.tls.inference.sizes import (
    COMPARED,
    SMALLEST_CERTIFICATE,
    SMALLEST_PACKED_ANSWER,
    Answer,
    Expected,
    Inference,
    Records,
    Sizes,
    has_psk,
)

_SMALLEST_FLIGHT = 180
"""Likewise of a record with a whole flight: a raw Ed25519 key, its signature, and Finished."""
_CLIENT_EXTENSIONS = 10
"""An EncryptedExtensions of the client's with empty application settings (draft-vvv-tls-alps)."""
_APPLICATION_SETTINGS = (17513, 17613)
_COMPRESSION = 27
_COMPRESSED_EMPTY = range(17, 37)
"""Content of a CompressedCertificate of no entries: 12 bytes and what a compressor makes of 4 (RFC 8879)."""


def without_early_data(
    handshake: Handshake, client: Records, server: Records, sizes: Expected, result: Inference
) -> Records:
    """The client's records behind its 0-RTT data (RFC 8446, section 4.2.10)."""
    hello = handshake.client_hello
    if hello is None or not hello.early_data:
        return client
    if has_psk(handshake):
        ends = {size.end_of_early_data for size in sizes.both}
        for at, (index, sent) in enumerate(client):
            if sent.length in ends:
                result.roles[index] = "end_of_early_data"
                result.because(sent, "client", f"A record of {sent.length} is EndOfEarlyData.")
                return client[at + 1 :]
    # Rejected, or its end is not seen: what was sent before the server's flight was read cannot be told from
    # early data, what came behind the server's Finished is at least likely to be something else.
    packed = next((i for i, _ in server), None)
    last = next((i for i, sent in server[1:] if sent.length in sizes.finished), packed)
    return [(i, sent) for i, sent in client if last is not None and i > last]


class _Shape(NamedTuple):
    """A client's flight without a certificate."""

    answer: Answer
    lengths: tuple[int, ...]
    """Of its records."""
    messages: tuple[str, ...]
    """What each record holds."""


@lru_cache
def _shapes(both: tuple[Sizes, Sizes], *, with_settings: bool) -> list[_Shape]:
    """All flights without a certificate; `with_settings`: the client may send EncryptedExtensions first."""
    shapes: list[_Shape] = []
    for size in both:
        finished, declined = size.finished, size.declined
        shapes += (
            _Shape("not-asked", (finished,), ("finished",)),
            _Shape("declined", (size.empty_certificate, finished), ("certificate", "finished")),
            _Shape("declined", (declined,), ("certificate, finished",)),
        )
        if with_settings:
            own = "encrypted_extensions"
            shapes += (
                _Shape("not-asked", (finished + _CLIENT_EXTENSIONS,), (f"{own}, finished",)),
                _Shape("not-asked", (size.of(_CLIENT_EXTENSIONS), finished), (own, "finished")),
                _Shape("declined", (declined + _CLIENT_EXTENSIONS,), (f"{own}, certificate, finished",)),
            )
    return shapes


def judge_client(handshake: Handshake, client: Records, sizes: Expected, result: Inference) -> None:
    """Finished, an empty Certificate and Finished, an alert, or else a Certificate?"""
    index, first = client[0]
    if handshake.has_hole("client", until=first):
        result.because(first, "client", "The capture lacks records of the client before this one.")
        return
    hello = handshake.client_hello
    with_settings = hello is not None and hello.extension(*_APPLICATION_SETTINGS) is not None
    # No two of all these shapes are equal: 69 and 85 of JSSE under SHA-256 and SHA-384 are no one else's.
    begin = tuple(sent.length for _, sent in client[:2])
    for shape in _shapes(sizes.both, with_settings=with_settings):
        if begin[: len(shape.lengths)] == shape.lengths:
            flight = client[: len(shape.lengths)]
            result.answer = shape.answer
            result.client_finished = flight[-1][1]
            result.roles.update((i, names) for (i, _), names in zip(flight, shape.messages, strict=True))
            lengths = " ".join(map(str, shape.lengths))
            certificate = "an empty Certificate" if shape.answer == "declined" else "no Certificate"
            result.because(first, "client", f"The client's flight ({lengths}) is Finished and {certificate}.")
            return
    if _is_empty_compressed(handshake, client, sizes):
        result.answer = "declined"
        result.client_finished = client[1][1]
        result.roles |= {index: "compressed_certificate", client[1][0]: "finished"}
        lengths = f"{first.length} {client[1][1].length}"
        says = f"The client's flight ({lengths}) is Finished and an empty Certificate, compressed."
        result.because(first, "client", says)
        return
    if all(sent.length in sizes.alerts for _, sent in client):
        result.answer = "refused-server"
        result.alert = first
        result.roles[index] = "alert"
        result.because(first, "client", f"The client answers with an alert ({first.length}).")
        return
    settings = with_settings and first.length < SMALLEST_PACKED_ANSWER  # a frame of HTTP/2 at most
    may_hide = settings or (hello is not None and hello.early_data)
    _judge_presented(client, sizes, result, may_hide=may_hide)


def _is_empty_compressed(handshake: Handshake, client: Records, sizes: Expected) -> bool:
    """Whether the flight begins with a Certificate too small for any, of a client that knows compression."""
    hello = handshake.client_hello
    if hello is None or hello.extension(_COMPRESSION) is None or len(client) < 2:
        return False
    first, second = client[0][1].length, client[1][1].length
    return any(second == size.finished and first - size.of(0) in _COMPRESSED_EMPTY for size in sizes.both)


def _judge_presented(client: Records, sizes: Expected, result: Inference, *, may_hide: bool) -> None:
    """Nothing else fits: the first record begins with a Certificate that is not empty.

    Unless it `may_hide` something else of any size: 0-RTT data that was rejected, or application settings.
    """
    index, first = client[0]
    ends = (at for at in range(1, min(len(client), COMPARED)) if client[at][1].length in sizes.finished)
    end = next((at for at in ends if len(messages(client[: at + 1])) <= 3), None)
    if first.length < (_SMALLEST_FLIGHT if end is None else SMALLEST_CERTIFICATE):
        result.because(first, "client", f"The client's first protected record ({first.length}) fits no known flight.")
        return
    if may_hide and result.asked is not True:
        says = f"The client's first protected record ({first.length}) may be something else than a Certificate."
        result.because(first, "client", says)
        return
    result.answer = "presented"
    if end is None:
        result.roles[index] = "certificate, certificate_verify, finished"
        result.client_finished = first
        says = f"The client's first protected record ({first.length}) is larger than any flight without a certificate."
    else:
        lengths = " ".join(str(sent.length) for _, sent in client[: end + 1])
        result.client_finished = client[end][1]
        _name_client_flight([i for i, _ in client[: end + 1]], result)
        says = f"The client's flight ({lengths}) ends in a Finished and begins with a Certificate that is not empty."
    result.because(first, "client", says)


def _name_client_flight(positions: list[int], result: Inference) -> None:
    """Certificate, in one record or several, CertificateVerify, Finished; or the first two in one record."""
    *certificate, verify, finished = positions
    result.roles |= dict.fromkeys(certificate, "certificate")
    result.roles[verify] = "certificate_verify" if certificate else "certificate, certificate_verify"
    result.roles[finished] = "finished"
