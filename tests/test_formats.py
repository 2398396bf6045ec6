"""Every format tells the same report, in its own syntax, and none lets hostile text through."""

import csv
import io
import json
import re
import shlex
from datetime import datetime

import pytest
from forged_reports import LEAF, START, capture, failed_handshake, handshake
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from analyzer.plugins import Registry
from analyzer.report import formats, serialize, words
from analyzer.report.formats import csv as csv_format
from analyzer.report.formats import zeek
from analyzer.results import (
    AlertReport,
    CaptureReport,
    Endpoint,
    Evidence,
    Finding,
    FindingEvidence,
    HandshakeReference,
)

CONTRACT_KEYS = (
    "schema_version capture transport stream handshake display_filter first_frame last_frame start duration "
    "client server preamble server_name version cipher_suite group alpn hello_retry_request early_data "
    "resumption resumes outcome outcome_basis authentication authentication_basis evidence "
    "client_certificate_requested client_certificate_presented proofs messages alerts closed_by certificates "
    "chain ja3 ja3s ja4 history findings root_cause application"
)


def written(name, *reports, **options):
    out = io.StringIO()
    formats.load(name).write(iter(reports), out, **options)
    return out.getvalue()


# The registry


def test_suffixes_choose_one_format_each():
    suffixes = [suffix for name in formats.REGISTRY.names() for suffix in formats.load(name).SUFFIXES]
    assert len(suffixes) == len(set(suffixes))
    assert formats.of_file("a/b.JSONL") == "jsonl"
    assert formats.of_file("a/b") is None


def test_registry_reads_names_and_docstrings_without_importing(tmp_path, monkeypatch):
    package = tmp_path / "somewhere"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "http_connect.py").write_text('"""What it is.\n\nMore."""\n\nraise SystemExit\n')
    (package / "_shared.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("somewhere")
    assert registry.names() == ["http-connect"]
    assert registry.documentation("http-connect") == "What it is.\n\nMore."
    with pytest.raises(KeyError):
        registry.load("_shared")


@pytest.mark.parametrize("name", formats.REGISTRY.names())
def test_documented_and_at_ease_with_nothing(name):
    assert formats.REGISTRY.documentation(name)
    written(name)
    written(name, CaptureReport("empty.pcap"))


# JSON


def test_json_object_has_the_contract_keys_in_order():
    made = serialize.handshake(handshake())
    assert " ".join(made) == CONTRACT_KEYS
    assert json.loads(json.dumps(made)) == made


def test_json_values_have_the_contract_form():
    made = serialize.handshake(failed_handshake(duration=0.1 + 0.2, resumes=HandshakeReference(1, 0)))
    assert made["start"] == "2026-11-23T14:25:01.123456Z"
    assert made["duration"] == 0.3
    assert made["client"] == {"ip": "192.0.2.10", "port": 52344}
    assert made["resumes"] == {"stream": 1, "handshake": 0}
    assert made["alerts"] == [{"frame": 9, "sender": "server", "level": "fatal", "description": "handshake_failure"}]
    assert made["certificates"]["server"][0]["san"] == ["DNS:mydomain.example"]
    assert made["chain"]["server"]["checks"][0]["check"] == "name-match" and made["chain"]["client"] is None
    assert made["findings"][1]["evidence"] == [{"frame": 9, "display_filter": "frame.number == 9"}]


@given(st.integers(-(2**63), 2**63 - 1))
def test_timestamps_lose_nothing(nanoseconds):
    text = serialize.timestamp(nanoseconds)
    seconds, digits = text.removesuffix("Z").split(".")
    moment = datetime.fromisoformat(seconds + "+00:00")
    assert (moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")).total_seconds() == nanoseconds // 10**9
    assert int(digits.ljust(9, "0")) == nanoseconds % 10**9
    assert len(digits) in (6, 9)


def test_jsonl_is_one_handshake_a_line():
    lines = written("jsonl", capture(handshake(), failed_handshake()), capture(), capture(handshake())).splitlines()
    assert [json.loads(line)["stream"] for line in lines] == [3, 4, 3]


def test_json_of_one_capture_and_of_several():
    report = capture(handshake(), failed_handshake(), error="cut short")
    one = json.loads(written("json", report))
    assert list(one) == ["schema_version", "capture", "handshakes", "issues"]
    assert one["capture"] == {
        "name": "a.pcap", "format": "pcap", "frames": 2140, "bytes": 300_000, "connections": 50, "conversations": 3,
        "start": "2026-11-23T14:25:01.123456Z", "end": "2026-11-23T14:25:11.123456Z", "error": "cut short",
    }  # fmt: skip
    assert one["handshakes"] == [serialize.handshake(each) for each in report.handshakes]
    assert one["issues"] == [{"code": "gap", "message": "a segment is missing", "count": 3, "frame": 12}]
    del one["schema_version"]
    assert json.loads(written("json", report, report, report))["captures"] == [one] * 3
    assert json.loads(written("json"))["captures"] == []


# Tables of values


def test_csv_has_a_value_for_each_column():
    rows = list(csv.DictReader(io.StringIO(written("csv", capture(handshake(), failed_handshake())))))
    assert list(rows[0]) == list(csv_format.COLUMNS) and None not in rows[0]
    assert rows[0]["server_ip"] == "2001:db8::7" and rows[0]["server_port"] == "8443"
    assert rows[0]["client_certificate_sha256"] == LEAF.sha256 and rows[1]["client_certificate_sha256"] == ""
    assert rows[0]["hello_retry_request"] == "false" and rows[0]["server_chain"] == "pass"
    assert rows[1]["alerts"] == "server:handshake_failure" and rows[1]["closed_how"] == "fin"
    assert rows[1]["findings"] == "certificate-expires-soon client-certificate-missing"


def zeek_rows(*handshakes):
    lines = written("zeek", capture(*handshakes)).splitlines()
    assert lines[0] == r"#separator \x09"
    names = next(line.split("\t")[1:] for line in lines if line.startswith("#fields"))
    types = next(line.split("\t")[1:] for line in lines if line.startswith("#types"))
    assert len(names) == len(types)
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines if not line.startswith("#")]


def test_zeek_speaks_zeeks_words():
    mutual, failed = zeek_rows(handshake(), failed_handshake())
    assert mutual["ts"] == "1795443901.123456" and mutual["version"] == "TLSv12" and mutual["curve"] == "x25519"
    assert mutual["established"] == "T" and mutual["sni_matches_cert"] == "T" and mutual["last_alert"] == "-"
    assert mutual["cert_chain_fps"] == mutual["client_cert_chain_fps"] == LEAF.sha256
    assert failed["established"] == "F" and failed["last_alert"] == "handshake_failure"
    assert failed["client_cert_chain_fps"] == "(empty)"


def test_zeek_unknown_and_unset():
    nothing = handshake(
        version=None, cipher_suite="0x1234", group=None, server_name="-", alpn="", history=None,
        certificates={"server": [], "client": []}, chain={"server": None, "client": None},
    )  # fmt: skip
    (row,) = zeek_rows(nothing)
    assert row["version"] == row["curve"] == row["ssl_history"] == row["cert_chain_fps"] == "-"
    assert row["cipher"] == "unknown-4660" and row["server_name"] == r"\x2d" and row["next_protocol"] == "(empty)"


def test_zeek_uid_names_the_connection():
    first, renegotiated, other = (
        row["uid"] for row in zeek_rows(handshake(), handshake(handshake=1), handshake(stream=9))
    )
    assert first == renegotiated != other
    assert re.fullmatch("C[0-9A-Za-z]{10,18}", first) and re.fullmatch("C[0-9A-Za-z]{10,18}", other)


def test_zeek_escapes_what_separates():
    (row,) = zeek_rows(handshake(server_name="a\tb\\\n\u202e"))
    assert row["server_name"] == r"a\x09b\\\x0a\xe2\x80\xae"


def test_zeek_columns_are_those_of_zeek():
    baseline = (
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p version cipher curve server_name resumed last_alert "
        "next_protocol established ssl_history cert_chain_fps client_cert_chain_fps sni_matches_cert"
    )
    assert " ".join(zeek.COLUMNS) == baseline


# For people


def test_table_tells_verdict_place_reason_and_sum():
    text = written("table", capture(handshake(), failed_handshake()))
    assert "192.0.2.10:52344 → [2001:db8::7]:8443  mydomain.example" in text
    assert "tcp.stream eq 3" in text and "The client sent a certificate (frame 8)." in text
    assert text.index("client-certificate-missing") < text.index("certificate-expires-soon")
    assert "server sent fatal handshake_failure (frame 9), server closed with FIN (frame 12)" in text
    assert "note: a segment is missing (3 times, first in frame 12)" in text
    assert text.endswith("2 handshakes: 1 mutual, 1 requested-not-provided; 1 established, 1 failed\n")


def test_basis_is_said_unless_plainly_observed():
    inferred = handshake(authentication_basis="inferred", outcome_basis="inferred")
    assert "mutual (inferred)  established  " in written("table", capture(inferred))
    assert "mutual (inferred)  established (observed)  " in written(
        "table", capture(handshake(authentication_basis="inferred")), width=140
    )
    assert "2 handshakes: 2 mutual (1 inferred); 2 established" in written("table", capture(inferred, handshake()))


@pytest.mark.parametrize("width", [40, 80, 100, 140])
@given(
    name=st.text("ab.\u65e5\u672c\u0301\x1b\u202e", max_size=300),
    says=st.text("abcde fgh \u65e5\u672c\u0301", max_size=300),
    ip=st.ip_addresses().map(str),
)
def test_table_fits_its_width(width, name, says, ip):
    hard = failed_handshake(
        server_name=name, client=Endpoint(ip, 65535), evidence=[Evidence(1, None, None, says)],
        authentication_basis="inferred", outcome_basis="observed",
    )  # fmt: skip
    text = written("table", capture(handshake(), hard, capture=name), width=width)
    assert all(cell_len(line) <= width for line in text.split("\n"))
    assert "".join(says.split()) in "".join(text.split())


ADVISED = (
    "Client's owner: give it one. To confirm: "
    "`openssl s_client -connect [2001:db8::7]:8443 -cert client.pem </dev/null`, "
    "and `tcp.stream eq 4 && tcp.analysis.flags` in Wireshark; the first prints `Acceptable CA names`."
)


def advised(remedy):
    shown = ["frame.number == 9", "tcp.stream eq 4 && tls.handshake.type == 11 && tls.handshake.certificates_length"]
    evidence = [FindingEvidence(9, shown[0]), FindingEvidence(8, shown[1]), FindingEvidence(10, shown[1])]
    return failed_handshake(
        findings=[Finding("x", "error", "certain", "hello", "It failed.", remedy, evidence)], root_cause="x"
    )


@pytest.mark.parametrize("width", [None, 40, 80, 140])
def test_table_sets_what_is_copied_alone_on_a_line_at_any_width(width):
    text = written("table", capture(advised(ADVISED)), width=width)
    assert written("table", capture(advised(ADVISED)), width=width, color=True).count("\n") == text.count("\n")
    lines = [line.strip() for line in text.splitlines()]
    begin = lines.index("To confirm:")
    assert lines[begin + 1] == "openssl s_client -connect [2001:db8::7]:8443 -cert client.pem </dev/null"
    assert lines[begin + 2 : begin + 4] == ["and", "tcp.stream eq 4 && tcp.analysis.flags"]
    assert " ".join(lines[begin + 4 :]).startswith(
        "in Wireshark; the first prints `Acceptable CA names`. See frames 8, 10: frame.number == 9 "
    )
    assert "tcp.stream eq 4 && tls.handshake.type == 11 && tls.handshake.certificates_length" in lines


def test_no_name_with_backquotes_becomes_a_command():
    name = "a` `touch owned` `b"
    remedy = f"Client's owner: ask {name}. To confirm: `openssl s_client -servername {shlex.quote(name)} </dev/null`."
    assert words.advice(remedy) == [(remedy, False)]
    remedy = f"Client's owner: ask {name}. To confirm: `nc -vz 192.0.2.1 443`."
    assert [text for text, copied in words.advice(remedy) if copied] == ["nc -vz 192.0.2.1 443"]


def test_table_colors_only_when_asked():
    report = capture(handshake(server_name="\x1b[31mred"), failed_handshake())
    assert "\x1b" not in written("table", report)
    colored = written("table", report, color=True)
    assert "\x1b[32mmutual\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == written("table", report)


def test_table_in_ascii():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    formats.load("table").write([capture(handshake())], out)
    out.flush()
    assert b"192.0.2.10:52344 -> [2001:db8::7]:8443" in raw.getvalue()


def test_markdown_is_a_table_and_notes():
    text = written("markdown", capture(handshake(server_name="a|b`c"), failed_handshake()))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9} and len(rows) == 4
    assert "**error, root cause** `client-certificate-missing`" in text


# Hostile text

HOSTILE = "\x1b]0;x\x07<script>\u202e\r\n\t=`|\x9b"


@pytest.mark.parametrize("name", formats.REGISTRY.names())
def test_no_format_passes_control_characters_on(name):
    hostile = failed_handshake(
        capture=HOSTILE, server_name=HOSTILE, alpn=HOSTILE, cipher_suite=HOSTILE, history=HOSTILE,
        evidence=[Evidence(1, "client", None, HOSTILE)], alerts=[AlertReport(1, "client", "fatal", HOSTILE)],
    )  # fmt: skip
    report = capture(hostile, capture=HOSTILE, error=HOSTILE)
    report.issues[0].message = HOSTILE
    text = written(name, report)
    allowed = "\n\t" if name == "zeek" else "\n"
    assert all(character.isprintable() or character in allowed for character in text)
    if name != "table":
        assert text.count("\n") == written(name, capture(failed_handshake(), error="x")).count("\n")


def test_start_is_what_the_tests_believe():
    assert serialize.timestamp(START) == "2026-11-23T14:25:01.123456Z"
