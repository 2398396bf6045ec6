"""Markdown for an issue or a wiki: of each capture a table of its handshakes, then findings and evidence."""

from collections.abc import Iterable
from typing import TextIO

from analyzer.report import words
from analyzer.report.escape import markdown, markdown_code
from analyzer.results import CaptureReport, Finding, HandshakeReport

SUFFIXES = (".md", ".markdown")
HOLDS_ISSUES = True
IN_PARTS = False
DRAWS = False

_HEADER = (
    "Stream",
    "Client",
    "Server",
    "Server name",
    "Version",
    "Cipher suite",
    "Authentication",
    "Outcome",
)


def write(reports: Iterable[CaptureReport], out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write a section a capture, and the tally of all."""
    tally = words.Tally()
    for report in reports:
        tally.add(report)
        _write_capture(report, out)
    out.write(f"**{tally}**\n")


def _write_capture(report: CaptureReport, out: TextIO) -> None:
    out.write(f"## {markdown_code(report.capture)}\n\n{words.capture(report)}\n\n")
    if report.handshakes:
        out.write(_line(_HEADER) + _line(["---"] * len(_HEADER)))
        out.writelines(_line(_row(handshake)) for handshake in report.handshakes)
        out.write("\n")
    for handshake in report.handshakes:
        _write_notes(handshake, out)
    problems = [f"error: {report.error}"] if report.error else []
    problems += [words.issue(issue) for issue in report.issues]
    if problems:
        out.write("".join(f"- {markdown(problem)}\n" for problem in problems) + "\n")


def _row(handshake: HandshakeReport) -> list[str]:
    names = (handshake.server_name, handshake.version, handshake.cipher_suite)
    return [
        words.stream(handshake),
        markdown_code(str(handshake.client)),
        markdown_code(str(handshake.server)),
        *("" if name is None else markdown_code(name) for name in names),
        words.authentication(handshake),
        words.outcome(handshake),
    ]


def _write_notes(handshake: HandshakeReport, out: TextIO) -> None:
    notes = [_finding(finding, handshake) for finding in handshake.findings]
    if ended := words.ending(handshake):
        notes.append(markdown(ended))
    if handshake.application is not None:
        notes.append(markdown(words.application(handshake.application)))
    notes += [markdown(words.evidence(observation)) for observation in handshake.evidence]
    out.write(f"**{words.stream(handshake)}** {markdown_code(handshake.display_filter)}\n\n")
    out.write("".join(f"- {note}\n" for note in notes) + ("\n" if notes else ""))


def _finding(finding: Finding, handshake: HandshakeReport) -> str:
    mark = ", root cause" if finding.code == handshake.root_cause else ""
    text = f"{markdown(finding.summary)} {markdown(finding.remedy)}"
    return f"**{finding.severity}{mark}** {markdown_code(finding.code)} ({finding.confidence}): {text}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"
