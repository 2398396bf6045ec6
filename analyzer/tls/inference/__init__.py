"""What do the sizes of TLS 1.3's encrypted records tell without keys?

Handshake messages may not span a key change (RFC 8446, section 5.1), so the client's first protected record
behind the server's flight begins with Certificate, Finished or an alert. Finished, an empty Certificate and an
alert have sizes that the cipher suite fixes, padding is rare, and so the lengths of the first records tell
whether the client was asked for a certificate, declined, or sent one. Where they do not add up, nothing is
said.
"""

from analyzer.tls.handshake import Handshake
from analyzer.tls.inference.aftermath import judge_acceptance, judge_afterwards, judge_padded_reply
from analyzer.tls.inference.client_flight import judge_client, without_early_data
from analyzer.tls.inference.server_flight import judge_cut, judge_server, server_flight
from analyzer.tls.inference.sizes import JSSE_PADDING, PATIENCE, Answer, Inference, Records, Sizes, are_padded, expected

__all__ = ["JSSE_PADDING", "PATIENCE", "Answer", "Inference", "Records", "Sizes", "expected", "infer"]


def infer(handshake: Handshake) -> Inference:
    """Judge the first flights of both sides by the sizes of their records."""
    if handshake.is_dtls:
        from analyzer.tls.inference import dtls

        return dtls.infer(handshake)
    if handshake.quic is not None:
        from analyzer.tls.inference import quic

        return quic.infer(handshake, handshake.quic)
    result = Inference()
    suite, hello = handshake.suite, handshake.server_hello
    if suite is None or hello is None:
        result.because(None, "server", "The cipher suite is not known, so sizes tell nothing.")
        return result
    begin = next(i for i, sent in enumerate(handshake.sent) if sent.message is hello)
    server: Records = []
    client: Records = []
    for i, sent in enumerate(handshake.sent):
        if i > begin and sent.name == "application_data" and sent.protection == "encrypted":
            (client if sent.sender == "client" else server).append((i, sent))
    tag = suite.tag_length or suite.mac_length or 16
    sizes = expected(suite.hash_length, tag)
    if handshake.first("finished", "client") is not None:
        client = []  # its flight was read, and what is still encrypted comes behind it
    client = without_early_data(handshake, client, server, sizes, result)
    result.answered = bool(client)
    flight = server_flight(server, client, sizes)
    result.flights.update(i for i, _ in flight)
    padded = are_padded(server, "server", tag, result)
    if not padded:
        judge_server(handshake, flight, sizes, result)
    judge_cut(handshake, flight, client, sizes, result)
    if client and result.cut is None and not are_padded(client, "client", tag, result):
        judge_client(handshake, client, sizes, result)
    if padded and result.client_finished is not None:
        judge_padded_reply(server, client, sizes, result)
    else:
        judge_acceptance(handshake, server, client, sizes, result)
    result.flights.update(result.roles)
    judge_afterwards(handshake, server, client, sizes, result)
    return result
