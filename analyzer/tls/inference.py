"""What do the sizes of TLS 1.3's encrypted records tell without keys?

Handshake messages may not span a key change (RFC 8446, section 5.1), so the client's first protected record
behind the server's flight begins with Certificate, Finished or an alert. Finished, an empty Certificate and an
alert have sizes that the cipher suite fixes, padding is rare, and so the lengths of the first records tell
whether the client was asked for a certificate, declined, or sent one. Where they do not add up, nothing is
said.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

from analyzer.results import Evidence, Sender
from analyzer.tls.handshake import Handshake, Sent

JSSE_PADDING = 16
"""Zeros that Java's JSSE puts behind the content of each record."""
_SMALLEST_CERTIFICATE = 110
"""Smaller than a record with any Certificate that carries a key, larger than any flight without one."""
_SMALLEST_FLIGHT = 180
"""Likewise of a record with a whole flight: a raw Ed25519 key, its signature, and Finished."""
_SMALLEST_SERVER_FLIGHT = 300
"""Smaller than all records together of a server that sends a certificate."""
_SMALLEST_PACKED_ANSWER = 450
"""Likewise of one with an X.509 certificate, its signature and Finished, and larger than most other records."""
_CONTEXTS = range(1, 65)
"""Lengths of the context that such a request and its answer have: 16 of NSS, 32 of OpenSSL."""
_CLIENT_EXTENSIONS = 10
"""An EncryptedExtensions of the client's with empty application settings (draft-vvv-tls-alps)."""
_APPLICATION_SETTINGS = (17513, 17613)
_COMPRESSION = 27
_COMPRESSED_EMPTY = range(17, 37)
"""Content of a CompressedCertificate of no entries: 12 bytes and what a compressor makes of 4 (RFC 8879)."""
_RECORD_SIZE_LIMIT = 28
_FRAGMENTS = (512, 1024, 2048, 4096, 8192)
"""Contents of records at which servers are told to split, and those of max_fragment_length (RFC 6066)."""
_FULL_RECORD = (1 << 14) + 1
"""Content and its type, of the largest record."""
_BLOCKS = (4096, 2048, 1024, 512, 256, 128, 64, 32)
_COMPARED = 24
_SIGNATURES = frozenset(
    (128, 256, 384, 512, *range(68, 73), *range(100, 105), *range(136, 140), 64, 114, 2420, 3309, 4627)
)
"""Lengths of RSA, ECDSA, EdDSA and ML-DSA signatures."""

Answer = Literal["not-asked", "declined", "presented", "refused-server", "unknown"]


@dataclass(slots=True, frozen=True)
class Sizes:
    """Lengths of protected records, as in their headers, under one cipher suite."""

    hash_length: int
    tag_length: int
    padding: int = 0

    def of(self, content: int) -> int:
        """Length of a record with so many bytes of content."""
        return content + 1 + self.padding + self.tag_length

    @property
    def finished(self) -> int:
        """A Finished alone."""
        return self.of(4 + self.hash_length)

    @property
    def empty_certificate(self) -> int:
        """A Certificate without entries."""
        return self.of(8)

    @property
    def declined(self) -> int:
        """An empty Certificate and Finished in one record."""
        return self.of(12 + self.hash_length)

    @property
    def alert(self) -> int:
        """An alert."""
        return self.of(2)

    @property
    def end_of_early_data(self) -> int:
        """An EndOfEarlyData."""
        return self.of(4)


@dataclass(slots=True)
class Inference:
    """What the sizes tell, and the arithmetic behind it."""

    answer: Answer = "unknown"
    """Of the client's first flight."""
    asked: bool | None = None
    """Whether the server's flight holds a CertificateRequest; None where it does not tell."""
    accepted: bool | None = None
    """Whether the server went on after the client's flight (False: it sent an alert instead); None: not seen."""
    afterwards: Literal["presented", "declined", "unknown"] | None = None
    """What looks like the client's answer to a request after the handshake (RFC 8446, section 4.6.2)."""
    answered: bool = False
    """The client sent protected records behind the server's flight."""
    presented: bool | None = None
    """Whether the client sent a certificate, where the sizes tell no more than that."""
    unclear: bool = False
    """What the server sent behind the client's flight may be an alert or something else, by its padding."""
    cut: Sent | None = None
    """The alert with which the server broke off its flight."""
    client_finished: Sent | None = None
    """The record with the client's Finished."""
    alert: Sent | None = None
    """The record that must be the alert by which either side refused the other."""
    roles: dict[int, str] = field(default_factory=dict)
    """By position in `Handshake.sent`: the messages that a protected record must hold."""
    flights: set[int] = field(default_factory=set)
    """Positions of all records of the two flights, as far as is known."""
    reasons: list[Evidence] = field(default_factory=list)
    """The arithmetic in words."""

    def because(self, sent: Sent | None, sender: Sender, says: str) -> None:
        """Add a piece of arithmetic, about a record or about the lack of one."""
        self.reasons.append(Evidence(sent.frame if sent else None, sender, None, says))


Records = list[tuple[int, Sent]]
"""Protected records with their positions in `Handshake.sent`."""


def infer(handshake: Handshake) -> Inference:
    """Judge the first flights of both sides by the sizes of their records."""
    if handshake.is_dtls:
        from analyzer.tls import inference_dtls

        return inference_dtls.infer(handshake)
    if handshake.quic is not None:
        from analyzer.tls import quic_inference

        return quic_inference.infer(handshake, handshake.quic)
    result = Inference()
    suite, hello = handshake.suite, handshake.server_hello
    if suite is None or hello is None:
        result.because(None, "server", "The cipher suite is not known, so sizes tell nothing.")
        return result
    begin = next(i for i, sent in enumerate(handshake.sent) if sent.message is hello)
    protected = [
        (i, sent)
        for i, sent in enumerate(handshake.sent)
        if i > begin and sent.name == "application_data" and sent.protection == "encrypted"
    ]
    tag = suite.tag_length or suite.mac_length or 16
    sizes = [Sizes(suite.hash_length, tag, padding) for padding in (0, JSSE_PADDING)]
    server = [(i, sent) for i, sent in protected if sent.sender == "server"]
    client = [(i, sent) for i, sent in protected if sent.sender == "client"]
    if handshake.first("finished", "client") is not None:
        client = []  # its flight was read, and what is still encrypted comes behind it
    client = _without_early_data(handshake, client, server, sizes, result)
    result.answered = bool(client)
    flight = _server_flight(server, client, sizes)
    result.flights.update(i for i, _ in flight)
    padded = _are_padded(server, "server", tag, result)
    if not padded:
        _judge_server(handshake, flight, sizes, result)
    _judge_cut(handshake, flight, client, sizes, result)
    if client and result.cut is None and not _are_padded(client, "client", tag, result):
        _judge_client(handshake, client, sizes, result)
    if padded and result.client_finished is not None:
        _judge_padded_reply(server, client, sizes, result)
    else:
        _judge_acceptance(handshake, server, client, sizes, result)
    _judge_afterwards(handshake, server, client, sizes, result)
    result.flights.update(result.roles)
    return result


def _without_early_data(
    handshake: Handshake, client: Records, server: Records, sizes: list[Sizes], result: Inference
) -> Records:
    """The client's records behind its 0-RTT data (RFC 8446, section 4.2.10)."""
    hello = handshake.client_hello
    if hello is None or not hello.early_data:
        return client
    if _has_psk(handshake):
        ends = {size.end_of_early_data for size in sizes}
        for at, (index, sent) in enumerate(client):
            if sent.length in ends:
                result.roles[index] = "end_of_early_data"
                result.because(sent, "client", f"A record of {sent.length} is EndOfEarlyData.")
                return client[at + 1 :]
    # Rejected, or its end is not seen: what was sent before the server's flight was read cannot be told from
    # early data, what came behind the server's Finished is at least likely to be something else.
    finished = {size.finished for size in sizes}
    packed = next((i for i, _ in server), None)
    last = next((i for i, sent in server[1:] if sent.length in finished), packed)
    return [(i, sent) for i, sent in client if last is not None and i > last]


def _has_psk(handshake: Handshake) -> bool:
    return handshake.server_hello is not None and handshake.server_hello.selected_psk is not None


def _are_padded(records: Records, sender: Sender, tag: int, result: Inference) -> bool:
    """Whether the content of all records of a side is a multiple of some block: its sizes then tell nothing.

    A Finished that is not padded never is such a multiple.
    """
    contents = {sent.length - tag for _, sent in records[:_COMPARED] if sent.length > tag}
    contents.discard(_FULL_RECORD)
    block = next((block for block in _BLOCKS if contents and all(content % block == 0 for content in contents)), None)
    if block is not None:
        says = f"The {sender}'s protected records hold multiples of {block} bytes, as padding makes them."
        result.because(records[0][1], sender, f"{says} Their sizes tell nothing.")
    return block is not None


def _server_flight(server: Records, client: Records, sizes: list[Sizes]) -> Records:
    """The server's records up to its Finished, where it stands alone in one; else those before the client's."""
    before = [(i, sent) for i, sent in server if not client or i < client[0][0]]
    finished = {size.finished for size in sizes}
    for at, (_, sent) in enumerate(before[:_COMPARED]):
        if at and sent.length in finished:
            return before[: at + 1]
    return before[:_COMPARED]


def _messages(flight: Records) -> list[int]:
    """Lengths of the messages of a flight, where each has records of its own: full records go on.

    Full are records of 16 KB, and those of a size that comes twice in a row: the peers agreed on less.
    """
    sizes = [sent.length for _, sent in flight]
    full = {size for size, following in pairwise(sizes) if size == following and size > 500}
    lengths: list[int] = []
    goes_on = False
    for size in sizes:
        if goes_on:
            lengths[-1] += size
        else:
            lengths.append(size)
        goes_on = size >= _FULL_RECORD or size in full
    return lengths


def _judge_server(handshake: Handshake, flight: Records, sizes: list[Sizes], result: Inference) -> None:
    """EncryptedExtensions, [CertificateRequest], Certificate, CertificateVerify, Finished: four or five?"""
    if not flight or _has_psk(handshake):
        return
    last = flight[-1][1]
    size = next((size for size in sizes if last.length == size.finished), None)
    if size is None:
        return
    if handshake.has_hole("server", until=last):
        result.because(last, "server", "The capture lacks records of the server's flight.")
        return
    lengths = _messages(flight)
    if len(lengths) < 4:
        return
    extensions, *middle, _ = lengths
    verify = middle[-1]
    if extensions > 1000 or not size.of(8 + 64) <= verify <= size.of(8 + 6000):
        return
    shown = " ".join(str(length) for length in lengths)
    if len(lengths) == 4 and middle[0] >= size.of(120):
        result.asked = False
        names = ["encrypted_extensions", "certificate", "certificate_verify", "finished"]
        says = f"The server's flight has four messages ({shown}) with Finished last: no CertificateRequest."
    elif _may_be_full(handshake, middle[0], size):
        # The first of two records with a Certificate, where the peers agreed on less than 16 KB, or the server did.
        return
    elif len(lengths) == 5 and size.of(4 + 1 + 2 + 6) <= middle[0] and middle[1] >= size.of(120):
        result.asked = True
        names = ["encrypted_extensions", "certificate_request", "certificate", "certificate_verify", "finished"]
        says = f"The server's flight has five messages ({shown}) with Finished last: one is CertificateRequest."
    else:
        return
    if len(flight) == len(names):
        result.roles.update((i, name) for (i, _), name in zip(flight, names, strict=True))
    result.because(last, "server", says)


def _may_be_full(handshake: Handshake, length: int, size: Sizes) -> bool:
    """Whether a record may end because it is full: at a usual limit, or at the one that the client asks for."""
    content = length - size.of(0)
    hello = handshake.client_hello
    limit = hello.extension(_RECORD_SIZE_LIMIT) if hello is not None else None
    return content in _FRAGMENTS or (limit is not None and content + 1 == int.from_bytes(limit))


def _judge_cut(handshake: Handshake, flight: Records, client: Records, sizes: list[Sizes], result: Inference) -> None:
    """An alert instead of the rest of the server's flight, which the client answers with nothing but alerts."""
    if not flight or handshake.has_hole("server", until=flight[-1][1]):
        return
    # With padding it is as long as an EncryptedExtensions may be without.
    alerts = {size.alert for size in sizes if not size.padding or handshake.closings}
    *ahead, last = (sent.length for _, sent in flight)
    if last not in alerts or any(sent.length not in alerts for _, sent in client):
        return
    # What came before is too little for a whole flight in one record.
    if (ahead and _has_psk(handshake)) or sum(ahead) > _SMALLEST_SERVER_FLIGHT:
        return
    if any(length == size.finished for length in ahead for size in sizes):
        return
    result.cut = flight[-1][1]
    result.roles[flight[-1][0]] = "alert"
    result.because(result.cut, "server", f"The server's flight ends in an alert ({last}), and lacks its Finished.")


class _Shape(NamedTuple):
    """A client's flight without a certificate."""

    answer: Answer
    records: tuple[tuple[int, str], ...]
    """Length of each record, and its messages."""


def _shapes(size: Sizes, *, with_settings: bool) -> Iterator[_Shape]:
    """All flights without a certificate; `with_settings`: the client may send EncryptedExtensions first."""
    yield _Shape("not-asked", ((size.finished, "finished"),))
    yield _Shape("declined", ((size.empty_certificate, "certificate"), (size.finished, "finished")))
    yield _Shape("declined", ((size.declined, "certificate, finished"),))
    if with_settings:
        own = "encrypted_extensions"
        yield _Shape("not-asked", ((size.finished + _CLIENT_EXTENSIONS, f"{own}, finished"),))
        yield _Shape("not-asked", ((size.of(_CLIENT_EXTENSIONS), own), (size.finished, "finished")))
        yield _Shape("declined", ((size.declined + _CLIENT_EXTENSIONS, f"{own}, certificate, finished"),))


def _judge_client(handshake: Handshake, client: Records, sizes: list[Sizes], result: Inference) -> None:
    """Finished, an empty Certificate and Finished, an alert, or else a Certificate?"""
    index, first = client[0]
    if handshake.has_hole("client", until=first):
        result.because(first, "client", "The capture lacks records of the client before this one.")
        return
    hello = handshake.client_hello
    with_settings = hello is not None and hello.extension(*_APPLICATION_SETTINGS) is not None
    # No two of all these shapes are equal: 69 and 85 of JSSE under SHA-256 and SHA-384 are no one else's.
    for shape in (shape for size in sizes for shape in _shapes(size, with_settings=with_settings)):
        flight = client[: len(shape.records)]
        if [sent.length for _, sent in flight] == [length for length, _ in shape.records]:
            result.answer = shape.answer
            result.client_finished = flight[-1][1]
            result.roles.update((i, names) for (i, _), (_, names) in zip(flight, shape.records, strict=True))
            lengths = " ".join(str(length) for length, _ in shape.records)
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
    alerts = {size.alert for size in sizes}
    if first.length in alerts and all(sent.length in alerts for _, sent in client):
        result.answer = "refused-server"
        result.alert = first
        result.roles[index] = "alert"
        result.because(first, "client", f"The client answers with an alert ({first.length}).")
        return
    settings = with_settings and first.length < _SMALLEST_PACKED_ANSWER  # a frame of HTTP/2 at most
    may_hide = settings or (hello is not None and hello.early_data)
    _judge_presented(client, sizes, result, may_hide=may_hide)


def _is_empty_compressed(handshake: Handshake, client: Records, sizes: list[Sizes]) -> bool:
    """Whether the flight begins with a Certificate too small for any, of a client that knows compression."""
    hello = handshake.client_hello
    if hello is None or hello.extension(_COMPRESSION) is None or len(client) < 2:
        return False
    first, second = client[0][1].length, client[1][1].length
    return any(second == size.finished and first - size.of(0) in _COMPRESSED_EMPTY for size in sizes)


def _judge_presented(client: Records, sizes: list[Sizes], result: Inference, *, may_hide: bool) -> None:
    """Nothing else fits: the first record begins with a Certificate that is not empty.

    Unless it `may_hide` something else of any size: 0-RTT data that was rejected, or application settings.
    """
    index, first = client[0]
    finished = {size.finished for size in sizes}
    ends = (at for at in range(1, min(len(client), _COMPARED)) if client[at][1].length in finished)
    end = next((at for at in ends if len(_messages(client[: at + 1])) <= 3), None)
    if first.length < (_SMALLEST_FLIGHT if end is None else _SMALLEST_CERTIFICATE):
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


def _judge_acceptance(
    handshake: Handshake, server: Records, client: Records, sizes: list[Sizes], result: Inference
) -> None:
    """What the server does behind the client's flight."""
    if result.client_finished is None:
        if _go_on(server, client, sizes):
            result.accepted = True
        return
    done = next(i for i, sent in client if sent is result.client_finished)
    alerts = {size.alert for size in sizes}
    # A record of the server's flight that lacks a part may seem to end behind the client's.
    later = [(i, sent) for i, sent in server if i > client[0][0] and _began(sent) > client[0][1].frame]
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
    elif only_alerts and not lost and not _client_left(handshake, client, done, index, alerts):
        result.accepted = False
        result.alert = first
        result.roles[index] = "alert"
        where = "behind" if index > done else "within"
        says = f"The server's first record {where} the client's flight is an alert ({first.length})."
        result.because(first, "server", says)


def _judge_padded_reply(server: Records, client: Records, sizes: list[Sizes], result: Inference) -> None:
    """A server that pads sends nothing shorter than an alert: something longer is none."""
    done = next(i for i, sent in client if sent is result.client_finished)
    later = [sent for i, sent in server if i > done and _began(sent) > client[0][1].frame]
    shortest = min(sent.length for _, sent in server)
    if _go_on(server, client, sizes) or (later and later[0].length > shortest):
        result.accepted = True
    result.unclear = bool(later) and not result.accepted


def _go_on(server: Records, client: Records, sizes: list[Sizes]) -> bool:
    """Whether both sides exchange more than an answer and alerts."""
    if not client:
        return False
    alerts = {size.alert for size in sizes}
    replies, requests = ([i for i, sent in side if sent.length not in alerts] for side in (server, client))
    reply = next((i for i in replies if i > client[0][0]), None)
    request = next((i for i in requests if reply is not None and i > reply), None)
    return request is not None and any(i > request for i in replies)


def _client_left(handshake: Handshake, client: Records, done: int, index: int, alerts: set[int]) -> bool:
    """Whether the client closed before the server's alert, which then is but the answer to that."""
    if any(done < i < index and sent.length in alerts for i, sent in client):
        return True
    begin, end = handshake.sent[done].frame, handshake.sent[index].frame
    return any(who == "client" and begin <= frame < end for who, _, frame, _ in handshake.closings)


def _judge_afterwards(
    handshake: Handshake, server: Records, client: Records, sizes: list[Sizes], result: Inference
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
        size = next((size for size in sizes if last.length == size.finished), None)
        if size is None:
            continue
        before, flight = later[at - 1][1].length, later[max(at - 2, 0) : at + 1]
        lengths = " ".join(str(sent.length) for _, sent in flight)
        if (
            len(flight) == 3
            and before - size.of(8) in _SIGNATURES
            and flight[0][1].length >= _SMALLEST_CERTIFICATE
            and _between(server, flight[0][0], index) == 0
            and _between(server, begin, flight[0][0]) > 0
        ):
            result.afterwards = "presented"
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


def _judge_packed_afterwards(
    server: Records, later: Records, begin: int, sizes: list[Sizes], result: Inference
) -> None:
    """A client that packs its flight (NSS) answers a request with one record, which data may look like, too."""
    ahead = begin
    for index, sent in later:
        asked = [reply.length for i, reply in server if ahead < i < index]
        request = any(len(asked) == 1 and 0 <= asked[0] - size.of(0) - 60 <= 120 for size in sizes)
        if ahead != begin and request and sent.length >= _SMALLEST_PACKED_ANSWER:
            result.afterwards = "unknown"
            says = f"Records of {asked[0]} and {sent.length} may be a later request for a certificate, and its answer."
            result.because(sent, "client", says)
            return
        ahead = index


def _began(sent: Sent) -> int:
    return sent.first_frame or sent.frame


def _between(records: Records, begin: int, end: int) -> int:
    return sum(begin < i < end for i, _ in records)
