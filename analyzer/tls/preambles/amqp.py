"""AMQP 1.0: both sides send the protocol header of the TLS layer, then TLS begins (OASIS AMQP 1.0, part 5, 5.2).

Other headers (0-9-1, SASL, plain 1.0) begin a session in clear.
"""

from analyzer.tls.preambles._preamble import Preamble, waiting

CLIENT, SERVER = b"A", b"A\1"
GREETS = False

_TLS_HEADER = b"AMQP\2\1\0\0"


def recognize(client: bytes, server: bytes) -> Preamble | None:
    """Judge the first bytes of both directions."""
    if client[:4] != b"AMQP"[: len(client)]:
        return None
    if len(client) < 8:
        return waiting("amqp")
    if client[:8] != _TLS_HEADER:
        return Preamble("amqp", "other", 8, 0, "The client did not ask for the TLS layer of AMQP.")
    if len(server) < 8:
        return waiting("amqp", 8, "asked for the TLS layer")
    if server[:8] == _TLS_HEADER:
        return Preamble("amqp", "tls", 8, 8, "Both sides sent the protocol header of the TLS layer.")
    version = " ".join(str(number) for number in server[4:8])
    says = f"The server declined the TLS layer: it answered AMQP {version}."
    return Preamble("amqp", "refused", 8, 8, says)
