"""Two handshakes side by side: the first difference that matters, and none where there is none."""

import json
from pathlib import Path

import pytest
from forged_cases import (
    TLS12_ANSWER,
    TLS12_ASKING,
    TLS12_DECLINED,
    TLS12_END,
    TLS12_FLIGHT,
    TLS12_MUTUAL,
    certificate,
    chain,
    client_hello,
    forged,
)

from analyzer.cli import main
from analyzer.diagnosis.comparison import TOPICS, Comparison, compare
from analyzer.diagnosis.engine import diagnose
from analyzer.report import comparison as writers
from analyzer.results import HandshakeReport

CAPTURES = Path(__file__).parents[1] / "captures"
MUTUAL = f"{TLS12_ASKING} {TLS12_MUTUAL} {TLS12_END}"
EXPIRED = certificate("alice", not_after="2026-02-01T00:00:00.000000Z")
WRONG = chain(("validity-period", EXPIRED, "in time", "expired on 2026-02-01T00:00:00Z"))


def between(good: HandshakeReport, bad: HandshakeReport) -> Comparison:
    diagnose([good, bad], assumed_trust=False)
    return compare(good, bad)


def first(good: HandshakeReport, bad: HandshakeReport) -> tuple[str, str] | None:
    found = between(good, bad).first
    return (found.topic, found.label) if found else None


def test_a_handshake_does_not_differ_from_itself() -> None:
    for report in (forged(MUTUAL), forged("S>fin"), forged("S>server_hello")):
        assert between(report, report).differences == ()


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (forged(f"{TLS12_ASKING} {TLS12_MUTUAL} S>alert:certificate_expired S>fin", client=[EXPIRED],
                client_chain=WRONG),
         ("client certificate", "valid until")),
        (forged(f"{TLS12_ASKING} {TLS12_DECLINED} S>alert:handshake_failure S>fin", authorities=["Other CA"]),
         ("certificate request", "accepted authorities")),
        (forged(f"{TLS12_ASKING} {TLS12_DECLINED} S>alert:handshake_failure S>fin"),
         ("client certificate", "presented")),
        (forged("S>alert:handshake_failure S>fin", hello=client_hello(suites=[0xC02C])),
         ("client hello", "cipher suites that only one has")),
        (forged("S>alert:unrecognized_name S>fin", hello=client_hello(extra=[(0, b"\0\6\0\0\3abc")])),
         ("client hello", "server name")),
        (forged(f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END}"), ("certificate request", "asked")),
        (forged(MUTUAL, server_ip="198.51.100.9"), ("connection", "server")),
    ],
)  # fmt: skip
def test_first_difference_that_matters(bad: HandshakeReport, expected: tuple[str, str]) -> None:
    assert first(forged(MUTUAL), bad) == expected


def test_the_first_difference_says_of_what_it_is() -> None:
    made = between(forged(MUTUAL), forged(f"{TLS12_ASKING} {TLS12_DECLINED} S>alert:handshake_failure S>fin"))
    assert "matters\n  * client certificate: presented\n      good  yes\n      bad   no\n" in writers.text(made)
    assert "matters:</b> client certificate: presented</p>" in writers.html(made)


def test_what_differs_anyway_is_left_out() -> None:
    assert between(forged(MUTUAL), forged(MUTUAL, stream=9, frame=400)).differences == ()


def test_order_is_told_and_does_not_matter() -> None:
    turned = client_hello(suites=[0xC030, 0xC02F])
    (found,) = between(
        forged(MUTUAL, hello=client_hello(suites=[0xC02F, 0xC030])), forged(MUTUAL, hello=turned)
    ).differences
    assert (found.label, found.matters) == ("order of cipher suites", False)


def test_a_slow_step_is_told() -> None:
    slow = forged(f"{TLS12_ASKING} wait:2 {TLS12_MUTUAL} {TLS12_END}")
    labels = [one.label for one in between(forged(MUTUAL), slow).differences]
    assert labels == ["wait for the client's certificate", "whole handshake"]


def test_writers_tell_the_same_and_escape_what_a_peer_says() -> None:
    hostile = certificate("<script>\x1b[31m", "CN=<b>")
    made = between(forged(MUTUAL), forged(MUTUAL, client=[hostile]))
    shown = json.loads(writers.to_json(made))
    assert [one["label"] for one in shown["differences"]] == [one.label for one in made.differences]
    assert [one["topic"] for one in shown["differences"]] == sorted(
        (one.topic for one in made.differences), key=TOPICS.index
    )
    assert "<script>" not in writers.html(made)
    assert "\x1b" not in writers.html(made) + writers.text(made)
    assert shown["first"]["label"] == "issuer"


# The command


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(
        ["compare", *arguments, "--trust", str(CAPTURES / "ca.pem"), "--client-trust", str(CAPTURES / "ca.pem")]
    )
    return status, capsys.readouterr().out


def test_two_streams_of_one_capture(capsys: pytest.CaptureFixture[str]) -> None:
    capture = str(CAPTURES / "two-servers.pcap")
    status, out = run(capsys, capture, capture, "--format", "json")
    shown = json.loads(out)
    assert status == 0
    assert (shown["good"]["stream"], shown["bad"]["stream"]) == (0, 1)
    assert (shown["first"]["label"], shown["first"]["bad"]) == (
        "accepted authorities",
        "CN=Other Root CA,O=Example Lab",
    )
    assert json.loads(run(capsys, capture, capture, "--stream", "1", "--format", "json")[1])["differences"] == []


def test_page_and_complaints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    captures = [str(CAPTURES / name) for name in ("mutual-tls12.pcap", "client-certificate-expired-tls12.pcap")]
    page = tmp_path / "difference.html"
    assert run(capsys, *captures, "-o", str(page))[0] == 0
    assert page.read_text().startswith("<!doctype html>")
    assert run(capsys, *captures, "--stream", "7")[0] == 2
    assert run(capsys, *captures, "-o", "difference.doc")[0] == 2
    assert run(capsys, *captures, *["--stream", "0"] * 3)[0] == 2
    assert run(capsys, captures[0], "missing.pcap")[0] == 3
