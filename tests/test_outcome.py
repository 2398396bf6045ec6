"""Established, failed, or not to be seen: how a handshake ended. (TLS 1.3 by sizes: test_inference.)"""

import pytest
from forged_cases import TLS12_FLIGHT, TLS13_ASKING, TLS13_DECLINED, TLS13_FLIGHT, TLS13_MUTUAL, forged
from talk import (
    ALERT,
    CCS,
    CLIENT_KEY_EXCHANGE,
    ENCRYPTED_FINISHED,
    HANDSHAKE,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    Talk,
    alert,
    certificate,
    client_hello,
    handshake,
    message,
    protected,
    record,
    server_hello,
    tls12,
    vector,
)

from analyzer.results import HandshakeReport
from analyzer.tls.outcome import judge

HELLO = handshake(client_hello(tls13=False), version=0x0301)
FLIGHT = handshake(server_hello(0xC02F, tls13=False), certificate(700), SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE)
ANSWER = handshake(CLIENT_KEY_EXCHANGE) + CCS + ENCRYPTED_FINISHED


def ended(report: HandshakeReport) -> str:
    """The outcome; what it rests on must fit."""
    assert report.outcome_basis == (None if report.outcome == "incomplete" else "observed")
    assert report.evidence
    assert (report.duration is None) == (report.outcome != "established")
    return report.outcome


def stages() -> list[Talk]:
    """A handshake up to each flight."""
    begun = Talk().open().send("client", HELLO)
    answered = Talk().open().send("client", HELLO).send("server", FLIGHT)
    return [begun, answered, tls12(answer=False)]


def test_both_have_finished() -> None:
    report = tls12().report
    assert ended(report) == "established"
    assert report.duration == pytest.approx(0.003)
    for how in (Talk.fin, Talk.rst):
        for sender in ("client", "server"):
            assert ended(how(tls12(), sender).report) == "established"


def test_an_abbreviated_handshake() -> None:
    talk = Talk().open().send("client", handshake(client_hello(tls13=False, session_id=bytes(32))))
    talk.send("server", handshake(server_hello(0xC02F, tls13=False, session_id=bytes(32))) + CCS + ENCRYPTED_FINISHED)
    assert ended(talk.report) == "incomplete"
    assert ended(talk.send("client", CCS + ENCRYPTED_FINISHED).report) == "established"


@pytest.mark.parametrize("stage", range(3))
def test_a_capture_that_merely_ends_shows_no_failure(stage: int) -> None:
    assert ended(stages()[stage].report) == "incomplete"
    assert ended(stages()[stage].acknowledge("client").acknowledge("server").report) == "incomplete"


@pytest.mark.parametrize("stage", range(3))
@pytest.mark.parametrize("sender", ["client", "server"])
def test_whoever_leaves_before_the_end_makes_it_fail(stage: int, sender: str) -> None:
    for how in (Talk.fin, Talk.rst):
        report = how(stages()[stage], sender).report
        assert ended(report) == "failed"
        assert report.closed_by is not None
        assert report.closed_by.sender == sender
        assert any(one.frame == report.closed_by.frame and sender in one.says for one in report.evidence)


@pytest.mark.parametrize("stage", range(3))
def test_a_fatal_alert(stage: int) -> None:
    report = stages()[stage].send("server", alert(2, 40)).report
    assert ended(report) == "failed"
    assert any("handshake_failure" in one.says for one in report.evidence)
    assert [one.description for one in report.alerts] == ["handshake_failure"]


def test_a_warning_is_no_failure() -> None:
    talk = Talk().open().send("client", HELLO).send("server", alert(1, 112) + FLIGHT).send("client", ANSWER)
    assert ended(talk.report) == "incomplete"
    assert ended(talk.send("server", CCS + ENCRYPTED_FINISHED).report) == "established"


def test_a_warning_before_the_end_is_told() -> None:
    report = Talk().open().send("client", HELLO).send("server", alert(1, 112)).fin("server").report
    assert ended(report) == "failed"
    assert any("unrecognized_name" in one.says for one in report.evidence)


def test_an_alert_that_crosses_the_last_finished_is_a_refusal() -> None:
    """NSS refuses the server's certificate behind its own Finished, without waiting for the server's."""
    hidden = record(ALERT, bytes(26))
    crossed = tls12(answer=False).send("client", hidden).send("server", CCS + ENCRYPTED_FINISHED)
    assert ended(crossed.report) == "failed"
    assert ended(crossed.fin("client").rst("server").report) == "failed"
    assert any("before it had seen" in one.says for one in crossed.report.evidence)
    assert ended(tls12().send("client", hidden).fin("client").report) == "established"
    flight = CCS + ENCRYPTED_FINISHED
    lacking = tls12(answer=False).send("server", flight[:30]).lose("server", flight[30:]).send("client", hidden)
    assert ended(lacking.send("server", hidden).report) == "established"
    ahead = tls12(answer=False).send("client", protected(99) + hidden).send("server", CCS + ENCRYPTED_FINISHED)
    assert ended(ahead.report) == "established"


@pytest.mark.parametrize("sender", ["C", "S"])
def test_an_alert_that_can_be_read_may_refuse_the_peer_behind_finished(sender: str) -> None:
    """NSS does so with servers, and servers that ask about a certificate only when the handshake is over."""
    finished = f"{TLS12_FLIGHT} C>client_key_exchange C>ccs C>finished S>ccs S>finished"
    for name, expected in (("bad_certificate", "failed"), ("1/close_notify", "established")):
        report = forged(f"{finished} {sender}>alert:{name} {sender}>fin", decrypted=True)
        assert report.outcome == expected
    refused = f"{sender}>alert:bad_certificate"
    assert forged(f"{finished} {sender}>data:90 {refused}", decrypted=True).outcome == "established"


def test_what_comes_after_does_not_take_it_back() -> None:
    assert (
        ended(tls12().send("client", protected(99)).send("server", protected(99)).rst("server").report) == "established"
    )


def test_who_closed_first_the_frames_tell() -> None:
    """Whichever end has the lower address."""
    for client, server in ((("10.0.0.1", 5000), ("10.0.0.2", 443)), (("10.0.0.2", 5000), ("10.0.0.1", 443))):
        for first, then in (("client", "server"), ("server", "client")):
            talk = tls12(talk=Talk(client=client, server=server).open()).fin(first).fin(then)
            closed = talk.report.closed_by
            assert closed is not None
            assert (closed.sender, closed.how, closed.frame) == (first, "fin", len(talk.segments) - 1)


def test_many_resets_do_not_hide_who_closed_first() -> None:
    talk = tls12().fin("server")
    for _ in range(30):
        talk.rst("client")
    closed = talk.report.closed_by
    assert closed is not None
    assert closed.sender == "server"


def test_data_of_both_sides_show_that_it_was_established() -> None:
    late = Talk().send("client", handshake(CLIENT_KEY_EXCHANGE) + CCS).lose("client", ENCRYPTED_FINISHED)
    late.lose("server", CCS + ENCRYPTED_FINISHED).send("client", protected(50)).send("server", protected(60))
    assert ended(late.report) == "incomplete"  # without a ServerHello it may be the handshake of TLS 1.3
    for _ in range(10):
        late.send("client", protected(50)).send("server", protected(60))
    assert ended(late.report) == "established"


def test_without_the_server_hello_encrypted_flights_are_no_data() -> None:
    talk = Talk().open().send("client", handshake(client_hello())).lose("server", handshake(server_hello()))
    talk.send("server", protected(23, 1731, 281, 69)).send("client", protected(19)).fin("client")
    assert ended(talk.report) == "incomplete"


def test_a_capture_that_begins_later_does_not_make_it_fail() -> None:
    """What is there cannot be without a ServerHello."""
    ticket = handshake(message(4, bytes(4) + vector(2, bytes(160))))
    begins = Talk().send("server", ticket + CCS + ENCRYPTED_FINISHED)
    assert ended(begins.fin("client").report) == "incomplete"
    talk = Talk().send("server", ticket + CCS + ENCRYPTED_FINISHED)
    talk.send("client", protected(47)).send("server", protected(75))
    assert ended(talk.fin("server").report) == "established"
    lost = Talk().open().send("client", HELLO).lose("server", FLIGHT).send("client", ANSWER).fin("server")
    assert ended(lost.report) == "incomplete"
    assert ended(Talk().open().send("client", HELLO).send("client", CCS).fin("server").report) == "failed"


def test_behind_a_lost_hello_retry_request_a_server_hello_seems_encrypted() -> None:
    talk = Talk().open().send("client", CCS + handshake(client_hello())).send("server", CCS)
    talk.send("server", record(HANDSHAKE, bytes(187)) + protected(23, 1731, 281, 69)).send("client", protected(25, 69))
    assert ended(talk.fin("server").report) == "incomplete"


def test_a_hole_before_the_end_may_have_held_the_rest() -> None:
    talk = Talk().open().send("client", HELLO).send("server", FLIGHT).send("client", ANSWER)
    talk.lose("server", CCS + ENCRYPTED_FINISHED).fin("server")
    assert ended(talk.report) == "incomplete"
    talk = Talk().open().send("client", HELLO).send("server", FLIGHT).lose("client", ANSWER).fin("client")
    assert ended(talk.report) == "incomplete"
    talk = Talk().open().send("client", HELLO).lose("server", FLIGHT).acknowledge("client").rst("client")
    assert ended(talk.report) == "incomplete"


DECRYPTED = " ".join(
    f"S>{name}"
    for name in ("server_hello", "encrypted_extensions", "certificate_request", "certificate", "certificate_verify")
)


def test_a_client_whose_secrets_are_not_known_is_answered_by_what_was_decrypted() -> None:
    steps = f"{DECRYPTED} S>finished C>data:900 C>data:96 C>data:69 S>certificate_request S>fin"
    report = forged(steps, version=0x0304, decrypted=True)
    assert (report.outcome, report.outcome_basis) == ("established", "decrypted")
    assert forged(steps.replace("S>certificate_request S>fin", "S>fin"), version=0x0304).outcome == "failed"


def test_a_record_that_lacks_a_part_is_no_answer_though_it_ends_behind_the_client_s_flight() -> None:
    """The server's Finished, begun before it; then it refuses."""
    steps = f"{DECRYPTED} C>certificate:empty C>finished S>data:69 S>alert:certificate_required S>fin"
    facts = forged(steps, version=0x0304, decrypted=True).facts
    assert facts is not None
    record = next(sent for sent in facts.sent if sent.length == 69)
    assert judge(facts, None).outcome == "established"
    record.first_frame = facts.first_frame + 1
    assert judge(facts, None).outcome == "failed"


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("S>data:19 S>fin", ("failed", "inferred")),
        ("S>data:250 S>data:19 S>fin", ("established", "decrypted")),
        ("C>alert:1/close_notify S>data:19 S>fin", ("established", "decrypted")),
        ("C>fin S>data:19", ("established", "decrypted")),
    ],
)
def test_a_server_whose_secrets_are_not_known_may_refuse_all_the_same(then: str, expected: tuple[str, str]) -> None:
    report = forged(f"{DECRYPTED} S>finished C>certificate:empty C>finished {then}", version=0x0304, decrypted=True)
    assert (report.outcome, report.outcome_basis) == expected


@pytest.mark.parametrize("how", ["S>data:19 S>fin", "S>data:19", "S>fin", "S>rst"])
@pytest.mark.parametrize(
    ("flight", "at_once", "late"),
    [
        (f"{TLS13_FLIGHT} C>ccs C>data:69", None, ("established", "inferred")),
        (f"{TLS13_ASKING} {TLS13_MUTUAL}", ("failed", "inferred"), ("incomplete", None)),
        (f"{TLS13_ASKING} {TLS13_DECLINED}", ("failed", "inferred"), ("incomplete", None)),
    ],
)
def test_a_server_that_leaves_after_long_silence_may_have_waited_for_a_request(
    how: str, flight: str, at_once: tuple[str, str] | None, late: tuple[str, str | None]
) -> None:
    if at_once is not None:
        report = forged(f"{flight} {how}", version=0x0304)
        assert (report.outcome, report.outcome_basis) == at_once
    report = forged(f"{flight} wait:9 {how}", version=0x0304)
    assert (report.outcome, report.outcome_basis) == late
    assert report.root_cause is None
