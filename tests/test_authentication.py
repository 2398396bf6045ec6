"""One-way or mutual: what readable messages prove, and where they prove nothing. (Sizes: test_inference.)"""

from itertools import combinations_with_replacement

import pytest
from forged_cases import forged
from talk import (
    CCS,
    CERTIFICATE_VERIFY,
    CLIENT_KEY_EXCHANGE,
    ENCRYPTED_FINISHED,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    Talk,
    alert,
    capture,
    certificate,
    certificate_request,
    client_hello,
    handshake,
    message,
    protected,
    server_hello,
    tls12,
    tls13,
    vector,
)

from analyzer import api
from analyzer.results import HandshakeReport

ECDHE_RSA, RSA, PSK, ECDHE_PSK, ANONYMOUS, SRP = 0xC02F, 0x002F, 0x00A8, 0xC037, 0xC018, 0xC01D
HELLO = handshake(client_hello(tls13=False), version=0x0301)


def found(report: HandshakeReport) -> tuple[str, bool | None, bool | None]:
    """Verdict, requested, presented; the basis and the evidence must fit."""
    told = report.authentication != "undetermined"
    assert report.authentication_basis == ("observed" if told else None)
    assert report.evidence
    return report.authentication, report.client_certificate_requested, report.client_certificate_presented


def test_one_way() -> None:
    assert found(tls12().report) == ("one-way", False, False)
    assert found(tls12(suite=RSA).report) == ("one-way", False, False)


def test_mutual() -> None:
    report = tls12(asks=True, client_certificate=certificate(600, 500)).report
    assert found(report) == ("mutual", True, True)
    says = {(one.message, one.frame) for one in report.evidence if one.message}
    assert {name for name, _ in says} >= {"certificate_request", "certificate", "certificate_verify"}
    assert [one.says for one in report.evidence if one.message == "certificate"] == [
        "The client presented 2 certificates."
    ]


def test_mutual_without_a_signature() -> None:
    """A certificate whose key cannot sign, such as a static Diffie-Hellman key (RFC 5246, section 7.4.8)."""
    assert found(tls12(asks=True, client_certificate=certificate(600), verify=False).report) == ("mutual", True, True)


def test_requested_not_provided() -> None:
    assert found(tls12(asks=True, client_certificate=certificate()).report) == ("requested-not-provided", True, False)


def test_sslv3_says_it_with_an_alert() -> None:
    talk = Talk().open().send("client", HELLO)
    request = message(13, vector(1, b"\1") + vector(2, b""))
    hello = server_hello(RSA, tls13=False, legacy_version=0x0300)
    talk.send("server", handshake(hello, certificate(700), request, SERVER_HELLO_DONE, version=0x0300))
    talk.send("client", alert(1, 41) + handshake(CLIENT_KEY_EXCHANGE) + CCS + ENCRYPTED_FINISHED)
    report = talk.send("server", CCS + ENCRYPTED_FINISHED).report
    assert found(report) == ("requested-not-provided", True, False)
    assert report.version == "SSLv3"


def test_a_client_that_goes_on_without_any_certificate_message() -> None:
    assert found(tls12(asks=True).report) == ("requested-not-provided", True, False)


@pytest.mark.parametrize(
    ("suite", "expected"), [(PSK, "psk"), (ECDHE_PSK, "psk"), (SRP, "psk"), (ANONYMOUS, "anonymous")]
)
def test_without_certificates(suite: int, expected: str) -> None:
    talk = Talk().open().send("client", HELLO)
    talk.send("server", handshake(server_hello(suite, tls13=False), SERVER_HELLO_DONE))
    talk.send("client", handshake(CLIENT_KEY_EXCHANGE) + CCS + ENCRYPTED_FINISHED).send(
        "server", CCS + ENCRYPTED_FINISHED
    )
    assert found(talk.report) == (expected, False, False)


# ---- a handshake that stops


def flight(count: int, *, asks: bool) -> Talk:
    """The first messages of the server's flight, and nothing more."""
    request = [certificate_request()] if asks else []
    every = [server_hello(ECDHE_RSA, tls13=False), certificate(700), SERVER_KEY_EXCHANGE, *request, SERVER_HELLO_DONE]
    return Talk().open().send("client", HELLO).send("server", *(handshake(one) for one in every[:count]))


@pytest.mark.parametrize("count", range(4))
def test_a_flight_that_stops_has_not_shown_whether_it_would_have_asked(count: int) -> None:
    for talk in (
        flight(count, asks=False),
        flight(count, asks=False).rst("server"),
        flight(count, asks=True).fin("client"),
    ):
        asked = None if count < 4 else True
        report = talk.report
        assert found(report)[:2] == ("undetermined", asked)


def test_a_whole_flight_has() -> None:
    assert found(flight(4, asks=False).report) == ("one-way", False, False)
    assert found(flight(4, asks=False).rst("client").report) == ("one-way", False, False)


def test_a_request_without_an_answer() -> None:
    assert found(flight(5, asks=True).report) == ("undetermined", True, None)  # the capture merely ends
    assert found(flight(5, asks=True).rst("client").report) == ("undetermined", True, False)
    assert found(flight(5, asks=True).send("client", alert(2, 48)).report) == ("undetermined", True, False)
    assert found(flight(4, asks=True).report) == ("undetermined", True, None)
    # Where only the server gives up, the answer may have been lost on its way.
    assert found(flight(5, asks=True).fin("server").report) == ("undetermined", True, None)
    begun = handshake(certificate(5000))[:600]
    assert found(flight(5, asks=True).send("client", begun).rst("client").report) == ("undetermined", True, None)


def test_a_hello_alone() -> None:
    assert found(Talk().open().send("client", HELLO).report) == ("undetermined", None, None)


# ---- what the capture lacks

MESSAGES: dict[str, tuple[str, bytes]] = {
    "client_hello": ("client", HELLO),
    "server_hello": ("server", handshake(server_hello(ECDHE_RSA, tls13=False))),
    "certificate": ("server", handshake(certificate(700))),
    "server_key_exchange": ("server", handshake(SERVER_KEY_EXCHANGE)),
    "certificate_request": ("server", handshake(certificate_request())),
    "server_hello_done": ("server", handshake(SERVER_HELLO_DONE)),
    "client_certificate": ("client", handshake(certificate(500))),
    "client_key_exchange": ("client", handshake(CLIENT_KEY_EXCHANGE)),
    "certificate_verify": ("client", handshake(CERTIFICATE_VERIFY)),
    "client_finished": ("client", CCS + ENCRYPTED_FINISHED),
    "server_finished": ("server", CCS + ENCRYPTED_FINISHED),
}
ONE_WAY = [name for name in MESSAGES if name not in ("certificate_request", "client_certificate", "certificate_verify")]


def without(names: list[str], lost: tuple[str, ...]) -> HandshakeReport:
    """A handshake of these messages, each in a segment of its own, of which the capture lacks some."""
    talk = Talk().open()
    for name in names:
        sender, data = MESSAGES[name]
        (talk.lose if name in lost else talk.send)(sender, data)
    return talk.acknowledge("client").acknowledge("server").report


@pytest.mark.parametrize("lost", list(combinations_with_replacement(MESSAGES, 2)), ids="-".join)
def test_a_mutual_handshake_is_never_taken_for_one_way(lost: tuple[str, ...]) -> None:
    """Whatever two messages are missing."""
    report = without(list(MESSAGES), lost)
    assert report.authentication in ("mutual", "undetermined")
    assert report.client_certificate_requested is not False
    assert report.client_certificate_presented is not False
    assert report.outcome != "failed"


@pytest.mark.parametrize("begun", [1, 2, 3])
def test_what_a_side_says_first_may_be_missing_though_no_syn_tells(begun: int) -> None:
    """The peer's acknowledgments do, or the side's own."""
    talk = Talk().open()
    for name, (sender, data) in MESSAGES.items():
        (talk.lose if name in ("client_hello", "client_certificate") else talk.send)(sender, data)
    report = api.analyze(capture(talk.segments[begun:]), trust="none")
    [one] = report.handshakes
    assert (one.authentication, one.outcome) == ("mutual", "established")  # for the client signed
    assert one.facts is not None
    assert one.facts.has_hole("client")
    assert {issue.code for issue in report.issues} == {"segments-not-captured"}
    del talk.segments[
        next(i for i, each in enumerate(talk.segments) if each.payload == MESSAGES["certificate_verify"][1])
    ]
    assert Talk(segments=talk.segments[begun:]).report.authentication == "undetermined"


@pytest.mark.parametrize("lost", list(combinations_with_replacement(ONE_WAY, 2)), ids="-".join)
def test_a_one_way_handshake_is_never_taken_for_mutual(lost: tuple[str, ...]) -> None:
    report = without(ONE_WAY, lost)
    assert report.authentication in ("one-way", "undetermined")
    assert report.client_certificate_requested is not True
    assert report.client_certificate_presented is not True
    assert report.outcome != "failed"


@pytest.mark.parametrize("lost", ["certificate_verify", "certificate_request", "certificate", "server_key_exchange"])
def test_enough_is_left(lost: str) -> None:
    assert without(list(MESSAGES), (lost,)).authentication == "mutual"


@pytest.mark.parametrize("lost", ["certificate", "server_key_exchange", "server_hello_done", "server_finished"])
def test_what_the_client_answers_tells_what_the_server_did_not_ask(lost: str) -> None:
    report = without(ONE_WAY, (lost,))
    assert report.client_certificate_requested is not True
    if lost != "certificate":
        assert report.authentication == "one-way"


def test_what_is_lost_later_does_not_matter() -> None:
    for talk, expected in ((tls12(), "one-way"), (tls12(asks=True), "requested-not-provided")):
        for sender in ("client", "server"):
            talk.lose(sender, bytes(5000)).send(sender, b"\x17\x03\x03\x00\x09" + bytes(9))
        assert talk.report.authentication == expected


@pytest.mark.parametrize(("offers", "expected"), [(True, "undetermined"), (False, "one-way")])
def test_a_request_behind_the_handshake_may_be_lost_where_the_client_allows_one(offers: bool, expected: str) -> None:
    """As its answer may: what comes then looks like data (RFC 8446, section 4.6.2)."""
    hello = client_hello((49, b"")) if offers else client_hello()
    for sender in ("client", "server"):
        talk = tls13([23, 1731, 281, 69], [69], ("server", [250]), ("client", [60]), hello=hello)
        assert talk.report.authentication == "one-way"
        talk.lose(sender, bytes(900)).send(sender, protected(60)).send("server", protected(90))
        assert talk.report.authentication == expected
        assert talk.report.outcome == "established"


def test_one_direction() -> None:
    talk = tls12(asks=True, client_certificate=certificate(500)).fin("client").fin("server")
    by_client = Talk(segments=[one for one in talk.segments if one.source == talk.client]).report
    by_server = Talk(segments=[one for one in talk.segments if one.source == talk.server]).report
    assert found(by_client) == ("mutual", None, True)
    assert found(by_server) == ("undetermined", True, None)
    assert by_client.outcome == by_server.outcome == "incomplete"
    plain = tls12().fin("client").fin("server")
    for end in (plain.client, plain.server):
        report = Talk(segments=[one for one in plain.segments if one.source == end]).report
        assert report.authentication in ("undetermined", "one-way")
        assert report.outcome == "incomplete"


def test_a_request_that_was_decrypted_is_not_forgotten() -> None:
    """The client refuses the server: the request is known, its answer was never sent."""
    flight = ["encrypted_extensions", "certificate_request", "certificate", "certificate_verify", "finished"]
    steps = " ".join(["S>server_hello", *(f"S>{message}" for message in flight)])
    report = forged(f"{steps} C>alert:bad_certificate C>fin", version=0x0304, decrypted=True)
    assert (report.authentication, report.outcome) == ("undetermined", "failed")
    assert (report.client_certificate_requested, report.client_certificate_presented) == (True, False)
    # Of a client whose secrets are not known the sizes tell what it answered.
    report = forged(f"{steps} C>data:25 C>data:69 S>data:250", version=0x0304, decrypted=True)
    assert report.authentication == "requested-not-provided"
    report = forged(f"{steps} C>data:300 C>fin", version=0x0304, decrypted=True)
    assert (report.client_certificate_requested, report.client_certificate_presented) == (True, True)


def test_what_is_lost_behind_a_request_may_be_its_answer() -> None:
    """The client's reset and the server's alert do not show that the client had not answered."""
    talk = Talk().open().send("client", HELLO)
    flight = [server_hello(ECDHE_RSA, tls13=False), certificate(700), SERVER_KEY_EXCHANGE, certificate_request()]
    talk.send("server", handshake(*flight, SERVER_HELLO_DONE)).lose("client", bytes(1000)).lose("server", bytes(7))
    assert found(talk.acknowledge("client").rst("client").report) == ("undetermined", True, None)


def test_a_client_s_secrets_alone_tell_that_it_was_not_asked() -> None:
    """What it sends behind its Finished, however large, is no flight."""
    steps = "S>server_hello S>data:2300 C>finished C>data:900 S>data:250"
    report = forged(steps, version=0x0304, decrypted=True)
    assert (report.authentication, report.authentication_basis) == ("one-way", "decrypted")
    assert (report.client_certificate_requested, report.client_certificate_presented) == (False, False)
