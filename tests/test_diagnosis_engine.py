"""Of several findings the one that explains most is the root cause, and what is not known is not claimed."""

import pytest
from forged_cases import (
    ALICE,
    CLIENT,
    LEAF,
    SECOND,
    START,
    TLS12_ANSWER,
    TLS12_ASKING,
    TLS12_DECLINED,
    TLS12_END,
    TLS12_FLIGHT,
    TLS12_MUTUAL,
    TLS13,
    TLS13_ANSWER,
    TLS13_ASKING,
    TLS13_DECLINED,
    TLS13_FLIGHT,
    TLS13_MUTUAL,
    case,
    certificate,
    chain,
    client_hello,
    forged,
)
from hypothesis import given
from hypothesis import strategies as st

from analyzer.diagnosis import application, offers
from analyzer.diagnosis.engine import RULES, diagnose, rules, situation
from analyzer.diagnosis.finding import advise, listed, lowered
from analyzer.profiles import load_profile
from analyzer.results import HandshakeReport

EXPIRED = certificate("service.example.com", not_after="2026-02-01T00:00:00.000000Z")
WAS_EXPIRED = ("validity-period", EXPIRED, "in time", "expired on 2026-02-01T00:00:00Z")
UNKNOWN = ("issuer-known", LEAF, "an anchor", "none")


MANY_FOR_RSA = [0xC02F, 0xC030, 0x9E, 0x9F, 0x2F, 0x35, 0xC014]


def diagnosed(report: HandshakeReport, *others: HandshakeReport, assumed_trust: bool = False) -> HandshakeReport:
    diagnose([report, *others], assumed_trust=assumed_trust)
    return report


def codes(report: HandshakeReport) -> list[str]:
    return [finding.code for finding in report.findings]


def confidence(report: HandshakeReport, code: str) -> str | None:
    return next((finding.confidence for finding in report.findings if finding.code == code), None)


# What the refusing side says


@pytest.mark.parametrize(
    ("ending", "sure"),
    [
        ("C>alert:certificate_expired C>fin", "certain"),
        ("C>alert:certificate_unknown C>fin", "likely"),  # Java
        ("C>alert:bad_certificate C>fin", "likely"),  # Go, GnuTLS
        ("C>fin", "likely"),  # Node
        ("C>alert:unknown_ca C>fin", "possible"),
    ],
)
def test_the_same_fault_is_surer_where_the_alert_names_it(ending: str, sure: str) -> None:
    report = forged(f"{TLS12_FLIGHT} {ending}", server=[EXPIRED], server_chain=chain(WAS_EXPIRED))
    assert confidence(diagnosed(report), "server-certificate-expired") == sure


def test_an_alert_that_contradicts_what_is_seen_is_believed() -> None:
    report = forged(f"{TLS12_FLIGHT} C>alert:unknown_ca C>fin", server=[EXPIRED], server_chain=chain(WAS_EXPIRED))
    assert diagnosed(report).root_cause == "server-issuer-unknown"


def test_a_public_store_in_the_clients_place_proves_little() -> None:
    def reset(assumed: bool) -> HandshakeReport:
        report = forged(f"{TLS12_FLIGHT} C>rst", server_chain=chain(anchor=None))
        return diagnosed(report, assumed_trust=assumed)

    assert reset(assumed=True).root_cause == "reset-during-handshake"
    assert reset(assumed=False).root_cause == "server-issuer-unknown"


def test_a_fault_that_no_store_can_change_outweighs_the_assumed_one() -> None:
    report = forged(
        f"{TLS12_FLIGHT} C>alert:certificate_unknown C>fin",
        server=[EXPIRED],
        server_chain=chain(WAS_EXPIRED, UNKNOWN, anchor=None),
    )
    assert diagnosed(report, assumed_trust=True).root_cause == "server-certificate-expired"


def test_an_issuer_that_we_know_may_be_unknown_to_the_client() -> None:
    report = forged(f"{TLS12_FLIGHT} C>alert:unknown_ca C>fin")
    assert diagnosed(report).root_cause == "server-issuer-unknown"
    assert confidence(report, "server-issuer-unknown") == "likely"


def test_an_issuer_that_is_nowhere_may_be_missing_or_unknown() -> None:
    report = forged(
        f"{TLS12_ASKING} {TLS12_MUTUAL} S>alert:unknown_ca S>fin",
        client=[ALICE],
        client_chain=chain(("issuer-known", ALICE, "an anchor", "none"), anchor=None),
    )
    assert diagnosed(report).root_cause == "client-chain-incomplete"
    assert confidence(report, "client-chain-incomplete") == "likely"


# TLS 1.3 without keys


@pytest.mark.parametrize(
    ("steps", "root"),
    [
        (f"{TLS13_ASKING} {TLS13_MUTUAL} S>data:19 S>fin", "client-certificate-refused"),
        (f"{TLS13_ASKING} {TLS13_MUTUAL} S>data:35 S>fin", "client-certificate-refused"),
        (f"{TLS13_ASKING} {TLS13_MUTUAL} S>fin", "client-certificate-refused"),
        (f"{TLS13_ASKING} {TLS13_DECLINED} S>data:19 S>fin", "client-certificate-missing"),
        (f"{TLS13_FLIGHT} C>ccs C>data:19 C>fin", "server-certificate-refused"),
        (f"{TLS13_FLIGHT} C>alert:unknown_ca C>fin", "server-issuer-unknown"),
        (f"{TLS13_FLIGHT} C>alert:certificate_expired C>fin", "server-certificate-expired"),
        (f"{TLS13_FLIGHT} C>alert:bad_certificate C>fin", "server-certificate-refused"),
        ("S>server_hello S>ccs S>data:23 S>data:19 S>fin", "authorities-list-too-large"),
        ("S>server_hello S>ccs S>data:19 S>fin", "handshake-refused"),
        ("S>server_hello S>ccs S>data:65 S>data:162 S>data:35 S>fin", "no-common-signature-scheme"),
    ],
)
def test_without_keys_the_most_that_can_be_known_is_said(steps: str, root: str) -> None:
    report = diagnosed(forged(steps, version=TLS13))
    assert report.outcome == "failed"
    assert report.root_cause == root
    if "alert:bad" not in steps and root != "handshake-refused":
        assert report.findings[0].confidence == "likely", "certain it is not"


def test_a_close_that_only_answers_one_is_not_blamed() -> None:
    report = forged(f"{TLS12_ASKING} {TLS12_MUTUAL} S>fin C>alert:encrypted")
    made = case(report)
    assert (made.ending.sender, made.ending.how) == ("server", "fin")
    assert diagnosed(report).root_cause == "client-certificate-refused"


def test_an_alert_that_answers_a_close_in_mid_handshake_is_not_blamed() -> None:
    """JSSE then says handshake_failure, whatever made the client close."""
    expired = {"server": [EXPIRED], "server_chain": chain(WAS_EXPIRED)}
    left = forged(f"{TLS12_FLIGHT} C>fin S>alert:handshake_failure S>fin", **expired)
    assert case(left).ending.sender == "client"
    assert diagnosed(left).root_cause == "server-certificate-expired"
    refused = forged("C>fin S>alert:handshake_failure S>fin")  # a client that merely has no more to send
    assert case(refused).ending.words == "sent the alert handshake_failure"


def test_a_server_that_stops_behind_its_hello_may_lack_an_application_protocol() -> None:
    for answer in ("", "C>data:19"):
        steps = f"S>server_hello S>ccs S>data:19 {answer} S>fin"
        report = diagnosed(forged(steps, version=TLS13, hello=client_hello(versions=[TLS13], alpn=["mqtt"])))
        assert report.root_cause == "no-common-alpn"
        assert report.findings[0].confidence == "likely"


def test_a_server_may_be_refused_behind_the_client_s_finished() -> None:
    """NSS judges the certificate while the handshake goes on."""
    late = f"{TLS12_FLIGHT} C>client_key_exchange C>ccs C>encrypted:40 C>alert:encrypted S>ccs S>encrypted:40 C>fin"
    report = diagnosed(forged(late, server=[EXPIRED], server_chain=chain(WAS_EXPIRED)))
    assert (report.outcome, report.root_cause) == ("failed", "server-certificate-expired")
    assert diagnosed(forged(late)).root_cause == "server-certificate-refused"


def test_a_key_that_does_not_verify_behind_a_retry_is_no_matter_of_groups() -> None:
    usual = client_hello(versions=[TLS13], suites=[0x1301, 0x1302])
    for alert, root in (("handshake_failure", "no-common-group"), ("decrypt_error", "handshake-refused")):
        steps = f"S>hello_retry_request C>client_hello S>alert:{alert} S>fin"
        assert diagnosed(forged(steps, version=TLS13, hello=usual)).root_cause == root


def test_a_server_that_speaks_the_version_elsewhere_does_not_lack_it() -> None:
    usual = client_hello(versions=[TLS13], suites=[0x1301, 0x1302])
    refused = forged("S>alert:handshake_failure S>fin", hello=usual, start=START + SECOND)
    assert diagnosed(refused).root_cause == "no-common-version"
    other = forged(f"{TLS13_FLIGHT} {TLS13_ANSWER} S>data:250", version=TLS13, stream=1)
    assert other.outcome == "established"
    assert diagnosed(refused, other).root_cause != "no-common-version"


@pytest.mark.parametrize(
    ("answer", "says", "advice"),
    [
        (
            "C>encrypted:999 C>encrypted:61 C>encrypted:102",
            "(999 61 102) the client sent a certificate",
            "nothing is wrong",
        ),
        ("C>encrypted:31 C>encrypted:61", "(31 61) the client sent no certificate", "give the client its certificate"),
        ("C>encrypted:61", "do not tell", "give the client its certificate"),
        ("C>encrypted:1114", "do not tell", "give the client its certificate"),
    ],
)
def test_a_renegotiation_that_stays_encrypted_is_told(answer: str, says: str, advice: str) -> None:
    """Apache asks for a directory's sake; the first handshake alone was one-way."""
    first = f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>data:100"
    hidden = f"S>encrypted:28 C>encrypted:278 S>encrypted:1034 {answer} C>ccs C>encrypted:40 S>ccs S>encrypted:40"
    report = diagnosed(forged(f"{first} {hidden}"))
    assert (report.authentication, report.root_cause) == ("one-way", None)
    [told] = [one for one in report.findings if one.code == "client-authentication-deferred"]
    assert told.severity == "notice"
    assert says in told.summary
    assert f"Client's owner: {advice}" in told.remedy
    assert "-tls1_2" in told.remedy
    assert "-enable_pha" not in told.remedy


def test_who_does_not_begin_the_renegotiation_needs_a_client_that_does() -> None:
    first = f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>data:100"
    report = diagnosed(forged(f"{first} S>hello_request wait:1 C>fin"))
    [told] = [one for one in report.findings if one.code == "client-authentication-deferred"]
    assert "use a client that lets itself be asked by a renegotiation" in told.remedy


def test_a_request_behind_the_handshake_of_tls13_is_told_by_its_result() -> None:
    first = (
        "S>server_hello S>encrypted_extensions S>certificate S>certificate_verify S>finished C>finished C>data:100"
        " S>certificate_request"
    )
    for answer, shown, advice in (
        ("C>certificate C>certificate_verify", True, "nothing is wrong"),
        ("C>certificate:empty C>finished", False, "give the client its certificate"),
    ):
        report = forged(f"{first} {answer}", version=TLS13, decrypted=True)
        report.client_certificate_presented = shown
        [told] = [one for one in diagnosed(report).findings if one.code == "client-authentication-deferred"]
        assert f"Client's owner: {advice}" in told.remedy
        assert "`openssl s_client -connect 198.51.100.7:443 -servername service.example.com -tls1_3 -enable_pha" in (
            told.remedy
        )


@pytest.mark.parametrize(
    ("end", "promise"),
    [
        ("S>data:19 S>fin", "-tls1_2 </dev/null` shows the alert in clear, if the server speaks TLS 1.2."),
        ("S>fin", "` ends as here, and stays open with a certificate that the server accepts."),
        ("S>rst", "` ends as here, and stays open with a certificate that the server accepts."),
    ],
)
def test_an_alert_is_promised_only_where_there_is_one(end: str, promise: str) -> None:
    report = diagnosed(forged(f"{TLS13_ASKING} {TLS13_MUTUAL} {end}", version=TLS13))
    [refused] = [one for one in report.findings if one.code == "client-certificate-refused"]
    assert refused.remedy.endswith(promise)


# Ranks


def test_how_it_ended_stands_back_where_another_finding_says_why() -> None:
    report = diagnosed(forged(f"{TLS12_FLIGHT} C>fin", server=[EXPIRED], server_chain=chain(WAS_EXPIRED)))
    assert report.root_cause == "server-certificate-expired"
    assert "closed-without-alert" not in codes(report)


def test_a_possible_cause_does_not_outweigh_the_certain_way_in_which_it_ended() -> None:
    report = diagnosed(forged("S>fin", server_name=None))
    assert report.root_cause == "closed-without-alert"


def test_the_root_cause_is_the_first_finding_and_the_worst_come_next() -> None:
    good = forged(f"{TLS12_ASKING} {TLS12_MUTUAL} {TLS12_END}", stream=1, server_ip="198.51.100.8")
    report = forged(f"{TLS12_ASKING} {TLS12_DECLINED} S>alert:handshake_failure S>rst", authorities=["Other CA"])
    diagnosed(report, good)
    assert codes(report)[0] == report.root_cause == "client-certificate-filtered-by-authorities"
    order = [("error", "warning", "notice").index(finding.severity) for finding in report.findings]
    assert order == sorted(order)
    assert "client-certificate-missing" in codes(report)


def test_what_the_capture_lacks_lowers_confidence() -> None:
    steps = f"{TLS12_ASKING} {TLS12_MUTUAL} S>alert:certificate_expired S>fin"
    expired = certificate("alice", not_after="2026-02-01T00:00:00.000000Z")
    wrong = chain(("validity-period", expired, "in time", "expired on 2026-02-01T00:00:00Z"))
    whole = diagnosed(forged(steps, client=[expired], client_chain=wrong))
    lacking = diagnosed(forged(steps, client=[expired], client_chain=wrong, holes=[("server", "not-captured")]))
    assert (whole.findings[0].confidence, lacking.findings[0].confidence) == ("certain", "likely")
    assert "lacks" in lacking.findings[0].summary
    assert "capture-incomplete" in codes(lacking)


@pytest.mark.parametrize(
    "steps",
    [
        f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>data:100 S>data:500 C>fin",
        f"{TLS12_ASKING} {TLS12_MUTUAL} {TLS12_END} C>data:100 S>data:500 S>fin",
        f"{TLS12_ASKING} {TLS12_DECLINED} {TLS12_END} C>data:100 S>data:5000 S>fin",
    ],
)
def test_an_established_handshake_has_no_root_cause_and_no_error(steps: str) -> None:
    report = diagnosed(forged(steps, server=[EXPIRED], server_chain=chain(WAS_EXPIRED, UNKNOWN, anchor=None)))
    assert report.outcome == "established"
    assert report.root_cause is None
    assert not [finding.code for finding in report.findings if finding.severity == "error"]


def test_an_expired_certificate_that_was_accepted_is_a_warning() -> None:
    report = forged(
        f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>data:100 S>data:500",
        server=[EXPIRED],
        server_chain=chain(WAS_EXPIRED),
    )
    assert [(one.code, one.severity) for one in diagnosed(report).findings] == [
        ("server-certificate-expired", "warning")
    ]


def test_a_client_that_finishes_and_leaves_without_a_word_did_not_like_the_server() -> None:
    left = forged(f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>fin", server=[EXPIRED], server_chain=chain(WAS_EXPIRED))
    assert "left without a request" in diagnosed(left).findings[0].summary
    probe = forged(f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>fin", server_chain=chain(anchor=None))
    assert not diagnosed(probe, assumed_trust=True).findings, "a health check, as far as is known"


def test_a_client_that_leaves_before_the_server_has_finished_did_not_like_it_either() -> None:
    steps = f"{TLS12_FLIGHT} {TLS12_ANSWER} C>fin"
    report = forged(f"{steps} {TLS12_END}", server=[EXPIRED], server_chain=chain(WAS_EXPIRED))
    assert (diagnosed(report).outcome, report.root_cause) == ("failed", "server-certificate-expired")
    assert "closed the connection (FIN) without an alert" in report.findings[0].summary
    good = forged(f"{steps} {TLS12_END}")
    assert diagnosed(good).root_cause == "closed-without-alert"


def test_nothing_is_said_of_a_failure_that_the_capture_does_not_show() -> None:
    report = diagnosed(forged("S>server_hello"))
    assert report.outcome == "incomplete"
    assert report.root_cause is None
    assert codes(report) == ["capture-incomplete"]


# Across the capture


def test_a_rotated_certificate_is_told_where_a_resumed_session_hides_it() -> None:
    from test_diagnosis_rules import mutual, resumed

    renewed = certificate("alice", san=("DNS:renewed",), not_after="2030-01-01T00:00:00.000000Z")
    late = resumed(stream=2, resumes=0, start=START + 9 * SECOND)
    diagnose([mutual(), mutual(stream=1, client=[renewed], start=START + SECOND), late])
    assert [(one.code, one.severity) for one in late.findings] == [("identity-inherited-by-resumption", "warning")]
    assert "another certificate" in late.findings[0].summary


def test_two_machines_on_one_address_are_not_two_legs() -> None:
    from test_diagnosis_rules import declined, one_way

    fine = one_way(client_ip=CLIENT, server_ip=CLIENT)
    diagnose([fine, declined(stream=1, client_ip=CLIENT, server_ip=CLIENT, start=START + SECOND)])
    assert "fault-on-another-leg" not in codes(fine)


def test_many_failures_of_one_server_take_no_longer_each() -> None:
    from test_diagnosis_rules import declined

    around = [declined(stream=n) for n in range(200)]
    diagnose(around)
    assert {report.root_cause for report in around} == {"client-certificate-missing"}


# Hellos


@pytest.mark.parametrize(
    ("hello", "root"),
    [
        (client_hello(versions=[0x0302, 0x0301]), "no-common-version"),
        (client_hello(versions=[TLS13], suites=[0x1301, 0x1302]), "no-common-version"),
        (client_hello(versions=[TLS13], suites=[0x1303]), "no-common-cipher-suite"),
        (client_hello(suites=[0xC02F]), "no-common-cipher-suite"),
        (client_hello(versions=[TLS13, 0x0303], suites=[0x1301, 0xC02F, 0xC02B], groups=[30]), "no-common-group"),
        (client_hello(versions=[TLS13], suites=[0x1301], schemes=[0x0603]), "no-common-signature-scheme"),
        (client_hello(suites=MANY_FOR_RSA, schemes=[0x0401]), "no-common-signature-scheme"),
        (client_hello(), "no-common-cipher-suite"),
    ],
)  # fmt: skip
def test_what_a_hello_offers_least_of_is_what_was_missing(hello: object, root: str) -> None:
    assert diagnosed(forged("S>alert:handshake_failure S>fin", hello=hello)).root_cause == root


def test_what_the_server_chose_for_others_tells_what_is_missing() -> None:
    other = forged(f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END}", stream=1, suite=0xC02C)
    report = diagnosed(forged("S>alert:handshake_failure S>fin", hello=client_hello()), other)
    assert report.root_cause == "no-common-cipher-suite"
    assert "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" in report.findings[0].summary


def test_grease_is_no_offer() -> None:
    made = offers.offer(client_hello(versions=[0x0A0A, TLS13], suites=[0x1A1A, 0x1301], groups=[0x2A2A, 29]))
    assert (made.versions, made.suites, made.groups) == ([TLS13], [0x1301], [29])


# Words


def test_commands_are_safe_to_paste() -> None:
    report = forged("S>alert:protocol_version S>fin", server_name="x; rm -rf ~; $(reboot)")
    command = diagnosed(report).findings[0].remedy
    assert "'x; rm -rf ~; $(reboot)'" in command


@given(st.text(max_size=300))
def test_any_name_of_a_peer_makes_a_sentence(name: str) -> None:
    steps = f"{TLS12_ASKING} {TLS12_MUTUAL} S>alert:unknown_ca S>fin"
    leaf = certificate("alice", f"CN={name}")
    report = forged(steps, server_name=name, client=[leaf], client_chain=chain(anchor=None))
    assert diagnosed(report).root_cause == "client-chain-incomplete"


def test_long_lists_are_cut_and_say_so() -> None:
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert listed(["a", "b"], most=2) == "a, b"


def test_advice_needs_a_way_to_confirm_it() -> None:
    assert advise(client="renew it.", confirm="`date`.") == "Client's owner: renew it. To confirm: `date`."
    assert [lowered(one) for one in ("certain", "likely", "possible")] == ["likely", "possible", "possible"]


@pytest.mark.parametrize(
    ("data", "status", "speaks"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\nNo required SSL certificate was sent", 400, True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n", 403, False),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 403 in the body", 200, False),
    ],
)
def test_the_first_response_counts(data: bytes, status: int, speaks: bool) -> None:
    response = application.response(data)
    assert (response.status, response.speaks_of_certificate) == (status, speaks)


def test_what_is_no_response_is_none() -> None:
    assert application.response(b"\0\0\x12\4\0") is None


# The registry


def test_rules_are_asked_in_their_situations_only() -> None:
    asked = {rule.code for kind in ("attempt", "failed", "incomplete", "established") for rule in rules(kind)}
    assert sorted(asked) == RULES.names()
    assert {rule.code for rule in rules("attempt")} >= {"connection-refused", "starttls-refused"}


def test_diagnosis_of_a_certificate_without_verdict_does_not_fail() -> None:
    report = forged(f"{TLS12_ASKING} {TLS12_MUTUAL} S>alert:bad_certificate S>fin", client=[ALICE])
    report.chain = {"server": None, "client": None}
    assert diagnosed(report).root_cause == "client-certificate-refused"
    assert situation(report) == "failed"


def test_tls13_one_way_that_goes_on_is_healthy() -> None:
    steps = f"{TLS13_FLIGHT} {TLS13_ANSWER} S>data:250 C>data:100 S>data:400 C>fin"
    assert not diagnosed(forged(steps, version=TLS13)).findings


STEPS = (
    "S>server_hello",
    "S>hello_retry_request",
    "S>encrypted_extensions",
    "S>certificate",
    "S>server_key_exchange",
    "S>certificate_request",
    "S>server_hello_done",
    "S>ccs",
    "S>finished",
    "S>hello_request",
    "S>data:19",
    "S>data:69",
    "S>data:1731",
    "S>alert:unknown_ca",
    "S>alert:encrypted",
    "S>alert:warning/close_notify",
    "S>fin",
    "S>rst",
    "S>encrypted:28",
    "wait:9",
    "C>certificate",
    "C>certificate:empty",
    "C>client_key_exchange",
    "C>certificate_verify",
    "C>ccs",
    "C>finished",
    "C>data:25",
    "C>data:69",
    "C>data:400",
    "C>alert:bad_certificate",
    "C>alert:encrypted",
    "C>fin",
    "C>rst",
    "C>client_hello",
)


@given(
    st.lists(st.sampled_from(STEPS), max_size=14),
    st.sampled_from((0x0300, 0x0302, 0x0303, TLS13)),
    st.booleans(),
    st.sampled_from((b"", b"HTTP/1.1 400 Bad Request", b"\0\xff")),
)
def test_whatever_was_said_it_is_diagnosed(steps: list[str], version: int, hello: bool, head: bytes) -> None:
    words = " ".join([*([] if hello else ["-hello"]), *steps])
    report = forged(words, version=version, head=head, server_chain=chain(anchor=None), client_chain=chain(WAS_EXPIRED))
    diagnose([report, forged(words, version=version, stream=1, plaintext=head)], profile=load_profile("salesforce"))
    if report.root_cause is not None:
        assert report.root_cause == report.findings[0].code
    assert report.outcome != "established" or report.root_cause is None
    assert report.outcome != "failed" or report.root_cause is not None


def test_a_request_that_shuts_out_rsa_keys_explains_why_none_was_sent() -> None:
    refused = f"{TLS12_ASKING} {TLS12_DECLINED} S>alert:handshake_failure S>fin"
    assert diagnosed(forged(refused, schemes=[0x0403], types=[64])).root_cause == "client-key-unacceptable"
    assert diagnosed(forged(refused, schemes=[0x0401], types=[1])).root_cause == "client-certificate-missing"


LATE = "client-certificate-refused-by-application"


@pytest.mark.parametrize("shown", [TLS12_MUTUAL, TLS12_DECLINED])
def test_an_alert_at_once_behind_the_handshake_may_be_about_the_certificate(shown: str) -> None:
    begun = f"{TLS12_ASKING} {shown} {TLS12_END}"
    report = diagnosed(forged(f"{begun} S>alert:encrypted S>fin", preamble="smtp"))
    [told] = [one for one in report.findings if one.code == LATE]
    assert (report.root_cause, told.confidence, told.severity) == (None, "possible", "notice")
    assert "sent an alert behind its Finished at once" in told.summary
    assert " -starttls smtp -cert client.pem " in told.remedy
    for otherwise in (
        f"{begun} C>data:100 S>alert:encrypted S>fin",  # it may answer the data
        f"{begun} C>alert:encrypted S>alert:encrypted S>fin",  # it answers close_notify
        f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} S>alert:encrypted S>fin",  # it never asked
    ):
        assert LATE not in codes(diagnosed(forged(otherwise)))


def test_an_alert_at_once_about_a_certificate_that_is_bad() -> None:
    old = certificate("alice", not_after="2026-02-01T00:00:00.000000Z")
    report = forged(
        f"{TLS12_ASKING} {TLS12_MUTUAL} {TLS12_END} S>alert:encrypted S>fin",
        client=[old],
        client_chain=chain(("validity-period", old, "in time", "expired on 2026-02-01T00:00:00Z")),
    )
    assert confidence(diagnosed(report), LATE) == "likely"
