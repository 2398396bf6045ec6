"""DTLS up to 1.2, in clear: datagrams lost, repeated, reordered and cut, and what is said of the handshakes in them."""

import random
import struct
from dataclasses import replace
from ipaddress import ip_address

import pytest
from datagrams import (
    ALERT,
    ANYCONNECT,
    CERTIFICATE,
    CLIENT_HELLO,
    CLIENT_KEY_EXCHANGE,
    COOKIE,
    DTLS10,
    HANDSHAKE,
    HELLO_VERIFY_REQUEST,
    LEAF,
    SECOND,
    SERVER_HELLO,
    SERVER_HELLO_DONE,
    VERIFY,
    WITH_ID,
    Exchange,
    alert,
    capture,
    certificate,
    change_cipher_spec,
    client_flight,
    client_hello,
    data,
    finished,
    fragment,
    hellos,
    message,
    packet,
    record,
    server_flight,
    server_hello,
    whole,
    without,
)
from decoded import TSHARK, tshark_fields
from forge import Frame
from hypothesis import example, given, settings
from hypothesis import strategies as st
from manifest import CAPTURES, FILES, keylog, options
from talk import vector

from analyzer import api
from analyzer.net.conversations import Datagram
from analyzer.report import serialize
from analyzer.results import HandshakeReport
from analyzer.settings import Limits
from analyzer.tls.dtls.messages import Reassembler
from analyzer.tls.dtls.record import MESSAGE_HEADER, Fragment

NAMES = [
    "client_hello",
    "hello_verify_request",
    "client_hello",
    "server_hello",
    "certificate",
    "server_key_exchange",
    "server_hello_done",
    "client_key_exchange",
    "change_cipher_spec",
    "encrypted_handshake",
    "change_cipher_spec",
    "encrypted_handshake",
    "application_data",
    "application_data",
]


def names(report: HandshakeReport) -> list[str]:
    return [one.message for one in report.messages]


def told(report: HandshakeReport) -> tuple[object, ...]:
    """What must not depend on how datagrams travelled."""
    by_side = [[one.message for one in report.messages if one.sender == side] for side in ("client", "server")]
    found = (report.version, report.cipher_suite, report.server_name, report.outcome, report.authentication)
    return (*found, report.client_certificate_requested, report.client_certificate_presented, *by_side, report.ja4)


def ordered(found: tuple[object, ...]) -> list[object]:
    """The same, where a message that is sealed may come before one in clear."""
    return [sorted(one) if isinstance(one, list) else one for one in found]


# ---- the handshake -----------------------------------------------------------------------------------


def test_a_one_way_handshake() -> None:
    report = whole().report
    assert (report.transport, report.stream, report.display_filter) == ("udp", 0, "udp.stream eq 0")
    assert (report.version, report.cipher_suite) == ("DTLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    assert (report.outcome, report.authentication, report.authentication_basis) == (
        "established",
        "one-way",
        "observed",
    )
    assert (str(report.client.ip), report.client.port, report.server.port) == ("192.0.2.10", 50000, 4433)
    assert names(report) == NAMES
    assert report.history == "CvCsxknGIi"
    assert report.ja4 is not None
    assert report.ja4.startswith("dd2d")
    assert (report.first_frame, report.last_frame) == (1, len(whole().datagrams))


def test_a_mutual_handshake() -> None:
    report = whole(asks=True, certificates=(LEAF,)).report
    assert (report.outcome, report.authentication) == ("established", "mutual")
    assert (report.client_certificate_requested, report.client_certificate_presented) == (True, True)


def test_a_client_without_a_certificate() -> None:
    report = whole(asks=True, certificates=()).report
    assert (report.outcome, report.authentication) == ("established", "requested-not-provided")


def test_a_fatal_alert_ends_it() -> None:
    exchange = hellos().each("server", *server_flight(asks=True)).each("client", *client_flight(certificates=()))
    report = exchange.send("client", change_cipher_spec(), finished()).send("server", alert(2, 40)).report
    assert (report.outcome, report.authentication) == ("failed", "requested-not-provided")
    assert report.root_cause == "client-certificate-missing"
    assert [(one.sender, one.description) for one in report.alerts] == [("server", "handshake_failure")]


def test_a_close_notify_within_the_handshake_ends_it_for_there_is_no_fin() -> None:
    report = hellos().each("server", *server_flight()).send("client", alert(1, 0)).report
    assert (report.outcome, report.authentication) == ("failed", "one-way")


def test_a_handshake_that_stops_is_incomplete() -> None:
    report = hellos().each("server", *server_flight()[:2]).report
    assert (report.outcome, report.authentication) == ("incomplete", "undetermined")
    assert "capture-incomplete" in [finding.code for finding in report.findings]


@pytest.mark.parametrize("version", [DTLS10, ANYCONNECT])
def test_older_versions(version: int) -> None:
    exchange = Exchange()
    exchange.send("client", message(CLIENT_HELLO, 0, client_hello(version=version), version=version))
    exchange.send("server", message(SERVER_HELLO, 0, server_hello(version=version), version=version))
    assert exchange.report.version == "DTLSv1.0"


def test_a_server_that_asks_for_the_cookie_at_the_first_fragment_of_the_hello() -> None:
    exchange, body = Exchange(), client_hello((35, bytes(1400)))
    pieces = [fragment(CLIENT_HELLO, 0, body, begin, end) for begin, end in ((0, 1200), (1200, len(body)))]
    exchange.send("client", record(HANDSHAKE, pieces[0], 0))
    exchange.send("server", message(HELLO_VERIFY_REQUEST, 0, VERIFY))
    exchange.send("client", record(HANDSHAKE, pieces[1], 1))
    exchange.send("client", message(CLIENT_HELLO, 1, client_hello((35, bytes(1400)), cookie=COOKIE)))
    exchange.each("server", *server_flight()).each("client", *client_flight(), change_cipher_spec(), finished())
    report = exchange.each("server", change_cipher_spec(), finished()).report
    assert (report.outcome, report.authentication, report.first_frame) == ("established", "one-way", 1)
    assert report.server_name == "service.example.com"


def test_a_server_that_wants_no_cookie() -> None:
    exchange = Exchange().send("client", message(CLIENT_HELLO, 0, client_hello()))
    exchange.send("server", *server_flight(first=0))
    exchange.send("client", *client_flight(first=1), change_cipher_spec(), finished())
    report = exchange.send("server", change_cipher_spec(), finished()).report
    assert (report.outcome, report.authentication) == ("established", "one-way")


def test_a_session_that_is_resumed() -> None:
    session = bytes(range(100, 132))
    exchange = Exchange().send("client", message(CLIENT_HELLO, 0, client_hello(session_id=session)))
    exchange.send(
        "server", message(SERVER_HELLO, 0, server_hello(session_id=session)), change_cipher_spec(), finished()
    )
    report = exchange.send("client", change_cipher_spec(), finished()).report
    assert (report.outcome, report.resumption, report.authentication) == ("established", "session-id", "undetermined")


# ---- loss, repetition, order -------------------------------------------------------------------------


def test_what_is_sent_again_is_no_second_message() -> None:
    exchange = whole()
    again = [replace(sent, time=exchange.now + i) for i, sent in enumerate(exchange.datagrams[:9])]
    report = replace(exchange, datagrams=exchange.datagrams[:9] + again + exchange.datagrams[9:]).report
    assert names(report) == NAMES
    assert report.carrier is not None
    assert sum(map(len, report.carrier.repeated.values())) == 9


def test_a_finished_that_is_sent_again_under_another_number() -> None:
    exchange = hellos().send("server", *server_flight()).send("client", *client_flight())
    exchange.send("client", change_cipher_spec(), finished(0)).send("client", change_cipher_spec(11), finished(1))
    report = exchange.send("server", change_cipher_spec(), finished(0)).report
    assert names(report).count("encrypted_handshake") == 2
    assert report.outcome == "established"


def test_a_change_cipher_spec_that_was_lost_is_told_from_the_epoch() -> None:
    report = without(whole(), 8, 10).report
    assert "change_cipher_spec" not in names(report)
    assert (report.outcome, report.authentication) == ("established", "one-way")


def test_a_message_that_was_lost_leaves_the_verdict_open() -> None:
    exchange = whole(asks=True, certificates=(LEAF,))
    for lost, missing in ((4, "certificate"), (6, "certificate_request"), (8, "certificate")):
        report = without(exchange, lost).report
        assert names(report).count(missing) == (1 if missing == "certificate" else 0)
        assert report.facts is not None
        assert report.facts.has_hole()
        assert report.authentication in ("mutual", "undetermined")


@pytest.mark.parametrize("lost", [(3, 4, 5, 6, 7), (4, 5, 6, 7), (5, 6, 7), (8, 9, 10), (6,), (8,), (9,)])
def test_flights_that_were_lost_are_not_taken_for_answers(lost: tuple[int, ...]) -> None:
    exchange = whole(asks=True, certificates=(LEAF,))
    report = without(exchange, *lost).report
    assert report.authentication in ("mutual", "undetermined")
    assert report.outcome in ("established", "incomplete")


def test_a_lost_message_that_was_sent_again_is_no_loss() -> None:
    exchange = whole()
    late = replace(exchange.datagrams[4], time=exchange.datagrams[6].time + 10)
    datagrams = [*exchange.datagrams[:4], *exchange.datagrams[5:7], late, *exchange.datagrams[7:]]
    capture = replace(exchange, datagrams=datagrams).analyze()
    [report] = capture.handshakes
    assert told(report) == told(exchange.report)
    assert not capture.issues


SEEDS = st.integers(0, 1 << 32)


def carried(seed: int) -> Exchange:
    """The same handshake, its messages in any fragments, records and datagrams, these in any order."""
    chance = random.Random(seed)
    asks = chance.random() < 0.7
    presents = asks and chance.random() < 0.6
    original = whole(asks=asks, certificates=((LEAF,) if presents else ()) if asks else None)
    flights: list[tuple[str, list[bytes]]] = []
    for sent in original.datagrams:
        if not flights or flights[-1][0] != sent.sender:
            flights.append((sent.sender, []))
        flights[-1][1].append(sent.payload)
    exchange = Exchange()
    for sender, payloads in flights:
        pieces = [piece for payload in payloads for piece in split(payload, chance)]
        pieces += [piece for piece in pieces if chance.random() < 0.3]
        chance.shuffle(pieces)
        while pieces:
            count = chance.randint(1, 4)
            exchange.send(sender, *pieces[:count])
            pieces = pieces[count:]
    return exchange


def split(payload: bytes, chance: random.Random) -> list[bytes]:
    """A record in clear in several fragments, which may overlap."""
    if payload[0] != HANDSHAKE or payload[4]:
        return [payload]
    kind, number, body = payload[13], int.from_bytes(payload[17:19]), payload[25:]
    cuts = sorted(chance.sample(range(1, len(body)), min(chance.randint(0, 4), len(body) - 1))) if len(body) > 1 else []
    pieces = []
    for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        more = chance.randint(0, len(body) - end)
        pieces.append(record(HANDSHAKE, fragment(kind, number, body, begin, end + more), chance.randint(0, 1 << 20)))
    return pieces


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_however_it_is_carried_it_is_the_same_handshake(seed: int) -> None:
    exchange = carried(seed)
    analyzed = exchange.analyze()
    [report] = analyzed.handshakes
    names_sent = [one.message for one in report.messages]
    asks, presents = "certificate_request" in names_sent, "certificate_verify" in names_sent
    original = whole(asks=asks, certificates=((LEAF,) if presents else ()) if asks else None).report
    assert ordered(told(report)) == ordered(told(original))
    assert report.facts is not None
    assert not report.facts.holes


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 100))
def test_a_part_of_a_capture_never_says_more_than_the_whole(seed: int, percent: int) -> None:
    exchange = carried(seed)
    complete = exchange.report
    datagrams = exchange.datagrams[: len(exchange.datagrams) * percent // 100]
    for report in replace(exchange, datagrams=datagrams).analyze().handshakes:
        assert report.authentication in ("undetermined", complete.authentication)
        assert report.outcome in ("incomplete", complete.outcome)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sets(st.integers(0, 30), max_size=6))
@example(535, {0, 6, 11, 16})  # nothing behind the server's key exchange, and of the client's flight no whole message
def test_loss_never_makes_a_wrong_verdict(seed: int, lost: set[int]) -> None:
    exchange = carried(seed)
    complete = exchange.report
    for report in without(exchange, *lost).analyze().handshakes:
        assert report.authentication in ("undetermined", complete.authentication)
        assert report.outcome in ("incomplete", complete.outcome)


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.data())
def test_any_bytes_give_results(seed: int, draws: st.DataObject) -> None:
    exchange = carried(seed)
    damaged = []
    for sent in exchange.datagrams:
        payload = bytearray(sent.payload)
        for _ in range(draws.draw(st.integers(0, 2))):
            payload[draws.draw(st.integers(0, len(payload) - 1))] = draws.draw(st.integers(0, 255))
        size = draws.draw(st.none() | st.integers(0, len(payload)))
        damaged.append(replace(sent, payload=bytes(payload), captured=size))
    for report in replace(exchange, datagrams=damaged).analyze().handshakes:
        serialize.handshake(report)


def test_datagrams_that_the_capture_cuts() -> None:
    exchange = whole()
    cut = [replace(sent, captured=min(len(sent.payload), 100)) for sent in exchange.datagrams]
    analyzed = replace(exchange, datagrams=cut).analyze()
    [report] = analyzed.handshakes
    assert report.authentication == "undetermined"
    assert "frames-cut" in [issue.code for issue in analyzed.issues]


# ---- who speaks to whom ------------------------------------------------------------------------------


def test_another_hello_between_the_same_ends_is_another_handshake() -> None:
    exchange = whole(asks=True, certificates=(LEAF,))
    fresh = bytes(range(50, 82))
    exchange.send("client", message(CLIENT_HELLO, 0, client_hello(random=fresh)))
    exchange.send("server", message(HELLO_VERIFY_REQUEST, 0, VERIFY))
    exchange.send("client", message(CLIENT_HELLO, 1, client_hello(random=fresh, cookie=COOKIE)))
    flight = server_flight()
    flight[0] = message(SERVER_HELLO, 1, server_hello(random=fresh))
    exchange.send("server", *flight).send("client", *client_flight(), change_cipher_spec(), finished())
    exchange.send("server", change_cipher_spec(), finished())
    reports = exchange.analyze().handshakes
    assert [(r.stream, r.handshake, r.outcome, r.authentication) for r in reports] == [
        (0, 0, "established", "mutual"),
        (0, 1, "established", "one-way"),
    ]


def test_streams_are_numbered_whatever_is_in_them() -> None:
    dns = packet(("192.0.2.10", 53000), ("192.0.2.1", 53), bytes(30))
    other = whole()
    again = replace(whole(), client=("2001:db8::1", 50001), server=("2001:db8::2", 4433))
    frames = [dns, *(other.frame(sent) for sent in other.datagrams), dns]
    frames += [again.frame(sent) for sent in again.datagrams]
    reports = api.analyze(capture(frames), trust="none").handshakes
    assert [report.stream for report in reports] == [1, 2]
    assert reports[1].client.ip == "2001:db8::1"


def test_stun_and_media_on_the_same_ports_are_passed_over() -> None:
    exchange = whole()
    others = [b"\0\x01\0\0" + bytes(16), b"\x80\x60" + bytes(30), b"\x40\0\0\x10" + bytes(16), b""]
    mixed = [replace(exchange.datagrams[0], payload=payload) for payload in others]
    for sent in exchange.datagrams:
        mixed += [sent, *(replace(sent, payload=payload) for payload in others)]
    assert names(replace(exchange, datagrams=mixed).report) == NAMES


def test_a_capture_of_one_direction() -> None:
    exchange = whole()
    # The server's Finished answers the client's; what the server may still refuse the client's does not show.
    for side, outcome in (("client", "incomplete"), ("server", "established")):
        alone = [sent for sent in exchange.datagrams if sent.sender == side]
        report = replace(exchange, datagrams=alone).report
        assert report.client.port == 50000
        assert report.outcome == outcome
        assert report.authentication in ("undetermined", "one-way")


@pytest.mark.parametrize("certificates", [None, (), (LEAF,)])
def test_a_capture_that_lacks_the_clients_flight_shows_no_failure(certificates: tuple[bytes, ...] | None) -> None:
    exchange = hellos().each("server", *server_flight(asks=certificates is not None))
    flight = [*client_flight(certificates=certificates), change_cipher_spec(), finished()]
    exchange.send("client", *flight).each("server", change_cipher_spec(), finished())
    exchange.send("client", record(ALERT, bytes(26), 3, epoch=1))
    report = without(exchange, len(exchange.datagrams) - 4).report
    assert (report.outcome, report.root_cause) == ("established", None)
    assert report.authentication == ("one-way" if certificates is None else "undetermined")


def test_what_has_the_new_keys_tells_of_a_finished_that_was_lost() -> None:
    """An alert behind it is the farewell of a handshake that was complete, and no refusal."""
    farewell = record(ALERT, bytes(26), 3, epoch=1)
    exchange = whole().each("client", farewell).each("server", farewell)
    last = len(exchange.datagrams) - 1
    finish, answer = (last - 5, last - 4), last - 2  # the server's, and its data
    for lost in (finish, (*finish, answer), (*finish, last), (*finish, last - 3)):
        capture = without(exchange, *lost).analyze()
        [report] = capture.handshakes
        assert (report.outcome, report.authentication, report.root_cause) == ("established", "one-way", None)
        assert {issue.code for issue in capture.issues} == {"datagrams-missing"}
    capture = without(exchange, *finish, answer, last).analyze()
    [report] = capture.handshakes
    assert (report.outcome, report.root_cause) == ("incomplete", None)
    assert {issue.code for issue in capture.issues} == {"datagrams-missing"}
    report = without(exchange, *range(3, last - 2)).report
    assert (report.outcome, report.authentication) == ("incomplete", "undetermined")


def test_data_without_a_handshake_are_no_handshake() -> None:
    exchange = Exchange().each("client", data(1), data(2), finished(), change_cipher_spec(), alert(2, 40))
    assert exchange.analyze().handshakes == []


def test_much_data_costs_little_and_counts() -> None:
    exchange = whole()
    for number in range(2, 400):
        exchange.send("client", data(number)).send("server", data(number))
    [report] = exchange.analyze(limits=Limits(batch_bytes=4096)).handshakes
    assert report.facts is not None
    assert report.facts.application_data == {"client": 399, "server": 399}
    assert names(report) == NAMES
    assert report.facts.datagrams is not None
    assert report.facts.datagrams.last_frame == len(exchange.datagrams)


def test_records_with_a_connection_id() -> None:
    """RFC 9146: the id that the client wants to see is in the server's records, which hide their type."""
    asked, chosen = (54, vector(1, b"\xaa\xbb")), (54, vector(1, b"\xcc\xdd\xee"))
    exchange = Exchange().send("client", message(CLIENT_HELLO, 0, client_hello(asked)))
    exchange.send("server", message(SERVER_HELLO, 0, server_hello(chosen)), *server_flight(first=0)[1:])
    exchange.send("client", *client_flight(first=1), change_cipher_spec(), with_id(b"\xcc\xdd\xee", 0))
    exchange.send("server", change_cipher_spec(), with_id(b"\xaa\xbb", 0))
    exchange.send("client", with_id(b"\xcc\xdd\xee", 1, 80)).send("server", with_id(b"\xaa\xbb", 1, 90))
    report = exchange.report
    assert (report.outcome, report.authentication) == ("established", "one-way")
    assert names(report)[-2:] == ["application_data", "application_data"]
    assert names(report).count("encrypted_handshake") == 2


def with_id(identity: bytes, number: int, length: int = 49) -> bytes:
    sealed = record(WITH_ID, bytes(range(length)), number, epoch=1)
    return sealed[:11] + identity + sealed[11:]


# ---- nobody answers ----------------------------------------------------------------------------------


def test_a_server_that_never_answers() -> None:
    exchange = Exchange()
    for seconds in (1, 2, 4, 8):
        exchange.send("client", message(CLIENT_HELLO, 0, client_hello())).wait(seconds * SECOND)
    report = exchange.report
    assert (report.version, report.outcome, report.authentication) == (None, "failed", "undetermined")
    assert report.root_cause == "connection-unanswered"
    assert names(report) == ["client_hello"]


@pytest.mark.parametrize(
    ("certificates", "times", "authentication", "cause"),
    [
        ((), 1, "requested-not-provided", "client-certificate-missing"),
        ((), 2, "requested-not-provided", "handshake-timeout"),
        ((LEAF,), 1, "mutual", "handshake-timeout"),
    ],
)
def test_a_server_that_goes_silent_after_the_client_s_flight(
    certificates: tuple[bytes, ...], times: int, authentication: str, cause: str
) -> None:
    """As Mbed TLS refuses a client without a certificate."""
    exchange = hellos().each("server", *[b"".join(server_flight(asks=True))] * times)
    flight = [*client_flight(certificates=certificates), change_cipher_spec(), finished()]
    exchange.send("client", *flight)
    assert exchange.report.outcome == "incomplete"
    for number, seconds in enumerate((1, 2, 4), 1):
        exchange.wait(seconds * SECOND).send("client", *flight[:-1], finished(number))
    report = exchange.report
    assert (report.outcome, report.authentication) == ("failed", authentication)
    assert (report.root_cause, report.findings[0].confidence) == (cause, "likely")


@pytest.mark.parametrize(
    ("rounds", "goes_on", "outcome"), [(1, False, "established"), (2, False, "incomplete"), (2, True, "established")]
)
def test_a_last_flight_that_is_repeated_and_never_taken_establishes_nothing(
    rounds: int, goes_on: bool, outcome: str
) -> None:
    exchange = hellos().each("server", *server_flight())
    flights = ([*client_flight(), change_cipher_spec()], [change_cipher_spec()])
    for number in range(rounds + 1):
        for sender, flight in zip(("client", "server"), flights, strict=True):
            exchange.send(sender, *flight, finished(number)).wait(SECOND // 20)
        exchange.wait(SECOND << number)
    if goes_on:
        exchange.send("client", data(9))
    report = exchange.report
    assert report.outcome == outcome
    if outcome == "incomplete":
        assert any("sent again" in one.says for one in report.evidence)


@pytest.mark.parametrize(("number", "code"), [(1, "slow-handshake"), (3, "retransmissions-delay-handshake")])
def test_hellos_that_were_lost_on_their_way_here_are_told_by_the_numbers_of_records(number: int, code: str) -> None:
    exchange = Exchange().send("client", message(CLIENT_HELLO, 0, client_hello()))
    exchange.send("server", message(HELLO_VERIFY_REQUEST, 0, VERIFY)).wait(3 * SECOND)
    hello = fragment(CLIENT_HELLO, 1, client_hello(cookie=COOKIE))
    exchange.send("client", record(HANDSHAKE, hello, number)).each("server", *server_flight())
    key = record(HANDSHAKE, fragment(CLIENT_KEY_EXCHANGE, 2, vector(1, bytes(32))), number + 1)
    exchange.each("client", key, change_cipher_spec(number + 2), finished())
    report = exchange.each("server", change_cipher_spec(5), finished()).report
    assert report.outcome == "established"
    assert code in {one.code for one in report.findings} & {"slow-handshake", "retransmissions-delay-handshake"}
    assert len(report.findings) == 1
    facts = report.facts
    assert facts is not None
    assert facts.datagrams is not None
    assert facts.datagrams.lost == {"client": [3] if number == 3 else [], "server": []}


def test_a_record_that_comes_late_was_not_lost() -> None:
    exchange = whole()
    sent = exchange.datagrams
    sent[4], sent[5] = replace(sent[5], time=sent[4].time), replace(sent[4], time=sent[5].time)
    facts = exchange.report.facts
    assert facts is not None
    assert facts.datagrams is not None
    assert 5 not in facts.datagrams.lost["server"]
    facts = without(exchange, 5).report.facts
    assert facts is not None
    assert facts.datagrams is not None
    assert 5 in facts.datagrams.lost["server"]


def test_a_client_that_goes_silent_after_the_server_s_flight() -> None:
    exchange = hellos().send("server", *server_flight())
    for seconds in (1, 2, 4):
        exchange.wait(seconds * SECOND).send("server", *server_flight())
    report = exchange.report
    assert (report.outcome, report.root_cause) == ("failed", "handshake-timeout")


def test_one_hello_without_an_answer_is_merely_incomplete() -> None:
    exchange = Exchange().send("client", message(CLIENT_HELLO, 0, client_hello()))
    assert exchange.report.outcome == "incomplete"


ENDS = [("192.0.2.10", "198.51.100.7", 1), ("2001:db8::1", "2001:db8::2", 58)]


def icmp(exchange: Exchange, type_: int, code: int, protocol: int, *, quotes: int = 0, takes: int = 0) -> Frame:
    """An error of the server's host, which quotes a datagram."""
    quoted = exchange.frame(exchange.datagrams[quotes]).data[:100]
    error = bytes((type_, code)) + bytes(2) + takes.to_bytes(4) + quoted
    ends = ip_address(exchange.server[0]).packed + ip_address(exchange.client[0]).packed
    if protocol == 1:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(error), 1, 0, 64, protocol, 0)
    else:
        head = struct.pack(">IHBB", 6 << 28, len(error), protocol, 64)
    return Frame(head + ends + error, exchange.now)


@pytest.mark.parametrize(("client", "server", "protocol"), ENDS)
def test_a_port_on_which_nobody_listens(client: str, server: str, protocol: int) -> None:
    exchange = Exchange((client, 50000), (server, 4433)).send("client", message(CLIENT_HELLO, 0, client_hello()))
    unreachable, other = ((3, 3), (3, 4)) if protocol == 1 else ((1, 4), (3, 0))
    frames = [exchange.frame(sent) for sent in exchange.datagrams]
    [report] = api.analyze(capture([*frames, icmp(exchange, *unreachable, protocol)]), trust="none").handshakes
    assert (report.outcome, report.version, report.root_cause) == ("failed", None, "connection-refused")
    [report] = api.analyze(capture([*frames, icmp(exchange, *other, protocol)]), trust="none").handshakes
    assert report.outcome == "incomplete"


def test_a_server_that_answers_after_all_was_not_refused() -> None:
    exchange = whole()
    frames = [exchange.frame(sent) for sent in exchange.datagrams]
    [report] = api.analyze(capture([frames[0], icmp(exchange, 3, 3, 1), *frames[1:6]]), trust="none").handshakes
    assert report.outcome == "incomplete"
    [report] = api.analyze(capture([*frames, icmp(exchange, 3, 3, 1)]), trust="none").handshakes
    assert report.outcome == "established"


def test_a_hello_that_is_refused_late_or_only_at_first_is_no_certain_refusal() -> None:
    exchange = Exchange()
    hello = message(CLIENT_HELLO, 0, client_hello())
    for wait in (1, 2, 4):
        exchange.send("client", hello).wait(wait * SECOND)
    frames = [exchange.frame(sent) for sent in exchange.datagrams]
    said = []
    for at in (3, 1):
        error = icmp(exchange, 3, 3, 1, quotes=at - 1)
        [report] = api.analyze(capture([*frames[:at], error, *frames[at:]]), trust="none").handshakes
        [found] = report.findings
        said.append((found.code, found.confidence, "left 2" in found.summary))
    assert said == [("connection-refused", "likely", True)] * 2


@pytest.mark.parametrize(("client", "server", "protocol"), ENDS)
@pytest.mark.parametrize("side", ["client", "server"])
def test_a_side_whose_port_is_closed_in_the_middle(client: str, server: str, protocol: int, side: str) -> None:
    exchange = hellos(Exchange((client, 50000), (server, 4433))).each("server", *server_flight(asks=True))
    if side == "server":
        exchange.each("client", *client_flight(certificates=(LEAF,)))
    frames = [exchange.frame(sent) for sent in exchange.datagrams]
    error = icmp(exchange, *((3, 3) if protocol == 1 else (1, 4)), protocol, quotes=-1)
    [report] = api.analyze(capture([*frames, error]), trust="none").handshakes
    assert (report.outcome, report.root_cause) == ("failed", "unreachable-during-handshake")
    assert report.findings[0].summary.startswith(f"The {side} ")


@pytest.mark.parametrize(("client", "server", "protocol"), ENDS)
@pytest.mark.parametrize("takes", [1400, 0])
def test_a_packet_that_is_too_big_for_a_link(client: str, server: str, protocol: int, takes: int) -> None:
    exchange = hellos(Exchange((client, 50000), (server, 4433))).each("server", *server_flight(asks=True))
    exchange.each("client", *client_flight(certificates=(LEAF,)), change_cipher_spec(), finished())
    frames = [exchange.frame(sent) for sent in exchange.datagrams]
    too_big, gone = ((3, 4), (3, 3)) if protocol == 1 else ((2, 0), (1, 4))
    errors = [icmp(exchange, *too_big, protocol, quotes=8, takes=takes), icmp(exchange, *gone, protocol, quotes=7)]
    [report] = api.analyze(capture([*frames, *errors]), trust="none").handshakes
    assert (report.outcome, report.root_cause) == ("failed", "packet-too-big")
    cause = report.findings[0]
    assert (cause.confidence, "1400" in cause.summary, cause.evidence[0].frame) == ("certain", takes > 0, 14)
    exchange.each("server", change_cipher_spec(), finished())
    frames += [exchange.frame(sent) for sent in exchange.datagrams[len(frames) :]]
    [report] = api.analyze(capture([*frames[:13], errors[0], *frames[13:]]), trust="none").handshakes
    assert (report.outcome, report.findings) == ("established", []), "smaller ones arrived"


def test_an_alert_in_answer_to_the_hello() -> None:
    report = hellos().send("server", alert(2, 70)).report
    assert (report.outcome, report.version, report.alerts[0].description) == ("failed", None, "protocol_version")
    assert report.root_cause == "no-common-version"


# ---- bounds ------------------------------------------------------------------------------------------


def test_what_waits_for_a_lost_message_is_bounded() -> None:
    exchange = hellos()
    for number in range(2, 60):
        exchange.send("server", record(HANDSHAKE, fragment(CERTIFICATE, number, bytes(12000), 0, 11000)))
    analyzed = exchange.analyze(limits=Limits(pending_bytes=64 << 10))
    assert "pending-bytes" in [issue.code for issue in analyzed.issues]


def test_a_message_that_is_too_long_is_said() -> None:
    exchange = hellos().send("server", message(SERVER_HELLO, 1, server_hello()))
    exchange.send("server", record(HANDSHAKE, fragment(CERTIFICATE, 2, bytes(9000), 0, 1000)))
    analyzed = exchange.analyze(limits=Limits(message_bytes=8000))
    assert "message-bytes" in [issue.code for issue in analyzed.issues]


@pytest.mark.parametrize("one", [alert(1, 0), record(HANDSHAKE, fragment(0, 0, b""))])
def test_of_very_many_records_not_all_are_read(one: bytes) -> None:
    exchange = hellos()
    for _ in range(10):
        exchange.send("server", one * 30)
    analyzed = exchange.analyze(limits=Limits(handshake_records=200))
    assert "handshake-records" in [issue.code for issue in analyzed.issues]
    assert [handshake.server_name for handshake in analyzed.handshakes] == ["service.example.com"]
    assert "handshake-records" not in [issue.code for issue in exchange.analyze().issues]


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 12)), min_size=1, max_size=60))
def test_parts_in_any_order_make_a_message_once_all_are_there(parts: list[tuple[int, int]]) -> None:
    body, lacking = bytes(range(40)), set(range(40))
    made = Reassembler(100_000)
    for begin, size in parts:
        part = body[begin : begin + size]
        lacking -= set(range(begin, begin + len(part)))
        found = made.add(Fragment(CLIENT_HELLO, 40, 0, begin, part), Datagram(0, 1, 1, b"", 0), "cleartext")
        if not lacking:
            assert [one.raw[MESSAGE_HEADER:] for one in found or ()] == [body]
            return
        assert found == [] and made.lacks is not None


def test_only_so_many_associations_are_followed() -> None:
    frames = []
    for port in range(50000, 50020):
        exchange = replace(whole(), client=("192.0.2.10", port))
        frames += [exchange.frame(sent) for sent in exchange.datagrams]
    analyzed = api.analyze(capture(frames), trust="none", limits=Limits(connections=5, batch_bytes=2048))
    assert [report.stream for report in analyzed.handshakes] == list(range(20))
    assert {report.outcome for report in analyzed.handshakes} == {"established"}
    assert "connections" in [issue.code for issue in analyzed.issues]


def test_a_long_silence_ends_an_association_and_the_next_is_counted_on() -> None:
    exchange = whole().wait(3600 * SECOND)
    for number in range(200):
        exchange.datagrams.append(replace(exchange.datagrams[0], payload=bytes(900), time=exchange.now + number))
    exchange.wait(SECOND)
    fresh = bytes(range(50, 82))
    exchange.send("client", message(CLIENT_HELLO, 0, client_hello(random=fresh)))
    reports = exchange.analyze(limits=Limits(batch_bytes=4096)).handshakes
    assert [(report.stream, report.handshake) for report in reports] == [(0, 0), (0, 1)]


def test_the_hello_of_another_version_and_type_are_no_dtls() -> None:
    hello = bytearray(message(CLIENT_HELLO, 0, client_hello()))
    for at, value in ((0, ALERT), (1, 3), (4, 1), (12, 255), (24, 255)):
        changed = bytearray(hello)
        changed[at] = value
        assert Exchange().send("client", bytes(changed)).analyze().handshakes == []


def test_a_certificate_of_many_fragments() -> None:
    body = certificate(*[LEAF] * 20)
    exchange = hellos().send("server", message(SERVER_HELLO, 1, server_hello()))
    for begin in range(0, len(body), 200):
        exchange.send("server", record(HANDSHAKE, fragment(CERTIFICATE, 2, body, begin, begin + 200)))
    report = exchange.send("server", message(SERVER_HELLO_DONE, 3)).report
    assert names(report)[-2:] == ["certificate", "server_hello_done"]
    assert report.messages[-2].length == len(body)


# ---- captures of real stacks -------------------------------------------------------------------------

RECORDED = [file for file in FILES if "dtls" in file]


@pytest.mark.skipif(TSHARK is None, reason="no tshark")
@pytest.mark.parametrize("file", RECORDED)
def test_messages_are_those_that_tshark_sees(file: str) -> None:
    """Who sends which message under which number, each once however often it was sent and in however many fragments."""
    [report] = api.analyze(str(CAPTURES / file), trust="none").handshakes
    assert report.facts is not None
    ours = {
        (sent.sender, sent.raw[0], int.from_bytes(sent.raw[4:6]))
        for sent in report.facts.sent
        if sent.message is not None
    }
    theirs = set()
    for fields in tshark_fields(CAPTURES / file, "ip.src", "dtls.handshake.type", "dtls.handshake.message_seq"):
        sender = "client" if fields["ip.src"] == [report.client.ip] else "server"
        numbered = zip(fields["dtls.handshake.type"], fields["dtls.handshake.message_seq"], strict=False)
        theirs |= {(sender, int(kind), int(number)) for kind, number in numbered}
    assert len(ours) >= 7
    assert ours <= theirs
    # What is in neither the capture nor in our messages tshark may still show in part.
    assert theirs == ours or "gap" in file


@pytest.mark.parametrize("file", [file for file in RECORDED if keylog(file)])
def test_keys_open_every_record_of_a_capture(file: str) -> None:
    [report] = api.analyze(str(CAPTURES / file), **options(file), keylog=str(keylog(file))).handshakes
    assert report.facts is not None
    assert report.facts.decryption is not None
    assert report.facts.decryption.closed == 0
    statuses = {proof.status for proof in report.proofs}
    assert statuses == ({"pass"} if "gap" not in file else {"pass", "undetermined"})


def test_scapy_dissects_the_messages_that_it_knows() -> None:
    [report] = api.analyze(str(CAPTURES / "mutual-dtls12.pcap"), trust="none").handshakes
    packets = report.to_scapy()
    assert len(packets) == len(report.messages)
    shown = [type(packet.msg[0]).__name__ for packet in packets if packet is not None and packet.name == "TLS"]
    assert shown[:5] == [
        "TLSServerHello",
        "TLSCertificate",
        "TLSServerKeyExchange",
        "TLSCertificateRequest",
        "TLSServerHelloDone",
    ]
