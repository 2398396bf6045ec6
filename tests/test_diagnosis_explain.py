"""`explain` prints every rule's manual; the catalogue page is the manuals, made anew."""

import subprocess
import sys
from pathlib import Path

import pytest

from analyzer.cli import main
from analyzer.diagnosis.engine import RULES

ROOT = Path(__file__).parents[1]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    return capsys.readouterr().out


def test_all_codes_are_listed_with_what_they_mean(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys).splitlines()
    assert [line.split()[0] for line in lines] == RULES.names()
    assert all(line.endswith(".") for line in lines)


@pytest.mark.parametrize("code", RULES.names())
def test_a_code_is_explained(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, code)
    assert shown.startswith(f"{code} (")
    assert RULES.documentation(code) in shown


def test_a_certificate_check_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert "RFC 9525" in said(capsys, "name-match")


def test_a_mistyped_code_finds_its_neighbour(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "client-certificate-mising"]) == 2
    assert "client-certificate-missing" in capsys.readouterr().err


def test_the_catalogue_is_up_to_date() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "catalogue"), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "reports" / "findings.md").read_text(encoding="utf-8") == made, "run scripts/catalogue"
