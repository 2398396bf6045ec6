"""What happens in connections of QUIC: versions, loss, any order, keys, and what hostile bytes may not do."""

import shutil
import struct
import subprocess
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from datagrams import SECOND, Exchange, Sent, capture, packet, without
from forge import Frame
from hypothesis import given, settings
from hypothesis import strategies as st
from quictalk import (
    ACK,
    AES_128_GCM,
    AES_256_GCM,
    CHACHA20,
    DRAFT_29,
    HANDSHAKE,
    INITIAL,
    LEAF,
    PADDING,
    PING,
    RETRY_TYPE,
    SHORT,
    V1,
    V2,
    ZERO_RTT,
    Connection,
    close,
    crypto,
    names,
    negotiation,
    stream,
)
from talk import client_hello, message, vector

from analyzer import api
from analyzer.associations import Associations
from analyzer.net.conversations import Datagram
from analyzer.results import CaptureReport, HandshakeReport
from analyzer.secrets import Secrets
from analyzer.settings import Limits
from analyzer.tls.association import Association
from analyzer.tls.keylog import KeyLog
from analyzer.tls.quic.frames import Ack, Crypto, CryptoStream, frames
from analyzer.tls.quic.packet import VERSIONS, Version, packets
from analyzer.tls.quic.protection import InitialKeys, Keys, is_genuine_retry, reconstructed
from analyzer.tls.quic.session import QuicSession
from analyzer.tls.registry import suite

FIRST_ID = bytes.fromhex("8394c8f03e515708")
"""Of all examples of RFC 9001 and RFC 9369, appendix A."""
HELLO = bytes.fromhex(
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010"
    "000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000"
    "003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010"
    "000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ff"
    "ff0801100104800075300901100f088394c8f03e51570806048000ffff"
)
SERVER_INITIAL = {
    V1: "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4c"
    "f73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf"
    "2f58891850abbdca3d20398c276456cbc42158407dd074ee",
    V2: "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf87263017915358"
    "230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2c984c707f0a0812d8cd5a6881eaf21ce"
    "da98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
}
CLIENT_INITIAL = {
    # How the packet begins, and how it ends: `Connection` makes all of it.
    V1: ("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11", "e221af44860018ab0856972e194cd934"),
    V2: ("d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485", "a18b2faa745b6fe189cf772a9f84cbfc"),
}
RETRY = {
    V1: "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba",
    V2: "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6",
}


def datagram(data: bytes, direction: int = 0, frame: int = 1) -> Datagram:
    return Datagram(direction, frame, frame * SECOND, data, len(data))


# ---- The examples of the standards ------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V1, V2])
def test_the_standards_client_initial_is_opened(version: int) -> None:
    made = Connection(version=version, first_id=FIRST_ID)
    made.keys["client", INITIAL].next = 2
    data = made.packet("client", INITIAL, crypto(HELLO), pad=1200, size=4)
    begin, end = CLIENT_INITIAL[version]
    assert data.hex().startswith(begin) and data.hex().endswith(end) and len(data) == 1200
    [found] = packets(datagram(data), None)
    opened = InitialKeys(FIRST_ID, VERSIONS[version]).of("client").open(found)
    assert opened is not None
    assert (opened.number, list(frames(opened.payload))) == (2, [Crypto(0, HELLO)])


@pytest.mark.parametrize("version", [V1, V2])
def test_the_standards_server_initial_is_opened(version: int) -> None:
    [found] = packets(datagram(bytes.fromhex(SERVER_INITIAL[version])), None)
    opened = InitialKeys(FIRST_ID, VERSIONS[version]).of("server").open(found)
    assert opened is not None and opened.number == 1
    [acknowledgment, answer] = frames(opened.payload)
    assert acknowledgment == Ack(with_counts=False)
    assert isinstance(answer, Crypto) and answer.data[:6] == bytes.fromhex("020000560303")
    assert InitialKeys(FIRST_ID, VERSIONS[version]).of("client").open(found) is None


@pytest.mark.parametrize("version", [V1, V2])
def test_the_standards_retry_is_genuine(version: int) -> None:
    data = bytes.fromhex(RETRY[version])
    [found] = packets(datagram(data), None)
    assert (found.kind, found.token, found.source.hex()) == ("retry", b"token", "f067a5502a4262b5")
    assert is_genuine_retry(found, FIRST_ID, VERSIONS[version])
    assert not is_genuine_retry(found, FIRST_ID[::-1], VERSIONS[version])


def test_the_standards_packet_under_chacha20_is_opened() -> None:
    secret = bytes.fromhex("9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b")
    chosen = suite(CHACHA20)
    assert chosen is not None
    keys = Keys(secret, chosen, VERSIONS[V1])
    keys.next = 654360564
    [found] = packets(datagram(bytes.fromhex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb")), 0)
    assert keys.open(found) == (654360564, b"\1")


def test_packet_numbers_are_reconstructed_as_the_standard_says() -> None:
    assert reconstructed(0x9B32, 16, 0xA82F30EB) == 0xA82F9B32
    assert reconstructed(0x05, 8, 0xFE) == 0x105
    assert reconstructed(0xFE, 8, 0x102) == 0xFE


# ---- A handshake --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V1, V2, DRAFT_29])
@pytest.mark.parametrize("code", [AES_128_GCM, AES_256_GCM, CHACHA20])
def test_with_keys_everything_is_read_and_proved(version: int, code: int) -> None:
    report = Connection(version=version, suite=code).whole().report(keys=True)
    assert (report.transport, report.stream, report.display_filter) == ("quic", 0, "udp.stream eq 0")
    assert (report.version, report.group, report.alpn) == ("TLSv1.3", "x25519", "h3")
    assert (report.outcome, report.outcome_basis) == ("established", "decrypted")
    assert (report.authentication, report.authentication_basis) == ("one-way", "decrypted")
    assert [(proof.of, proof.message, proof.status) for proof in report.proofs] == [
        ("server", "certificate_verify", "pass"),
        ("server", "finished", "pass"),
        ("client", "finished", "pass"),
    ]
    assert names(report) == [
        "client client_hello",
        "server server_hello",
        "server encrypted_extensions",
        "server certificate",
        "server certificate_verify",
        "server finished",
        "client finished",
        "server new_session_ticket",
        "client application_data",
        "server application_data",
    ]
    assert {sent.message for sent in report.messages if sent.protection == "cleartext"} == {
        "client_hello",
        "server_hello",
    }
    assert report.closed_by is None and report.history == "Cs"
    assert report.ja4 is not None and report.ja4.startswith("q13d") and report.ja4[:10].endswith("h3")


def test_without_keys_the_hellos_are_read_and_the_rest_is_said_to_be_encrypted() -> None:
    report = Connection().whole().report()
    assert (report.server_name, report.cipher_suite) == ("service.example.com", "TLS_AES_128_GCM_SHA256")
    assert report.alpn is None, "the client's offer is not the server's choice"
    assert names(report, "cleartext") == ["client client_hello", "server server_hello"]
    assert names(report, "encrypted") == [
        "server encrypted_handshake",
        "client encrypted_handshake",
        "server application_data",
        "client application_data",
    ]
    [proof] = report.proofs
    assert (proof.of, proof.message, proof.status) == ("server", "certificate_verify", "undetermined")


def test_the_transport_parameters_are_kept() -> None:
    facts = Connection().whole().report().facts
    assert facts is not None and facts.client_hello is not None
    assert facts.client_hello.quic_transport_parameters == b"\x01\x04\x80\x00\xea\x60"


def test_mutual_authentication_is_decrypted_and_both_signatures_hold() -> None:
    report = Connection().whole(asks=True, certificates=(LEAF,)).report(keys=True)
    assert (report.authentication, report.authentication_basis) == ("mutual", "decrypted")
    assert {proof.status for proof in report.proofs} == {"pass"} and len(report.proofs) == 4


def test_an_empty_certificate_is_a_client_that_declined() -> None:
    report = Connection().whole(asks=True, certificates=()).report(keys=True)
    assert report.authentication == "requested-not-provided"


def test_a_changed_signature_is_no_proof() -> None:
    made = Connection()
    verify, made.verify = made.verify, lambda side: verify(side)[:-1] + b"\0"  # type: ignore[method-assign]
    report = made.whole().report(keys=True)
    assert [proof.status for proof in report.proofs if proof.message == "certificate_verify"] == ["fail"]


def test_a_hello_retry_request_is_followed() -> None:
    made = Connection().hello().retry_hello()
    made.hello().send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight())).confirm()
    report = made.report(keys=True)
    assert report.hello_retry_request and report.outcome == "established"
    assert {proof.status for proof in report.proofs} == {"pass"}


def test_a_resumed_session_inherits_by_its_ticket() -> None:
    first = Connection().whole()
    count, ticket = len(first.exchange.datagrams), bytes(40)
    second = Connection(exchange=replace(first.exchange, client=("192.0.2.10", 50001)))
    second.hello(early_data=True, identity=ticket)
    second.keys["client", ZERO_RTT] = second.keys["client", SHORT]
    second.send("client", second.packet("client", ZERO_RTT, stream(b"early"), pad=100))
    second.send("server", second.answer(psk=0), second.packet("server", HANDSHAKE, second.server_flight(psk=True)))
    second.send("client", second.packet("client", HANDSHAKE, second.client_flight())).confirm()
    frames_of = [first.exchange.frame(sent) for sent in first.exchange.datagrams[:count]]
    frames_of += [second.exchange.frame(sent) for sent in second.exchange.datagrams[count:]]
    original, resumed = api.analyze(capture(frames_of), trust="none", keylog=Secrets(first.secrets())).handshakes
    assert (resumed.resumption, resumed.early_data) == ("psk", True)
    assert resumed.resumes is not None and resumed.resumes.stream == original.stream
    assert (resumed.authentication, resumed.authentication_basis) == ("one-way", "inherited")


# ---- Datagrams ----------------------------------------------------------------------------------------------


def test_a_hello_in_parts_of_two_datagrams_is_put_together_in_any_order() -> None:
    made = Connection()
    raw = made.note(client_hello((16, vector(2, vector(1, b"h3"))), (99, bytes(1500)), suites=(AES_128_GCM,)))
    cuts = [0, 3, 700, 1100, len(raw)]
    parts = [crypto(raw[begin:end], begin) for begin, end in pairwise(cuts)]
    made.send("client", made.packet("client", INITIAL, parts[2], PING, parts[0], pad=1200))
    made.send("client", made.packet("client", INITIAL, parts[3], PADDING * 5, parts[1], pad=1200))
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight())).confirm()
    report = made.report(keys=True)
    assert report.outcome == "established" and {proof.status for proof in report.proofs} == {"pass"}
    hello = report.messages[0]
    assert (hello.message, hello.frame, report.first_frame) == ("client_hello", 2, 1)


def test_what_comes_before_the_server_hello_waits_for_it() -> None:
    made = Connection().hello()
    answer, flight = made.answer(), made.packet("server", HANDSHAKE, made.server_flight())
    made.send("server", flight).send("server", answer)
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight())).confirm()
    report = made.report(keys=True)
    assert names(report)[1:3] == ["server server_hello", "server encrypted_extensions"]
    assert {proof.status for proof in report.proofs} == {"pass"}


def test_coalesced_packets_are_told_apart_and_padding_behind_them_is_nothing() -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()), bytes(90))
    initial = made.packet("client", INITIAL, ACK)
    flight = made.packet("client", HANDSHAKE, made.client_flight())
    made.send("client", initial, flight, made.packet("client", SHORT, stream(b"x" * 1000)))
    report = made.confirm().report(keys=True)
    assert names(report)[-3:] == ["client finished", "client application_data", "server new_session_ticket"]


def test_a_retry_changes_the_keys() -> None:
    made = Connection().hello()
    before = made.transcript
    data = made.long(RETRY_TYPE, made.client_id, b"retry-id") + b"token"
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, nonce = VERSIONS[V1].retry or (b"", b"")
    made.send("server", data + AESGCM(key).encrypt(nonce, b"", vector(1, made.first_id) + data))
    made.rekey(b"retry-id")
    made.token, made.answered = b"token", False
    made.offsets.clear()
    made.transcript = b""
    made.hello()
    assert made.transcript == before
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight())).confirm()
    report = made.report(keys=True)
    assert report.outcome == "established" and {proof.status for proof in report.proofs} == {"pass"}
    assert names(report).count("client client_hello") == 1 and report.first_frame == 1
    lacking = without(made.exchange, 1).analyze().handshakes
    assert len(lacking) == 1 and lacking[0].cipher_suite is not None, "the capture may lack the Retry"


@pytest.mark.parametrize("followed", [b"retry-id", b"retry-2!"])
@pytest.mark.parametrize("late", [True, False])
def test_of_two_retries_the_client_follows_the_one_that_reaches_it_first(followed: bytes, late: bool) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    made = Connection().hello()
    hello = made.exchange.datagrams[0]
    made.exchange.datagrams.append(replace(hello, time=hello.time + 10**8))
    key, nonce = VERSIONS[V1].retry or (b"", b"")
    for identity in (b"retry-id", b"retry-2!"):
        data = made.long(RETRY_TYPE, made.client_id, identity) + b"token"
        made.send("server", data + AESGCM(key).encrypt(nonce, b"", vector(1, made.first_id) + data))
    made.rekey(followed)
    made.token, made.answered = b"token", False
    made.offsets.clear()
    made.transcript = b""
    made.hello()
    if late:
        made.exchange.datagrams.append(replace(hello, time=made.exchange.datagrams[-1].time))
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight())).confirm()
    reports = made.analyze(keys=True).handshakes
    assert [(one.outcome, one.first_frame, one.cipher_suite is None) for one in reports] == [("established", 1, False)]
    facts = reports[0].facts
    assert facts is not None and facts.quic is not None
    assert facts.quic.retried == (3 if followed == b"retry-id" else 4)


def test_what_the_client_sent_before_a_retry_came_begins_nothing() -> None:
    made = Connection()
    offer = ((16, vector(2, vector(1, b"h3"))), (57, b"\x01\x04\x80\x00\xea\x60"), (99, bytes(1500)))
    raw = made.note(client_hello(*offer, suites=(AES_128_GCM,)))

    def parts() -> list[bytes]:
        cuts = [(0, 1000), (1000, len(raw))]
        return [made.packet("client", INITIAL, crypto(raw[begin:end], begin), pad=1200) for begin, end in cuts]

    first, late = parts()
    made.send("client", first)
    data = made.long(RETRY_TYPE, made.client_id, b"retry-id") + b"token"
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, nonce = VERSIONS[V1].retry or (b"", b"")
    made.send("server", data + AESGCM(key).encrypt(nonce, b"", vector(1, made.first_id) + data))
    made.send("client", late)
    made.rekey(b"retry-id")
    made.token, made.answered = b"token", False
    for one in parts():
        made.send("client", one)
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight())).confirm()
    report = made.report(keys=True)
    assert (report.outcome, report.first_frame) == ("established", 1)
    assert {proof.status for proof in report.proofs} == {"pass"}


def test_what_the_client_sent_in_a_version_that_was_refused_is_no_part_of_its_next_hello() -> None:
    made = Connection()
    offer = ((16, vector(2, vector(1, b"h3"))), (57, b"\x01\x04\x80\x00\xea\x60"), (99, bytes(1500)))
    old = client_hello(*offer[:2], (99, b"\1" * 1500), suites=(AES_128_GCM,))
    made.send("client", made.packet("client", INITIAL, crypto(old[:1000]), pad=1200))
    made.send("server", negotiation(made, V2))
    made.send("client", made.packet("client", INITIAL, crypto(old[1000:], 1000), pad=1200))
    made.answered = False
    made.rekey(made.first_id, V2)
    for (_, level), keys in made.keys.items():
        keys.version = V2 if level != INITIAL else keys.version
    raw = made.note(client_hello(*offer, suites=(AES_128_GCM,)))
    for begin, end in ((0, 1000), (1000, len(raw))):
        made.send("client", made.packet("client", INITIAL, crypto(raw[begin:end], begin), pad=1200))
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight())).confirm()
    report = made.report(keys=True)
    assert report.outcome == "established" and {proof.status for proof in report.proofs} == {"pass"}


def test_a_version_that_is_negotiated_with_the_first_packets_has_other_keys() -> None:
    made = Connection().hello()
    made.rekey(made.first_id, V2)
    for (_, level), keys in made.keys.items():
        keys.version = V2 if level != INITIAL else keys.version
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", INITIAL, ACK), made.packet("client", HANDSHAKE, made.client_flight()))
    report = made.confirm().report(keys=True)
    assert report.outcome == "established" and {proof.status for proof in report.proofs} == {"pass"}


def test_a_second_hello_that_nobody_asked_for_makes_no_proof_fail() -> None:
    made = Connection().hello()
    injected = client_hello((16, vector(2, vector(1, b"h3"))), server_name="elsewhere.example.com")
    made.send("client", made.packet("client", INITIAL, made.said("client", INITIAL, injected), pad=1200))
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight())).confirm()
    assert "fail" not in {proof.status for proof in made.report(keys=True).proofs}


def test_two_connections_between_the_same_ends_are_two_handshakes() -> None:
    first = Connection().whole()
    second = Connection(exchange=first.exchange, first_id=b"another-id").whole()
    reports = second.analyze().handshakes
    assert [(report.stream, report.handshake, report.outcome) for report in reports] == [
        (0, 0, "established"),
        (0, 1, "established"),
    ]


def test_updated_keys_are_followed() -> None:
    made = Connection().whole()
    made.keys["server", SHORT].update()
    made.talk(1)
    made.send("server", made.packet("server", SHORT, close(0x100 + 42)))
    report = made.report(keys=True)
    assert [alert.description for alert in report.alerts] == ["bad_certificate"]
    assert report.outcome == "established", "it was confirmed before"


def test_ids_of_no_length_on_both_sides() -> None:
    made = Connection(client_id=b"", server_id=b"").whole()
    assert made.report(keys=True).outcome == "established"


# ---- How it ends --------------------------------------------------------------------------------------------


def test_an_alert_in_an_initial_packet_is_observed() -> None:
    made = Connection().hello()
    made.send("server", made.packet("server", INITIAL, ACK, close(0x100 + 120, reason=b"no alpn"), pad=1200))
    report = made.report()
    assert (report.outcome, report.outcome_basis) == ("failed", "observed")
    [alert] = report.alerts
    assert (alert.sender, alert.level, alert.description) == ("server", "fatal", "no_application_protocol")
    assert "server alert" in names(report, "cleartext")


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_close_that_anybody_can_make_ends_nothing_when_initial_packets_are_over(side: str) -> None:
    made = Connection().whole()
    made.send(side, made.packet(side, INITIAL, close(0x100 + 40), pad=1200))
    assert made.report().outcome == "established"
    assert made.report(keys=True).outcome == "established"


def test_a_refusal_that_is_said_in_an_initial_packet_too_is_believed_where_keys_show_it() -> None:
    made = flown(ACK, asks=True, certificates=())
    made.send("client", made.packet("client", SHORT, stream(bytes(30))))
    said = close(0x100 + 116)
    made.send("server", made.packet("server", INITIAL, said), made.packet("server", HANDSHAKE, said))
    report = made.report(keys=True)
    assert (report.outcome, report.outcome_basis) == ("failed", "decrypted")
    assert [alert.description for alert in report.alerts] == ["certificate_required"]
    assert made.report().outcome == "incomplete", "anybody can make an Initial packet"


def test_an_error_of_quic_itself_is_no_alert() -> None:
    made = Connection().hello()
    made.send("server", made.packet("server", INITIAL, close(0x02, reason=b"busy\x1b[31m"), pad=1200))
    report = made.report()
    assert (report.outcome, report.alerts, report.root_cause) == ("failed", [], "quic-connection-closed")
    assert any("CONNECTION_REFUSED" in evidence.says and "busy" not in evidence.says for evidence in report.evidence)


@pytest.mark.parametrize("said", [close(0x0C), close(0x00), close(0x01), close(0x17, application=True)])
def test_a_client_that_closes_with_an_error_that_says_nothing_may_dislike_the_certificate(said: bytes) -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, ACK, said))
    report = made.report(keys=True)
    assert (report.outcome, report.root_cause) == ("failed", "server-certificate-not-yet-valid")
    assert report.findings[0].confidence == "likely"


def test_a_client_that_closes_with_an_error_of_quic_does_not_dislike_the_certificate() -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, ACK, close(0x0A)))
    assert made.report(keys=True).root_cause == "quic-connection-closed"


def test_who_speaks_quic_has_no_other_version_of_tls() -> None:
    made = Connection().hello()
    made.send("server", made.packet("server", INITIAL, ACK, close(0x100 + 40), pad=1200))
    found = {finding.code for finding in made.report().findings}
    assert found and "no-common-version" not in found


def test_a_server_that_refuses_the_certificate_behind_the_handshake_makes_it_fail() -> None:
    made = Connection().handshake(asks=True, certificates=(LEAF,))
    made.send("server", made.packet("server", SHORT, close(0x100 + 42)))
    report = made.report(keys=True)
    assert (report.outcome, report.outcome_basis, report.authentication) == ("failed", "decrypted", "mutual")
    assert made.report().outcome == "incomplete", "without keys a close looks like any packet"


@pytest.mark.parametrize("certificates", [(), (LEAF,)])
def test_a_refusal_that_is_encrypted_is_not_taken_for_going_on(certificates: tuple[bytes, ...]) -> None:
    made = Connection().handshake(asks=True, certificates=certificates)
    made.send("client", made.packet("client", SHORT, stream(bytes(30))))
    made.send("server", made.packet("server", SHORT, close(0x100 + 116)))
    made.send("client", made.packet("client", SHORT, stream(bytes(40))))
    made.send("server", made.packet("server", SHORT, close(0x100 + 116)))
    assert made.report().outcome == "incomplete"
    assert made.report(keys=True).outcome == "failed"


def test_what_the_server_had_sent_before_and_comes_late_is_not_taken_for_going_on() -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight(asks=True)))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight(certificates=(LEAF,))))
    made.send("server", made.packet("server", SHORT, stream(bytes(20), 3)))
    made.send("client", made.packet("client", SHORT, ACK))
    made.send("server", made.packet("server", SHORT, close(0x100 + 42)))
    assert made.report().outcome == "incomplete"
    assert made.report(keys=True).outcome == "failed"


@pytest.mark.parametrize("order", ["lost", "late"])
def test_both_sides_go_on_though_the_clients_flight_is_lost_or_comes_late(order: str) -> None:
    made = Connection().whole(asks=True, certificates=(LEAF,)).talk()
    names = ["client hello", "server", "client acknowledges", "client flight", "server confirms", "client data"]
    at, data = names.index("client flight"), names.index("client data")
    if order == "late":
        datagrams = made.exchange.datagrams
        datagrams[at], datagrams[data] = (
            replace(datagrams[i], time=datagrams[j].time) for i, j in ((data, at), (at, data))
        )
        report = made.report()
    else:
        [report] = without(made.exchange, at).analyze().handshakes
    assert (report.outcome, report.outcome_basis, report.authentication) == ("established", "inferred", "undetermined")


def test_what_came_before_packets_of_another_size_was_no_close() -> None:
    made = Connection().handshake(asks=True, certificates=(LEAF,))
    made.send("client", made.packet("client", SHORT, stream(bytes(30))))
    made.send("server", made.packet("server", SHORT, stream(bytes(1000))))
    made.send("client", made.packet("client", SHORT, ACK))
    made.send("server", made.packet("server", SHORT, stream(bytes(500))))
    made.send("server", made.packet("server", SHORT, stream(bytes(90))))
    assert made.report().outcome == "incomplete", "two, and what may be a close"
    made.send("server", made.packet("server", SHORT, stream(bytes(20))))
    report = made.report()
    assert (report.outcome, report.outcome_basis) == ("established", "inferred")


def test_a_server_that_acknowledges_the_clients_data_has_taken_its_certificate() -> None:
    made = Connection().handshake(asks=True, certificates=(LEAF,))
    made.send("client", made.packet("client", SHORT, stream(bytes(30))))
    made.send("server", made.packet("server", SHORT, ACK, close(0x106, application=True)))
    report = made.report(keys=True)
    assert (report.outcome, report.outcome_basis, report.authentication) == ("established", "decrypted", "mutual")
    made = Connection().handshake(asks=True, certificates=(LEAF,))
    made.send("server", made.packet("server", SHORT, close(0x106, application=True)))
    assert made.report(keys=True).outcome == "incomplete"


def test_an_acknowledgment_of_early_data_says_nothing_of_what_follows() -> None:
    made = Connection().hello(early_data=True, identity=bytes(40))
    made.keys["client", ZERO_RTT] = made.keys["client", SHORT]
    made.send("client", made.packet("client", ZERO_RTT, stream(b"early"), pad=100))
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight(asks=True)))
    made.send("server", made.packet("server", SHORT, ACK))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight((LEAF,))))
    assert made.report(keys=True).outcome == "incomplete"


def test_a_finished_that_is_repeated_and_never_answered_establishes_nothing() -> None:
    made = Connection().handshake()
    assert made.report(keys=True).outcome == "established"
    made.exchange.wait(SECOND)
    made.send("client", made.packet("client", HANDSHAKE, crypto(made.transcript[-36:])))
    assert made.report(keys=True).outcome == "incomplete"
    made.send("server", made.packet("server", SHORT, stream(bytes(30), 3)))
    assert made.report(keys=True).outcome == "established"


def test_a_close_behind_much_data_is_seen() -> None:
    made = Connection().whole().talk(100)
    made.send("server", made.packet("server", SHORT, close(0x100 + 49)))
    report = made.report(keys=True)
    assert [alert.description for alert in report.alerts] == ["access_denied"]
    assert report.outcome == "established"


def test_hellos_without_an_answer_fail_and_one_alone_does_not() -> None:
    made = Connection().hello()
    assert made.report().outcome == "incomplete"
    raw = made.transcript
    for wait in (1, 2, 4):
        made.exchange.wait(wait * SECOND)
        made.send("client", made.packet("client", INITIAL, crypto(raw), pad=1200))
    report = made.report()
    assert (report.outcome, report.root_cause) == ("failed", "connection-unanswered")


def test_hellos_that_the_capture_cuts_are_unanswered_as_well() -> None:
    made = Connection().hello()
    for wait in (1, 2, 4):
        made.exchange.wait(wait * SECOND)
        made.send("client", made.packet("client", INITIAL, crypto(made.transcript), pad=1200))
    cut = [replace(sent, captured=200) for sent in made.exchange.datagrams]
    [report] = replace(made.exchange, datagrams=cut).analyze().handshakes
    assert (report.outcome, report.root_cause) == ("failed", "connection-unanswered")


def test_a_version_that_the_server_does_not_speak_fails() -> None:
    made = Connection().hello()
    made.send("server", negotiation(made, 0x0A0A0A0A, DRAFT_29))
    report = made.report()
    assert (report.outcome, report.outcome_basis) == ("failed", "observed")
    assert any("0xff00001d" in evidence.says for evidence in report.evidence)
    assert report.root_cause == "no-common-quic-version"


@pytest.mark.parametrize("forged", [{"towards": b"elsewhere"}, {"versions": (V1,)}])
def test_a_version_negotiation_that_answers_nothing_is_none(forged: dict) -> None:
    made = Connection().hello()
    made.send("server", negotiation(made, *forged.get("versions", (V2,)), towards=forged.get("towards")))
    assert made.report().outcome == "incomplete"


def test_a_port_on_which_nobody_listens_is_a_refusal() -> None:
    made = Connection().hello()
    frame = made.exchange.frame(made.exchange.datagrams[0])
    quoted = struct.pack(">BBHHHBBH", 0x45, 0, 28 + 36, 1, 0, 64, 1, 0)
    quoted += ip_address("198.51.100.7").packed + ip_address("192.0.2.10").packed + bytes((3, 3, 0, 0, 0, 0, 0, 0))
    error = Frame(quoted + frame.data[:28], frame.time + 1000)
    [report] = api.analyze(capture([frame, error]), trust="none").handshakes
    assert (report.outcome, report.root_cause) == ("failed", "connection-refused")
    made.send("server", made.answer())
    frames_of = [made.exchange.frame(sent) for sent in made.exchange.datagrams]
    [report] = api.analyze(capture([frames_of[0], error, frames_of[1]]), trust="none").handshakes
    assert report.outcome == "incomplete", "anybody can send such an error; the server did answer"


# ---- What sizes tell ----------------------------------------------------------------------------------------


def test_both_sides_went_on_and_the_clients_flight_has_no_room_for_a_certificate() -> None:
    report = Connection().whole().report()
    assert (report.outcome, report.outcome_basis) == ("established", "inferred")
    assert (report.authentication, report.authentication_basis) == ("one-way", "inferred")


def flown(
    *beside: bytes,
    packets: int = 1,
    initial: bytes = ACK,
    certificates: tuple[bytes, ...] | None = None,
    asks: bool = False,
    size: int = 2,
) -> Connection:
    """A connection whose client sends its flight in one packet, with other frames `beside` it."""
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight(asks=asks)))
    for _ in range(packets - 1):
        made.send("server", made.packet("server", HANDSHAKE, PING))
    made.send("client", made.packet("client", INITIAL, initial, pad=1200, size=size))
    made.send("client", made.packet("client", HANDSHAKE, *beside, made.client_flight(certificates), size=size))
    return made


COUNTING = b"\3" + bytes(4) + bytes(3)
"""An ACK with counts of marks."""
DELAYED, COUNTING_DELAYED = b"\2\0\x80" + bytes(5), b"\3\0\x80" + bytes(8)
OF_RANGES = b"\2\4\x40\0\2" + bytes(5)


@pytest.mark.parametrize("beside", [(ACK,), (b"\2\0\x40\0\0\0",), (DELAYED, PING)])
def test_more_than_finished_and_an_acknowledgment_is_an_empty_certificate(beside: tuple[bytes, ...]) -> None:
    report = flown(*beside, asks=True, certificates=()).confirm().talk().report()
    assert (report.authentication, report.authentication_basis) == ("requested-not-provided", "inferred")
    assert report.client_certificate_requested is True and report.client_certificate_presented is False


@pytest.mark.parametrize("certificates", [None, ()])
@pytest.mark.parametrize(("alone", "wait"), [(ACK, 0), (b"\2\0\x40\0\0\0", 0), (ACK, SECOND), (OF_RANGES, 0), (b"", 0)])
def test_a_flight_behind_an_acknowledgment_of_its_own(
    certificates: tuple[bytes, ...] | None, alone: bytes, wait: int
) -> None:
    """With an empty Certificate it is as long as Finished with a long acknowledgment, which another may rule out."""
    made, asks = Connection(), certificates is not None
    made.packet = partial(made.packet, size=1)  # type: ignore[method-assign]
    made.hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight(asks=asks)))
    made.send("client", made.packet("client", INITIAL, ACK, pad=1200))
    if alone:
        made.send("client", made.packet("client", HANDSHAKE, alone))
    made.exchange.wait(wait)
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight(certificates)))
    is_sure = alone == ACK and not wait
    verdict = ("requested-not-provided" if is_sure else "undetermined") if asks else "one-way"
    assert made.confirm().talk().report().authentication == verdict


@pytest.mark.parametrize("code", [17513, 17613])
def test_a_client_that_may_send_settings_of_its_application_is_told_by_less_than_these(code: int) -> None:
    def flight(*before: bytes, asks: bool) -> HandshakeReport:
        made = Connection()
        made.packet = partial(made.packet, size=1)  # type: ignore[method-assign]
        made.hello((code, vector(2, b"")))
        made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight(asks=asks)))
        made.send("client", made.packet("client", INITIAL, ACK, pad=1200))
        made.send("client", made.packet("client", HANDSHAKE, ACK))
        messages = [made.note(one) for one in before]
        messages += [made.certificate()] if asks else []
        said = made.said("client", HANDSHAKE, *messages, made.finished("client"))
        return made.send("client", made.packet("client", HANDSHAKE, said)).confirm().talk().report()

    settings = message(8, vector(2, code.to_bytes(2) + vector(2, b"")))
    assert flight(asks=False).authentication == "one-way"
    assert flight(asks=True).authentication == "requested-not-provided"
    assert flight(settings, asks=False).authentication == "undetermined"
    assert flight(settings, asks=True).authentication == "undetermined"


def test_an_empty_certificate_is_told_though_the_server_refuses_it() -> None:
    made = flown(ACK, asks=True, certificates=())
    made.send("client", made.packet("client", SHORT, stream(bytes(30))))
    made.send("client", made.packet("client", SHORT, stream(bytes(40))))
    made.send("server", made.packet("server", SHORT, close(0x100 + 116)))
    report = made.report()
    assert (report.outcome, report.authentication) == ("incomplete", "requested-not-provided")


@pytest.mark.parametrize(
    ("beside", "packets", "initial"),
    [
        (DELAYED, 1, ACK),
        (COUNTING, 1, COUNTING),
        (COUNTING_DELAYED, 1, COUNTING),
        (OF_RANGES, 3, ACK),
        (COUNTING, 1, PING),  # whether it counts is not seen
    ],
)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_long_acknowledgment_is_no_certificate(beside: bytes, packets: int, initial: bytes, size: int) -> None:
    made = flown(beside, packets=packets, initial=initial, size=size).confirm().talk()
    assert made.report().authentication in ("one-way", "undetermined")
    made = flown(beside, packets=packets, initial=initial, size=size, asks=True, certificates=()).confirm().talk()
    assert made.report().authentication in ("requested-not-provided", "undetermined")


@pytest.mark.parametrize("size", [10, 24, 50, 150])
def test_what_a_client_says_that_refuses_the_server_is_no_certificate(size: int) -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    said = close(0x100 + 45, reason=b"x" * size)
    for _ in range(2):
        made.send("client", made.packet("client", HANDSHAKE, ACK, said), made.packet("client", SHORT, said))
        made.send("server", made.packet("server", HANDSHAKE, PING))
    report = made.report()
    assert (report.authentication, report.client_certificate_requested) == ("undetermined", None)


def test_part_of_a_certificate_is_told_where_nobody_pads() -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight(asks=True)))
    [flight] = [one for one in frames(made.client_flight((LEAF,))) if isinstance(one, Crypto)]
    cut = len(flight.data) - 160
    initial = made.packet("client", INITIAL, ACK)
    made.send("client", initial, made.packet("client", HANDSHAKE, ACK, crypto(flight.data[:cut]), pad=1150))
    made.send("client", made.packet("client", HANDSHAKE, crypto(flight.data[cut:], cut)))
    report = made.confirm().talk().report()
    assert (report.authentication, report.authentication_basis) == ("mutual", "inferred")


@pytest.mark.parametrize(
    ("rest", "verdict"), [(20, "mutual"), (8, "mutual"), (3, "undetermined"), (50, "undetermined")]
)
def test_the_end_of_a_long_flight_is_told_where_the_rest_may_be_padding(rest: int, verdict: str) -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight(asks=True)))
    [flight] = [one for one in frames(made.client_flight((LEAF,))) if isinstance(one, Crypto)]
    cut = len(flight.data) - rest
    initial = made.packet("client", INITIAL, ACK)
    made.send("client", initial, made.packet("client", HANDSHAKE, ACK, crypto(flight.data[:cut]), pad=1150))
    made.send("client", made.packet("client", HANDSHAKE, crypto(flight.data[cut:], cut)))
    assert made.confirm().talk().report().authentication == verdict


@pytest.mark.parametrize("beside", [(ACK,), (DELAYED, PING), (OF_RANGES, PING)])
def test_an_acknowledgment_behind_a_flight_that_may_be_padded_is_no_end_of_one(beside: tuple[bytes, ...]) -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    for _ in range(2):
        made.send("server", made.packet("server", HANDSHAKE, PING))
    initial = made.packet("client", INITIAL, ACK)
    made.send("client", initial, made.packet("client", HANDSHAKE, ACK, made.client_flight(), pad=1150))
    made.send("client", made.packet("client", HANDSHAKE, *beside))
    assert made.confirm().talk().report().authentication == "undetermined"


def test_a_client_that_refused_the_server_in_packets_that_keys_open_presented_nothing() -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight(asks=True)))
    made.send("client", made.packet("client", HANDSHAKE, ACK, close(0x100 + 45)))
    report = made.report(keys=True)
    assert (report.outcome, report.client_certificate_requested) == ("failed", True)
    assert report.client_certificate_presented is False


def test_a_large_flight_holds_a_certificate() -> None:
    report = Connection().whole(asks=True, certificates=(LEAF,)).report()
    assert (report.authentication, report.authentication_basis) == ("mutual", "inferred")


@pytest.mark.parametrize("pad", [1200, 1250])
def test_a_padded_flight_tells_nothing(pad: int) -> None:
    made = Connection().hello()
    made.send("server", made.answer(), made.packet("server", HANDSHAKE, made.server_flight()))
    made.send("client", made.packet("client", HANDSHAKE, made.client_flight(), pad=pad)).confirm().talk()
    report = made.report()
    assert (report.authentication, report.client_certificate_presented) == ("undetermined", None)


def test_without_the_clients_data_its_flight_may_not_be_complete() -> None:
    report = Connection().handshake().report()
    assert (report.outcome, report.authentication) == ("incomplete", "undetermined")


# ---- What is no QUIC ----------------------------------------------------------------------------------------


def test_what_does_not_open_is_no_handshake() -> None:
    made = Connection().hello()
    sent = made.exchange.datagrams[0]
    damaged = replace(sent, payload=sent.payload[:-1] + bytes([sent.payload[-1] ^ 1]))
    report = replace(made.exchange, datagrams=[damaged] * 4).analyze()
    assert report.handshakes == []


def test_a_hello_that_the_capture_cuts_is_a_handshake_all_the_same() -> None:
    made = Connection().whole()
    cut = replace(made.exchange, datagrams=[replace(sent, captured=60) for sent in made.exchange.datagrams])
    report = cut.analyze()
    [handshake] = report.handshakes
    assert (handshake.transport, handshake.version, handshake.outcome) == ("quic", None, "incomplete")
    assert "frames-cut" in {issue.code for issue in report.issues}


def test_streams_are_numbered_as_wireshark_does() -> None:
    made = Connection(exchange=Exchange(client=("192.0.2.10", 50001), server=("198.51.100.7", 443))).whole()
    other = [packet(("192.0.2.9", 53), ("192.0.2.8", 53), b"\x80" * 1300, time=1)]
    data = capture(other + [made.exchange.frame(sent) for sent in made.exchange.datagrams])
    [handshake] = api.analyze(data, trust="none").handshakes
    assert handshake.stream == 1


# ---- Bounds -------------------------------------------------------------------------------------------------


def test_bulk_data_is_counted_and_not_read() -> None:
    made = Connection().whole()
    bulk = made.packet("server", SHORT, stream(bytes(1100)))
    for _ in range(5000):
        made.exchange.send("server", bulk)
    report = made.report()
    facts = report.facts
    assert facts is not None and facts.quic is not None
    assert facts.application_data["server"] > 5000 and len(facts.quic.seen) < 200


def test_a_silent_connection_is_let_go_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Connection().whole()
    later = Exchange(client=("192.0.2.11", 50000), server=first.exchange.server, now=first.exchange.now + 70 * SECOND)
    exchanges = (first.exchange, Connection(exchange=later).whole().exchange)
    data = capture([exchange.frame(sent) for exchange in exchanges for sent in exchange.datagrams])
    let_go: list[int] = []
    silent = Associations.silent

    def noted(self: Associations, since: int) -> list[Association]:
        found = silent(self, since)
        let_go.extend(association.connection.stream for association in found)
        return found

    monkeypatch.setattr(Associations, "silent", noted)
    reports = api.analyze(data, trust="none", limits=Limits(batch_bytes=3000)).handshakes
    assert let_go == [0]
    assert [report.outcome for report in reports] == ["established", "established"]


def test_a_stream_with_a_gap_keeps_no_more_than_its_limit() -> None:
    made = CryptoStream(1000)
    for at in range(100):
        made.add(Crypto(10 + 50 * at, bytes(40)), at + 1)
    assert made.held <= 1000 and made.overflowed is not None


def test_a_message_that_is_too_long_is_not_kept() -> None:
    made = Connection(first_id=FIRST_ID)
    raw = b"\1" + (5 << 20).to_bytes(3)
    made.send("client", made.packet("client", INITIAL, crypto(raw + bytes(900)), pad=1200))
    report = made.analyze(limits=Limits())
    assert "message-bytes" in {issue.code for issue in report.issues}
    assert report.handshakes[0].outcome == "incomplete"


def junk(first_id: bytes = FIRST_ID) -> bytes:
    """The smallest Initial packet that might be one, and opens under no keys."""
    return b"\xc0" + V1.to_bytes(4) + vector(1, first_id) + b"\0\0\x40\x15" + bytes(21)


def codes(report: CaptureReport) -> set[str]:
    return {issue.code for issue in report.issues}


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The first destination ids of which keys of Initial packets were made."""
    ids: list[bytes] = []
    make = InitialKeys.__init__

    def note(self: InitialKeys, destination: bytes, version: Version) -> None:
        ids.append(destination)
        make(self, destination, version)

    monkeypatch.setattr(InitialKeys, "__init__", note)
    return ids


def test_of_a_datagram_of_very_many_packets_the_first_are_read(derived: list[bytes]) -> None:
    made = Connection().hello()
    made.send("client", junk() * 500)
    report = made.analyze()
    assert "handshake-records" in codes(report) and len(derived) < 20
    assert report.handshakes[0].server_name == "service.example.com"


@pytest.mark.parametrize("begun", [False, True])
def test_of_very_many_initial_packets_not_all_are_tried(derived: list[bytes], begun: bool) -> None:
    made = Connection().hello() if begun else Connection()
    for number in range(3000):
        made.send("client", junk(number.to_bytes(8)) + bytes(1200 if not number else 0))
    assert "handshake-records" in codes(made.analyze())
    assert len(derived) < 1010


def test_behind_very_many_initial_packets_a_connection_begins_all_the_same() -> None:
    made = Connection().hello()
    for _ in range(1100):
        made.send("client", junk())
    again = Connection(first_id=b"another1", exchange=made.exchange).hello()
    assert len(again.analyze().handshakes) == 2


def test_messages_without_end_are_not_read_to_the_end() -> None:
    made = Connection()
    hellos = message(0) * 250
    for number in range(20):
        made.send("client", made.packet("client", INITIAL, crypto(hellos, number * len(hellos)), pad=1200))
    report = made.analyze()
    assert "handshake-bytes" in codes(report)
    [facts] = [handshake.facts for handshake in report.handshakes]
    assert facts is not None and len(facts.sent) == 2000


def test_parts_behind_gaps_are_put_in_order() -> None:
    made, data = CryptoStream(100_000), message(1, bytes(range(200)))
    for at in [*range(len(data) - 1, 0, -3), *range(len(data) - 2, 0, -3), *range(len(data) - 3, 0, -3)]:
        made.add(Crypto(at, data[at : at + 1]), 1)
    assert made.add(Crypto(0, data[:1]), 2)
    assert [one.raw for one in made.messages(2, 1000)] == [data]
    assert made.lacks is None


# ---- Hostile bytes ------------------------------------------------------------------------------------------

WHOLE = Connection().whole(asks=True, certificates=(LEAF,))


def judged(datagrams: list[Sent], *, keys: bool) -> list[HandshakeReport]:
    made = replace(WHOLE.exchange, datagrams=datagrams)
    options: dict[str, object] = {}
    if keys:
        options["keylog"] = Secrets(WHOLE.secrets())
    return made.analyze(**options).handshakes


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(len(WHOLE.exchange.datagrams))), st.booleans())
def test_any_order_says_nothing_that_is_not_so(order: list[int], keys: bool) -> None:
    sent = [replace(WHOLE.exchange.datagrams[i], time=10**18 + at * 1000) for at, i in enumerate(order)]
    for report in judged(sent, keys=keys):
        assert report.authentication in ("mutual", "undetermined")
        assert report.outcome in ("established", "incomplete")
        assert all(proof.status != "fail" for proof in report.proofs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(WHOLE.exchange.datagrams) - 1), max_size=30), st.booleans())
def test_any_selection_and_repetition_says_nothing_that_is_not_so(chosen: list[int], keys: bool) -> None:
    sent = [replace(WHOLE.exchange.datagrams[i], time=10**18 + at * 1000) for at, i in enumerate(sorted(chosen))]
    for report in judged(sent, keys=keys):
        assert report.authentication in ("mutual", "undetermined")
        assert report.outcome in ("established", "incomplete")
        assert all(proof.status != "fail" for proof in report.proofs)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_changed_bytes_say_nothing_that_is_not_so(data: st.DataObject) -> None:
    sent = list(WHOLE.exchange.datagrams)
    for _ in range(data.draw(st.integers(1, 4))):
        which = data.draw(st.integers(0, len(sent) - 1))
        payload = bytearray(sent[which].payload)
        for _ in range(data.draw(st.integers(1, 5))):
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
        sent[which] = replace(sent[which], payload=bytes(payload))
    for report in judged(sent, keys=True):
        assert report.authentication in ("mutual", "undetermined")
        assert all(proof.status != "fail" for proof in report.proofs)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(WHOLE.exchange.datagrams)), st.integers(0, 1500), st.booleans())
def test_any_cut_says_nothing_that_is_not_so(count: int, captured: int, keys: bool) -> None:
    sent = list(WHOLE.exchange.datagrams[:count])
    if sent:
        sent[-1] = replace(sent[-1], captured=min(captured, len(sent[-1].payload)))
    for report in judged(sent, keys=keys):
        assert report.authentication in ("mutual", "undetermined")
        assert report.outcome in ("established", "incomplete")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200)), st.lists(st.integers(0, 1)))
def test_any_frames_are_read_without_an_error(payloads: list[bytes], sides: list[int]) -> None:
    made = Connection(first_id=FIRST_ID)
    session = QuicSession(Limits())
    for at, (payload, side) in enumerate(zip(payloads, [0, *sides], strict=False)):
        data = made.packet(("client", "server")[side], INITIAL, payload, pad=1200)
        session.process(datagram(data, side, at + 1))
    session.settle()
    assert session.held <= sum(map(len, payloads)) + 4096 * (len(payloads) + 1)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60)), max_size=40))
def test_parts_in_any_order_are_the_stream(parts: list[tuple[int, int]]) -> None:
    whole = b"".join(message(1, bytes([i]) * i) for i in range(30))
    made, found = CryptoStream(1 << 16), b""
    for at, (begin, size) in enumerate([*parts, (0, len(whole))]):
        made.add(Crypto(begin, whole[begin : begin + size]), at + 1)
        found += b"".join(one.raw for one in made.messages(at + 1, 1 << 16))
    assert found == whole and made.lacks is None


def test_a_message_of_a_reserved_type_is_drawn_all_the_same() -> None:
    made = Connection().hello()
    made.send("server", made.packet("server", INITIAL, ACK, crypto(message(6, bytes(40)))))
    assert "hello_retry_request" in names(made.report())[1]
    assert made.report().diagram().steps


# ---- Captures of aioquic ------------------------------------------------------------------------------------

CAPTURES = Path(__file__).parents[1] / "captures"
RECORDED = ("one-way-quic", "mutual-quic", "server-certificate-refused-quic")


def recorded(name: str, data: bytes | None = None, log: bytes | None = None) -> HandshakeReport:
    """The only handshake of a capture, perhaps with changed bytes, with the secrets of a log."""
    keys = KeyLog()
    keys.read((log if log is not None else (CAPTURES / "keys" / f"{name}.keys").read_bytes()).splitlines())
    data = data if data is not None else (CAPTURES / f"{name}.pcap").read_bytes()
    [report] = api.analyze(data, trust="none", keylog=Secrets(keys)).handshakes
    return report


def said(report: HandshakeReport) -> set[tuple[str, bytes]]:
    assert report.facts is not None
    return {(sent.sender, sent.raw) for sent in report.facts.sent if sent.message is not None}


@pytest.mark.parametrize("name", RECORDED)
def test_a_byte_changed_in_any_packet_makes_nothing_up(name: str) -> None:
    data, whole = (CAPTURES / f"{name}.pcap").read_bytes(), said(recorded(name))
    headers = 24 + 16 + 14 + 20 + 8
    for at in range(headers + 1200, len(data), 97):  # the first datagram makes the connection
        changed = data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :]
        try:
            report = recorded(name, changed)
        except ValueError:  # it is not the only one any more: a header of the capture was hit
            continue
        assert said(report) <= whole
        assert all(proof.status != "fail" for proof in report.proofs)


@pytest.mark.parametrize("keys", [False, True])
@pytest.mark.parametrize("name", RECORDED)
def test_a_capture_that_lacks_any_datagrams_contradicts_nothing(name: str, keys: bool) -> None:
    whole, data = recorded(name), (CAPTURES / f"{name}.pcap").read_bytes()
    position, records, options = 24, list[bytes](), dict[str, Any]()
    while position < len(data):
        end = position + 16 + int.from_bytes(data[position + 8 : position + 12], "little")
        records.append(data[position:end])
        position = end
    if keys:
        options["keylog"] = str(CAPTURES / "keys" / f"{name}.keys")
    for lacking in range(1 << len(records)):
        kept = [record for at, record in enumerate(records) if not lacking >> at & 1]
        for report in api.analyze(data[:24] + b"".join(kept), trust="none", **options).handshakes:
            assert report.authentication in (whole.authentication, "undetermined")
            assert report.outcome in (whole.outcome, "incomplete")
            assert report.client_certificate_presented in (whole.client_certificate_presented, None)
            assert all(proof.status != "fail" for proof in report.proofs)


@pytest.mark.parametrize("name", RECORDED)
def test_secrets_that_are_wrong_by_a_bit_open_nothing(name: str) -> None:
    log = (CAPTURES / "keys" / f"{name}.keys").read_bytes().splitlines()
    wrong = b"\n".join(line[:-1] + (b"0" if line[-1:] != b"0" else b"1") for line in log)
    report = recorded(name, log=wrong)
    assert {sent.protection for sent in report.messages} == {"cleartext", "encrypted"}
    assert report.facts is not None and report.facts.decryption is not None
    assert report.facts.decryption.opened == 0 and "do not fit" in report.facts.decryption.says


@pytest.mark.parametrize("name", RECORDED)
def test_tshark_reads_the_same_messages(name: str) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    command = ["tshark", "-r", str(CAPTURES / f"{name}.pcap"), "-o", f"tls.keylog_file:{CAPTURES}/keys/{name}.keys"]
    command += ["-Y", "quic", "-T", "fields", "-e", "tls.handshake.type"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = sorted(int(kind) for kind in done.stdout.replace(",", " ").split())
    assert theirs == sorted(raw[0] for _, raw in said(recorded(name)))
