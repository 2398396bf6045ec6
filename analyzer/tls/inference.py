"""What do the sizes of TLS 1.3's encrypted records tell without keys?

Handshake messages may not span a key change (RFC 8446, section 5.1), so the client's first protected record
behind the server's flight begins with Certificate, Finished or an alert. Finished, an empty Certificate and an
alert have sizes that the cipher suite fixes, padding is rare, and so the lengths of the first records tell
whether the client was asked for a certificate, declined, or sent one. Where they do not add up, nothing is
said.
"""

from dataclasses import dataclass, field
from typing import Literal

from analyzer.results import Evidence, Sender
from analyzer.tls.handshake import Handshake, Sent

JSSE_PADDING = 16
"""Zeros that Java's JSSE puts behind the content of each record."""
_SMALLEST_CLIENT_FLIGHT = 110
"""Smaller than any Certificate that carries a key, larger than any flight without one."""
_FULL_RECORD = (1 << 14) + 1
"""Content and its type, of the largest record."""
_BLOCKS = (4096, 2048, 1024, 512, 256, 128, 64, 32)
_COMPARED = 24

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
    """Whether the server went on after the client's flight (False: it sent an alert or left); None: not seen."""
    client_finished: Sent | None = None
    """The record with the client's Finished."""
    roles: dict[int, str] = field(default_factory=dict)
    """By position in `Handshake.sent`: the messages that a protected record must hold."""
    reasons: list[Evidence] = field(default_factory=list)
    """The arithmetic in words."""

    def because(self, sent: Sent | None, sender: Sender, says: str) -> None:
        """Add a piece of arithmetic, about a record or about the lack of one."""
        self.reasons.append(Evidence(sent.frame if sent else None, sender, None, says))


def infer(handshake: Handshake) -> Inference:
    """Judge the first flights of both sides by the sizes of their records."""
    result = Inference()
    suite, hello = handshake.suite, handshake.server_hello
    if suite is None or hello is None:
        result.because(None, "server", "The cipher suite is not known, so sizes tell nothing.")
        return result
    begin = next(i for i, sent in enumerate(handshake.sent) if sent.message is hello)
    protected = [(i, sent) for i, sent in enumerate(handshake.sent) if sent.name == "application_data" and i > begin]
    tag = suite.tag_length or 16
    sizes = [Sizes(suite.hash_length, tag, padding) for padding in (0, JSSE_PADDING)]
    server = [(i, sent) for i, sent in protected if sent.sender == "server"]
    client = [(i, sent) for i, sent in protected if sent.sender == "client"]
    client = _without_early_data(handshake, client, server, sizes, result)
    padded = _padding(server + client, tag) or _padding(client, tag)
    if padded:
        result.because(
            None, "server", f"All protected records are padded to multiples of {padded} bytes: sizes tell nothing."
        )
    flight = _server_flight(handshake, server, client, sizes)
    if not padded:
        _judge_server(handshake, flight, sizes, result)
        _judge_client(handshake, client, flight, sizes, result)
    _judge_acceptance(handshake, server, client, sizes, result, bool(padded))
    return result


Records = list[tuple[int, Sent]]


def _without_early_data(
    handshake: Handshake, client: Records, server: Records, sizes: list[Sizes], result: Inference
) -> Records:
    """The client's records behind its 0-RTT data (RFC 8446, section 4.2.10)."""
    hello = handshake.client_hello
    if hello is None or not hello.early_data:
        return client
    ends = {size.end_of_early_data for size in sizes}
    for at, (index, sent) in enumerate(client):
        if sent.length in ends and handshake.server_hello and handshake.server_hello.selected_psk is not None:
            result.roles[index] = "end_of_early_data"
            result.because(sent, "client", f"A record of {sent.length} is EndOfEarlyData.")
            return client[at + 1 :]
    # Rejected, or its end is not seen: what was sent before the server's flight was read cannot be told from
    # early data, what came behind the client's answer can.
    finished = {size.finished for size in sizes}
    last = max((i for i, sent in server if sent.length in finished), default=None)
    return [(i, sent) for i, sent in client if last is not None and i > last]


def _padding(records: Records, tag: int) -> int:
    """The block size that the content of all of these records is padded to; 0 where there is none."""
    contents = {sent.length - tag for _, sent in records[:_COMPARED] if sent.length > tag}
    contents.discard(_FULL_RECORD)
    if len(records) < 3 or not contents:
        return 0
    return next((block for block in _BLOCKS if all(content % block == 0 for content in contents)), 0)


def _server_flight(handshake: Handshake, server: Records, client: Records, sizes: list[Sizes]) -> Records:
    """The server's records up to its Finished, where it stands alone in one; else those before the client's."""
    before = [(i, sent) for i, sent in server if not client or i < client[0][0]]
    finished = {size.finished for size in sizes}
    for at, (_, sent) in enumerate(before):
        if at and sent.length in finished:
            return before[: at + 1]
    return before


def _messages(flight: Records) -> list[int]:
    """Lengths of the messages of a flight, where each has records of its own: full records go on."""
    lengths: list[int] = []
    goes_on = 0
    for at, (_, sent) in enumerate(flight):
        full = sent.length >= _FULL_RECORD or (
            at + 1 < len(flight) and sent.length > 500 and sent.length == flight[at + 1][1].length
        )
        if goes_on and sent.length <= goes_on:
            lengths[-1] += sent.length
        else:
            lengths.append(sent.length)
        goes_on = sent.length if full else 0
    return lengths


def _judge_server(handshake: Handshake, flight: Records, sizes: list[Sizes], result: Inference) -> None:
    """EncryptedExtensions, [CertificateRequest], Certificate, CertificateVerify, Finished: four or five?"""
    if handshake.has_hole("server") or not flight:
        return
    if handshake.server_hello and handshake.server_hello.selected_psk is not None:
        return
    last = flight[-1][1]
    size = next((size for size in sizes if last.length == size.finished), None)
    if size is None:
        return
    lengths = _messages(flight)
    extensions, *middle, _ = lengths
    verify = middle[-1] if middle else 0
    if extensions > 1000 or not size.of(8 + 64) <= verify <= size.of(8 + 6000):
        return
    shown = " ".join(str(length) for length in lengths)
    if len(lengths) == 4 and middle[0] >= size.of(120):
        result.asked = False
        names = ["encrypted_extensions", "certificate", "certificate_verify", "finished"]
        says = f"The server's flight has four messages ({shown}) with Finished last: no CertificateRequest."
    elif len(lengths) == 5 and size.of(4 + 1 + 2 + 6) <= middle[0] and middle[1] >= size.of(120):
        result.asked = True
        names = [
            "encrypted_extensions",
            "certificate_request",
            "certificate",
            "certificate_verify",
            "finished",
        ]
        says = f"The server's flight has five messages ({shown}) with Finished last: one is CertificateRequest."
    else:
        return
    if len(flight) == len(names):
        result.roles.update((i, name) for (i, _), name in zip(flight, names, strict=True))
    result.because(last, "server", says)


def _judge_client(
    handshake: Handshake, client: Records, flight: Records, sizes: list[Sizes], result: Inference
) -> None:
    if handshake.has_hole("client"):
        result.because(None, "client", "The capture lacks records of the client.")
        return
    if not client:
        return
    index, first = client[0]
    following = client[1][1] if len(client) > 1 else None
    for size in sizes:
        if first.length == size.finished:
            # JSSE's and other stacks' sizes never meet: 85 is no one else's Finished.
            result.answer = "not-asked"
            result.roles[index] = "finished"
            result.client_finished = first
            result.because(
                first, "client", f"The client's first protected record is a Finished ({first.length}): no Certificate."
            )
            return
        if first.length == size.empty_certificate and following and following.length == size.finished:
            result.answer = "declined"
            result.roles[index], result.roles[client[1][0]] = "certificate", "finished"
            result.client_finished = following
            result.because(
                first,
                "client",
                f"Records of {first.length} and {following.length} are an empty Certificate and Finished.",
            )
            return
        if first.length == size.declined:
            result.answer = "declined"
            result.roles[index] = "certificate, finished"
            result.client_finished = first
            result.because(
                first, "client", f"A record of {first.length} is an empty Certificate and Finished together."
            )
            return
        if first.length == size.alert and (following is None or following.length == size.alert):
            result.answer = "refused-server"
            result.roles[index] = "alert"
            result.because(first, "client", f"The client answers with an alert ({first.length}).")
            return
    _judge_presented(client, sizes, result)


def _judge_presented(client: Records, sizes: list[Sizes], result: Inference) -> None:
    """Nothing else fits: the first record begins with a Certificate that is not empty."""
    index, first = client[0]
    if first.length < _SMALLEST_CLIENT_FLIGHT:
        result.because(first, "client", f"The client's first protected record ({first.length}) fits no known flight.")
        return
    finished = {size.finished for size in sizes}
    end = next((at for at, (_, sent) in enumerate(client) if sent.length in finished), None)
    result.answer = "presented"
    if end is None:
        result.roles[index] = "certificate, certificate_verify, finished"
        result.client_finished = first
        says = f"The client's first protected record ({first.length}) is larger than any flight without a certificate."
    else:
        lengths = " ".join(str(sent.length) for _, sent in client[: end + 1])
        result.client_finished = client[end][1]
        result.roles[client[end][0]] = "finished"
        if end == 2:
            result.roles[index], result.roles[client[1][0]] = "certificate", "certificate_verify"
        says = f"The client's flight ({lengths}) ends in a Finished and begins with a Certificate that is not empty."
    result.because(first, "client", says)


def _judge_acceptance(
    handshake: Handshake,
    server: Records,
    client: Records,
    sizes: list[Sizes],
    result: Inference,
    padded: bool,
) -> None:
    """What the server does behind the client's flight."""
    if padded:
        # The first record of each side at least is there, and both went on: they understood each other.
        if client and len(client) > 1 and any(i > client[0][0] for i, _ in server):
            result.accepted = True
        return
    if result.client_finished is None:
        return
    done = next(i for i, sent in client if sent is result.client_finished)
    later = [(i, sent) for i, sent in server if i > done]
    alerts = {size.alert for size in sizes}
    if not later:
        return
    index, first = later[0]
    if first.length not in alerts:
        result.accepted = True
        return
    if all(sent.length in alerts for _, sent in later):
        result.accepted = False
        result.roles[index] = "alert"
        result.because(
            first, "server", f"The server's first record behind the client's flight is an alert ({first.length})."
        )
