"""From records to handshakes: which messages there are, whose they are, and where another handshake begins."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import (
    CCS,
    CLIENT_KEY_EXCHANGE,
    ENCRYPTED_FINISHED,
    HANDSHAKE,
    RETRY,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    Talk,
    alert,
    capture,
    certificate,
    client_hello,
    handshake,
    message,
    protected,
    record,
    server_hello,
    tls12,
    tls13,
)

from analyzer import api
from analyzer.results import HandshakeReport
from analyzer.settings import Limits
from analyzer.tls.handshake import Handshake

HELLO = handshake(client_hello(tls13=False), version=0x0301)
FLIGHT = [server_hello(0xC02F, tls13=False), certificate(700), SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE]
FULL = [
    *("client client_hello", "server server_hello", "server certificate", "server server_key_exchange"),
    *("server server_hello_done", "client client_key_exchange", "client change_cipher_spec"),
    *("client encrypted_handshake", "server change_cipher_spec", "server encrypted_handshake"),
]


def names(report: HandshakeReport) -> list[str]:
    return [f"{message.sender} {message.message}" for message in report.messages]


def facts(report: HandshakeReport) -> Handshake:
    assert report.facts is not None
    return report.facts


def test_a_whole_handshake() -> None:
    report = tls12().report
    assert names(report) == FULL
    assert (report.version, report.cipher_suite) == ("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 1100), max_size=8), st.integers(40, 1460))
def test_messages_may_be_spread_over_records_and_segments(cuts: list[int], size: int) -> None:
    flight = b"".join(FLIGHT)
    ends = sorted({0, *(cut for cut in cuts if cut < len(flight)), len(flight)})
    records = b"".join(record(HANDSHAKE, flight[i:j]) for i, j in pairwise(ends))
    talk = Talk(size=size).open().send("client", HELLO).send("server", records)
    talk.send("client", handshake(CLIENT_KEY_EXCHANGE) + CCS + ENCRYPTED_FINISHED)
    report = talk.send("server", CCS + ENCRYPTED_FINISHED).report
    assert names(report) == FULL
    assert [len(sent.raw) for sent in facts(report).sent if sent.message and sent.sender == "server"] == list(
        map(len, FLIGHT)
    )


def test_frames_of_a_message_that_takes_several() -> None:
    talk = Talk(size=200).open().send("client", HELLO).send("server", handshake(*FLIGHT))
    sent = facts(talk.report).first("certificate", "server")
    assert sent is not None
    assert sent.first_frame < sent.frame
    assert [one.payload for one in talk.segments][sent.frame - 1]


def test_who_the_client_is_the_hello_says() -> None:
    """Whatever the ports and the SYN say."""
    swapped = Talk(client=("192.0.2.1", 443), server=("192.0.2.2", 50000))
    report = tls12(talk=swapped).report
    assert (report.client.port, report.server.port) == (443, 50000)
    late = Talk(client=("192.0.2.1", 443), server=("192.0.2.2", 50000))
    assert tls12(talk=late).report.client.port == 443


def test_a_capture_may_begin_late() -> None:
    talk = tls12(asks=True, client_certificate=certificate(500))
    first = next(i for i, segment in enumerate(talk.segments) if segment.source == talk.server and segment.payload)
    report = Talk(segments=talk.segments[first:]).report
    assert names(report)[0] == "server server_hello"
    assert (report.client.port, report.authentication, report.outcome) == (50000, "mutual", "established")
    later = Talk(segments=talk.segments[first + 1 :]).report
    assert names(later)[0] == "client certificate"
    assert (later.client.port, later.authentication) == (50000, "mutual")


def test_a_capture_that_begins_with_change_cipher_spec_holds_nothing_in_clear() -> None:
    encrypted = record(HANDSHAKE, b"\1" + b"\x50" * 39)
    report = Talk().send("client", CCS + encrypted).send("server", CCS + encrypted).analyze()
    assert (report.handshakes, [issue.code for issue in report.issues]) == ([], [])


@pytest.mark.parametrize("sender", ["client", "server"])
def test_a_hello_behind_a_change_cipher_spec_is_read_where_the_capture_begins_there(sender: str) -> None:
    hello = handshake(client_hello() if sender == "client" else server_hello())
    [report] = Talk().send(sender, CCS + hello).analyze().handshakes
    assert names(report) == [f"{sender} {sender}_hello"]


def test_a_connection_of_data_alone_is_no_handshake() -> None:
    talk = Talk().send("client", protected(100, 200)).send("server", protected(300))
    assert talk.analyze().handshakes == []


# ---- several hellos


def test_two_hellos_around_a_retry_are_one_handshake() -> None:
    talk = (
        Talk()
        .open()
        .send("client", handshake(client_hello()))
        .send("server", handshake(server_hello(random=RETRY)) + CCS)
    )
    talk.send("client", CCS + handshake(client_hello((21, bytes(9))))).send("server", handshake(server_hello()))
    report = talk.report
    assert report.hello_retry_request
    assert [name for name in names(report) if "hello" in name] == [
        *("client client_hello", "server hello_retry_request", "client client_hello", "server server_hello"),
    ]


def test_a_hello_that_comes_late_behind_a_loss_is_what_the_server_has_answered() -> None:
    talk = Talk().open().lose("client", handshake(client_hello()))
    talk.send("server", handshake(server_hello(random=RETRY)) + CCS)
    talk.send("client", CCS + handshake(client_hello((21, bytes(9))))).send("server", handshake(server_hello()))
    assert talk.report.server_name == "service.example.com"


def test_a_hello_behind_a_finished_handshake_begins_another() -> None:
    """A renegotiation in clear is not allowed, but the NULL cipher makes it look so."""
    talk = tls12().send("client", HELLO)
    report = talk.analyze().handshakes
    assert [one.handshake for one in report] == [0]
    assert report[0].outcome == "established"


def test_an_encrypted_renegotiation_stays_closed() -> None:
    """Without keys it is encrypted records of the first handshake, which stays established and one-way."""
    talk = tls12().send("server", record(HANDSHAKE, bytes(28))).send("client", record(HANDSHAKE, bytes(300)))
    report = talk.send("server", record(HANDSHAKE, bytes(1500)) + CCS + ENCRYPTED_FINISHED).report
    assert (report.authentication, report.outcome) == ("one-way", "established")


def test_a_hello_behind_a_refusal_begins_another() -> None:
    talk = Talk().open().send("client", HELLO).send("server", alert(2, 70))
    tls12(talk=talk)
    first, second = talk.analyze().handshakes
    assert (first.outcome, first.handshake) == ("failed", 0)
    assert (second.outcome, second.handshake) == ("established", 1)
    assert names(second) == FULL


def test_a_hello_sent_twice_is_one_handshake() -> None:
    talk = Talk().open().send("client", HELLO, HELLO).send("server", handshake(*FLIGHT))
    assert len(talk.analyze().handshakes) == 1


# ---- ChangeCipherSpec


def test_change_cipher_spec_before_the_server_hello_does_not_hide_a_hello() -> None:
    """With 0-RTT or after a HelloRetryRequest of which the capture lacks the answer (RFC 8446, appendix D.4)."""
    talk = (
        Talk().open().send("client", handshake(client_hello(early_data=True, identity=b"x" * 40)) + CCS + protected(99))
    )
    talk.send("server", handshake(server_hello(random=RETRY)) + CCS).send("client", handshake(client_hello()))
    report = talk.send("server", handshake(server_hello())).report
    assert names(report).count("client client_hello") == 2
    assert report.early_data


def test_behind_change_cipher_spec_alerts_are_encrypted() -> None:
    report = tls12().send("client", record(21, bytes(26))).report
    assert [(one.level, one.description) for one in report.alerts] == [(None, None)]
    report = tls12(answer=False).send("server", alert(2, 42)).report
    assert [one.description for one in report.alerts] == ["bad_certificate"]
    assert report.outcome == "failed"


# ---- what is cut, malformed, or not known


def test_a_hello_that_is_cut_off_is_a_handshake() -> None:
    for length in (6, 50, len(HELLO) - 1):
        report = Talk().open().send("client", HELLO[:length]).report
        assert (report.outcome, report.authentication, report.version) == ("incomplete", "undetermined", None)
        assert Talk().open().send("client", HELLO[:length]).rst("server").report.outcome == "failed"
    assert Talk().open().send("client", HELLO[:5]).analyze().handshakes == []


def test_a_hello_in_cut_frames_is_a_handshake() -> None:
    talk = tls12()
    cut = [one.__class__(**{**one.__dict__, "captured": min(len(one.payload), 40)}) for one in talk.segments]
    report = Talk(segments=cut).report
    assert (report.outcome, report.authentication) == ("incomplete", "undetermined")
    assert {hole.reason for _, hole in facts(report).holes} >= {"snap-length"}


def test_malformed_messages_are_values() -> None:
    talk = (
        Talk().open().send("client", handshake(message(1, bytes(30)))).send("server", handshake(message(2, bytes(3))))
    )
    report = talk.fin("server").report
    assert names(report) == ["client client_hello", "server server_hello"]
    assert (report.version, report.outcome) == (None, "failed")


def test_unknown_messages_do_not_end_the_reading() -> None:
    flight = [*FLIGHT[:-1], message(23, bytes(5)), FLIGHT[-1]]
    talk = Talk().open().send("client", HELLO).send("server", handshake(*flight))
    assert names(talk.report)[-1] == "server server_hello_done"


def test_an_alert_before_any_message() -> None:
    assert Talk().open().send("client", alert(2, 0)).analyze().handshakes == []


def test_plaintext_in_answer_to_a_hello() -> None:
    report = (
        Talk().open().send("client", HELLO).send("server", b"HTTP/1.1 400 Bad Request\r\n\r\n").fin("server").report
    )
    assert (report.outcome, report.version, names(report)) == ("failed", None, ["client client_hello"])


# ---- bounds

FLOODS: dict[str, tuple[str, bytes]] = {
    "hello requests": ("server", record(HANDSHAKE, message(0) * 4000) * 8),
    "alerts": ("server", alert(1, 90) * 9000),
    "change cipher specs": ("server", CCS * 9000),
    "hellos": ("client", HELLO * 300),
    "empty records": ("server", protected(0) * 9000),
    "a long message": (
        "server",
        record(HANDSHAKE, b"\x0b\x0f\xff\xff" + bytes(16000)) + record(HANDSHAKE, bytes(16000)) * 70,
    ),
    "certificates": ("server", handshake(certificate(16000)) * 300),
    "heartbeats": ("server", record(24, b"\1") * 9000),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_bounded(name: str) -> None:
    sender, data = FLOODS[name]
    talk = Talk(size=60_000).open().send("client", HELLO)
    report = talk.send(sender, data).report
    assert len(facts(report).sent) <= 2000
    assert len(facts(report).alerts) <= 2000
    assert sum(len(sent.raw) for sent in facts(report).sent) <= Limits().handshake_bytes


def test_a_message_beyond_the_limit_is_no_message() -> None:
    limits = Limits(message_bytes=500)
    talk = (
        Talk()
        .open()
        .send("client", HELLO)
        .send("server", handshake(server_hello(0xC02F, tls13=False), certificate(700)))
    )
    [report] = api.analyze(capture(talk.segments), limits=limits, trust="none").handshakes
    assert names(report)[:2] == ["client client_hello", "server server_hello"]


@settings(deadline=None)
@given(st.data())
def test_any_records_in_any_order(data: st.DataObject) -> None:
    pool = [HELLO, handshake(client_hello()), handshake(*FLIGHT), handshake(server_hello()), CCS, ENCRYPTED_FINISHED]
    pool += [protected(53, 69), alert(1, 0), alert(2, 40), handshake(message(0)), handshake(CLIENT_KEY_EXCHANGE)]
    pool += [record(HANDSHAKE, bytes(range(60))), handshake(certificate()), b"\x16\x03", record(25, b"?")]
    talk: Any = Talk().open()
    for sender in data.draw(st.lists(st.sampled_from(["client", "server"]), max_size=12)):
        talk.send(sender, data.draw(st.sampled_from(pool)))
    if data.draw(st.booleans()):
        talk.fin(data.draw(st.sampled_from(["client", "server"])))
    reports = talk.analyze().handshakes
    assert [one.handshake for one in reports] == list(range(len(reports)))
    for report in reports:
        assert report.evidence
        assert report.first_frame <= report.last_frame <= len(talk.segments)


def test_tls13_goes_encrypted_with_the_server_hello() -> None:
    report = tls13([23, 1731, 281, 69], [69], ("server", [250])).report
    assert facts(report).is_tls13
    kinds = {one.message for one in report.messages if one.protection == "encrypted"}
    assert kinds == {"encrypted_handshake", "application_data"}


@pytest.mark.parametrize("sender", ["client", "server"])
def test_an_error_in_clear_behind_an_alert_is_no_damage(sender: str) -> None:
    """A MySQL server says in its own protocol why TLS has ended, whoever refused."""
    error = b"\x2d\0\0\2\xff\x15\x04#28000no TLS, then"
    talk = Talk().open().send("client", HELLO).send("server", handshake(*FLIGHT))
    report = talk.send(sender, alert(2, 48)).send("server", error).report
    assert (report.outcome, facts(report).holes) == ("failed", [])


def test_an_error_in_clear_behind_an_alert_that_tls13_hides_is_no_damage() -> None:
    error = b"\x2d\0\0\2\xff\x15\x04#28000no TLS, then"
    talk = tls13((40, 900, 281, 69), (900, 281, 69), ("server", (19,))).send("server", error)
    assert facts(talk.report).holes == []


def test_what_is_no_record_behind_no_alert_is_damage() -> None:
    talk = Talk().open().send("client", HELLO).send("server", handshake(*FLIGHT)).send("server", b"\x2d\0\0\2\xff\x15")
    assert [hole.reason for _, hole in facts(talk.report).holes] == ["damaged"]
