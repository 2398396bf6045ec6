"""How do results show themselves in a notebook? As a fragment of HTML without script, small and static."""

from base64 import b64encode
from dataclasses import asdict

from analyzer.diagram.palette import palette, verdict
from analyzer.report import webpage, words
from analyzer.results import CaptureReport, HandshakeReport

ROWS = 100
"""Handshakes that are listed at most."""


def capture(report: CaptureReport) -> str:
    """A line about the capture, a table of its handshakes, and what the capture lacks."""
    tally = words.Tally()
    tally.add(report)
    template = webpage.templates().get_template("notebook.html")
    rest = max(len(report.handshakes) - ROWS, 0)
    return template.module.capture(  # type: ignore[attr-defined,no-any-return]
        report, report.handshakes[:ROWS], rest, str(tally), words, _tone
    )


def handshake(report: HandshakeReport) -> str:
    """The verdict, the findings, what it rests on, and the sequence diagram."""
    picture = b64encode(report.diagram().render("svg")).decode()
    findings = sorted(report.findings, key=lambda finding: finding.code != report.root_cause)
    template = webpage.templates().get_template("notebook.html")
    return template.module.handshake(report, findings, picture, words, _tone)  # type: ignore[attr-defined,no-any-return]


def _tone(report: HandshakeReport) -> str:
    colors: dict[str, str] = asdict(palette("light"))
    return colors[verdict(report.authentication, report.outcome)]
