"""A table for people: of each handshake the verdict, then who, then why; made for 80 columns and more.

Commands and display filters stand alone on their lines, which are never broken: they can be copied as they are.
"""

from collections.abc import Iterable
from typing import TextIO

from analyzer.report import words
from analyzer.report.page import Color, Page, Piece
from analyzer.results import CaptureReport, HandshakeReport

SUFFIXES = (".txt",)
HOLDS_ISSUES = True
IN_PARTS = True
DRAWS = False

_DEFAULT_WIDTH = 100
_MARGIN = 2
_COLOR_OF: dict[str, Color] = {
    "mutual": "green",
    "one-way": "cyan",
    "requested-not-provided": "yellow",
    "established": "green",
    "failed": "red",
    "incomplete": "yellow",
    "error": "red",
    "warning": "yellow",
    "notice": "cyan",
}


def write(reports: Iterable[CaptureReport], out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write a block a capture, and the tally of all; `->` stands for the arrow where `out` is not UTF-8."""
    page = Page(out, color, width or _DEFAULT_WIDTH)
    tally = words.Tally()
    for report in reports:
        tally.add(report)
        _write_capture(report, page)
    page.flow(Piece(str(tally), "bold"))


def _write_capture(report: CaptureReport, page: Page) -> None:
    if not report.part:
        page.flow(Piece(report.capture, "bold"), Piece(words.capture(report), "dim"))
    widths = [max(map(len, column)) for column in zip(*map(_head, report.handshakes), strict=True)]
    longest_suite = max((len(handshake.cipher_suite or "") for handshake in report.handshakes), default=0)
    suite_in_head = page.holds(_MARGIN + sum(width + 2 for width in widths) + longest_suite)
    for handshake in report.handshakes:
        _write_handshake(handshake, page, widths, suite_in_head)
    for issue in report.issues:
        page.flow(Piece(f"note: {words.issue(issue)}", "yellow", prose=True), indent=_MARGIN)
    if report.error:
        page.flow(Piece(f"error: {report.error}", "red", prose=True), indent=_MARGIN)
    page.end_block()


def _write_handshake(handshake: HandshakeReport, page: Page, widths: list[int], suite_in_head: bool) -> None:
    colors: tuple[Color | None, ...] = (
        "bold",
        _COLOR_OF.get(handshake.authentication),
        _COLOR_OF[handshake.outcome],
        None,
    )
    head = [Piece(*cell) for cell in zip(_head(handshake), colors, widths, strict=True)]
    place = [Piece(f"{handshake.client} {page.arrow} {handshake.server}")]
    if handshake.server_name is not None:
        place.append(Piece(handshake.server_name))
    if handshake.preamble is not None:
        place.append(Piece(f"after {handshake.preamble}"))
    if handshake.cipher_suite is not None:
        (head if suite_in_head else place).append(Piece(handshake.cipher_suite))
    page.flow(*head, indent=_MARGIN)
    page.flow(*place, Piece(handshake.display_filter, "dim"), indent=2 * _MARGIN)
    _write_reasons(handshake, page)


def _head(handshake: HandshakeReport) -> tuple[str, str, str, str]:
    version = handshake.version or "-"
    return words.stream(handshake), words.authentication(handshake), words.outcome(handshake), version


def _write_reasons(handshake: HandshakeReport, page: Page) -> None:
    indent = 2 * _MARGIN
    # The root cause is the one finding to read first.
    for finding in sorted(handshake.findings, key=lambda finding: finding.code != handshake.root_cause):
        label = Piece(f"{finding.severity}: {words.sureness(finding)}", _COLOR_OF[finding.severity])
        page.flow(label, Piece(finding.summary, prose=True), indent=indent)
        for text, copied in words.advice(finding.remedy):
            if copied:
                page.whole(text, indent=indent + 2 * _MARGIN)
            else:
                page.flow(Piece(text, prose=True), indent=indent + _MARGIN)
        see, shown = words.where(finding)
        if shown:
            page.flow(Piece(see, "dim", prose=True), indent=indent + _MARGIN)
        for display_filter in shown:
            page.whole(display_filter, "dim", indent=indent + 2 * _MARGIN)
    if ended := words.ending(handshake):
        page.flow(Piece(ended, _COLOR_OF[handshake.outcome], prose=True), indent=indent)
    if handshake.application is not None:
        page.flow(Piece(words.application(handshake.application), prose=True), indent=indent)
    if said := " ".join(words.evidence(observation) for observation in handshake.evidence):
        page.flow(Piece(said, "dim", prose=True), indent=indent)
