"""The papers say what is there: commands, folders, formats and scripts that they name exist."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analyzer.cli import COMMANDS
from analyzer.report import formats

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAPERS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
SHELL_SCRIPTS = [ROOT / "scripts" / name for name in ("setup", "run", "test", "check")] + [ROOT / ".ci/run"]


def code_blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_readme_documents_every_command_and_no_other():
    assert re.findall(r"^\| `mtlscope ([a-z-]+)", README, re.MULTILINE) == COMMANDS.names()


def test_readme_documents_every_format_and_its_suffix():
    rows = dict(re.findall(r"^\| `([a-z]+)` \| `(\.[a-z]+)` \|", README, re.MULTILINE))
    assert rows == {name: formats.load(name).SUFFIXES[0] for name in formats.REGISTRY.names()} | rows
    assert sorted(rows) == formats.REGISTRY.names()


def test_readme_shell_lines_call_what_exists():
    lines = "".join(code_blocks(README, "sh")).splitlines()
    calls = [re.split(r"\s+#", line)[0].split("|")[-1].split() for line in lines]
    for words in calls:
        if words[0] == "mtlscope":
            assert words[1] in COMMANDS.names()
        elif words[0].startswith("scripts/"):
            assert (ROOT / words[0]).is_file() and words[1] in COMMANDS.names() and (ROOT / words[2]).exists()
        else:
            assert words[0] == "git"


def test_transcript_of_the_readme_is_what_is_printed():
    (block,) = code_blocks(README, "console")
    command, _, shown = block.partition("\n")
    arguments = command.removeprefix("$ mtlscope ").split()
    printed = subprocess.run(
        [sys.executable, "-m", "analyzer", *arguments],
        cwd=ROOT / "captures",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == shown


def test_python_in_the_readme_is_python():
    (block,) = code_blocks(README, "python")
    ast.parse(block)


@pytest.mark.parametrize("paper", PAPERS)
def test_paths_and_links_lead_somewhere(paper):
    text = (ROOT / paper).read_text()
    paths = re.findall(r"`((?:analyzer|scripts|tests|captures|\.ci)/[\w./-]*)`", text)
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    assert not [path for path in [*paths, *links] if not (ROOT / path).exists()]


@pytest.mark.parametrize("paper", PAPERS)
def test_no_machine_paths(paper):
    assert not re.search(r"/(home|root|tmp|work|Users)/", (ROOT / paper).read_text())


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_executable_and_parse(script):
    shell = "bash" if script.parent.name == ".ci" else "sh"
    assert script.stat().st_mode & 0o111 == 0o111
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    subprocess.run([shell, "-n", script], check=True)


def test_ci_runs_the_test_command_of_the_readme():
    assert "`scripts/test` runs the tests" in README
    assert "\nscripts/test\n" in (ROOT / ".ci/run").read_text()
