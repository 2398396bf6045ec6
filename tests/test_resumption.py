"""Sessions resumed: that they are, by what, and which one it was."""

import pytest
from talk import (
    AES_128_CCM_8_SHA256,
    AES_128_GCM_SHA256,
    CCS,
    CLIENT_KEY_EXCHANGE,
    ENCRYPTED_FINISHED,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    Talk,
    certificate,
    certificate_request,
    client_hello,
    handshake,
    message,
    server_hello,
    tls13,
    vector,
)
from talk import capture as captured

from analyzer import api
from analyzer.results import HandshakeReference, HandshakeReport

TICKET = bytes(range(180))
ID = bytes(range(32))
PORTS = iter(range(50000, 60000))


def talk() -> Talk:
    return Talk(client=("192.0.2.10", next(PORTS))).open()


def reports(*talks: Talk) -> list[HandshakeReport]:
    segments = [segment for one in talks for segment in one.segments]
    return api.analyze(captured(segments), trust="none").handshakes


def ticket(value: bytes) -> bytes:
    return handshake(message(4, bytes(4) + vector(2, value)))


def full(*, session_id: bytes = b"", given: bytes = b"", asks: bool = False, declined: bool = False) -> Talk:
    """A handshake of TLS 1.2 that gives a session id or a ticket."""
    one = talk().send("client", handshake(client_hello((35, b""), tls13=False)))
    request = [certificate_request()] if asks else []
    hello = server_hello(0xC02F, (35, b""), tls13=False, session_id=session_id)
    one.send("server", handshake(hello, certificate(700), SERVER_KEY_EXCHANGE, *request, SERVER_HELLO_DONE))
    own = [certificate() if declined else certificate(500)] if asks else []
    one.send("client", handshake(*own, CLIENT_KEY_EXCHANGE) + CCS + ENCRYPTED_FINISHED)
    return one.send("server", (ticket(given) if given else b"") + CCS + ENCRYPTED_FINISHED)


def resumed(*, session_id: bytes = b"", offered: bytes = b"", echoed: bytes | None = None, given: bytes = b"") -> Talk:
    """An abbreviated handshake of TLS 1.2."""
    one = talk().send("client", handshake(client_hello((35, offered), tls13=False, session_id=session_id)))
    echo = session_id if echoed is None else echoed
    hello = handshake(server_hello(0xC02F, tls13=False, session_id=echo))
    one.send("server", hello + (ticket(given) if given else b"") + CCS + ENCRYPTED_FINISHED)
    return one.send("client", CCS + ENCRYPTED_FINISHED)


FIRST = HandshakeReference(0, 0)


def test_by_session_id() -> None:
    original, again = reports(full(session_id=ID), resumed(session_id=ID))
    assert original.resumption is None
    assert (again.resumption, again.resumes) == ("session-id", FIRST)
    assert (again.authentication, again.authentication_basis, again.outcome) == ("one-way", "inherited", "established")


@pytest.mark.parametrize("echoed", [b"", ID])
def test_by_ticket(echoed: bytes) -> None:
    """The server may echo the session id, which says that it takes the ticket (RFC 5077, section 3.4)."""
    again = reports(full(given=TICKET, asks=True), resumed(session_id=ID, offered=TICKET, echoed=echoed))[1]
    assert (again.resumption, again.resumes) == ("session-ticket", FIRST)
    assert (again.authentication, again.authentication_basis) == ("mutual", "inherited")
    assert (again.client_certificate_requested, again.client_certificate_presented) == (True, True)


def test_a_ticket_may_be_renewed() -> None:
    renewed = TICKET[::-1]
    talks = [full(given=TICKET, asks=True), resumed(offered=TICKET, given=renewed), resumed(offered=renewed)]
    found = reports(*talks)
    assert [one.resumption for one in found] == [None, "session-ticket", "session-ticket"]
    assert [one.authentication for one in found] == ["mutual"] * 3
    assert found[2].resumes is not None
    assert found[2].resumes.stream in (0, 1)


def test_declined_is_inherited_too() -> None:
    again = reports(full(session_id=ID, asks=True, declined=True), resumed(session_id=ID))[1]
    assert (again.authentication, again.authentication_basis) == ("requested-not-provided", "inherited")


def test_an_original_that_is_not_there() -> None:
    for one in (resumed(session_id=ID), resumed(offered=TICKET), resumed(session_id=bytes(32), offered=TICKET)):
        [report] = reports(one)
        assert report.resumption in ("session-id", "session-ticket")
        assert (report.resumes, report.authentication, report.authentication_basis) == (None, "undetermined", None)
        assert report.client_certificate_requested is None


def test_an_original_does_not_come_later() -> None:
    again, _ = reports(resumed(session_id=ID), full(session_id=ID))
    assert (again.resumption, again.resumes) == ("session-id", None)


def test_a_session_that_failed_cannot_be_resumed() -> None:
    failed = full(session_id=ID)
    cut = Talk(segments=failed.segments[:6], client=failed.client)
    again = reports(cut, resumed(session_id=ID))[1]
    assert (again.resumption, again.resumes) == ("session-id", None)


def test_an_offer_that_was_not_taken() -> None:
    one = talk().send("client", handshake(client_hello((35, TICKET), tls13=False, session_id=ID)))
    hello = server_hello(0xC02F, tls13=False, session_id=bytes(32))
    one.send("server", handshake(hello, certificate(700), SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE))
    one.send("client", handshake(CLIENT_KEY_EXCHANGE) + CCS + ENCRYPTED_FINISHED).send(
        "server", CCS + ENCRYPTED_FINISHED
    )
    [report] = reports(one)
    assert (report.resumption, report.authentication) == (None, "one-way")


def test_a_hole_may_have_held_the_flight() -> None:
    one = talk().send("client", handshake(client_hello((35, TICKET), tls13=False, session_id=ID)))
    one.send("server", handshake(server_hello(0xC02F, tls13=False, session_id=ID))).lose("server", bytes(2000))
    one.send("server", CCS + ENCRYPTED_FINISHED).send("client", CCS + ENCRYPTED_FINISHED)
    assert reports(one)[0].resumption is None
    one = resumed(session_id=ID).lose("server", bytes(2000)).send("server", b"\x17\x03\x03\0\x09" + bytes(9))
    assert reports(one)[0].resumption == "session-id"


# ---- TLS 1.3: without keys the ticket itself is not seen, only how long its record is


def first(size: int, *, mutual: bool = False, **more: object) -> Talk:
    server, client = ([23, 108, 1731, 281, 69], [900, 96, 69]) if mutual else ([23, 1731, 281, 69], [69])
    return tls13(server, client, ("server", [size, size]), ("client", [100]), ("server", [5000]), talk=talk())


def with_psk(identity: bytes, *, age: int = 99, name: str = "service.example.com") -> Talk:
    hello = client_hello(identity=identity, age=age, server_name=name)
    answer = server_hello(psk=0)
    return tls13([27, 69], [69], ("server", [250]), hello=hello, answer=answer, talk=talk())


def test_the_length_of_an_identity_tells_the_ticket() -> None:
    again = reports(first(250), with_psk(bytes(208)))[1]
    assert (again.resumption, again.resumes) == ("psk", FIRST)
    assert (again.authentication, again.authentication_basis, again.outcome) == ("one-way", "inherited", "established")
    again = reports(first(1098, mutual=True), with_psk(bytes(1056)))[1]
    assert (again.authentication, again.authentication_basis) == ("mutual", "inherited")
    assert any("1098" in one.says for one in again.evidence)


def test_a_short_tag_is_reckoned_with() -> None:
    """wolfSSL, AES_128_CCM_8: 8 bytes behind every record."""
    server, client = [15, 100, 900, 90, 45], [900, 90, 45]
    original = tls13(server, client, ("server", [9 + 13 + 208]), suite=AES_128_CCM_8_SHA256, talk=talk())
    assert reports(original, with_psk(bytes(208)))[1].authentication == "mutual"


@pytest.mark.parametrize("count", [2, 4])
def test_tickets_may_share_a_record(count: int) -> None:
    """BoringSSL and rustls send all in one."""
    size = 17 + count * (1162 + 13 + 32)
    again = reports(first(size, mutual=True), with_psk(bytes(1162)))[1]
    assert (again.resumes, again.authentication, again.authentication_basis) == (FIRST, "mutual", "inherited")
    assert reports(first(size + 1, mutual=True), with_psk(bytes(1162)))[1].resumes is None


def test_the_latest_that_fits_is_taken_if_all_agree() -> None:
    assert reports(first(250), first(250), with_psk(bytes(208)))[2].resumes == HandshakeReference(1, 0)
    mixed = reports(first(250), first(250, mutual=True), with_psk(bytes(208)))[2]
    assert (mixed.resumption, mixed.resumes, mixed.authentication) == ("psk", None, "undetermined")
    assert any("differ" in one.says for one in mixed.evidence)


def test_what_does_not_fit_is_not_taken() -> None:
    for one in (with_psk(bytes(100)), with_psk(bytes(400)), with_psk(bytes(208), name="other.example.com")):
        again = reports(first(250), one)[1]
        assert (again.resumption, again.resumes, again.authentication) == ("psk", None, "undetermined")


@pytest.mark.parametrize("length", [281 - 42, 1731 - 42, 69 - 42])
def test_the_records_of_the_flight_hold_no_tickets(length: int) -> None:
    assert reports(first(250), with_psk(bytes(length)))[1].resumes is None


def test_a_key_from_elsewhere_has_no_age() -> None:
    found = reports(first(62), with_psk(b"Client_identity", age=0))[1]
    assert (found.resumption, found.resumes) == ("psk", None)
    assert (found.authentication, found.authentication_basis) == ("psk", "observed")
    assert (found.client_certificate_requested, found.client_certificate_presented) == (False, False)


def test_an_offered_key_that_was_not_taken() -> None:
    hello = client_hello(identity=bytes(208))
    [report] = reports(tls13([23, 1731, 281, 53], [53], suite=AES_128_GCM_SHA256, hello=hello, talk=talk()))
    assert (report.resumption, report.authentication) == (None, "one-way")
