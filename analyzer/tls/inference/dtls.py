"""What do the sizes of DTLS 1.3's encrypted records tell without keys?

As in TLS 1.3 (see `inference`), with three differences. The epoch is in clear, so that the flights are told from data
(RFC 9147, section 6.1). A message has twelve bytes of header (section 5.2) and may come in fragments of any size, so
that only the client's flight tells: all that it may hold beside a Certificate has a size of its own. And an ACK lists
sixteen bytes for each record (section 7): that of the client's flight tells whether the capture holds all of it.
"""

from functools import cached_property

from analyzer.tls.handshake import Handshake
from analyzer.tls.inference.sizes import PATIENCE, Answer, Inference, Records, Sizes

_HEADER = 12
_SMALLEST_CERTIFICATE = 126
"""Bytes of content: more than any flight without a Certificate has, less than any Certificate with a key."""
_BLOCKS = (256, 128, 64, 32)
_MOST_ACKNOWLEDGED = 64


class DtlsSizes(Sizes):
    """Lengths of protected records under one cipher suite."""

    @cached_property
    def finished(self) -> int:
        """A Finished alone."""
        return self.of(_HEADER + self.hash_length)

    @cached_property
    def empty_certificate(self) -> int:
        """A Certificate without entries."""
        return self.of(_HEADER + 4)

    @cached_property
    def declined(self) -> int:
        """An empty Certificate and Finished in one record."""
        return self.of(2 * _HEADER + 4 + self.hash_length)

    def acknowledged(self, length: int) -> int:
        """How many records an ACK of this length lists; 0 where this is the length of none."""
        content = length - self.of(0) - 2
        return content // 16 if content > 0 and content % 16 == 0 else 0


def infer(handshake: Handshake) -> Inference:
    """Judge the client's flight by the sizes of its records, and what the server does behind it."""
    result = Inference()
    suite, hello = handshake.suite, handshake.server_hello
    if suite is None or hello is None:
        result.because(None, "server", "The cipher suite is not known, so sizes tell nothing.")
        return result
    size = DtlsSizes(suite.hash_length, suite.tag_length or suite.mac_length or 16)
    begin = next(i for i, sent in enumerate(handshake.sent) if sent.message is hello)
    hidden = [(i, sent) for i, sent in enumerate(handshake.sent) if i > begin and sent.protection == "encrypted"]
    flights = [(i, sent) for i, sent in hidden if sent.name == "encrypted_handshake"]
    result.flights.update(i for i, _ in flights)
    client = [(i, sent) for i, sent in flights if sent.sender == "client"]
    server = [(i, sent) for i, sent in hidden if sent.sender == "server"]
    result.answered = bool(client)
    if client and not _are_padded(client, size, result):
        _judge_client(client, server, size, result)
    _judge_acceptance(hidden, size, result)
    return result


def _are_padded(client: Records, size: DtlsSizes, result: Inference) -> bool:
    """Whether all records hold multiples of some block, as padding makes them."""
    contents = {sent.length - size.tag_length for _, sent in client}
    block = next((block for block in _BLOCKS if all(content % block == 0 for content in contents)), None)
    if block is not None:
        says = f"The client's protected records hold multiples of {block} bytes, as padding makes them."
        result.because(client[0][1], "client", f"{says} Their sizes tell nothing.")
    return block is not None


def _judge_client(client: Records, server: Records, size: DtlsSizes, result: Inference) -> None:
    """Finished, an empty Certificate and Finished, an alert, or else a Certificate; ACKs may come between."""
    most = min(len(server), _MOST_ACKNOWLEDGED)
    flight = [(i, sent) for i, sent in client if not 0 < size.acknowledged(sent.length) <= most]
    doubtful = any(sent.length >= size.of(_SMALLEST_CERTIFICATE) for i, sent in client if (i, sent) not in flight)
    if not flight:
        result.because(client[0][1], "client", "The client's records have the sizes of acknowledgments.")
        return
    lengths = [sent.length for _, sent in flight]
    first = flight[0][1]
    if all(length == size.alert for length in lengths):
        result.answer, result.alert = "refused-server", first
        result.roles[flight[0][0]] = "alert"
        result.because(first, "client", f"The client answers with an alert ({first.length}).")
        return
    if max(lengths) >= size.of(_SMALLEST_CERTIFICATE):
        _judge_presented(sorted(flight, key=lambda one: one[1].length < size.of(_SMALLEST_CERTIFICATE)), size, result)
        return
    shapes: tuple[tuple[Answer, list[int], list[str]], ...] = (
        ("declined", [size.empty_certificate, size.finished], ["certificate", "finished"]),
        ("declined", [size.finished, size.empty_certificate], ["finished", "certificate"]),
        ("declined", [size.declined], ["certificate, finished"]),
        ("not-asked", [size.finished], ["finished"]),
    )
    for answer, shape, roles in shapes:
        # Datagrams may come in any order: of what is behind Finished nothing may be an empty Certificate.
        others = answer == "not-asked" and not {*lengths} <= {size.finished, size.alert}
        if lengths[: len(shape)] == shape and not doubtful and not others:
            result.answer = answer
            result.client_finished = flight[len(shape) - 1][1]
            result.roles.update((i, names) for (i, _), names in zip(flight, roles, strict=False))
            certificate = "an empty Certificate" if answer == "declined" else "no Certificate"
            shown = " ".join(map(str, shape))
            result.because(first, "client", f"The client's flight ({shown}) is Finished and {certificate}.")
            _check_for_loss(client, server, size, result)
            return
    result.because(first, "client", f"The client's first protected record ({first.length}) fits no known flight.")


def _judge_presented(flight: Records, size: DtlsSizes, result: Inference) -> None:
    """The first record is larger than all that the client may send but a Certificate."""
    index, first = flight[0]
    end = next((at for at, (_, sent) in enumerate(flight) if sent.length == size.finished), None)
    result.answer = "presented"
    if end is None:
        result.client_finished = flight[-1][1]
        result.roles.update((i, "certificate, certificate_verify, finished") for i, _ in flight[:1])
        says = f"The client's first protected record ({first.length}) is larger than any flight without a certificate."
    else:
        result.client_finished = flight[end][1]
        result.roles[index], result.roles[flight[end][0]] = "certificate", "finished"
        shown = " ".join(str(sent.length) for _, sent in flight[: end + 1])
        says = f"The client's flight ({shown}) ends in a Finished and begins with a Certificate that is not empty."
    result.because(first, "client", says)


def _check_for_loss(client: Records, server: Records, size: DtlsSizes, result: Inference) -> None:
    """Take the answer back where the server acknowledges more records of the flight than there are."""
    done = next(i for i, sent in client if sent is result.client_finished)
    answer = next((sent for i, sent in server if i > done), None)
    listed = size.acknowledged(answer.length) if answer is not None else 0
    if answer is not None and len(client) < listed <= _MOST_ACKNOWLEDGED:
        result.answer = "unknown"
        result.client_finished = None
        says = f"The server seems to acknowledge {listed} records of the client ({answer.length}), and {len(client)} "
        result.because(answer, "server", f"{says}are there: others may be missing.")


def _judge_acceptance(hidden: Records, size: DtlsSizes, result: Inference) -> None:
    """What the server does behind the client's flight: it acknowledges it, or sends an alert."""
    if result.client_finished is None:
        return
    done = next(i for i, sent in hidden if sent is result.client_finished)
    later = [(i, sent) for i, sent in hidden if i > done]
    answers = [(i, sent) for i, sent in later if sent.sender == "server"]
    if not later and result.answer == "presented":
        # A Certificate may be refused before all of the flight has come: behind it, in the epoch of data.
        begun = next(i for i, sent in hidden if sent.sender == "client")
        answers = [(i, sent) for i, sent in hidden if begun < i < done and sent.sender == "server"]
        answers = [(i, sent) for i, sent in answers if sent.name == "application_data" and sent.length == size.alert]
    said = [(i, sent) for i, sent in answers if not size.acknowledged(sent.length)]
    left = next((i for i, sent in later if sent.sender == "client" and sent.length == size.alert), None)
    only_alerts = bool(said) and all(sent.length == size.alert for _, sent in said)
    if only_alerts and said[0][1].time - result.client_finished.time > PATIENCE:
        result.accepted = True if len(answers) > len(said) or result.answer == "not-asked" else None
    elif only_alerts and not _comes_before(left, said[0][0]):
        index, alert = said[0]
        result.accepted, result.alert = False, alert
        result.roles[index] = "alert"
        says = f"The server's first record behind the client's flight is an alert ({alert.length})."
        result.because(alert, "server", says)
    elif answers:
        result.accepted = True


def _comes_before(one: int | None, other: int) -> bool:
    return one is not None and one < other
