"""Whoever ended a handshake can only have answered what had reached it by then."""

from dataclasses import replace

import pytest
from forged_cases import TLS12_ASKING, TLS12_FLIGHT, TLS13, TLS13_FLIGHT, forged
from talk import (
    CCS,
    ENCRYPTED_FINISHED,
    Talk,
    alert,
    capture,
    certificate,
    client_hello,
    handshake,
    protected,
    server_hello,
    tls12,
    tls13,
)

from analyzer import api
from analyzer.diagnosis.engine import diagnose
from analyzer.results import HandshakeReport
from analyzer.tls.outcome import judge
from analyzer.tls.record import Hole

ASKING, MUTUAL, ONE_WAY = (28, 120, 800, 281, 69), (900, 281, 69), (28, 800, 281, 69)
"""Lengths of protected records: the server's flights, and a client's with a certificate."""
CLOSE = {"fin": Talk.fin, "rst": Talk.rst}
SECOND = 10**9


def deaf(talk: Talk, sender: str, how: str = "fin", *, lacks: int = 0) -> Talk:
    """Close without having received the other side's last `lacks` bytes."""
    CLOSE[how](talk, sender)
    last = talk.segments[-1]
    talk.segments[-1] = replace(last, acknowledgment=last.acknowledgment - lacks)
    return talk


def report(talk: Talk, *, apart: int = 1_000_000) -> HandshakeReport:
    [one] = api.analyze(capture(talk.segments, apart=apart), trust="none").handshakes
    return one


def codes(one: HandshakeReport) -> dict[str, str]:
    """Findings and how sure they are."""
    return {finding.code: finding.confidence for finding in one.findings}


def summary(one: HandshakeReport, code: str) -> str:
    return next(finding.summary for finding in one.findings if finding.code == code)


def mutual12() -> Talk:
    return tls12(asks=True, client_certificate=certificate(700), answer=False)


def mutual13() -> Talk:
    return tls13(ASKING, MUTUAL)


@pytest.mark.parametrize("how", CLOSE)
@pytest.mark.parametrize("made", [mutual12, mutual13])
def test_a_certificate_that_never_arrived_was_not_refused(made: type, how: str) -> None:
    knew, lacked = report(deaf(made(), "server", how)), report(deaf(made(), "server", how, lacks=1000))
    assert (knew.outcome, knew.root_cause) == ("failed", "client-certificate-refused")
    assert lacked.outcome == "failed"
    assert "client-certificate-refused" not in codes(lacked)
    assert summary(lacked, str(lacked.root_cause)).count("before the client had answered" if how == "fin" else "reset")


def test_a_server_that_leaves_seconds_later_has_waited() -> None:
    late = report(deaf(mutual12(), "server"), apart=3 * SECOND)
    assert late.root_cause == "handshake-timeout"
    assert "client-certificate-refused" not in codes(late)


@pytest.mark.parametrize("how", CLOSE)
def test_a_server_that_left_first_has_not_finished(how: str) -> None:
    left = report(CLOSE[how](tls13(ONE_WAY, ()), "server").send("client", CCS + protected(69)))
    assert (left.outcome, left.outcome_basis) == ("failed", "observed")
    assert any("before the client's Finished had reached it" in one.says for one in left.evidence)
    half_closed = tls13(ONE_WAY, (69,)).fin("client")
    assert report(half_closed).outcome == "established"
    assert report(half_closed.rst("server")).outcome == "established"
    data = half_closed.send("server", protected(300))
    assert report(data).outcome == "established"


def test_a_client_that_left_before_the_last_finished_has_not_finished() -> None:
    behind = CCS + ENCRYPTED_FINISHED
    assert report(tls12(answer=False).fin("client").send("server", behind)).outcome == "failed"
    # It need not wait for that Finished (RFC 7918).
    hurried = tls12(answer=False).send("client", protected(99)).fin("client").send("server", behind)
    assert report(hurried).outcome == "established"
    assert report(tls12().fin("client")).outcome == "established"
    assert report(deaf(tls12(), "client", lacks=51)).outcome == "failed"


def test_what_was_decrypted_does_not_show_that_it_arrived() -> None:
    assert forged(f"{TLS13_FLIGHT} C>finished", version=TLS13, decrypted=True).outcome == "established"
    left = forged(f"{TLS13_FLIGHT} S>fin C>finished C>alert:decode_error", version=TLS13, decrypted=True)
    assert left.outcome == "failed"
    assert left.root_cause is None
    diagnose([left])
    assert left.root_cause == "closed-without-alert"
    facts = forged(f"{TLS13_FLIGHT} C>finished", version=TLS13, decrypted=True).facts
    assert facts is not None
    facts.holes.append(("client", Hole(0, facts.sent[-1].frame, "not-captured")))
    assert judge(facts, None).outcome == "established"
    facts.holes.append(("client", Hole(0, facts.sent[-1].frame, "missing")))
    assert judge(facts, None).outcome == "incomplete"


def test_a_closing_does_not_answer_what_comes_behind_it() -> None:
    declined = f"{TLS12_ASKING} C>certificate:empty C>client_key_exchange C>ccs C>finished"
    answer, left = forged(f"{declined} S>fin"), forged(f"{TLS12_ASKING} S>fin {declined.removeprefix(TLS12_ASKING)}")
    diagnose([answer])
    diagnose([left])
    assert answer.root_cause == "client-certificate-missing"
    assert left.root_cause == "closed-without-alert"
    hello = handshake(client_hello(tls13=False, legacy_version=0x0301), version=0x0301)
    for talk, behind in (
        (Talk().open().send("client", hello).fin("server"), True),
        (Talk().open().fin("server").send("client", hello), False),
    ):
        one = report(talk)
        assert ("after the ClientHello" in summary(one, "closed-without-alert")) is behind
        assert ("before the ClientHello had reached it" in summary(one, "closed-without-alert")) is not behind
        assert ("no-common-version" in codes(one)) is behind


def test_a_finished_that_is_repeated_and_never_acknowledged() -> None:
    one_way = tls13(ONE_WAY, (69,))
    for whole, sender in ((tls12(), "server"), (one_way.send("client", protected(200)), "client")):
        last = [segment for segment in whole.segments if segment.source == getattr(whole, sender)][-2:]
        assert report(whole).outcome == "established"
        whole.segments += last if sender == "client" else last[-1:]
        assert report(whole, apart=SECOND).outcome == "incomplete"
        assert report(whole, apart=1000).outcome == "established"  # the capture holds every packet twice
        whole.acknowledge("client" if sender == "server" else "server")
        assert report(whole, apart=SECOND).outcome == "established"


def test_a_reset_before_the_connection_opens_is_none_of_it() -> None:
    begun = Talk().open()
    syn = begun.segments[0]
    begun.segments[:0] = [syn, replace(syn, flags=0x04, sequence=5)]
    one = report(tls12(talk=begun).fin("client"))
    assert one.outcome == "established"
    assert one.closed_by is not None
    assert (one.closed_by.sender, one.closed_by.how) == ("client", "fin")


@pytest.mark.parametrize(
    ("hole", "doubted"),
    [(("client", "missing"), False), (("client", "not-captured"), True), (("server", "missing"), True)],
)
def test_what_whoever_ended_it_lacked_as_well_weakens_nothing(hole: tuple[str, str], doubted: bool) -> None:
    one = forged(f"{TLS12_FLIGHT} C>client_key_exchange S>alert:handshake_failure", holes=[hole])
    diagnose([one])
    assert any("(The capture lacks a part" in finding.summary for finding in one.findings) is doubted


def test_who_owes_the_answer_and_whether_the_network_is_to_blame() -> None:
    begun = tls13((28, 120, 800), ())
    assert "owed the rest of its flight" in summary(report(begun.fin("client"), apart=3 * SECOND), "handshake-timeout")
    asked = Talk().open().send("client", handshake(client_hello(tls13=False)))
    asked.send("server", handshake(server_hello(0xC02F, tls13=False)))
    assert "The server" in summary(report(asked.fin("client"), apart=3 * SECOND), "handshake-timeout")
    diagnosed = forged(f"{TLS12_ASKING} wait:30 S>fin")
    diagnose([diagnosed])
    assert "a person may have been choosing" in summary(diagnosed, "handshake-timeout")
    record = protected(900)
    stuck = report(tls13(ASKING, ()).send("client", CCS + record[:300]).fin("server"), apart=3 * SECOND)
    assert "its end never came" in summary(stuck, "handshake-timeout")
    unheard = report(deaf(mutual12(), "server", lacks=1000), apart=3 * SECOND)
    assert "What the client had sent was never acknowledged" in summary(unheard, "handshake-timeout")
    behind = f"{TLS13_FLIGHT} wait:30 S>fin C>finished"
    lost = forged(behind, version=TLS13, decrypted=True, holes=[("client", "missing")])
    diagnose([lost])
    assert "never arrived" in summary(lost, "handshake-timeout")
    assert "a person" not in summary(lost, "handshake-timeout")


def test_a_reset_tells_how_much_was_sent_before() -> None:
    for size, outcome in ((0, "failed"), (300, "incomplete"), (24, "failed")):
        one = report(tls13(ONE_WAY, (69,)).lose("server", bytes(size)).rst("server"))
        assert one.outcome == outcome, size
        assert ("capture-incomplete" in codes(one)) is (size > 0)
    alerted = report(mutual13().lose("server", bytes(24)).rst("server"))
    assert codes(alerted)["client-certificate-refused"] == "likely"
    refused = tls12(answer=False).lose("server", alert(2, 40)).rst("server")
    assert report(refused).outcome == "failed"
