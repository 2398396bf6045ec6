"""A redacted report says the same of the handshakes and nothing of who took part, in every format and picture."""

import io
import json
import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from forged_reports import capture, failed_handshake
from hypothesis import given
from hypothesis import strategies as st

import analyzer
from analyzer.report import formats, redact, serialize
from analyzer.results import (
    CertificateReport,
    ChainReport,
    CheckReport,
    Endpoint,
    Evidence,
    Finding,
    FindingEvidence,
)

CAPTURES = Path(__file__).parents[1] / "captures"
LAB = CAPTURES.parents[1] / "shared" / "corpus" / "lab"
DOCUMENTATION = [ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]
PERSON = CertificateReport(
    "CN=Jörg Müller,OU=Payments,O=Acme\\, Inc.,C=DE", "CN=Acme Issuing CA,O=Acme\\, Inc.,C=DE", "1021D82B5C6F9C1F",
    "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z",
    ["DNS:*.payments.acme.io", "IP:10.9.8.7", "email:joerg@acme.io", "URI:spiffe://acme.io/ns/prod/sa/pay"],
    "EC secp256r1", "ecdsa-with-SHA256", "c0ffee" + "ab" * 29, False, False,
)  # fmt: skip
SECRETS = (
    "müller",
    "payments",
    "acme",
    "1021d82b",
    "c0ffee",
    "10.9.8.7",
    "joerg",
    "spiffe://acme",
    "10.1.2.3",
    "fd12:",
)


def told():
    """A handshake that names everybody in every field that may hold a name."""
    check = CheckReport(
        "issuer-known", "fail", PERSON.sha256, "a path to an anchor in /home/joerg/acme-roots.pem of 2026-01-01",
        "CN=Jörg Müller,OU=Payments,O=Acme\\, Inc.,C=DE, *.payments.acme.io, 10.1.2.3 and fd12:3456::1",
        "RFC 5280, 4.2.1.9",
    )  # fmt: skip
    finding = Finding(
        "client-issuer-unknown", "error", "likely", "client-authentication",
        "The server api.payments.acme.io:8443 (10.1.2.3) does not know CN=Acme Issuing CA,O=Acme\\, Inc.,C=DE.",
        "Server's owner: trust Acme Issuing CA. To confirm: `openssl s_client -connect 10.1.2.3:8443 -servername "
        "api.payments.acme.io -CAfile acme-roots.pem` (see RFC 5280, section 4.2.1.12).",
        [FindingEvidence(9, "ip.addr == 10.1.2.3 && tls.handshake.extensions_server_name == \"api.payments.acme.io\"")],
    )  # fmt: skip
    return failed_handshake(
        capture="/home/joerg/acme.pcap",
        client=Endpoint("10.1.2.3", 50000),
        server=Endpoint("fd12:3456::1", 8443),
        server_name="api.payments.acme.io",
        alpn="acme-payments/1",
        evidence=[
            Evidence(8, "client", "certificate", "The client is Jörg Müller of Acme\\, Inc. in 1021D82B5C6F9C1F.")
        ],
        certificates={"server": [PERSON], "client": [PERSON]},
        chain={"server": ChainReport("fail", PERSON.issuer, [check]), "client": None},
        findings=[finding],
        root_cause=finding.code,
    )


def once(report):
    (made,) = redact.redacted([report])
    return made


def written(name, report):
    out = io.StringIO()
    formats.load(name).write([report], out)
    return out.getvalue().lower()


@pytest.mark.parametrize("name", formats.REGISTRY.names())
def test_no_format_tells_a_name(name):
    report = capture(told(), capture="/home/joerg/acme.pcap", error="acme.pcap: cut at 10.1.2.3")
    text = json.dumps(json.loads(written(name, report))) if name == "json" else written(name, report)
    assert sum(secret in text for secret in SECRETS) >= 2  # the test can fail
    text = written(name, once(report))
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.mark.parametrize("name", ["text", "mermaid", "plantuml", "svg"])
def test_no_diagram_tells_a_name(name):
    drawn = once(capture(told())).handshakes[0].diagram().render(name).decode().lower()
    assert [secret for secret in SECRETS if secret in drawn] == []


@pytest.mark.parametrize("view", ["handshakes", "trust"])
@pytest.mark.parametrize("name", ["json", "dot", "graphml", "html"])
def test_no_graph_tells_a_name(view, name):
    drawn = analyzer.graph(once(capture(told())), view=view).render(name).decode().lower()
    assert [secret for secret in SECRETS if secret in drawn] == []


def test_the_same_stays_the_same_everywhere():
    redactor = redact.Redactor()
    made = redactor.handshake(told())
    certificate, finding = made.certificates["client"][0], made.findings[0]
    assert certificate == made.certificates["server"][0]
    assert made.chain["server"].anchor == certificate.issuer and certificate.issuer in finding.summary
    assert f"{made.server_name}:8443 ({made.client.ip})" in finding.summary
    assert f"-connect {made.client.ip}:8443 -servername {made.server_name}" in finding.remedy
    assert "section 4.2.1.12" in finding.remedy and "openssl s_client" in finding.remedy
    assert f'ip.addr == {made.client.ip} && tls.handshake.extensions_server_name == "{made.server_name}"' in (
        finding.evidence[0].display_filter
    )
    assert certificate.sha256 == made.chain["server"].checks[0].certificate
    again = redactor.handshake(told())
    assert serialize.handshake(again) == serialize.handshake(made)


def test_what_names_have_in_common_they_keep():
    redactor = redact.Redactor()
    wildcard, host, other = map(redactor.host, ("*.acme.io", "api.acme.io", "api.other.io"))
    assert wildcard.removeprefix("*") == host.removeprefix(host.partition(".")[0])
    assert host.partition(".")[0] == other.partition(".")[0] and host != other
    assert redactor.name("CN=api.acme.io,O=Acme") == f"CN={host},O=Organization 1"


def test_placeholders_are_those_for_documentation():
    redactor = redact.Redactor()
    addresses = [redactor.address(f"10.0.{number // 250}.{number % 250}") for number in range(1500)]
    assert len(set(addresses)) == 1500
    assert all(any(ip_address(a) in net for net in DOCUMENTATION) for a in addresses[:762])
    assert ip_address(addresses[-1]) in ip_network("198.18.0.0/15")
    assert ip_address(redactor.address("fe80::1")) in DOCUMENTATION[-1]
    assert redactor.address("127.0.0.1") == "127.0.0.1" and redactor.host("localhost") == "localhost"
    hosts = [redactor.host(f"www.site{number}.com") for number in range(5)]
    assert all(host.endswith((".example.com", ".example.net", ".example.org", ".example")) for host in hosts)


def test_what_happened_is_left():
    before, after = told(), redact.Redactor().handshake(told())
    for name in (
        "version",
        "cipher_suite",
        "group",
        "outcome",
        "authentication",
        "start",
        "duration",
        "messages",
        "ja4",
    ):
        assert getattr(before, name) == getattr(after, name)
    assert before.server.port == after.server.port and before.alerts == after.alerts
    assert [check.citation for check in after.chain["server"].checks] == ["RFC 5280, 4.2.1.9"]


@given(st.text(max_size=60))
def test_any_text_is_redacted_without_complaint(text):
    redactor = redact.Redactor()
    for replaced in (
        redactor.text,
        redactor.name,
        redactor.host,
        redactor.general_name,
        redactor.file,
        redactor.address,
    ):
        assert isinstance(replaced(text), str)


def originals(report):
    """Every name in a report, in its JSON and in what its diagram is drawn of."""
    for each in report.handshakes:
        yield from (each.client.ip, each.server.ip, each.server_name)
        for sent in each.certificates.values():
            for certificate in sent:
                yield from (certificate.subject, certificate.issuer, certificate.serial_number, certificate.sha256)
                yield from (name.partition(":")[2] for name in certificate.san)
                yield from re.findall(r"\b(?:CN|O)=([^,]+)", certificate.subject)


def leaks(path, **options):
    report = analyzer.analyze(path, **options)
    names = {name for name in originals(report) if name and len(name) > 3}
    redacted = once(report)
    diagrams = "".join(str(each.diagram()) for each in redacted.handshakes)
    told = json.dumps([serialize.handshake(each) for each in redacted.handshakes], ensure_ascii=False) + diagrams
    placeholders = set(originals(redacted))
    return {
        name
        for name in names - placeholders
        if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", told, re.IGNORECASE)
    }


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.pcap*")), ids=lambda path: path.name)
def test_no_capture_of_ours_leaks(path):
    assert leaks(path, trust=[CAPTURES / "ca.pem"], client_trust=[CAPTURES / "ca.pem"]) == set()


def test_no_capture_of_the_laboratory_leaks():
    if not LAB.is_dir():
        pytest.skip("no ../shared/corpus")
    assert {path.name: found for path in sorted(LAB.glob("*.pcap*")) if (found := leaks(path))} == {}
