"""A policy is kept or broken, or the capture does not show it; machines can read which."""

import json
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from forged_cases import (
    ALICE,
    RSA,
    TLS11,
    TLS12_ANSWER,
    TLS12_ASKING,
    TLS12_DECLINED,
    TLS12_END,
    TLS12_FLIGHT,
    TLS12_MUTUAL,
    TLS13,
    TLS13_ASKING,
    TLS13_MUTUAL,
    certificate,
    forged,
)

from analyzer.cli import main, mtlscope
from analyzer.diagnosis.policy import REQUIREMENTS, STARTER, Policy, read
from analyzer.errors import UsageError
from analyzer.report import verdicts

CAPTURES = Path(__file__).parents[1] / "captures"
ONE_WAY = f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END}"
MUTUAL = f"{TLS12_ASKING} {TLS12_MUTUAL} {TLS12_END}"
HIDDEN = f"{TLS13_ASKING} {TLS13_MUTUAL} S>data:1098 C>data:100 S>data:500"


def policy(text: str) -> Policy:
    return read(tomllib.loads(f'[[rule]]\nname = "r"\n{text}'))


KEPT, BROKEN, UNTOLD = "kept", "broken", "undetermined"


@pytest.mark.parametrize(
    ("text", "report", "status"),
    [
        ('authentication = "mutual"', forged(MUTUAL), KEPT),
        ('authentication = ["mutual"]', forged(ONE_WAY), BROKEN),
        ('authentication = ["mutual"]', forged(HIDDEN, version=TLS13), KEPT),
        ('authentication = ["mutual"]', forged("S>server_hello"), UNTOLD),
        ('minimum_version = "TLSv1.2"', forged(ONE_WAY), KEPT),
        ('minimum_version = "TLSv1.2"', forged(ONE_WAY, version=TLS11), BROKEN),
        ('minimum_version = "TLSv1.3"', forged("S>fin"), UNTOLD),
        ('minimum_version = "TLSv1.3"', forged(ONE_WAY, transport="udp"), BROKEN),
        ('forbidden_suites = ["TLS_RSA_*"]', forged(ONE_WAY, suite=RSA), BROKEN),
        ('forbidden_suites = ["TLS_RSA_*"]', forged(ONE_WAY), KEPT),
        ("established = true", forged("S>fin"), BROKEN),
        ("established = true", forged("S>server_hello"), UNTOLD),
        ('client_issuers = ["CN=Issuing*"]', forged(MUTUAL), KEPT),
        ('client_issuers = ["CN=Other*"]', forged(MUTUAL), BROKEN),
        ('client_issuers = ["CN=Other*"]', forged(HIDDEN, version=TLS13), UNTOLD),
        ('client_issuers = ["CN=Other*"]', forged(f"{TLS12_ASKING} {TLS12_DECLINED} {TLS12_END}"), BROKEN),
        ('server_names = ["*.example.com"]', forged(ONE_WAY), KEPT),
        ('server_names = ["*.example.org"]', forged(ONE_WAY), BROKEN),
        ("expiry_margin_days = 14", forged(ONE_WAY), KEPT),
        ("expiry_margin_days = 60", forged(ONE_WAY), BROKEN),
        ('for_port = [8443]\nauthentication = ["mutual"]', forged(ONE_WAY), KEPT),
        ('for_server_name = ["SERVICE.*"]\nauthentication = ["mutual"]', forged(ONE_WAY), BROKEN),
        ('for_client = ["10.*"]\nauthentication = ["mutual"]', forged(ONE_WAY), KEPT),
    ],
)  # fmt: skip
def test_requirement(text: str, report: object, status: str) -> None:
    assert policy(text).judge(report).status == status


def test_findings_may_be_forbidden_or_allowed() -> None:
    report = forged("S>fin", root_cause="closed-without-alert")
    assert policy('root_cause_allowed = ["closed-without-alert"]').judge(report).status == KEPT
    assert policy('root_cause_allowed = ["handshake-timeout"]').judge(report).status == BROKEN


def test_a_violation_says_what_was_wanted_and_what_was_there() -> None:
    (violation,) = policy('authentication = ["mutual"]\nseverity = "warning"').judge(forged(ONE_WAY)).violations
    assert violation.message == "mutual wanted, one-way there"
    assert violation.severity == "warning"


def test_starter_is_a_policy_that_uses_what_it_explains() -> None:
    starter = read(tomllib.loads(STARTER))
    assert [rule.name for rule in starter.rules] == ["everywhere", "partners"]
    assert all(requirement in STARTER for requirement in REQUIREMENTS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "consists of"),
        ("[[rule]]\nname = 'a'", "wants nothing"),
        ("[[rule]]\nmoon = 1", "moon is no word"),
        ("[[rule]]\nestablished = 'yes'", "established cannot be 'yes'"),
        ("[[rule]]\nminimum_version = 'TLS1.2'", "not one of"),
        ("[[rule]]\nauthentication = ['both']", "not one of"),
        ("[[rule]]\nfor_port = ['https']\nestablished = true", "for_port cannot be"),
        ("a = 1\n[[rule]]\nestablished = true", "consists of"),
    ],
)
def test_a_wrong_policy_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read(tomllib.loads(text))


HOSTILE = certificate('<x y="1">&\x1b[31m', "CN=Evil\x00CA")


def judged() -> list[object]:
    wanted = policy('client_issuers = ["CN=Other*"]')
    return [
        wanted.judge(forged(MUTUAL)),
        wanted.judge(forged(MUTUAL, client=[HOSTILE], stream=1)),
        wanted.judge(forged(HIDDEN, version=TLS13, stream=2)),
    ]


def test_junit_is_xml_whatever_a_peer_is_called() -> None:
    root = ElementTree.fromstring(verdicts.junit(judged()))
    (suite,) = root
    assert suite.attrib | {"name": ""} == {"name": "", "tests": "3", "failures": "2", "errors": "0", "skipped": "1"}
    assert [child.tag for case in suite for child in case] == ["failure", "failure", "skipped"]
    assert "\\x00" in suite[1][0].attrib["message"]


def test_sarif_places_every_violation() -> None:
    (run,) = json.loads(verdicts.sarif(judged()))["runs"]
    assert {result["ruleId"] for result in run["results"]} == {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    (place,) = run["results"][1]["locations"]
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "tcp.stream eq 1"
    assert run["results"][0]["level"] == "error"


def test_json_and_text_tell_the_same() -> None:
    statuses = [one["status"] for one in json.loads(verdicts.to_json(judged()))["handshakes"]]
    assert statuses == [BROKEN, BROKEN, UNTOLD]
    assert verdicts.text(judged()).endswith(
        "3 handshakes: 2 broke the policy, 1 may have (the capture does not show it)\n"
    )
    assert "\x1b" not in verdicts.text(judged())


# The command


@pytest.fixture
def mutual_only(tmp_path: Path) -> str:
    file = tmp_path / "policy.toml"
    file.write_text('[[rule]]\nname = "all"\nauthentication = ["mutual"]\n')
    return str(file)


def test_exit_status_is_for_continuous_integration(mutual_only: str, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = str(CAPTURES / "mutual-tls12.pcap"), str(CAPTURES / "one-way-tls12.pcap")
    assert main(["check", good, "--policy", mutual_only]) == 0
    assert main(["check", good, bad, "--policy", mutual_only]) == 1
    assert main(["check", good, bad, "--policy", mutual_only, "--fail-on", "never"]) == 0
    assert main(["check", bad, "missing.pcap", "--policy", mutual_only]) == 3
    assert main(["check", bad]) == 2
    assert main(["check", bad, "--policy", "missing.toml"]) == 2
    assert main(["check"]) == 2
    assert "missing.toml" in capsys.readouterr().err


def test_init_prints_the_starter() -> None:
    assert CliRunner().invoke(mtlscope, ["check", "--init"]).output == STARTER


@pytest.mark.parametrize(("suffix", "begins"), [("xml", "<?xml"), ("sarif", "{"), ("json", "{"), ("txt", "")])
def test_suffix_chooses_the_format(mutual_only: str, tmp_path: Path, suffix: str, begins: str) -> None:
    output = tmp_path / f"out.{suffix}"
    main(["check", str(CAPTURES / "one-way-tls12.pcap"), "--policy", mutual_only, "-o", str(output)])
    assert output.read_text().startswith(begins)
    assert main(["check", str(CAPTURES / "one-way-tls12.pcap"), "--policy", mutual_only, "-o", f"{output}.doc"]) == 2


def test_alice_is_not_asked_for_where_no_name_is_wanted() -> None:
    assert policy('client_names = ["CN=alice"]').judge(forged(MUTUAL, client=[ALICE])).status == KEPT
