"""Which bytes does a signature or MAC over the handshake cover, and does the capture hold all of them?

The transcript is all handshake messages so far, in the protocol's order (RFC 8446, section 4.4.1; RFC 5246,
section 7.4.8). Each direction's order is that of its bytes; how the two interleave is told by the flights, since a
capture may show a flight late.
"""

from hashlib import algorithms_available, new

from analyzer.tls import messages
from analyzer.tls.handshake import Handshake, Sent

_OUTSIDE = frozenset(("hello_request", "hello_verify_request"))
_AFTER_TLS13 = frozenset(("new_session_ticket", "key_update"))
_MESSAGE_HASH = 254


def transcript(handshake: Handshake) -> list[Sent]:
    """The readable messages that belong to it, in the protocol's order."""
    sent = [one for one in handshake.sent if one.message is not None and one.name not in _OUTSIDE]
    return _tls13(sent) if handshake.is_tls13 else _tls12(sent)


def _tls12(sent: list[Sent]) -> list[Sent]:
    """ClientHello, the server's flight, the client's, and what the server finishes with."""
    hellos: list[Sent] = []
    server: list[Sent] = []
    client: list[Sent] = []
    end: list[Sent] = []
    is_full = _is_full(sent)
    for one in sent:
        if one.sender == "client":
            (hellos if one.name == "client_hello" else client).append(one)
        else:
            has_done = is_full and server and server[-1].name == "server_hello_done"
            (end if has_done else server).append(one)
    # DTLS: the hello that a HelloVerifyRequest answered is not covered (RFC 6347, section 4.2.1).
    return [*hellos[-1:], *server, *client, *end]


def _is_full(sent: list[Sent]) -> bool:
    """Whether it is no session that is resumed."""
    return any(one.name == "server_hello_done" for one in sent)


def _tls13(sent: list[Sent]) -> list[Sent]:
    """ClientHello, [HelloRetryRequest, ClientHello], the server's flight and the client's, each up to its Finished."""
    hellos = [one for one in sent if one.name == "client_hello"]
    retry = [one for one in sent if one.name == "hello_retry_request"][:1]
    first = [*hellos[:1], *retry] if retry and len(hellos) > 1 else []
    return [*first, *hellos[-1:], *_flight(sent, "server"), *_flight(sent, "client")]


def _flight(sent: list[Sent], sender: str) -> list[Sent]:
    """One side's messages of TLS 1.3 behind the hellos, up to its Finished."""
    flight: list[Sent] = []
    for one in sent:
        if one.sender == sender and one.name not in ("client_hello", "hello_retry_request", *_AFTER_TLS13):
            flight.append(one)
            if one.name == "finished":
                break
    return flight


def _post_handshake(handshake: Handshake, until: Sent) -> list[Sent]:
    """What a client answers to a request behind the handshake, and the request (RFC 8446, section 4.4)."""
    before = handshake.sent[: handshake.sent.index(until) + 1]
    start = max((at for at, one in enumerate(before) if one.sender == "client" and _context(one)), default=len(before))
    answer = [one for one in before[start:] if one.sender == "client" and one.message is not None]
    asked = _context(answer[0]) if answer else None
    return [one for one in before if one.sender == "server" and asked and _context(one) == asked] + answer


def _context(sent: Sent) -> bytes | None:
    """Which request a CertificateRequest is, or a Certificate answers; empty within the handshake."""
    match sent.message:
        case messages.CertificateRequest(request_context=context) | messages.Certificate(request_context=context):
            return context
        case messages.CompressedCertificate(certificate=messages.Certificate(request_context=context)):
            return context
    return None


def covered(handshake: Handshake, until: Sent, *, including: bool = False) -> bytes:
    """The transcript before a message of it, or with it.

    After a HelloRetryRequest a hash stands for the first ClientHello (RFC 8446, section 4.4.1).
    """
    parts: list[bytes] = []
    whole = transcript(handshake)
    if until not in whole:
        whole += _post_handshake(handshake, until)
    for one in whole:
        if one is until and not including:
            break
        if one.name == "hello_retry_request" and handshake.suite is not None:
            digest = new(handshake.suite.hash.lower(), b"".join(parts)).digest()
            parts = [bytes((_MESSAGE_HASH, 0, 0, len(digest))), digest]
        parts.append(one.raw)
        if one is until:
            break
    return b"".join(parts)


def lacks(handshake: Handshake, until: Sent) -> str | None:
    """What of the transcript before a message is missing or doubtful; None where all is there."""
    if handshake.truncated:
        return "not all of the handshake was kept"
    if handshake.holes:  # wherever: one is noticed late, and segments may arrive in any order
        sender, hole = handshake.holes[0]
        return f"the capture lacks records of the {sender} before frame {hole.frame}"
    suite = handshake.suite
    if suite is None or suite.hash.lower() not in algorithms_available:
        return "the cipher suite's hash is not known"
    if handshake.client_hello is None:
        return "no ClientHello is seen"
    names = [one.name for one in handshake.sent]
    retries = names.count("hello_retry_request") + names.count("hello_verify_request")
    if names.count("client_hello") > 1 + retries:
        return "there is more than one ClientHello"
    if retries and names.count("client_hello") < 2:
        return "the second ClientHello is not in the capture"
    if _answers_another(handshake):
        return "the ClientHello that the server answers is not in the capture"
    before = names[: handshake.sent.index(until)]
    if "encrypted_handshake" in before or (handshake.is_tls13 and _has_closed_record(handshake, until)):
        return "messages before it are encrypted"
    if suite.authentication in _BY_CERTIFICATE and not {"certificate", "compressed_certificate"}.intersection(before):
        return "the server's Certificate is not in the capture"
    if not handshake.is_tls13 and until.sender == "client" and "server_hello_done" not in before:
        return "the end of the server's flight is not in the capture"
    return _lacks_flight(handshake, until)


def _answers_another(handshake: Handshake) -> bool:
    """Whether the ServerHello cannot be the answer to the last ClientHello: datagrams are lost without a trace."""
    hello, answer = handshake.client_hello, handshake.server_hello
    if hello is None or answer is None:
        return False
    if handshake.is_tls13:
        chosen, offered = answer.key_share_group, hello.key_share_groups
        return chosen is not None and offered is not None and chosen not in offered
    if not handshake.is_dtls:
        return False
    # With a cookie both sides have sent one message more, and count so (RFC 6347, section 4.2.2).
    numbers = {sent.name: sent.raw[4:6] for sent in handshake.sent if sent.name in ("client_hello", "server_hello")}
    return numbers.get("server_hello", b"") > numbers.get("client_hello", b"")


def _lacks_flight(handshake: Handshake, until: Sent) -> str | None:
    """Whether the flight that the other side sent before is there up to its end."""
    whole = transcript(handshake)
    ends = {one.sender for one in whole if one.name == "finished"}
    if handshake.is_tls13:
        if until.sender == "client" and "server" not in ends:
            return "the end of the server's flight is not in the capture"
        if until not in whole and all(one.sender == "client" for one in _post_handshake(handshake, until)):
            return "the request that it answers is not in the capture"
    elif until.sender == "server" and until.name == "finished" and _is_full(whole) and "client" not in ends:
        return "the end of the client's flight is not in the capture"
    return None


def _has_closed_record(handshake: Handshake, until: Sent) -> bool:
    """Whether records that may hold messages stay closed; EndOfEarlyData looks like the early data before it."""
    answered = False
    for one in handshake.sent:
        if one is until:
            break
        answered = answered or one.name == "server_hello"
        if answered and one.name == "application_data" and one.protection == "encrypted":
            return True
    return False


_BY_CERTIFICATE = frozenset(("RSA", "DSS", "ECDSA"))
