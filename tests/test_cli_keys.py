"""`mtlscope keys` says of every connection whether the secrets open it, and shows none of them."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from analyzer.cli import main
from analyzer.cli.secrets import VARIABLE

CAPTURES = Path(__file__).parents[1] / "captures"
PASSWORD = "open sesame"
PAIR, LOG = str(CAPTURES / "two-servers.pcap"), str(CAPTURES / "keys" / "two-servers.keys")


def test_it_says_what_opens_and_why_the_rest_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", PAIR, "--keylog", LOG]) == 0
    said = capsys.readouterr().out
    first, second = (line for line in said.splitlines() if line.startswith("  tcp"))
    assert "opened: 6 records" in first
    assert "closed: no secret of its client random" in second
    assert "1 opened, 1 closed" in said
    assert "1 connection in the key logs, 0 of them not in the captures" in said
    for line in Path(LOG).read_text().splitlines():
        assert line.split()[2] not in said


def test_secrets_that_fit_nothing_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", str(CAPTURES / "mutual-tls12.pcap"), "--keylog", LOG]) == 0
    said = capsys.readouterr().out
    assert "1 of them not in the captures" in said
    assert "No secret fits" in said


def test_a_capture_may_bring_its_secrets_along(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", str(CAPTURES / "embedded-secrets.pcapng")]) == 0
    assert "1 opened, 0 closed" in capsys.readouterr().out


def test_what_is_not_encrypted_is_not_called_closed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", str(CAPTURES / "no-common-version.pcap"), "--keylog", LOG]) == 0
    assert "in clear: nothing in it is encrypted" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["keys", "analyze"])
def test_a_file_that_is_no_key_log_is_wrong_use(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, PAIR, "--keylog", PAIR]) == 2
    said = capsys.readouterr()
    assert "no key log" in said.err
    assert not said.out


def test_an_encrypted_private_key_needs_a_terminal_or_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    key = rsa.generate_private_key(65537, 2048)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["keys", PAIR, "--server-key", str(path)]) == 2
    assert VARIABLE in capsys.readouterr().err
    monkeypatch.setenv(VARIABLE, PASSWORD)
    assert main(["keys", PAIR, "--server-key", str(path)]) == 0
    said = capsys.readouterr()
    assert "private key is of no use" in said.out
    assert PASSWORD not in said.out + said.err
