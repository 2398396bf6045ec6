"""A captured handshake is drawn as the textbook has it: every step that happened, in order, and nothing false."""

from dataclasses import replace

import pytest
from drawn import NAMES, drawn, report, reports, textbook
from talk import AES_256_GCM_SHA384, client_hello, tls13

from analyzer.diagram.sequence import Line, Step, seconds
from analyzer.results import CheckReport, Finding, HandshakeReport
from analyzer.tls.handshake import Handshake
from analyzer.tls.preambles import Preamble
from analyzer.tls.record import Hole

EXTRAS = ("new_session_ticket", "end")
TWINS = {
    "one-way-tls12-rsa": "one-way-rsa",
    "one-way-tls12": "one-way-ecdhe",
    "one-way-tls12-dhe": "one-way-ecdhe",
    "one-way-tls13": "one-way-tls13",
    "mutual-tls12-rsa": "mutual-rsa",
    "mutual-tls12": "mutual-ecdhe",
    "mutual-tls10": "mutual-ecdhe",
    "mutual-tls13": "mutual-tls13",
}


def told(diagram):
    return [(step.key, step.sender) for step in diagram.steps if step.key not in EXTRAS]


def words(diagram):
    said = [diagram.title, diagram.subtitle]
    for step in diagram.steps:
        said += [step.title, step.meaning, *(f"{line.label} {line.text}" for line in step.lines)]
    return " ".join(said)


def step(diagram, key, sender=...):
    return next(one for one in diagram.steps if one.key == key and sender in (..., one.sender))


@pytest.mark.parametrize(("capture", "reference"), TWINS.items())
def test_steps_are_those_of_the_textbook(capture, reference):
    assert told(drawn(capture)) == told(textbook(reference))


@pytest.mark.parametrize("capture", NAMES)
def test_steps_are_in_order_and_phases_are_whole(capture):
    for one in reports(capture):
        diagram = one.diagram()
        numbers = [each.number for each in diagram.steps if each.number is not None]
        assert numbers == list(range(1, len(numbers) + 1))
        frames = [each.frame for each in diagram.steps if each.frame is not None]
        assert frames == sorted(frames)
        phases = [each.phase for each in diagram.steps if each.phase]
        changes = [phase for at, phase in enumerate(phases) if at == 0 or phases[at - 1] != phase]
        assert len(changes) == len(set(changes))
        assert diagram.steps[-1].kind == "end"
        assert "None" not in words(diagram)


@pytest.mark.parametrize("capture", NAMES)
def test_end_says_how_it_ended(capture):
    for one in reports(capture):
        end = one.diagram().steps[-1]
        assert (end.tone == "bad") == (one.outcome == "failed")
        if one.outcome == "failed":
            assert any(step.tone == "bad" and step.kind == "message" for step in one.diagram().steps)
            assert end.title.startswith("Failed: ")


def test_details_are_those_of_the_messages():
    diagram = drawn("mutual-tls12")
    hello = {line.label: line.text for line in step(diagram, "client_hello").lines}
    facts = report("mutual-tls12").facts
    assert hello["server name"] == "service.example.com"
    assert hello["client random"].startswith(facts.client_hello.random.hex()[:16])
    assert hello["cipher suites"].endswith(" more")
    answer = {line.label: line.text for line in step(diagram, "server_hello").lines}
    assert answer["cipher suite"] == report("mutual-tls12").cipher_suite
    request = {line.label: line.text for line in step(diagram, "certificate_request").lines}
    assert request["authorities"] == "CN=Example Root CA,O=Example Lab"
    mine = {line.label: line.text for line in step(diagram, "certificate", "client").lines}
    assert mine["subject"] == report("mutual-tls12").certificates["client"][0].subject
    assert step(diagram, "certificate", "client").frame == 6


def test_key_exchange_is_what_happened():
    assert "decrypts the pre-master secret" in words(drawn("mutual-tls12-rsa"))
    assert "decrypts the pre-master secret" not in words(drawn("mutual-tls12"))
    assert "from the key shares" in words(drawn("mutual-tls12"))
    assert "pre-master" not in words(drawn("mutual-tls13"))
    assert "signed by nobody" in words(drawn("anonymous-tls12"))
    assert "verify-server" not in [one.key for one in drawn("anonymous-tls12").steps]
    assert "verify-server" not in [one.key for one in drawn("psk-tls13").steps]


def test_server_that_has_given_up_derives_no_keys():
    diagram = drawn("client-certificate-filtered")
    keys = [one.key for one in diagram.steps]
    assert keys.index("alert") < keys.index("derive")
    note = step(diagram, "derive")
    assert note.sender == "client" and "Both" not in note.title and "both" not in note.meaning
    assert step(drawn("client-certificate-expired-tls12"), "derive").sender is None


def test_inferred_messages_are_said_to_be_inferred():
    steps = [one for one in drawn("mutual-tls13").steps if one.key in ("certificate", "certificate_verify")]
    assert len(steps) == 4
    assert all(one.inferred and one.tags == ("inferred",) and one.protection == "encrypted" for one in steps)
    assert not any(one.inferred for one in drawn("mutual-tls12").steps)


def test_flight_of_quic_that_sizes_tell_is_drawn():
    diagram = drawn("mutual-quic")
    flight = step(diagram, "certificate, certificate_verify, finished")
    assert (flight.sender, flight.phase, flight.inferred) == ("client", "Client authentication", True)
    assert Line("2 packets", "1,125, 38 bytes, encrypted") in flight.lines
    assert step(diagram, "verify-client").phase == flight.phase
    assert step(drawn("one-way-quic"), "finished", "client").inferred
    assert "verify-client" not in [one.key for one in drawn("one-way-quic").steps]


def test_quic_has_packets_and_no_records():
    for capture in ("mutual-quic", "one-way-quic"):
        said = words(drawn(capture))
        assert "record" not in said and "sizes of encrypted packets" in said and "4 packets" in said
    assert "packet" not in words(drawn("mutual-tls13"))


def test_flight_of_quic_that_something_interrupts_has_no_names():
    original = report("mutual-quic")
    facts = _copy(original.facts)
    (first, last) = (i for i, one in enumerate(facts.sent) if one.length in (1125, 38))
    between = replace(facts.sent[first], sender="server", length=40)
    facts.sent = [*facts.sent[:last], between, *facts.sent[last:]]
    diagram = replace(original, facts=facts).diagram()
    assert not any(one.inferred for one in diagram.steps)


def test_inferred_message_of_several_records_is_one_step():
    original = report("mutual-tls13")
    facts = _copy(original.facts)
    (at,) = (i for i, sent in enumerate(facts.sent) if sent.sender == "client" and sent.length > 500)
    first = replace(facts.sent[at], length=16_401)  # a full record, which the message goes on behind
    facts.sent = [*facts.sent[:at], first, *facts.sent[at:]]
    diagram = replace(original, facts=facts).diagram()
    assert told(diagram) == told(original.diagram())
    assert Line("2 records", f"16,401, {facts.sent[at + 1].length:,} bytes, encrypted") in (
        step(diagram, "certificate", "client").lines
    )


def test_certificate_that_is_asked_for_later_is_drawn():
    diagram = drawn("post-handshake-authentication")
    later = [one for one in diagram.steps if one.phase == diagram.steps[-2].phase]
    answer = ["certificate", "certificate_verify", "finished", "verify-client"]
    assert [one.key for one in later] == ["application_data", *answer, "application_data"]
    shown = step(diagram, "certificate", "client")
    assert shown.inferred and shown.frame == 11 and "must have asked" in shown.meaning
    assert "must have asked" not in words(drawn("mutual-tls13"))


def test_later_certificate_of_a_client_that_declined_at_first_is_not_empty():
    later = [("server", [250]), ("client", [120]), ("server", [140]), ("client", [1740, 281, 69]), ("server", [1130])]
    talk = tls13([23, 108, 1731, 281, 69], [25, 69], *later, hello=client_hello((49, b"")))
    titles = [one.title for one in talk.report.diagram().steps if one.key == "certificate" and one.sender == "client"]
    assert titles == ["Certificate (empty)", "Certificate"]


@pytest.mark.parametrize(
    ("flight", "titles"),
    [
        ([77], ["Certificate (empty), Finished"]),
        ([41, 69], ["CompressedCertificate (empty)", "Finished"]),
        ([25, 69], ["Certificate (empty)", "Finished"]),
    ],
)
def test_inferred_empty_certificate_is_said_to_be_empty(flight, titles):
    compresses = client_hello((27, b"\2\0\2"))
    diagram = tls13([2300], flight, ("server", [250]), suite=AES_256_GCM_SHA384, hello=compresses).report.diagram()
    mine = [one for one in diagram.steps if one.inferred and one.sender == "client"]
    assert [one.title for one in mine] == titles
    assert "verify-client" not in [one.key for one in diagram.steps]


def test_encrypted_steps_are_marked():
    tags = {one.key: one.tags for one in drawn("one-way-tls12").steps}
    assert tags["change_cipher_spec, finished"] == tags["application_data"] == ("encrypted",)
    assert tags["server_hello"] == ()


def test_change_cipher_spec_of_tls13_is_no_step():
    diagram = drawn("hello-retry-request-mutual")
    assert not [one for one in diagram.steps if "change_cipher_spec" in one.key]
    assert "which means nothing in TLS 1.3" in words(diagram)
    hellos = [one for one in diagram.steps if one.key == "client_hello"]
    assert len(hellos) == 2 and hellos[0].meaning != hellos[1].meaning
    assert diagram.steps[1].key == "hello_retry_request"


def test_declined_certificate_is_no_proof():
    diagram = drawn("requested-not-provided-tls12")
    assert step(diagram, "certificate", "client").title == "Certificate (empty)"
    assert "verify-client" not in [one.key for one in diagram.steps]
    assert step(drawn("client-certificate-missing-tls12"), "certificate", "client").tone == "bad"
    assert step(diagram, "certificate", "client").tone == "plain"


def test_refusal_is_red_and_so_is_what_led_to_it():
    diagram = drawn("client-certificate-expired-tls12")
    assert step(diagram, "alert").tone == "bad"
    assert step(diagram, "alert").title == "Alert: fatal certificate_expired"
    verdict = step(diagram, "verify-client")
    assert verdict.tone == "bad" and verdict.proof == "failed"
    assert "the server, with the alert certificate_expired (frame 7)" in words(diagram)
    mine = drawn("server-certificate-expired-tls12")
    assert [one.key for one in mine.steps if one.tone == "bad"] == ["verify-server", "alert", "end"]


def test_diagnosis_comes_before_what_was_merely_seen():
    original = report("client-certificate-expired-tls12")
    cause = Finding("client-certificate-expired", "error", "certain", "x", "It ended in 2021.", "Renew it.")
    end = replace(original, findings=[cause], root_cause=cause.code).diagram().steps[-1]
    assert end.title == "Failed: client certificate expired"
    assert Line("why", "It ended in 2021.") in end.lines
    assert Line("remedy", "Renew it.") in end.lines


def test_end_that_is_not_seen_tells_nothing_of_who_is_who():
    says = "The capture lacks records, and does not show that the handshake was finished."
    assert drawn("cut").steps[-1] == Step(kind="end", key="end", title="The capture does not show the end", tone="open")
    original = report("cut")
    at = next(at for at, each in enumerate(original.evidence) if each.says.startswith("The capture does not"))
    evidence = [replace(each, says=says) if i == at else each for i, each in enumerate(original.evidence)]
    assert at < len(evidence) - 1
    assert replace(original, evidence=evidence).diagram().steps[-1].lines == (Line("", says),)


def test_one_way_handshake_with_a_later_request_says_so():
    original = report("renegotiation-mutual")
    (later,) = original.findings
    end = original.diagram().steps[-1]
    assert end.title.endswith("the client was not asked for a certificate in this handshake")
    assert Line("later (likely)", later.summary) in end.lines and "sent a certificate there" in later.summary
    end = replace(original, findings=[replace(later, severity="warning")]).diagram().steps[-1]
    assert [line.label for line in end.lines] == ["warning (likely)", "closed"]
    assert "in this handshake" not in drawn("one-way-tls12").steps[-1].title
    again = replace(original, authentication="mutual").diagram().steps[-1]
    assert [line.label for line in again.lines] == ["closed"]


def test_end_says_how_sure_the_diagnosis_is():
    original = report("client-certificate-expired-tls12")
    cause = Finding("client-certificate-expired", "error", "likely", "x", "It ended in 2021.", "Renew it.")
    other = Finding("client-issuer-unknown", "error", "possible", "x", "Nobody knows its issuer.", "Ask.")
    sure = replace(other, severity="warning", confidence="certain")
    end = replace(original, findings=[cause, other, sure], root_cause=cause.code).diagram().steps[-1]
    assert end.title == "Failed: client certificate expired (likely)"
    assert Line("error (possible)", "Nobody knows its issuer.") in end.lines
    assert Line("warning", "Nobody knows its issuer.") in end.lines


def test_marks_follow_the_proofs():
    original = report("mutual-tls12")
    assert step(original.diagram(), "certificate_verify").proof == "verified"
    broken = [
        replace(proof, status="fail", reason="it is wrong") if proof.message == "certificate_verify" else proof
        for proof in original.proofs
    ]
    diagram = replace(original, proofs=broken).diagram()
    assert step(diagram, "certificate_verify").proof == step(diagram, "verify-client").proof == "failed"
    assert step(diagram, "server_key_exchange").proof == "verified"
    blank = replace(original, proofs=[], chain={"server": None, "client": None}).diagram()
    assert step(blank, "certificate_verify").proof == step(blank, "verify-server").proof == "unchecked"


def test_failed_checks_of_a_chain_are_told_one_by_one():
    original = report("mutual-tls12")
    check = CheckReport("name-match", "fail", None, "a.example", "b.example", None)
    made = replace(original.chain["server"], status="fail", checks=[check])
    diagram = replace(original, chain={**original.chain, "server": made}).diagram()
    assert Line("name match", "b.example; expected: a.example", "failed") in step(diagram, "verify-server").lines


def test_missing_records_leave_a_gap():
    diagram = drawn("gap")
    gap = next(one for one in diagram.steps if one.kind == "gap")
    assert gap.title == "The capture lacks something that the server sent here"
    assert drawn("no-beginning").steps[0].kind == "gap"
    original = report("mutual-tls12")
    facts = _copy(original.facts)
    facts.holes = [("client", Hole(0, 6, "snap-length"))]
    assert "cut when they were captured" in words(replace(original, facts=facts).diagram())


def test_pause_leaves_a_gap():
    original = report("mutual-tls12")
    facts = _copy(original.facts)
    facts.sent = [replace(sent, time=sent.time + (3 * 10**9 if sent.frame > 5 else 0)) for sent in facts.sent]
    gaps = [one.title for one in replace(original, facts=facts).diagram().steps if one.kind == "gap"]
    assert gaps == ["3.00 s pass"]


def test_endless_handshake_is_cut_and_says_so():
    original = report("mutual-tls12")
    facts = _copy(original.facts)
    facts.sent = [*facts.sent[:3], *(facts.sent[2], facts.sent[3]) * 500]
    diagram = replace(original, facts=facts).diagram()
    assert len(diagram.steps) < 70
    assert "943 more messages" in words(diagram)


def test_report_without_facts_is_drawn_too():
    original = report("mutual-tls12")
    diagram = replace(original, facts=None).diagram()
    assert told(diagram)[:5] == told(original.diagram())[:5]
    assert "client random" not in [line.label for line in diagram.steps[0].lines]
    for capture in NAMES:
        for one in reports(capture):
            replace(one, facts=None).diagram()


def test_resumption_names_its_original():
    diagram = drawn("resumption-session-ticket-mutual", 1)
    assert diagram.title == "Resumed mutual TLS 1.2: established"
    assert Line("original", "tcp.stream 0, handshake 0") in diagram.steps[-1].lines
    keys = [one.key for one in diagram.steps]
    assert keys.index("derive") < keys.index("change_cipher_spec, finished")
    assert "certificate" not in keys


@pytest.mark.parametrize("transport", ["udp", "quic"])
def test_original_is_named_as_wireshark_counts_it(transport):
    resumed = replace(report("resumption-session-ticket-mutual", 1), transport=transport)
    assert Line("original", "udp.stream 0, handshake 0") in resumed.diagram().steps[-1].lines


def test_what_came_before_tls_is_told():
    assert drawn("starttls-imap-mutual").steps[0].meaning == "IMAP and STARTTLS"
    assert "proxy" in drawn("http-connect-mutual").steps[0].meaning


@pytest.mark.parametrize("capture", ["connection-refused", "connection-unanswered", "starttls-refused"])
def test_attempt_that_never_became_tls(capture):
    diagram = drawn(capture)
    assert diagram.title == "Attempt at TLS: failed"
    assert diagram.steps[0].key == "connect"
    assert any(one.tone == "bad" for one in diagram.steps[:-1])
    assert (diagram.steps[0].lost) == (capture == "connection-unanswered")


def in_clear(one, said):
    return replace(one, carrier=replace(one.carrier, heads={**one.carrier.heads, "server": said}))


def test_answer_that_is_no_tls_is_drawn():
    diagram = drawn("tls-on-plaintext-port")
    keys = [one.key for one in diagram.steps]
    assert keys == ["client_hello", "answer", "closed", "end"]
    answer = step(diagram, "answer")
    assert answer.title == "In clear: 'HTTP/1.1 400 Bad Request'" and answer.frame is None
    assert (answer.sender, answer.tone) == ("server", "bad")
    original = report("tls-on-plaintext-port")
    assert "may have said it first" in step(in_clear(original, b"SSH-2.0-X\r\n").diagram(), "answer").meaning
    assert step(in_clear(original, b"\xff" * 99).diagram(), "answer").title.endswith("\\xff'…")
    for said in (b"", b"\x15\x03\x03\x00\x02\x02\x28"):
        assert "answer" not in [one.key for one in in_clear(original, said).diagram().steps]


def test_answer_to_something_else_than_a_hello_is_drawn():
    original = report("plaintext-on-tls-port")
    assert [one.key for one in original.diagram().steps] == ["connect", "attempt", "answer", "closed", "end"]
    assert step(original.diagram(), "answer").title == "In clear: 'HTTP/1.1 400 Bad Request'"
    with_alert = in_clear(original, b"\x15\x03\x03\x00\x02\x02\x28").diagram()
    assert step(with_alert, "answer").title == "Answers with TLS"
    assert "answer" not in [one.key for one in in_clear(original, b"").diagram().steps]


@pytest.mark.parametrize("state", ["tls", "refused"])
def test_answer_behind_a_proxy_header_is_drawn(state):
    original = report("plaintext-on-tls-port")
    header = Preamble("proxy-protocol", state, 20, 0, "It says who the client is.")
    behind = replace(original, preamble="proxy-protocol", carrier=replace(original.carrier, preambles=(header,)))
    assert ("answer" in [one.key for one in behind.diagram().steps]) == (state == "tls")
    hello = report("tls-on-plaintext-port")
    behind = replace(hello, preamble="proxy-protocol", carrier=replace(hello.carrier, preambles=(header,)))
    assert "answer" not in [one.key for one in behind.diagram().steps]


@pytest.mark.parametrize("capture", NAMES)
def test_answer_in_clear_is_none_to_a_handshake_that_goes_on(capture):
    for one in reports(capture):
        answers = [step.key for step in one.diagram().steps].count("answer")
        assert answers == (capture in ("tls-on-plaintext-port.pcap", "plaintext-on-tls-port.pcap"))


def test_decrypted_messages_are_drawn_like_clear_ones():
    clear, hidden = report("mutual-tls12"), report("mutual-tls13")
    facts = _copy(hidden.facts)
    certificate = clear.facts.first("certificate", "server")
    facts.sent = [
        replace(sent, name="certificate", message=certificate.message, protection="decrypted") if at == 5 else sent
        for at, sent in enumerate(facts.sent)
    ]
    diagram = replace(hidden, facts=facts, certificates=clear.certificates).diagram()
    shown = step(diagram, "certificate", "server")
    assert shown.tags == ("decrypted",)
    assert {line.label for line in shown.lines} >= {"subject", "issuer", "valid", "key"}


def test_long_values_say_what_they_leave_out():
    original = report("mutual-tls12")
    certificate = replace(original.certificates["server"][0], subject="CN=" + "y" * 9000)
    diagram = replace(original, certificates={"server": [certificate], "client": []}).diagram()
    subject = next(line.text for line in step(diagram, "certificate", "server").lines if line.label == "subject")
    assert len(subject) < 500 and subject.endswith("… (9,003 characters)")


@pytest.mark.parametrize(
    ("time", "said"),
    [(0.0, "0.00 ms"), (0.0312, "31.2 ms"), (1.25, "1.25 s"), (200, "3 min 20 s"), (-0.001, "-1.00 ms")],
)
def test_times_are_for_people(time, said):
    assert seconds(time) == said


def test_facts_are_no_part_of_the_report():
    from analyzer.report import serialize

    one = report("mutual-tls12")
    assert isinstance(one.facts, Handshake)
    assert "facts" not in serialize.handshake(one)
    assert "Handshake(" not in repr(one)[14:]
    assert replace(one, facts=None) == one


def _copy(facts: Handshake) -> Handshake:
    return replace(facts)


def test_helpers_of_this_file_see_handshakes():
    assert all(isinstance(one, HandshakeReport) for capture in NAMES for one in reports(capture))
