"""Key logs and private keys are read from files of every form; what is wrong with them is said and shows no secret."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from followed import handshakes
from lab import pki, wire
from lab.scenarios import openssl
from lab.stacks import Scene, StackMissingError

from analyzer import api
from analyzer.errors import UsageError
from analyzer.secrets import Secrets, load
from analyzer.tls import messages
from analyzer.tls.handshake import Handshake

KEY = rsa.generate_private_key(65537, 2048)
PASSWORD = "open sesame"
LINE = b"CLIENT_RANDOM " + b"0a" * 32 + b" " + b"0b" * 48 + b"\n"


def encoded(form: str, encryption: KeySerializationEncryption) -> bytes:
    if form == "p12":
        return serialize_key_and_certificates(None, KEY, None, None, encryption)
    encoding, kind = {
        "pem": (Encoding.PEM, PrivateFormat.PKCS8),
        "der": (Encoding.DER, PrivateFormat.PKCS8),
        "openssl": (Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    }[form]
    return KEY.private_bytes(encoding, kind, encryption)


FORMS = pytest.mark.parametrize("form", ["pem", "der", "openssl", "p12"])


@FORMS
def test_a_private_key_is_read(form: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(encoded(form, NoEncryption()))
    [key] = load(server_key=[path], password=lambda file: pytest.fail("asked for a password")).private_keys
    assert key.private_numbers() == KEY.private_numbers()


@FORMS
def test_an_encrypted_key_asks_for_its_password(form: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(encoded(form, BestAvailableEncryption(PASSWORD.encode())))
    asked: list[str] = []

    def password(file: str) -> str:
        asked.append(file)
        return PASSWORD

    [key] = load(server_key=[path], password=password).private_keys
    assert key.private_numbers() == KEY.private_numbers()
    assert asked == [str(path)]
    assert load(server_key=[path], password=PASSWORD).private_keys
    with pytest.raises(UsageError, match="no password is given"):
        load(server_key=[path])
    with pytest.raises(UsageError) as error:
        load(server_key=[path], password="wrong")
    assert "does not open" in str(error.value)
    assert "wrong" not in str(error.value).replace(str(path), "")


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_said_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="no private key") as error:
        load(server_key=[path], password=PASSWORD)
    assert "\n" not in str(error.value)


def test_another_kind_of_key_does_not_help(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UsageError, match="no RSA key"):
        load(server_key=[path])


def test_malformed_lines_are_counted_and_a_file_without_secrets_is_refused(tmp_path: Path) -> None:
    good, bad, empty = tmp_path / "good", tmp_path / "bad", tmp_path / "empty"
    good.write_bytes(b"# comment\n" + LINE + b"CLIENT_RANDOM 00\n" * 20)
    bad.write_bytes(b"not a key log\n")
    empty.write_bytes(b"")
    secrets = load([good, empty])
    assert len(secrets.log) == 1
    [issue] = secrets.issues
    assert (issue.code, issue.count) == ("keylog-malformed", 20)
    assert "3, 4, 5" in issue.message
    with pytest.raises(UsageError, match="line 1"):
        load([bad])
    with pytest.raises(UsageError, match="No such file"):
        load([tmp_path / "nothing"])


def test_of_a_line_that_does_not_end_only_the_beginning_is_held(tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    good = b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n"
    long = 64 << 20
    with log.open("wb") as file:
        file.write(good + b"CLIENT_RANDOM ")
        file.seek(long, os.SEEK_CUR)
        file.write(b"\n" + good.replace(b"ab", b"ef") + b"# " + b"x" * (3 << 20))
    tracemalloc.start()
    try:
        read = load([log])
        assert tracemalloc.get_traced_memory()[1] < long / 4
    finally:
        tracemalloc.stop()
    assert (len(read.log), read.log.malformed, read.log.malformed_count) == (2, [2], 1)


def test_secrets_are_shown_by_nothing(tmp_path: Path) -> None:
    log, key = tmp_path / "log", tmp_path / "key"
    log.write_bytes(LINE)
    key.write_bytes(encoded("pem", NoEncryption()))
    shown = repr(load([log], [key]))
    assert "0b" * 48 not in shown
    assert str(KEY.private_numbers().d) not in shown


def test_secrets_that_fit_nothing_are_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(LINE)
    capture = Path(__file__).parents[1] / "captures" / "mutual-tls13.pcap"
    report = api.analyze(str(capture), trust="none", keylog=str(log))
    assert "secrets-unused" in {issue.code for issue in report.issues}
    without = api.analyze(str(capture), trust="none")
    assert report.handshakes == without.handshakes
    assert not without.issues


# Key transport, with a real stack


class Recorded:
    """A connection with RSA key exchange and one that resumes it, and the server's key."""

    def __init__(self, directory: Path, *, bound: bool) -> None:
        """`bound`: the master secret covers the handshake (RFC 7627)."""
        self.bound = bound
        pki.write_all(directory)
        scene = Scene(directory)
        options = "-tls1_2 -cipher AES128-SHA"
        sessions = ("-sess_out session.pem", "-sess_in session.pem")
        openssl(options, options, identity="server-rsa", connections=sessions)(scene)
        self.key = directory / "server-rsa.key"
        self.capture = wire.pcap(wire.frames(scene.segments))


OPENSSL_CONF = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
Options = {}ExtendedMasterSecret
"""


@pytest.fixture(scope="module", params=["bound", "unbound"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    directory = tmp_path_factory.mktemp("lab")
    bound = request.param == "bound"
    (directory / "openssl.cnf").write_text(OPENSSL_CONF.format("" if bound else "-"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OPENSSL_CONF", str(directory / "openssl.cnf"))
        try:
            yield Recorded(directory, bound=bound)
        except StackMissingError as missing:
            pytest.skip(str(missing))


def test_both_forms_of_the_master_secret_are_recorded(recorded: Recorded) -> None:
    for handshake in handshakes(recorded.capture, trust="none"):
        assert handshake.server_hello is not None
        assert handshake.server_hello.extended_master_secret is recorded.bound


def test_the_server_s_key_opens_key_transport_and_what_resumes_it(recorded: Recorded) -> None:
    full, resumed = api.analyze(recorded.capture, trust="none", server_key=recorded.key).handshakes
    assert resumed.resumption == "session-ticket"
    for report in (full, resumed):
        assert {(p.of, p.message, p.status) for p in report.proofs} == {
            ("client", "finished", "pass"),
            ("server", "finished", "pass"),
        }
    assert any("decrypt the pre-master secret" in e.says and "verified" in e.says for e in full.evidence)


def test_another_server_s_key_opens_nothing(recorded: Recorded, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(encoded("pem", NoEncryption()))
    report = api.analyze(recorded.capture, trust="none", server_key=path)
    assert "no private key of the server's certificate" in said(report.handshakes[0].facts)
    assert "secrets-unused" in {issue.code for issue in report.issues}


@pytest.mark.parametrize("form", ["RSA", "PMS_CLIENT_RANDOM"])
def test_a_logged_pre_master_secret_opens_it_too(recorded: Recorded, tmp_path: Path, form: str) -> None:
    [full, _] = handshakes(recorded.capture, trust="none")
    exchange: Any = full.find(messages.ClientKeyExchange)
    encrypted = exchange.parameters(full.suite, full.version).encrypted_pre_master_secret
    key: Any = load_pem_private_key(recorded.key.read_bytes(), None)
    pre_master = key.decrypt(encrypted, padding.PKCS1v15())
    named = encrypted[:8] if form == "RSA" else full.client_hello.random
    log = tmp_path / "log"
    log.write_text(f"{form} {named.hex()} {pre_master.hex()}\n")
    report = api.analyze(recorded.capture, trust="none", keylog=[log]).handshakes[0]
    assert [proof.status for proof in report.proofs] == ["pass", "pass"]


def test_ephemeral_key_exchange_says_why_a_private_key_is_of_no_use(recorded: Recorded) -> None:
    capture = Path(__file__).parents[1] / "captures" / "one-way-tls12.pcap"
    [report] = api.analyze(str(capture), trust="none", server_key=recorded.key).handshakes
    assert "a private key is of no use" in said(report.facts)


def said(facts: Handshake | None) -> str:
    assert facts is not None
    assert facts.decryption is not None
    return facts.decryption.says


def test_secrets_serve_many_captures(tmp_path: Path) -> None:
    captures = Path(__file__).parents[1] / "captures"
    names = ["mutual-tls12", "mutual-tls13"]
    log = tmp_path / "log"
    log.write_bytes(b"".join((captures / "keys" / f"{name}.keys").read_bytes() for name in names))
    reports = api.analyze_many([str(captures / f"{name}.pcap") for name in names], keylog=log, trust="none")
    for report in reports:
        assert {proof.status for one in report.handshakes for proof in one.proofs} == {"pass"}
    assert isinstance(load([log]), Secrets)
