"""The diagnosis of the sample captures is what was wrong with them; nothing healthy is called an error."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from analyzer import analyze
from analyzer.errors import CaptureError

CAPTURES = Path(__file__).parents[1] / "captures"
CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
MANIFEST = tomllib.loads((CAPTURES / "manifest.toml").read_text(encoding="utf-8"))
ENTRIES: list[dict[str, Any]] = [entry for entry in MANIFEST["capture"] if "variant_of" not in entry]


def analyzed(entry: dict[str, Any], *, keys: bool) -> list[Any]:
    files = {**MANIFEST["options"], **entry.get("options", {})}
    options = {name: str(CAPTURES / file) for name, file in files.items()}
    if keys:
        options["keylog"] = str(CAPTURES / entry["keylog"])
    return analyze(str(CAPTURES / entry["file"]), **options).handshakes


def told(keys: bool) -> list[Any]:
    return [pytest.param(entry, id=entry["file"]) for entry in ENTRIES if not keys or "keylog" in entry]


def compare(entry: dict[str, Any], *, keys: bool) -> None:
    handshakes = {(one.stream, one.handshake): one for one in analyzed(entry, keys=keys)}
    for expect in entry["expect"]:
        needs = expect.get("needs_keys", ())
        if not keys and ("handshake" in needs or "root_cause" in needs):
            continue
        handshake = handshakes[expect["stream"], expect.get("handshake", 0)]
        wanted = expect.get("root_cause", MANIFEST["defaults"]["root_cause"])
        assert (handshake.root_cause or "none") in (wanted if isinstance(wanted, list) else [wanted])
        if handshake.root_cause is None:
            assert not [finding.code for finding in handshake.findings if finding.severity == "error"]
        else:
            assert handshake.findings[0].code == handshake.root_cause


@pytest.mark.parametrize("entry", told(keys=False))
def test_without_keys(entry: dict[str, Any]) -> None:
    compare(entry, keys=False)


@pytest.mark.parametrize("entry", told(keys=True))
def test_with_keys(entry: dict[str, Any]) -> None:
    compare(entry, keys=True)


def test_what_keys_would_tell_is_not_certain_without_them() -> None:
    for entry in ENTRIES:
        for expect in entry["expect"]:
            if "root_cause" in expect.get("needs_keys", ()) and expect["outcome"] == "failed":
                (handshake,) = analyzed(entry, keys=False)
                assert handshake.root_cause is not None
                assert handshake.findings[0].confidence != "certain"


@pytest.mark.slow
@pytest.mark.parametrize("truth", ["truth.jsonl", "truth-keys.jsonl"])
def test_laboratory(truth: str) -> None:
    lab = CORPUS / "lab"
    if not lab.exists():
        pytest.skip("no ../shared/corpus")
    wrong, total = [], 0
    for line in (lab / truth).read_text().splitlines():
        run = json.loads(line)
        words = dict(zip(run["options"][::2], run["options"][1::2], strict=True))
        options = {name[2:].replace("-", "_"): str(lab / file) for name, file in words.items()}
        handshakes = {
            (one.stream, one.handshake): one for one in analyze(str(lab / run["capture"]), **options).handshakes
        }
        for expect in run["expect"]:
            if "root_cause" not in expect:
                continue
            wanted = expect["root_cause"]
            total += 1
            got = handshakes[expect["stream"], expect.get("handshake", 0)].root_cause
            if got not in (wanted["any"] if isinstance(wanted, dict) else [wanted]):
                wrong.append((run["capture"], expect["stream"], wanted, got))
            assert expect.get("outcome") != "established" or got is None
    assert total > 100
    assert len(wrong) <= total * 0.05, wrong


@pytest.mark.slow
def test_no_error_on_any_established_handshake_of_the_public_captures() -> None:
    if not CORPUS.exists():
        pytest.skip("no ../shared/corpus")
    wrong = []
    for path in sorted((CORPUS / "public").iterdir()):
        if path.suffix == ".jsonl":
            continue
        try:
            report = analyze(str(path))
        except CaptureError:
            continue
        for handshake in report.handshakes:
            if handshake.outcome == "established":
                errors = [finding.code for finding in handshake.findings if finding.severity == "error"]
                if errors or handshake.root_cause:
                    wrong.append((path.name, handshake.stream, errors, handshake.root_cause))
    assert not wrong
