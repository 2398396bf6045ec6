"""DTLS 1.3: what sizes and epochs tell without keys, and what keys open."""

import pytest
from datagrams import ALERT, CERTIFICATE_REQUEST, SECOND, Exchange, without
from datagrams13 import (
    AES_128_CCM_8,
    AES_128_GCM,
    AES_256_GCM,
    CHACHA20,
    ENCRYPTED_EXTENSIONS,
    KEY_UPDATE,
    LEAF13,
    NEW_SESSION_TICKET,
    Conversation13,
    Keys,
    expand,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import extensions, vector

from analyzer.report import serialize
from analyzer.results import HandshakeReport
from analyzer.secrets import Secrets

SUITES = [AES_128_GCM, AES_256_GCM, CHACHA20, AES_128_CCM_8]


def opened(talk: Conversation13, exchange: Exchange | None = None) -> HandshakeReport:
    """The report with the key log."""
    [report] = (exchange or talk.exchange).analyze(keylog=Secrets(talk.log)).handshakes
    return report


# ---- with keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("size", [100, 10_000])
def test_keys_open_a_mutual_handshake_and_every_proof_holds(suite: int, size: int) -> None:
    talk = Conversation13(suite, size=size).whole(asks=True, certificates=(LEAF13,))
    report = opened(talk)
    assert (report.version, report.outcome, report.authentication) == ("DTLSv1.3", "established", "mutual")
    assert (report.authentication_basis, report.outcome_basis) == ("decrypted", "decrypted")
    assert [(proof.of, proof.message, proof.status) for proof in report.proofs] == [
        ("server", "certificate_verify", "pass"),
        ("client", "certificate_verify", "pass"),
        ("server", "finished", "pass"),
        ("client", "finished", "pass"),
    ]
    assert [one.message for one in report.messages] == [
        "client_hello",
        "server_hello",
        "encrypted_extensions",
        "certificate_request",
        "certificate",
        "certificate_verify",
        "finished",
        "certificate",
        "certificate_verify",
        "finished",
        "application_data",
        "application_data",
    ]
    assert report.ja4 is not None
    assert report.ja4.startswith("dd3d")


def test_a_flight_that_begins_in_the_datagram_of_the_server_hello() -> None:
    talk = Conversation13().hello()
    body = talk.answer().exchange.datagrams.pop()
    flight = [one for records in talk.server_flight() for one in records]
    talk.exchange.send("server", body.payload, *flight)
    talk.exchange.send("client", *(one for records in talk.client_flight() for one in records))
    report = opened(talk)
    assert (report.outcome, report.authentication) == ("established", "one-way")
    assert {proof.status for proof in report.proofs} == {"pass"}


def test_a_hello_retry_request() -> None:
    talk = Conversation13().hello().retry().hello((44, vector(2, b"cookie"))).answer()
    for flight in (talk.server_flight(asks=True), talk.client_flight(certificates=())):
        sender = "server" if len(flight) > 3 else "client"
        talk.exchange.each(sender, *(one for records in flight for one in records))
    talk.exchange.send("server", talk.acknowledge("server", 2))
    report = opened(talk)
    assert report.hello_retry_request
    assert (report.outcome, report.authentication) == ("established", "requested-not-provided")
    assert {proof.status for proof in report.proofs} == {"pass"}
    assert talk.exchange.report.authentication == "requested-not-provided"


def test_a_message_that_was_changed_fails_its_proof() -> None:
    talk = Conversation13().hello().answer()
    flight = talk.server_flight()
    talk.transcript += b"something else"
    flight += talk.client_flight()
    talk.exchange.each("server", *(one for records in flight[:4] for one in records))
    talk.exchange.each("client", *flight[4])
    report = opened(talk)
    assert {(proof.of, proof.message): proof.status for proof in report.proofs} == {
        ("server", "certificate_verify"): "pass",
        ("server", "finished"): "pass",
        ("client", "finished"): "fail",
    }


def test_connection_ids_short_numbers_and_records_without_length() -> None:
    talk = Conversation13().hello((54, vector(1, b"\xaa\xbb"))).answer((54, vector(1, b"")))
    for epoch in (2, 3):
        talk.keys["server", epoch].identity = b"\xaa\xbb"
        talk.keys["server", epoch].short = talk.keys["client", epoch].short = True
    talk.exchange.each("server", *(one for records in talk.server_flight(asks=True) for one in records))
    talk.exchange.each("client", *(one for r in talk.client_flight(certificates=(LEAF13,)) for one in r))
    talk.exchange.send("server", talk.acknowledge("server", 3)).send("client", talk.data("client"))
    report = opened(talk)
    assert (report.outcome, report.authentication) == ("established", "mutual")
    assert {proof.status for proof in report.proofs} == {"pass"}
    assert talk.exchange.report.authentication == "mutual"


def test_a_key_update_begins_another_epoch() -> None:
    talk = Conversation13().whole()
    talk.exchange.each("client", *talk.message("client", KEY_UPDATE, b"\0", 3))
    fresh = expand(talk.secrets["client", 3], "traffic upd", 32, talk.digest)
    talk.exchange.send("client", Keys(fresh, talk.suite, 4).seal(21, bytes((1, 0))))
    report = opened(talk)
    assert [one.message for one in report.messages][-2:] == ["key_update", "alert"]
    assert report.alerts[0].description == "close_notify"


def test_flights_in_any_order_and_repeated_are_one_handshake() -> None:
    talk = Conversation13(size=90).hello().answer()
    server = [one for records in talk.server_flight(asks=True) for one in records]
    client = [one for records in talk.client_flight(certificates=(LEAF13,)) for one in records]
    talk.exchange.each("server", *reversed(server), *server).each("client", *reversed(client), *client)
    talk.exchange.send("server", talk.acknowledge("server", 4))
    report = opened(talk)
    assert (report.outcome, report.authentication) == ("established", "mutual")
    assert {proof.status for proof in report.proofs} == {"pass"}
    assert len(report.messages) == 10


def test_secrets_that_do_not_fit_open_nothing() -> None:
    talk = Conversation13().whole(asks=True, certificates=(LEAF13,))
    other = Conversation13(AES_256_GCM)
    [report] = talk.exchange.analyze(keylog=Secrets(other.log)).handshakes
    assert report.facts is not None
    assert report.facts.decryption is not None
    assert "do not fit" in report.facts.decryption.says
    assert (report.authentication, report.authentication_basis) == ("mutual", "inferred")


# ---- without keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("size", [100, 300, 10_000])
@pytest.mark.parametrize(
    ("asks", "certificates", "verdict"),
    [(False, None, "one-way"), (True, (), "requested-not-provided"), (True, (LEAF13,), "mutual")],
)
def test_sizes_tell_the_verdict(
    suite: int, size: int, asks: bool, certificates: tuple[bytes, ...] | None, verdict: str
) -> None:
    talk = Conversation13(suite, size=size).whole(asks=asks, certificates=certificates)
    report = talk.exchange.report
    if (size, verdict) == (100, "mutual"):  # no record is larger than those without a certificate may be
        assert report.authentication == "undetermined"
        return
    assert (report.authentication, report.authentication_basis) == (verdict, "inferred")
    assert (report.outcome, report.outcome_basis) == ("established", "inferred")


@pytest.mark.parametrize("certificates", [(), (LEAF13,)])
def test_a_whole_flight_in_one_record(certificates: tuple[bytes, ...]) -> None:
    talk = packed(certificates)
    report = talk.exchange.report
    assert report.authentication == ("mutual" if certificates else "requested-not-provided")
    assert report.outcome == "established"
    assert opened(talk).authentication == report.authentication


def packed(certificates: tuple[bytes, ...]) -> Conversation13:
    """As BoringSSL packs messages into records."""
    plain: list[bytes] = []

    class Packing(Keys):
        def seal(self, kind: int, content: bytes, padding: int = 0) -> bytes:
            plain.append(content)
            return b""

    talk = Conversation13().hello().answer()
    talk.exchange.each("server", *(one for records in talk.server_flight(asks=True) for one in records))
    sealing = talk.keys["client", 2]
    talk.keys["client", 2] = Packing(b"", talk.suite, 2)
    talk.client_flight(certificates=certificates)
    talk.exchange.send("client", sealing.seal(22, b"".join(plain))).send("server", talk.acknowledge("server", 1))
    return talk


def test_a_server_that_refuses_the_client() -> None:
    talk = Conversation13().hello().answer()
    talk.exchange.each("server", *(one for records in talk.server_flight(asks=True) for one in records))
    talk.exchange.each("client", *(one for records in talk.client_flight(certificates=()) for one in records))
    talk.exchange.send("server", talk.alert("server", 116))
    closed, known = talk.exchange.report, opened(talk)
    for report in (closed, known):
        assert (report.outcome, report.authentication) == ("failed", "requested-not-provided")
        assert report.root_cause == "client-certificate-missing"
    assert (closed.outcome_basis, known.outcome_basis) == ("inferred", "decrypted")
    assert known.alerts[0].description == "certificate_required"


def test_a_capture_that_lacks_the_clients_flight_shows_no_failure() -> None:
    for certificates in (None, (), (LEAF13,)):
        talk = Conversation13().whole(asks=certificates is not None, certificates=certificates)
        *_, finished, _ = (i for i, one in enumerate(talk.exchange.datagrams) if one.sender == "client")
        for side in ("server", "client"):
            talk.exchange.send(side, talk.keys[side, 3].seal(ALERT, bytes((1, 0))))
        report = opened(talk, without(talk.exchange, finished))
        assert (report.outcome, report.root_cause) == ("incomplete", None)


@pytest.mark.parametrize(("certificates", "authentication"), [((), "requested-not-provided"), ((LEAF13,), "mutual")])
def test_a_flight_that_comes_in_any_order_is_told_all_the_same(
    certificates: tuple[bytes, ...], authentication: str
) -> None:
    talk = Conversation13().hello().answer()
    talk.exchange.each("server", *(one for records in talk.server_flight(asks=True) for one in records))
    flight = [one for records in talk.client_flight(certificates=certificates) for one in records]
    answer = talk.acknowledge("server", len(flight))
    for order in ([-1, *range(len(flight) - 1)], list(range(len(flight)))[::-1]):
        made = Exchange(datagrams=list(talk.exchange.datagrams), now=talk.exchange.now)
        made.each("client", *(flight[i] for i in order)).send("server", answer)
        assert made.report.authentication == authentication


def test_a_certificate_that_is_refused_before_all_of_the_flight_has_come() -> None:
    talk = Conversation13().hello().answer()
    talk.exchange.each("server", *(one for records in talk.server_flight(asks=True) for one in records))
    flight = [one for records in talk.client_flight(certificates=(LEAF13,)) for one in records]
    talk.exchange.each("client", *flight[:-1]).send("server", talk.alert("server", 45)).send("client", flight[-1])
    closed, known = talk.exchange.report, opened(talk)
    assert (closed.outcome, closed.outcome_basis, closed.authentication) == ("failed", "inferred", "mutual")
    assert (known.outcome, known.alerts[0].description) == ("failed", "certificate_expired")
    talk.exchange.send("server", talk.acknowledge("server", len(flight)))
    assert talk.exchange.report.outcome == "established", "it went on: that was no alert"


def test_a_server_that_leaves_after_long_silence_has_refused_nothing() -> None:
    for certificates, outcome in ((None, "established"), ((), "incomplete"), ((LEAF13,), "incomplete")):
        talk = Conversation13().hello().answer()
        asks = certificates is not None
        talk.exchange.each("server", *(one for records in talk.server_flight(asks=asks) for one in records))
        flight = [one for records in talk.client_flight(certificates=certificates) for one in records]
        talk.exchange.each("client", *flight).wait(30 * SECOND).send("server", talk.alert("server", 0))
        assert talk.exchange.report.outcome == outcome


def test_a_flight_that_is_repeated_and_never_acknowledged_establishes_nothing() -> None:
    talk = Conversation13().hello().answer()
    talk.exchange.each("server", *(one for records in talk.server_flight() for one in records))
    flight = [one for records in talk.client_flight() for one in records]
    talk.exchange.each("client", *flight)
    assert opened(talk).outcome == "established"
    talk.exchange.wait(SECOND).each("client", *flight)
    assert opened(talk).outcome == "incomplete"
    talk.exchange.send("server", talk.acknowledge("server", len(flight)))
    assert opened(talk).outcome == "established"


def test_a_client_that_refuses_the_server() -> None:
    talk = Conversation13().hello().answer()
    talk.exchange.each("server", *(one for records in talk.server_flight() for one in records))
    talk.exchange.send("client", talk.alert("client", 48, epoch=2))
    assert (talk.exchange.report.outcome, opened(talk).outcome) == ("failed", "failed")


def test_an_acknowledgment_before_the_flight_is_none_of_its_records() -> None:
    talk = Conversation13().hello().answer()
    server = [one for records in talk.server_flight() for one in records]
    talk.exchange.each("server", *server[:2]).send("client", talk.acknowledge("client", 2, epoch=2))
    talk.exchange.each("server", *server[2:], *server)
    talk.exchange.each("client", *(one for records in talk.client_flight() for one in records))
    report = talk.exchange.send("server", talk.acknowledge("server", 1)).report
    assert (report.outcome, report.authentication) == ("established", "one-way")


def test_a_flight_of_which_the_capture_lacks_a_part_is_not_taken_for_one_without_a_certificate() -> None:
    """The server acknowledges three records, of which the last is there."""
    talk = Conversation13().whole(asks=True, certificates=(LEAF13,))
    report = without(talk.exchange, 7, 8).report
    assert report.authentication == "undetermined"


@pytest.mark.parametrize("block", [32, 64])
def test_padding_hides_it(block: int) -> None:
    class Padding(Keys):
        def seal(self, kind: int, content: bytes, padding: int = 0) -> bytes:
            return super().seal(kind, content, -(len(content) + 1) % block)

    talk = Conversation13()
    talk.keys = {name: Padding(keys.secret, keys.suite, keys.epoch) for name, keys in talk.keys.items()}
    talk.whole(asks=True, certificates=())
    assert talk.exchange.report.authentication == "undetermined"
    assert opened(talk).authentication == "requested-not-provided"


def test_data_do_not_count_as_the_handshake() -> None:
    talk = Conversation13().whole()
    for _ in range(100):
        talk.exchange.send("client", talk.data("client")).send("server", talk.data("server"))
    talk.exchange.wait(SECOND).each(
        "server", *talk.message("server", NEW_SESSION_TICKET, bytes(9) + vector(2, b"t"), 3)
    )
    for report in (talk.exchange.report, opened(talk)):
        assert (report.outcome, report.authentication) == ("established", "one-way")
        assert [one.message for one in report.messages].count("application_data") <= 4


SEEDS = st.integers(0, 1 << 32)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_bytes_give_results(draws: st.DataObject) -> None:
    certificates = draws.draw(st.sampled_from([(), (LEAF13,)]))
    talk = Conversation13(size=draws.draw(st.sampled_from([60, 10_000]))).whole(asks=True, certificates=certificates)
    datagrams = []
    for sent in talk.exchange.datagrams:
        payload = bytearray(sent.payload)
        for _ in range(draws.draw(st.integers(0, 2))):
            payload[draws.draw(st.integers(0, 4000)) % len(payload)] = draws.draw(st.integers(0, 255))
        datagrams.append(type(sent)(sent.sender, bytes(payload), sent.time, draws.draw(st.none() | st.just(20))))
    exchange = Exchange(datagrams=datagrams)
    for keys in (Secrets(talk.log), ()):
        for report in exchange.analyze(keylog=keys).handshakes:
            serialize.handshake(report)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([None, (), (LEAF13,)]), st.sets(st.integers(0, 14), max_size=3), st.booleans())
def test_what_is_lost_never_makes_a_wrong_verdict(
    certificates: tuple[bytes, ...] | None, lost: set[int], with_keys: bool
) -> None:
    """Where the server's acknowledgment is there, which tells how many records the client's flight has."""
    talk = Conversation13().whole(asks=certificates is not None, certificates=certificates)
    acknowledgment = len(talk.exchange.datagrams) - 3
    partly = without(talk.exchange, *(lost - {acknowledgment}))
    true = talk.exchange.report.authentication
    for report in partly.analyze(keylog=Secrets(talk.log) if with_keys else ()).handshakes:
        assert report.authentication in ("undetermined", true)


def test_names_of_the_forge_are_those_of_the_rfc() -> None:
    assert (ENCRYPTED_EXTENSIONS, CERTIFICATE_REQUEST) == (8, 13)
    assert extensions() == b"\0\0"


def test_a_diagram_without_keys_names_what_the_sizes_tell_and_takes_no_data_for_a_message() -> None:
    talk = Conversation13().whole(asks=True, certificates=())
    arrows = [step.title for step in talk.exchange.report.diagram().steps if step.kind == "message"]
    assert arrows == [
        "ClientHello",
        "ServerHello",
        "Encrypted handshake messages",
        "Certificate (empty)",
        "Finished",
        "Application data",
    ]
