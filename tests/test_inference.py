"""TLS 1.3 without keys: what sizes tell, and what they must not be taken to tell."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from talk import (
    AES_128_CCM_8_SHA256,
    AES_128_GCM_SHA256,
    AES_256_GCM_SHA384,
    CCS,
    RETRY,
    Talk,
    alert,
    client_hello,
    handshake,
    protected,
    record,
    server_hello,
    tls13,
)

from analyzer.results import HandshakeReport
from analyzer.tls.inference import JSSE_PADDING, Inference, Sizes, client_flight, infer
from analyzer.tls.inference.sizes import SMALLEST_CERTIFICATE
from analyzer.tls.inference.sizes import expected as expected_sizes

SHA256, SHA384, CCM_8 = AES_128_GCM_SHA256, AES_256_GCM_SHA384, AES_128_CCM_8_SHA256
ASKS = [23, 108, 1731, 281, 69]
ASKS_NOT = [23, 1731, 281, 69]
PACKED = [2300]
"""A server that packs its flight into one record does not show whether it asks."""
PRESENTS = [1708, 281, 69]
SETTINGS = (17613, b"\0\3\2h2")
"""An offer of application settings, as Chrome makes it."""
LATER = (49, b"")
"""An offer of post-handshake authentication."""


def sizes_of(talk: Talk) -> Inference:
    facts = talk.report.facts
    assert facts is not None
    return infer(facts)


def verdict(talk: Talk) -> tuple[str, str]:
    report = talk.report
    assert_consistent(report)
    return report.authentication, report.outcome


def assert_consistent(report: HandshakeReport) -> None:
    """What one field says, another does not deny."""
    told = report.authentication != "undetermined"
    assert report.authentication_basis == ("inferred" if told else None)
    assert told or report.evidence
    asked, presented = report.client_certificate_requested, report.client_certificate_presented
    match report.authentication:
        case "mutual":
            assert (asked, presented) == (True, True)
        case "requested-not-provided":
            assert (asked, presented) == (True, False)
        case "one-way":
            assert (asked, presented) == (False, False)


# ---- lengths (RFC 8446, sections 4 and 5.2): content, its type, padding, tag


@pytest.mark.parametrize(
    ("sizes", "finished", "empty", "declined", "alert_", "end"),
    [
        (Sizes(32, 16), 53, 25, 61, 19, 21),
        (Sizes(48, 16), 69, 25, 77, 19, 21),
        (Sizes(32, 8), 45, 17, 53, 11, 13),
        (Sizes(32, 16, JSSE_PADDING), 69, 41, 77, 35, 37),
        (Sizes(48, 16, JSSE_PADDING), 85, 41, 93, 35, 37),
    ],
)
def test_lengths(sizes: Sizes, finished: int, empty: int, declined: int, alert_: int, end: int) -> None:
    found = (sizes.finished, sizes.empty_certificate, sizes.declined, sizes.alert, sizes.end_of_early_data)
    assert found == (finished, empty, declined, alert_, end)


@pytest.mark.parametrize(("hash_length", "tag"), [(32, 16), (48, 16), (32, 8)])
def test_no_two_flights_without_a_certificate_look_alike(hash_length: int, tag: int) -> None:
    both = expected_sizes(hash_length, tag).both
    begins = [(shape.lengths, shape.answer) for shape in client_flight._shapes(both, with_settings=True)]
    for (first, one), (second, other) in combinations(begins, 2):
        assert one == other or first[: len(second)] != second[: len(first)]
    assert not {first[0] for first, _ in begins} & {size.alert for size in both}
    assert max(max(lengths) for lengths, _ in begins) < SMALLEST_CERTIFICATE


# ---- what each stack puts on the wire

NOT_ASKED = ("one-way", "established")
DECLINED = ("requested-not-provided", "established")
MUTUAL = ("mutual", "established")
STACKS: dict[str, tuple[int, list[int], list[int], list[int], tuple[str, str]]] = {
    "OpenSSL, one-way": (SHA384, ASKS_NOT, [69], [250, 250], NOT_ASKED),
    "OpenSSL, declined": (SHA384, ASKS, [25, 69], [250, 250], DECLINED),
    "OpenSSL, mutual": (SHA384, ASKS, PRESENTS, [1098, 1098], MUTUAL),
    "OpenSSL, SHA-256": (SHA256, [23, 108, 1731, 281, 53], [1708, 281, 53], [250], MUTUAL),
    "OpenSSL, CCM_8, one-way": (CCM_8, [15, 1723, 273, 45], [45], [242], NOT_ASKED),
    "OpenSSL, CCM_8, declined": (CCM_8, [15, 100, 1723, 273, 45], [17, 45], [242], DECLINED),
    "OpenSSL, CCM_8, declined, in one": (CCM_8, [15, 100, 1723, 273, 45], [53], [242], DECLINED),
    "OpenSSL, Ed25519": (SHA256, [23, 108, 600, 89, 53], [580, 89, 53], [250], MUTUAL),
    "OpenSSL, P-256": (SHA256, [23, 62, 900, 96, 53], [954, 96, 53], [250], MUTUAL),
    "OpenSSL, ML-DSA-65": (SHA384, [23, 108, 6000, 3334, 69], [5600, 3334, 69], [250], MUTUAL),
    "Go, declined": (SHA256, [23, 108, 1731, 281, 53, 147], [25, 53], [113], DECLINED),
    "Go, mutual": (SHA256, [23, 108, 1731, 281, 53], [1708, 281, 53], [1830], MUTUAL),
    "GnuTLS, one-way": (SHA384, ASKS_NOT, [69], [268, 268], NOT_ASKED),
    "GnuTLS, mutual": (SHA384, [23, 112, 1731, 281, 69], PRESENTS, [1980, 1980], MUTUAL),
    "JSSE on both sides, one-way": (SHA384, [65, 1747, 297, 85], [85], [2016], NOT_ASKED),
    "JSSE on both sides, declined": (SHA384, [65, 162, 1747, 297, 85], [41, 85], [2016], DECLINED),
    "JSSE on both sides, mutual": (SHA384, [65, 162, 1747, 297, 85], [1724, 297, 85], [3697], MUTUAL),
    "JSSE and OpenSSL, SHA-256": (SHA256, [23, 1731, 281, 53], [69], [250], NOT_ASKED),
    "rustls, one-way": (SHA384, PACKED, [69], [120], NOT_ASKED),
    "rustls, declined": (SHA384, PACKED, [77], [120], DECLINED),
    "rustls, mutual": (SHA384, PACKED, [2024], [120], MUTUAL),
    "BoringSSL, declined": (SHA256, PACKED, [61], [120], DECLINED),
    "BoringSSL, mutual": (SHA256, PACKED, [2008], [120], MUTUAL),
    "BoringSSL at OpenSSL, mutual": (SHA256, [23, 108, 1731, 281, 53], [2008], [1098], MUTUAL),
    "Certificate over 16 KB": (SHA384, [23, 108, 16401, 5000, 281, 69], [16401, 16401, 700, 281, 69], [250], MUTUAL),
    "server's Certificate over 16 KB, one-way": (SHA384, [23, 16401, 5000, 281, 69], [69], [250], NOT_ASKED),
    "max fragment 512": (SHA384, [23, 108, 529, 529, 529, 200, 281, 69], [529, 529, 529, 140, 281, 69], [250], MUTUAL),
    "max fragment 512, one-way": (SHA384, [23, 529, 529, 529, 200, 281, 69], [69], [250], NOT_ASKED),
    "compressed Certificate": (SHA384, [23, 108, 1100, 281, 69], [1501, 281, 69], [250], MUTUAL),
    "raw public key, P-256": (SHA256, PACKED, [121, 96, 53], [250], MUTUAL),
    "Certificate and CertificateVerify in one": (SHA384, ASKS, [1989, 69], [250], MUTUAL),
}


@pytest.mark.parametrize("name", STACKS)
def test_what_stacks_send(name: str) -> None:
    suite, server, client, tickets, expected = STACKS[name]
    assert verdict(tls13(server, client, ("server", tickets), suite=suite)) == expected
    plain = tls13(server, client, ("server", tickets), suite=suite, compatible=False)
    assert verdict(plain) == expected
    data = tls13(server, client, ("server", tickets), ("client", [120]), ("server", [900, 19]), suite=suite)
    assert verdict(data.fin("server").fin("client")) == expected


@pytest.mark.parametrize("name", STACKS)
def test_segments_do_not_matter(name: str) -> None:
    suite, server, client, tickets, expected = STACKS[name]
    assert verdict(tls13(server, client, ("server", tickets), suite=suite, talk=Talk(size=400).open())) == expected


def test_the_server_flight_alone_may_tell() -> None:
    """The client leaves without a word, as a browser does that must ask its user."""
    asking = tls13(ASKS, []).fin("client").report
    assert (asking.authentication, asking.client_certificate_requested) == ("undetermined", True)
    assert (asking.client_certificate_presented, asking.outcome) == (None, "failed")
    assert verdict(tls13(ASKS_NOT, []).fin("client")) == ("one-way", "failed")
    assert verdict(tls13(PACKED, []).fin("client")) == ("undetermined", "failed")
    assert verdict(tls13(ASKS_NOT, [])) == ("one-way", "incomplete")


def test_both_sides_must_not_contradict_each_other() -> None:
    for server, client in ((ASKS_NOT, PRESENTS), (ASKS_NOT, [25, 69]), (ASKS, [69])):
        report = tls13(server, client, ("server", [250])).report
        assert report.authentication == "undetermined"
        assert report.client_certificate_requested is None
        assert any("contradict" in evidence.says for evidence in report.evidence)


def test_the_arithmetic_is_shown() -> None:
    says = [evidence.says for evidence in tls13(ASKS, PRESENTS, ("server", [250])).report.evidence]
    assert any("23 108 1731 281 69" in one for one in says)
    assert any("1708 281 69" in one for one in says)


def test_roles_are_named() -> None:
    found = sizes_of(tls13(ASKS, PRESENTS, ("server", [250])))
    assert [found.roles[i] for i in sorted(found.roles)] == [
        *("encrypted_extensions", "certificate_request", "certificate", "certificate_verify", "finished"),
        *("certificate", "certificate_verify", "finished"),
    ]
    report = tls13(PACKED, [2008], ("server", [250]), ("client", [99]), suite=SHA256).report
    named = [(message.sender, message.message) for message in report.messages if message.protection == "encrypted"]
    assert named == [
        ("server", "encrypted_handshake"),
        ("client", "encrypted_handshake"),
        ("server", "application_data"),
        ("client", "application_data"),
    ]


# ---- how it ends


@pytest.mark.parametrize(("alert_", "suite", "finished"), [(19, SHA384, 69), (11, CCM_8, 45), (35, SHA384, 85)])
def test_the_server_may_refuse_after_finished(alert_: int, suite: int, finished: int) -> None:
    talk = tls13(PACKED, [1708, 281, finished], ("server", [alert_]), suite=suite)
    assert verdict(talk) == ("mutual", "failed")
    assert verdict(talk.fin("server").rst("client")) == ("mutual", "failed")


def test_the_server_may_insist_after_finished() -> None:
    assert verdict(tls13(ASKS, [25, 69], ("server", [19])).fin("server")) == ("requested-not-provided", "failed")


def test_a_request_sent_ahead_does_not_make_it_accepted() -> None:
    assert verdict(tls13(ASKS, PRESENTS, ("client", [120]))) == ("mutual", "incomplete")
    assert verdict(tls13(ASKS, PRESENTS, ("client", [120]), ("server", [19])).rst("server")) == ("mutual", "failed")


def test_the_client_may_refuse_the_server() -> None:
    assert verdict(tls13(ASKS, [19]).fin("client")) == ("undetermined", "failed")
    assert verdict(tls13(ASKS_NOT, [19]).fin("client")) == ("one-way", "failed")
    assert verdict(tls13(PACKED, [35]).fin("client")) == ("undetermined", "failed")


def test_the_server_may_refuse_as_soon_as_it_has_the_certificate() -> None:
    """It does not wait for CertificateVerify and Finished, where these come in segments of their own."""
    talk = tls13(ASKS, [1708], ("server", [19]), ("client", [281, 69]))
    assert verdict(talk) == ("mutual", "failed")
    assert verdict(talk.fin("server")) == ("mutual", "failed")
    # Data of a server that does not wait for the client are no answer to its flight.
    ahead = tls13(ASKS, [1708], ("server", [90, 19]), ("client", [281, 69]))
    assert verdict(ahead) == ("mutual", "incomplete")


@pytest.mark.parametrize("answer", [[], [19]])
def test_the_server_may_break_off_its_flight(answer: list[int]) -> None:
    """Right behind ServerHello (rustls and Go, for want of an application protocol), or where it would ask."""
    for flight in ([19], [23, 19]):
        report = tls13(flight, answer).fin("server").report
        assert (report.authentication, report.outcome) == ("undetermined", "failed")
        assert any("ends in an alert" in one.says for one in report.evidence)
        assert sizes_of(tls13(flight, answer).fin("server")).answer == "unknown"
    assert verdict(tls13([19], [])) == ("undetermined", "failed")
    # What may be EncryptedExtensions, or a whole flight and a farewell, is not known to be that.
    assert verdict(tls13([35], [])) == ("undetermined", "incomplete")
    assert verdict(tls13([2300, 19], [])) == ("undetermined", "incomplete")
    assert verdict(tls13([2300, 19], [77], ("server", [250]))) == DECLINED


def test_an_empty_certificate_may_be_compressed() -> None:
    """tlslite-ng; 12 bytes by zlib (RFC 8879)."""
    hello = client_hello((27, bytes.fromhex("020001")))
    assert verdict(tls13(ASKS, [41, 69], ("server", [250]), hello=hello)) == DECLINED
    assert verdict(tls13(ASKS, [41, 69], ("server", [250]))) == ("undetermined", "incomplete")
    assert verdict(tls13(ASKS, [60, 69], ("server", [250]), hello=hello)) == ("undetermined", "incomplete")


def test_node_leaves_without_an_alert() -> None:
    assert verdict(tls13(ASKS, PRESENTS).fin("server")) == ("mutual", "failed")
    assert verdict(tls13(ASKS, PRESENTS).rst("server")) == ("mutual", "failed")


def test_a_reset_behind_a_loss_is_no_refusal() -> None:
    """It acknowledges what the capture lacks of the client, and so may come behind more of the server."""
    talk = tls13(ASKS, PRESENTS).lose("server", protected(250)).lose("client", protected(120))
    assert verdict(talk.rst("server")) == ("mutual", "incomplete")


def test_a_client_that_leaves_first_does_not_show_whether_it_was_accepted() -> None:
    assert verdict(tls13(ASKS, PRESENTS).fin("client").fin("server")) == ("mutual", "incomplete")
    closing = tls13(ASKS, PRESENTS, ("client", [19]), ("server", [19])).fin("server")
    assert verdict(closing) == ("mutual", "incomplete")
    assert verdict(tls13(ASKS, [*PRESENTS, 19]).fin("server")) == ("mutual", "incomplete")


def test_a_short_request_is_no_farewell_of_a_client_that_does_not_pad() -> None:
    plain = tls13(ASKS, [25, 69], ("client", [35]), ("server", [19])).fin("server")
    assert verdict(plain) == ("requested-not-provided", "failed")
    padding = tls13(ASKS, [41, 85], ("client", [35]), ("server", [19])).fin("server")
    assert verdict(padding) == ("requested-not-provided", "incomplete")


def test_a_farewell_is_no_refusal() -> None:
    """A health check: the client finishes and closes; a server without tickets answers with close_notify alone."""
    assert verdict(tls13(ASKS_NOT, [69], ("client", [19]), ("server", [19])).fin("server")) == NOT_ASKED
    assert verdict(tls13(ASKS_NOT, [69]).fin("client").send("server", protected(19))) == NOT_ASKED


def test_http_may_refuse_what_tls_accepts() -> None:
    talk = tls13(ASKS, [25, 69], ("server", [282, 282]), ("client", [120]), ("server", [330, 19])).fin("server")
    assert verdict(talk) == DECLINED


def test_a_capture_that_merely_ends_shows_no_failure() -> None:
    assert verdict(tls13(ASKS, [])) == ("undetermined", "incomplete")
    assert verdict(tls13(ASKS, [1708])) == ("mutual", "incomplete")
    assert verdict(tls13(ASKS, [25])) == ("undetermined", "incomplete")
    assert verdict(tls13(ASKS, PRESENTS)) == ("mutual", "incomplete")
    assert verdict(tls13(ASKS_NOT, [69])) == ("one-way", "incomplete")


def test_sizes_that_fit_nothing_do_not_make_it_fail() -> None:
    """Both went on for long, so it was established, whatever their flights were."""
    unknown = tls13(PACKED, [63], ("server", [500]), ("client", [100]), ("server", [900]), suite=SHA256)
    assert verdict(unknown.fin("client").fin("server")) == ("undetermined", "established")
    assert verdict(tls13(PACKED, [63], ("server", [500]), suite=SHA256).fin("server")) == ("undetermined", "incomplete")


# ---- pitfalls


def test_padding_of_both_sides_hides_everything() -> None:
    for client in ([1552, 528, 528], [528, 528], [528]):
        talk = tls13([272, 272, 2064, 528, 272], client, ("server", [1040, 1040]), ("client", [528]), ("server", [528]))
        assert verdict(talk) == ("undetermined", "established")


@pytest.mark.parametrize("block", [128, 256, 512, 4096])
def test_a_padded_finished_is_no_certificate(block: int) -> None:
    """However few records there are."""
    for server in (PACKED, [272, 272, 2064, 528, 272]):
        for then in ([], [("server", [250])], [("client", [block + 16]), ("server", [250])]):
            talk = tls13(server, [block + 16], *then)
            assert talk.report.authentication == "undetermined"


def test_padding_of_the_client_leaves_the_server_readable() -> None:
    assert verdict(tls13(ASKS_NOT, [528], ("server", [250]), ("client", [528]), ("server", [99]))) == NOT_ASKED
    report = tls13(ASKS, [1040, 1040], ("server", [250]), ("client", [1040]), ("server", [99])).report
    assert (report.authentication, report.client_certificate_requested) == ("undetermined", True)


def test_what_a_padding_server_answers_may_be_an_alert() -> None:
    """OpenSSL with -record_padding 64: its alert is as long as its shortest records."""
    server = [80, 144, 1104, 144, 80]
    for client in ([25, 69], PRESENTS):
        assert tls13(server, client, ("server", [80])).fin("server").report.outcome == "incomplete"
        assert tls13(server, client, ("server", [272])).fin("server").report.outcome == "established"
        more = [("server", [80]), ("client", [120]), ("server", [80])]
        assert tls13(server, client, *more).report.outcome == "established"


def test_the_first_of_two_records_with_a_certificate_is_no_request() -> None:
    """A server told to split: a Certificate of less than two records looks like a request and a Certificate."""
    for server, limit in (([23, 529, 520, 97, 69], None), ([23, 217, 150, 97, 69], 200)):
        hello = client_hello((28, (limit + 1).to_bytes(2))) if limit else client_hello()
        report = tls13(server, [19], hello=hello).fin("client").report
        assert (report.authentication, report.client_certificate_requested) == ("undetermined", None)
        assert verdict(tls13(server, [69], ("server", [250]), hello=hello)) == NOT_ASKED
        assert verdict(tls13(server, PRESENTS, ("server", [250]), hello=hello)) == MUTUAL
    assert tls13([23, 217, 700, 97, 69], [19]).fin("client").report.client_certificate_requested


def test_a_hello_retry_request_moves_change_cipher_spec() -> None:
    for client, expected in (([69], NOT_ASKED), ([25, 69], DECLINED), (PRESENTS, MUTUAL)):
        talk = Talk().open().send("client", handshake(client_hello(), version=0x0301))
        talk.send("server", handshake(server_hello(random=RETRY)) + CCS)
        talk.send("client", CCS + handshake(client_hello()))
        server = ASKS_NOT if client == [69] else ASKS
        talk.send("server", handshake(server_hello()) + protected(*server)).send("client", protected(*client))
        talk.send("server", protected(250))
        assert verdict(talk) == expected
        assert talk.report.hello_retry_request


def early(client: list[int], server: list[int], *, psk: int | None = None, leftover: tuple[int, ...] = ()) -> Talk:
    """0-RTT data of 40 and 900 bytes; `leftover` of it is seen behind the server's flight."""
    talk = Talk().open()
    talk.send(
        "client",
        handshake(client_hello(early_data=True, identity=bytes(208)), version=0x0301) + CCS + protected(40, 900),
    )
    talk.send("server", handshake(server_hello(psk=psk)) + CCS + protected(*server))
    talk.send("client", protected(*leftover, *client)).send("server", protected(250, 250))
    return talk


def test_accepted_early_data_ends_with_its_end() -> None:
    report = early([21, 69], [27, 69], psk=0, leftover=(1300,)).report
    assert (report.resumption, report.outcome, report.early_data) == ("psk", "established", True)
    assert report.authentication == "undetermined"


def test_rejected_early_data_are_not_taken_for_a_flight() -> None:
    assert verdict(early([69], ASKS_NOT)) == NOT_ASKED
    assert verdict(early([25, 69], ASKS)) == DECLINED
    assert verdict(early(PRESENTS, ASKS)) == MUTUAL
    # Still under way when the server's flight passed: these look like a Certificate.
    assert early([69], ASKS_NOT, leftover=(1300, 400)).report.authentication == "one-way"
    assert early([69], PACKED, leftover=(1300, 400)).report.authentication == "undetermined"
    assert early([69], PACKED, leftover=(16401,)).report.authentication == "undetermined"


def test_rejected_early_data_before_a_packed_flight() -> None:
    """NSS: EncryptedExtensions and Finished in one record, and no EndOfEarlyData."""
    for psk in (None, 0):
        report = early([69], [105] if psk == 0 else PACKED, psk=psk).report
        assert (report.outcome, report.early_data) == ("established", True)
    assert early([69], [105], psk=0, leftover=(1300,)).fin("server").report.outcome in ("established", "incomplete")


def test_application_settings_come_before_finished() -> None:
    chrome = client_hello(SETTINGS)
    for lengths in ([63], [27, 53], [53]):
        talk = tls13(
            PACKED, lengths, ("server", [500]), ("client", [90]), ("server", [900]), suite=SHA256, hello=chrome
        )
        assert verdict(talk) == NOT_ASKED
    assert verdict(tls13(PACKED, [71], ("server", [500]), suite=SHA256, hello=chrome)) == DECLINED
    # Settings are of any size that a frame of HTTP/2 may have: a larger record need not be a Certificate.
    assert tls13(PACKED, [400], ("server", [500]), suite=SHA256, hello=chrome).report.authentication == "undetermined"
    assert verdict(tls13([23, 108, 1731, 281, 53], [2008], ("server", [500]), suite=SHA256, hello=chrome)) == MUTUAL
    assert verdict(tls13(PACKED, [1011], ("server", [500]), suite=SHA256, hello=chrome)) == MUTUAL


def test_grease_and_encrypted_client_hello_change_nothing() -> None:
    hello = client_hello((0x0A0A, b""), (0xFE0D, b"\0\0\1\0\1\x55\0\x20" + bytes(32) + b"\0\x90" + bytes(144)))
    assert verdict(tls13(ASKS, PRESENTS, ("server", [250]), hello=hello)) == MUTUAL


def test_key_updates_and_data_are_no_flights() -> None:
    talk = tls13(ASKS_NOT, [69], ("server", [250, 22]), ("client", [22, 1708, 281, 69]), ("server", [1000]))
    assert verdict(talk) == NOT_ASKED


def test_without_an_offer_nobody_is_asked_later() -> None:
    later = [("server", [250]), ("client", [120]), ("server", [140]), ("client", [1740, 281, 69]), ("server", [1130])]
    assert verdict(tls13(ASKS_NOT, [69], *later)) == NOT_ASKED
    assert verdict(tls13(ASKS_NOT, [69], *later, hello=client_hello(LATER))) == MUTUAL


def test_a_later_answer_counts_where_the_capture_lacks_what_was_before() -> None:
    later = [("server", [250]), ("client", [120]), ("server", [140]), ("client", [1740, 281, 69]), ("server", [1130])]
    without_hello = Talk().lose("client", bytes(300))
    without_hello.send("server", handshake(server_hello()) + CCS + protected(*ASKS_NOT)).send("client", protected(69))
    without_flight = tls13(ASKS_NOT, [], hello=client_hello(LATER)).lose("client", CCS + protected(69))
    for talk in (without_hello, without_flight):
        for sender, lengths in later[0 if talk is without_hello else 1 :]:
            talk.send(sender, protected(*lengths))
        assert talk.report.authentication == "mutual"


def test_alerts_alone_do_not_show_that_both_went_on() -> None:
    """The client's flight is lost; what follows are a request, a refusal, and farewells."""
    talk = tls13(ASKS, []).lose("client", protected(*PRESENTS)).send("client", protected(40))
    for sender in ("server", "client", "server"):
        talk.send(sender, protected(19))
    assert verdict(talk.fin("client")) == ("undetermined", "incomplete")


def test_who_may_be_asked_later_is_not_taken_to_have_been() -> None:
    hello = client_hello(LATER)
    ordinary = [("server", [250]), ("client", [120]), ("server", [900]), ("client", [1740, 300, 69]), ("server", [200])]
    assert verdict(tls13(ASKS_NOT, [69], *ordinary, hello=hello)) == NOT_ASKED
    unasked = [("client", [1740, 281, 69]), ("server", [200])]
    assert verdict(tls13(ASKS_NOT, [69], *unasked, hello=hello)) == NOT_ASKED
    declined = [("server", [250]), ("client", [120]), ("server", [140]), ("client", [57, 69]), ("server", [200])]
    assert tls13(ASKS_NOT, [69], *declined, hello=hello).report.authentication == "undetermined"


@pytest.mark.parametrize("context", [1, 16, 32])
def test_the_context_of_a_later_request_is_of_any_length(context: int) -> None:
    """NSS has 16 bytes, OpenSSL 32."""
    hello = client_hello(LATER)
    declined = [("server", [250]), ("client", [120]), ("server", [140]), ("client", [25 + context, 69])]
    assert tls13(ASKS_NOT, [69], *declined, hello=hello).report.authentication == "undetermined"
    unasked = [("client", [120, 25 + context, 69]), ("server", [200])]
    assert verdict(tls13(ASKS_NOT, [69], *unasked, hello=hello)) == NOT_ASKED


def test_what_the_server_repeats_within_a_later_answer_does_not_deny_it() -> None:
    hello = client_hello(LATER)
    later = ("client", [100]), ("server", [250]), ("client", [1708])
    assert verdict(tls13(ASKS_NOT, [69], *later, ("client", [281, 69]), hello=hello))[0] == "mutual"
    assert verdict(tls13(ASKS_NOT, [69], *later, ("server", [25]), ("client", [281, 69]), hello=hello))[0] == (
        "undetermined"
    )


def test_a_packed_answer_to_a_later_request_may_be_data() -> None:
    """NSS: one record of 126 asks, one of 1129 answers; a page that has not changed looks alike."""
    hello = client_hello(LATER)
    asked = [("server", [198]), ("client", [40]), ("server", [126]), ("client", [1129]), ("server", [159])]
    report = tls13(PACKED, [53], *asked, suite=SHA256, hello=hello).report
    assert (report.authentication, report.client_certificate_requested) == ("undetermined", None)
    for request, answer in ((126, 300), (900, 1129)):
        other = [("server", [198]), ("client", [40]), ("server", [request]), ("client", [answer]), ("server", [159])]
        assert verdict(tls13(PACKED, [53], *other, suite=SHA256, hello=hello)) == NOT_ASKED
    assert verdict(tls13(PACKED, [53], *asked, suite=SHA256)) == NOT_ASKED


def test_a_record_of_finished_size_far_away_ends_no_flight() -> None:
    """The flight is one record; what has the size of Finished later is data."""
    talk = tls13(PACKED, [2024], ("server", [120]), ("client", [500, 600, 700, 800, 69]), ("server", [19]))
    found = sizes_of(talk)
    assert found.client_finished is not None
    assert found.client_finished.length == 2024
    assert found.accepted


def test_unknown_suites_tell_nothing() -> None:
    report = tls13(ASKS, PRESENTS, ("server", [250]), suite=0x13AA).report
    assert (report.authentication, report.cipher_suite) == ("undetermined", "0x13aa")


def test_a_suite_that_only_authenticates_has_a_mac_for_a_tag() -> None:
    """TLS_SHA256_SHA256 (RFC 9150): 32 bytes behind every record."""
    talk = tls13([39, 124, 1747, 297, 69], [41, 69], ("server", [266]), suite=0xC0B4)
    assert verdict(talk) == DECLINED


# ---- what the capture lacks


def losing(sender: str, number: int, *, asks: bool = True, client: list[int] | None = None) -> Talk:
    """The records of a handshake, each in a segment of its own, without one of them."""
    server = ASKS if asks else ASKS_NOT
    client = client or PRESENTS
    talk = Talk(size=20_000).open().send("client", handshake(client_hello(), version=0x0301))
    talk.send("server", handshake(server_hello()) + CCS)
    for who, lengths in (("server", server), ("client", client), ("server", [250, 250]), ("client", [120, 130, 140])):
        for i, length in enumerate(lengths):
            lost = who == sender and i == number and lengths in (server, client)
            (talk.lose if lost else talk.send)(who, protected(length))
    return talk.acknowledge("client").acknowledge("server")


@pytest.mark.parametrize("number", range(5))
def test_a_lost_record_of_the_server_does_not_make_it_one_way(number: int) -> None:
    found = sizes_of(losing("server", number))
    assert found.asked is not False
    assert verdict(losing("server", number)) == MUTUAL
    assert verdict(losing("server", number, client=[25, 69])) == DECLINED


@pytest.mark.parametrize("number", range(3))
def test_a_lost_record_of_the_client_does_not_make_it_one_way(number: int) -> None:
    report = losing("client", number).report
    assert report.authentication in ("mutual", "undetermined")
    assert report.client_certificate_requested is True
    report = losing("client", number % 2, client=[25, 69]).report
    assert report.authentication in ("requested-not-provided", "undetermined")
    report = losing("client", 0, asks=False, client=[69]).report
    assert report.authentication == "one-way"


def test_what_is_lost_later_does_not_matter() -> None:
    talk = tls13(ASKS, PRESENTS, ("server", [250]))
    talk.lose("client", protected(5000)).send("client", protected(700)).lose("server", bytes(300))
    assert verdict(talk.send("server", protected(60)).acknowledge("client")) == MUTUAL


def test_a_flight_that_lacks_a_part_is_no_answer_to_the_client_s() -> None:
    """A packed flight, of which the middle is lost, seems to end with what the server sent behind the client's."""
    flight = handshake(server_hello()) + CCS + protected(2300)
    for then, expected in ((19, "failed"), (250, "established")):
        talk = Talk(size=1000).open().send("client", handshake(client_hello(), version=0x0301))
        talk.send("server", flight[:1000]).lose("server", flight[1000:2000]).send("server", flight[2000:-100])
        talk.lose("server", flight[-100:]).send("client", CCS + protected(77)).send("server", protected(then))
        report = talk.fin("server").report
        assert report.outcome in ("incomplete", expected)


def test_one_direction_is_not_enough() -> None:
    whole = tls13(ASKS, PRESENTS, ("server", [250])).fin("client").fin("server")
    for end in (whole.client, whole.server):
        one = Talk(segments=[segment for segment in whole.segments if segment.source == end])
        report = one.report
        assert report.authentication == "undetermined"
        assert report.outcome == "incomplete"


lengths = st.lists(
    st.one_of(st.sampled_from([19, 25, 53, 61, 69, 77, 281, 1708, 528, 16401]), st.integers(0, 3000)), max_size=7
)


@settings(deadline=None)
@given(lengths, lengths, lengths, st.sampled_from([SHA256, SHA384, CCM_8]), st.booleans())
def test_any_sizes_yield_a_consistent_verdict(
    server: list[int], client: list[int], then: list[int], suite: int, more: bool
) -> None:
    talk = tls13(server, client, ("server", then), suite=suite, hello=client_hello(LATER) if more else None)
    report = talk.report
    assert_consistent(report)
    assert report.outcome != "failed" or any(report.facts.sent[-1:])
    positions = range(len(report.facts.sent)) if report.facts else range(0)
    assert sizes_of(talk).flights <= set(positions)


@settings(deadline=None)
@given(lengths, lengths, st.data())
def test_a_shorter_capture_never_knows_otherwise(server: list[int], client: list[int], data: st.DataObject) -> None:
    """Of a verdict that more of the same conversation changes, nothing may be said before."""
    assume(client[:1] not in ([19], [35]) and 19 not in server)  # after an alert nobody goes on
    whole = tls13(server, client, ("server", [250]), ("client", [100]), ("server", [100]))
    cut = Talk(segments=whole.segments[: data.draw(st.integers(5, len(whole.segments)))])
    before: Any = cut.report
    after = whole.report
    # Equal sizes may make records look padded that others then show not to be, and the reverse.
    assert before.authentication in ("undetermined", after.authentication) or after.authentication == "undetermined"
    assert before.outcome in ("incomplete", after.outcome)


def test_alerts_in_clear_are_seen() -> None:
    talk = tls13(ASKS, []).send("client", alert(2, 48)).fin("client")
    assert verdict(talk) == ("undetermined", "failed")
    assert [one.description for one in talk.report.alerts] == ["unknown_ca"]


def test_records_of_unknown_type_are_passed_over() -> None:
    talk = tls13(ASKS, PRESENTS).send("server", record(24, bytes(20)) + protected(250))
    assert verdict(talk) == MUTUAL
