"""How do the verdicts of a policy look: for people, and for the machines of continuous integration?"""

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from xml.sax.saxutils import quoteattr

from analyzer.diagnosis.finding import Severity
from analyzer.diagnosis.policy import Verdict, Violation
from analyzer.report import words
from analyzer.report.escape import visible

FORMATS = {"text": (".txt",), "json": (".json",), "junit": (".xml",), "sarif": (".sarif",)}
"""By name, the suffixes of files that choose it."""

_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "notice": "note"}


def text(verdicts: Sequence[Verdict]) -> str:
    """A line for every violation, and a tally."""
    lines = []
    for verdict in verdicts:
        lines += [f"{_place(verdict)}: {one.severity}: {one.rule}: {one.message}" for one in verdict.violations]
    broken = sum(verdict.status == "broken" for verdict in verdicts)
    untold = sum(verdict.status == "undetermined" for verdict in verdicts)
    total = words.count(len(verdicts), "handshake")
    lines.append(f"{total}: {broken:,} broke the policy, {untold:,} may have (the capture does not show it)")
    return "".join(f"{visible(line)}\n" for line in lines)


def to_json(verdicts: Sequence[Verdict]) -> str:
    """One object with every handshake, its status and its violations."""
    made = [
        {
            "capture": verdict.handshake.capture,
            "transport": verdict.handshake.transport,
            "stream": verdict.handshake.stream,
            "handshake": verdict.handshake.handshake,
            "status": verdict.status,
            "rules": list(verdict.rules),
            "violations": [
                {"rule": v.rule, "requirement": v.requirement, "severity": v.severity, "message": v.message}
                for v in verdict.violations
            ],
            "undetermined": list(verdict.undetermined),
        }
        for verdict in verdicts
    ]
    return json.dumps({"handshakes": made}, indent=2) + "\n"


def junit(verdicts: Sequence[Verdict]) -> str:
    """JUnit's XML: a suite a capture, a test case a handshake."""
    captures: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        captures.setdefault(verdict.handshake.capture, []).append(verdict)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for capture, members in captures.items():
        failed = sum(verdict.status == "broken" for verdict in members)
        skipped = sum(verdict.status == "undetermined" for verdict in members)
        lines.append(
            f'  <testsuite name={_attribute(capture)} tests="{len(members)}" failures="{failed}" '
            f'errors="0" skipped="{skipped}">'
        )
        for verdict in members:
            lines += _junit_case(verdict)
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _junit_case(verdict: Verdict) -> list[str]:
    report = verdict.handshake
    name = f"{words.stream(report)} {report.client} to {report.server} {report.server_name or ''}".rstrip()
    begin = f"    <testcase name={_attribute(name)} classname={_attribute(PurePath(report.capture).stem)}"
    inside = [
        f"      <failure type={_attribute(one.requirement)} message={_attribute(f'{one.rule}: {one.message}')}/>"
        for one in verdict.violations
    ]
    if verdict.status == "undetermined":
        inside = [f"      <skipped message={_attribute('not shown: ' + ', '.join(verdict.undetermined))}/>"]
    return [begin + ">", *inside, "    </testcase>"] if inside else [begin + "/>"]


def sarif(verdicts: Sequence[Verdict]) -> str:
    """SARIF 2.1.0 (OASIS): a result a violation, located in the capture by its stream."""
    results = [_sarif_result(verdict, one) for verdict in verdicts for one in verdict.violations]
    rules = sorted({result["ruleId"] for result in results})
    driver = {
        "name": "mtlscope",
        "rules": [{"id": rule, "shortDescription": {"text": f"Policy requirement {rule}"}} for rule in rules],
    }
    made = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(made, indent=2) + "\n"


def _sarif_result(verdict: Verdict, violation: Violation) -> dict[str, Any]:
    report = verdict.handshake
    return {
        "ruleId": f"{violation.rule}/{violation.requirement}",
        "level": _LEVELS[violation.severity],
        "message": {"text": visible(violation.message)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": PurePath(report.capture).as_posix()}},
                "logicalLocations": [{"fullyQualifiedName": report.display_filter, "kind": "object"}],
            }
        ],
        "properties": {"client": str(report.client), "server": str(report.server), "frame": report.first_frame},
    }


def _place(verdict: Verdict) -> str:
    report = verdict.handshake
    return f"{report.capture}: {words.stream(report)}: {report.client.ip} to {report.server_name or report.server}"


def _attribute(value: str) -> str:
    """An XML attribute, quoted; control characters are shown, for XML 1.0 has none."""
    return quoteattr(visible(value))
