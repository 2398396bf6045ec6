"""Which certificates does a side present, however and whenever it sends them?"""

import base64
import json
from pathlib import Path

import pki_builder as made
import pytest
from forged_cases import (
    TLS12_ANSWER,
    TLS12_ASKING,
    TLS12_DECLINED,
    TLS12_END,
    TLS12_FLIGHT,
    forged,
)
from forged_reports import handshake
from test_pki_matrix import STRANGER

from analyzer.chains import Chains, Trust, presented
from analyzer.results import AlertReport
from analyzer.tls import messages
from analyzer.tls.authentication import judge
from analyzer.tls.extensions import Extension
from analyzer.tls.handshake import Handshake, Sent

LOG = made.key("ec log")
SERVER_CERTIFICATE_TYPE, RAW_PUBLIC_KEY = 20, 2


def sent(sender, message, frame: int) -> Sent:
    return Sent(sender, message.name, frame, 0, 0, "decrypted", message)


def certificate(*encoded: bytes, context: bytes = b"") -> messages.Certificate:
    return messages.Certificate(tuple(map(messages.CertificateEntry, encoded)), context)


def facts(*things: Sent) -> Handshake:
    return Handshake(0, 0, 1, 0, sent=list(things))


def test_a_client_that_had_none_may_show_one_behind_the_handshake() -> None:
    late = facts(sent("client", certificate(), 7), sent("client", certificate(b"leaf", b"issuer", context=b"1"), 9))
    found = presented(late, "client")
    assert found is not None
    assert (found.frame, found.chain) == (9, (b"leaf", b"issuer"))
    assert presented(late, "server") is None


def test_a_raw_public_key_of_tls13_is_no_chain() -> None:
    agreed = messages.EncryptedExtensions((Extension(SERVER_CERTIFICATE_TYPE, bytes((RAW_PUBLIC_KEY,))),))
    bare = facts(sent("server", agreed, 5), sent("server", certificate(b"key"), 5))
    assert (found := presented(bare, "server")) is not None and found.raw_public_key
    assert (found := presented(facts(bare.sent[1]), "server")) is not None and not found.raw_public_key


def test_the_verdict_sees_what_a_client_shows_behind_the_handshake() -> None:
    verdict = judge(facts(sent("client", certificate(), 7), sent("client", certificate(b"leaf"), 9)), None)
    assert (verdict.authentication, verdict.basis, verdict.presented) == ("mutual", "decrypted", True)
    declined = judge(facts(sent("client", certificate(), 7)), None)
    assert (declined.authentication, declined.presented) == ("requested-not-provided", False)


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>data:100", "undetermined"),
        (f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>fin", "undetermined"),
        (f"{TLS12_ASKING} {TLS12_DECLINED} S>alert:handshake_failure S>fin", "undetermined"),
        (f"{TLS12_FLIGHT} {TLS12_ANSWER}", "undetermined"),  # the capture ends
        (f"{TLS12_FLIGHT} {TLS12_ANSWER} C>alert:unknown_ca C>fin", "fail"),
        (f"{TLS12_FLIGHT} C>alert:unknown_ca C>fin", "fail"),
        (f"{TLS12_FLIGHT} C>alert:bad_certificate C>fin", "fail"),
        (f"{TLS12_FLIGHT} C>rst", "fail"),
        (f"{TLS12_FLIGHT} S>fin", "fail"),
        (TLS12_FLIGHT, "fail"),
    ],
)
def test_what_nobody_trusts_by_name_is_open_where_the_client_went_on(steps: str, status: str, tmp_path: Path) -> None:
    (named := tmp_path / "others.der").write_bytes(STRANGER.der())
    report = forged(steps, start=made.NOW)
    facts = report.facts
    assert facts is not None
    shown = next(one for one in facts.sent if one.name == "certificate" and one.sender == "server")
    shown.message = certificate(made.SERVER.der(), made.INTERMEDIATE.der())
    report.alerts = [AlertReport(one.frame, one.sender, "fatal", None) for one in facts.alerts]
    for trust, expected in (("mozilla", status), (named, "fail")):
        Chains(Trust(trust)).judge(report)
        judged = report.chain["server"]
        assert judged is not None
        assert [one.status for one in judged.checks if one.check == "issuer-known"] == [expected]


def test_a_list_of_logs_lets_timestamps_be_checked(tmp_path: Path) -> None:
    log = {"description": "Test Log", "key": base64.b64encode(made.spki(LOG)).decode()}
    known, unknown = tmp_path / "log_list.json", tmp_path / "other.json"
    known.write_text(json.dumps({"operators": [{"logs": [log]}]}))
    unknown.write_text(json.dumps({"operators": []}))
    leaf = made.with_timestamps(LOG, made.SERVER)
    chain = certificate(leaf.der(), made.INTERMEDIATE.der())
    for lists, status in (
        ([known], "pass"),
        ([unknown, known], "pass"),
        ([unknown], "undetermined"),
        ([], "undetermined"),
    ):
        report = handshake(start=made.NOW, facts=facts(sent("server", chain, 5)))
        Chains(Trust(trust="none", ct_logs=lists)).judge(report)
        judged = report.chain["server"]
        assert judged is not None
        [check] = [check for check in judged.checks if check.check == "sct"]
        assert check.status == status
