"""What the installed stacks seal opens: handshakes under many cipher suites, recorded on the spot."""

from pathlib import Path

import pytest
from lab import pki, stacks, wire
from lab.scenarios import fails, openssl
from lab.stacks import Scene, StackMissingError

from analyzer import api
from analyzer.results import HandshakeReport

WEAK = "@SECLEVEL=0"
OPENSSL_CONF = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
Options = {}EncryptThenMac
"""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    pki.write_all(tmp_path)
    return Scene(tmp_path)


def analyzed(scene: Scene) -> HandshakeReport:
    """The only handshake of what was recorded, with the secrets that the stacks logged."""
    log = scene.directory / "log"
    log.write_text(scene.secrets)
    [report] = api.analyze(wire.pcap(wire.frames(scene.segments)), trust="none", keylog=log).handshakes
    return report


def assert_opened(report: HandshakeReport) -> None:
    assert report.facts is not None and report.facts.decryption is not None
    assert report.facts.decryption.closed == 0, report.facts.decryption.says
    assert report.facts.decryption.opened >= 2
    finished = {(proof.of, proof.status) for proof in report.proofs if proof.message == "finished"}
    assert finished == {("client", "pass"), ("server", "pass")}


@pytest.mark.parametrize(
    ("version", "suite", "identity"),
    [
        ("-tls1_2", "AES128-CCM", "server-rsa"),
        ("-tls1_2", "ECDHE-ECDSA-AES256-CCM8", "server"),
        ("-tls1_2", "ECDHE-ECDSA-CHACHA20-POLY1305", "server"),
        ("-tls1_2", "ECDHE-RSA-AES256-SHA384", "server-rsa"),
        ("-tls1_2", "ECDHE-ECDSA-CAMELLIA256-SHA384", "server"),
        ("-tls1_2", "DHE-RSA-CAMELLIA128-SHA", "server-rsa"),
        ("-tls1_2", "NULL-SHA256", "server-rsa"),
        ("-tls1_1", "CAMELLIA256-SHA", "server-rsa"),
        ("-tls1", "ECDHE-RSA-NULL-SHA", "server-rsa"),
    ],
)
@pytest.mark.parametrize("order", ["etm", "mte"])
def test_what_openssl_seals_opens(
    scene: Scene, version: str, suite: str, identity: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_mac = not any(mode in suite for mode in ("CCM", "POLY1305"))
    if order == "mte" and not has_mac:
        pytest.skip("it has one order only")
    configuration = scene.directory / "openssl.cnf"
    configuration.write_text(OPENSSL_CONF.format("" if order == "etm" else "-"))
    monkeypatch.setenv("OPENSSL_CONF", str(configuration))
    options = f"{version} -cipher {suite}:{WEAK}"
    try:
        openssl(options, options, identity=identity)(scene)
    except StackMissingError as missing:
        pytest.skip(str(missing))
    report = analyzed(scene)
    answer = report.facts.server_hello if report.facts else None
    assert answer is not None
    assert bool(answer.encrypt_then_mac) is (order == "etm" and has_mac)
    assert_opened(report)


@pytest.mark.parametrize(
    "priority",
    [
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CAMELLIA-128-GCM",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CAMELLIA-256-GCM",
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-CCM-8",
    ],
)
def test_what_gnutls_seals_opens(scene: Scene, priority: str) -> None:
    port = stacks.free_port()
    try:
        with (
            scene.start(f"{stacks.gnutls_server(port)} --priority {priority}"),
            scene.relay(port) as near,
            scene.start(f"{stacks.gnutls_client(near)} --priority {priority}") as client,
        ):
            client.say(b"first\n")
            client.wait_for(b"first")
            client.hang_up()
            client.finish()
    except StackMissingError as missing:
        pytest.skip(str(missing))
    assert_opened(analyzed(scene))


def test_what_nobody_here_can_open_is_named(scene: Scene) -> None:
    options = f"-tls1_2 -cipher ARIA128-GCM-SHA256:{WEAK}"
    try:
        fails(options, options, identity="server-rsa")(scene)
    except StackMissingError as missing:
        pytest.skip(str(missing))
    report = analyzed(scene)
    assert report.facts is not None and report.facts.decryption is not None
    assert report.facts.decryption.says == "cannot decrypt: ARIA_128_GCM"
    assert report.outcome == "established"
