"""What does the server's flight hold: EncryptedExtensions, [CertificateRequest], Certificate …?"""

from itertools import pairwise

from analyzer.tls.handshake import Handshake
from analyzer.tls.inference.sizes import COMPARED, FULL_RECORD, Expected, Inference, Records, Sizes, has_psk

_SMALLEST_SERVER_FLIGHT = 300
"""Smaller than all records together of a server that sends a certificate."""
_RECORD_SIZE_LIMIT = 28
_FRAGMENTS = (512, 1024, 2048, 4096, 8192)
"""Contents of records at which servers are told to split, and those of max_fragment_length (RFC 6066)."""


def server_flight(server: Records, client: Records, sizes: Expected) -> Records:
    """The server's records up to its Finished, where it stands alone in one; else those before the client's."""
    before = [(i, sent) for i, sent in server if not client or i < client[0][0]]
    for at, (_, sent) in enumerate(before[:COMPARED]):
        if at and sent.length in sizes.finished:
            return before[: at + 1]
    return before[:COMPARED]


def messages(flight: Records) -> list[int]:
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
        goes_on = size >= FULL_RECORD or size in full
    return lengths


def judge_server(handshake: Handshake, flight: Records, sizes: Expected, result: Inference) -> None:
    """EncryptedExtensions, [CertificateRequest], Certificate, CertificateVerify, Finished: four or five?"""
    if not flight or has_psk(handshake):
        return
    last = flight[-1][1]
    size = sizes.finished.get(last.length)
    if size is None:
        return
    if handshake.has_hole("server", until=last):
        result.because(last, "server", "The capture lacks records of the server's flight.")
        return
    lengths = messages(flight)
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


def judge_cut(handshake: Handshake, flight: Records, client: Records, sizes: Expected, result: Inference) -> None:
    """An alert instead of the rest of the server's flight, which the client answers with nothing but alerts."""
    if not flight or handshake.has_hole("server", until=flight[-1][1]):
        return
    # With padding it is as long as an EncryptedExtensions may be without.
    alerts = sizes.alerts if handshake.closings else {sizes.both[0].alert}
    *ahead, last = (sent.length for _, sent in flight)
    if last not in alerts or any(sent.length not in alerts for _, sent in client):
        return
    # What came before is too little for a whole flight in one record.
    if (ahead and has_psk(handshake)) or sum(ahead) > _SMALLEST_SERVER_FLIGHT:
        return
    if any(length in sizes.finished for length in ahead):
        return
    result.cut = flight[-1][1]
    result.roles[flight[-1][0]] = "alert"
    result.because(result.cut, "server", f"The server's flight ends in an alert ({last}), and lacks its Finished.")
