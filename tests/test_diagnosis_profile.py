"""The Salesforce profile knows every row of what the platform documents; profiles are data and refuse what is wrong."""

import tomllib
from pathlib import Path

import pytest
from forged_cases import (
    ALICE,
    ISSUING,
    TLS12_ANSWER,
    TLS12_ASKING,
    TLS12_DECLINED,
    TLS12_END,
    TLS12_FLIGHT,
    TLS12_MUTUAL,
    case,
    certificate,
    chain,
    client_hello,
    forged,
)

from analyzer.diagnosis.engine import RULES, diagnose
from analyzer.diagnosis.profile import FACTS, facts, read
from analyzer.errors import UsageError
from analyzer.profiles import built_in, load_profile
from analyzer.results import HandshakeReport

HOST = "mydomain.my.salesforce.com"
SELF_MADE = certificate("self-made", "CN=self-made")
JAVA = client_hello(extra=[(17, b""), (23, b"")])
"""A hello by which a client is known that filters."""
ONE_WAY = f"{TLS12_FLIGHT} {TLS12_ANSWER} {TLS12_END} C>data:100 S>data:500"
MUTUAL = f"{TLS12_ASKING} {TLS12_MUTUAL} {TLS12_END} C>data:100 S>data:500"
DECLINED = f"{TLS12_ASKING} {TLS12_DECLINED}"


def found(report: HandshakeReport, role: str | None = None) -> dict[str, str]:
    """The findings' codes and severities by the Salesforce profile."""
    diagnose([report], assumed_trust=False, profile=load_profile("salesforce", role))
    return {finding.code: finding.severity for finding in report.findings}


# Salesforce as the server


def test_one_way_on_443_is_right_and_a_mutual_client_learns_its_port_is_wrong() -> None:
    assert found(forged(ONE_WAY, server_name=HOST, port=443)) == {"client-certificate-never-requested": "notice"}


def test_nobody_asking_on_8443_is_wrong() -> None:
    report = forged(ONE_WAY, server_name=HOST, port=8443)
    assert found(report) == {"client-certificate-never-requested": "error"}
    assert "Salesforce Support" in report.findings[0].remedy


def test_mutual_on_8443_with_the_whole_chain_is_right() -> None:
    assert found(forged(MUTUAL, server_name=HOST, port=8443)) == {}


def test_a_leaf_alone_on_8443_is_told() -> None:
    assert found(forged(MUTUAL, server_name=HOST, port=8443, client=[ALICE])) == {"client-chain-incomplete": "warning"}


def test_a_self_signed_client_certificate_cannot_work() -> None:
    report = forged(MUTUAL, server_name=HOST, port=8443, client=[SELF_MADE])
    assert found(report) == {"client-certificate-self-signed": "error"}


def test_what_a_rule_sees_too_is_told_with_what_the_platform_is_known_to_do() -> None:
    report = forged(
        f"{TLS12_ASKING} {TLS12_MUTUAL} S>alert:unknown_ca S>fin",
        server_name=HOST,
        port=8443,
        client=[SELF_MADE],
        client_chain=chain(anchor=None, known=False),
    )
    found(report)
    (self_signed,) = (one for one in report.findings if one.code == "client-certificate-self-signed")
    assert report.root_cause == "client-certificate-self-signed"
    assert self_signed.confidence == "certain"
    assert "unknown_ca" in self_signed.summary
    assert "accepts only client certificates that a CA has signed" in self_signed.summary
    assert "Mutual Authentication Certificates" in self_signed.remedy
    assert "add this certificate to the truststore" not in self_signed.remedy


def test_no_certificate_on_8443_is_told_in_the_platforms_words() -> None:
    report = forged(f"{DECLINED} S>alert:handshake_failure S>fin", server_name=HOST, port=8443)
    assert found(report)["client-certificate-missing"] == "error"
    assert "MYDOMAIN.my.salesforce.com:8443" in report.findings[0].remedy
    answered = forged(f"{DECLINED} {TLS12_END} C>data:100 S>data:900", server_name=HOST, port=8443)
    assert found(answered) == {"client-certificate-missing": "error"}


def test_an_identity_that_is_refused_leads_to_the_permissions() -> None:
    fault = b"HTTP/1.1 403 Forbidden\r\n\r\nMUTUAL_AUTHENTICATION_FAILED"
    report = forged(MUTUAL, server_name=HOST, port=8443, plaintext=fault)
    assert found(report) == {"identity-refused-after-handshake": "error"}
    assert "Enforce SSL/TLS Mutual Authentication" in report.findings[0].remedy
    assert report.root_cause == "identity-refused-after-handshake"


def test_another_host_is_not_the_platforms() -> None:
    assert found(forged(ONE_WAY, server_name="www.example.com", port=443)) == {}
    assert found(forged(ONE_WAY, server_name="salesforce.com.example.com", port=443)) == {}


# Salesforce as the client


def test_a_self_signed_server_behind_a_callout_fails() -> None:
    report = forged(
        f"{TLS12_FLIGHT} C>alert:certificate_unknown C>fin", server=[SELF_MADE], server_chain=chain(anchor=None)
    )
    assert found(report, "client")["server-certificate-self-signed"] == "error"
    assert "cacerts.jsp" in report.findings[0].remedy
    accepted = forged(ONE_WAY, server=[SELF_MADE], server_chain=chain(anchor="CN=self-made"))
    assert found(accepted, "client")["server-certificate-self-signed"] == "error"


def test_a_list_of_authorities_filters_the_orgs_certificate_out() -> None:
    report = forged(f"{DECLINED} S>alert:bad_certificate S>fin", authorities=["Partner CA"])
    codes = found(report, "client")
    assert codes["client-certificate-filtered-by-authorities"] == "error"
    assert report.root_cause == "client-certificate-filtered-by-authorities"
    assert "empty list" in report.findings[0].remedy


def test_a_list_that_filters_is_the_cause_also_where_a_rule_holds_it_merely_possible() -> None:
    steps = f"{DECLINED} S>alert:handshake_failure S>fin"
    plain = forged(steps, authorities=["Partner CA"], hello=JAVA)
    diagnose([plain])
    assert plain.root_cause == "client-certificate-missing"
    report = forged(steps, authorities=["Partner CA"], hello=JAVA)
    found(report, "client")
    filtered = report.findings[0]
    assert report.root_cause == filtered.code == "client-certificate-filtered-by-authorities"
    assert filtered.confidence == "likely"
    assert "clients of its kind hold back" in filtered.summary
    assert "Named Credentials" in filtered.remedy


def test_what_the_platform_does_not_do_at_this_point_is_no_cause() -> None:
    report = forged(f"{DECLINED} S>alert:bad_certificate S>fin", server=[SELF_MADE])
    assert found(report, "client")["server-certificate-self-signed"] == "error"
    assert report.root_cause == "client-certificate-missing"


def test_an_empty_list_and_no_certificate_means_that_none_is_chosen() -> None:
    report = forged(f"{DECLINED} S>alert:bad_certificate S>fin")
    assert "client-certificate-filtered-by-authorities" not in found(report, "client")
    assert "API Client Certificate" in report.findings[0].remedy


def test_a_self_signed_client_certificate_is_fine_where_the_server_takes_it() -> None:
    report = forged(MUTUAL, client=[SELF_MADE], client_chain=chain(anchor="CN=self-made"))
    assert found(report, "client") == {}


def test_nobody_asked_the_callout() -> None:
    assert found(forged(ONE_WAY), "client") == {"client-certificate-never-requested": "notice"}


# Profiles as data


def test_built_in_profiles_speak_of_known_codes_only() -> None:
    for name in built_in():
        profile = load_profile(name)
        codes = {one.code for one in profile.expectations} | {code for one in profile.hints for code in one.codes}
        assert codes <= set(RULES.names())
        for one in profile.expectations:
            assert "'s owner: " in one.remedy
            assert "To confirm: " in one.remedy


def test_facts_are_those_that_may_be_asked_for() -> None:
    assert set(facts(case(forged(MUTUAL)))) == FACTS
    assert facts(case(forged(MUTUAL, client=[ALICE, ISSUING])))["client_certificates"] == 2


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "bank.toml"
    file.write_text(
        '[server]\nnames = ["*.bank.example.com"]\n[[expect]]\nrole = "server"\n'
        'when = { version = ["TLSv1.0", "TLSv1.1", "TLSv1.2"] }\ncode = "deprecated-version"\n'
        'summary = "The bank wants TLS 1.3."\nremedy = "Client\'s owner: update it. To confirm: `date`."\n'
    )
    report = forged(ONE_WAY, server_name="api.bank.example.com")
    diagnose([report], profile=load_profile(file))
    assert [(one.code, one.severity, one.summary) for one in report.findings] == [
        ("deprecated-version", "warning", "The bank wants TLS 1.3.")
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[expect]]\nrole = "server"', "'when' is missing"),
        ('[[expect]]\nrole = "proxy"\nwhen = {}\ncode = "a"\nsummary = ""\nremedy = ""', "none of client, server"),
        ('[[expect]]\nrole = "server"\nwhen = { moon = "full" }', "moon"),
        ("expect = 3", "int"),
    ],
)
def test_a_wrong_profile_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read("wrong", tomllib.loads(text))


def test_a_profile_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="built in: salesforce"):
        load_profile("oracle")
    (tmp_path / "bad.toml").write_text("=")
    with pytest.raises(UsageError, match=r"bad\.toml"):
        load_profile(tmp_path / "bad.toml")
