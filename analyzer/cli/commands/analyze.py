"""Say of every handshake whether it was one-way or mutual, on what evidence, and how it ended.

CAPTURE is a file, a folder (searched for .pcap, .pcapng, .cap, .dmp and .snoop, also compressed) or - for
stdin; a file that is named itself is read whatever its name. While a capture is still being made
(tcpdump -U -w - | mtlscope analyze -), its handshakes appear as they end; Ctrl-C ends it.

\b
Exit status: 0 done
             1 a finding at or above --fail-on
             2 wrong use
             3 a capture could not be read (the others were; this outweighs 1). One that is cut short or damaged
               was read as far as it goes: that is an issue of its report
"""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from analyzer.cli.captures import Captures
from analyzer.cli.options import diagnoses, reads_captures, writes_report
from analyzer.cli.output import draws, takes_parts, write_report
from analyzer.results import CaptureReport

SEVERITIES = ("notice", "warning", "error")


@click.command()
@reads_captures
@diagnoses
@writes_report
@click.option(
    "--application",
    is_flag=True,
    help="Tell the first HTTP request and response where they can be decrypted, without tokens, cookies, bodies and "
    "query strings.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["never", *SEVERITIES]),
    default="never",
    show_default=True,
    help="End with status 1 where a finding is that bad, or worse.",
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    captures: tuple[str, ...],
    output: str,
    format_name: str | None,
    fail_on: str,
    **analysis: Any,
) -> None:
    """Run the command; the options that it does not name are the analysis's."""
    reports = Captures(
        captures, in_parts=takes_parts(output, format_name), shares=not draws(output, format_name), **analysis
    )
    reports.protect(output)
    severities: set[str] = set()
    write_report(_noting_severities(reports, severities), output, format_name)
    if reports.unreadable:
        ctx.exit(3)
    if fail_on != "never" and severities.intersection(SEVERITIES[SEVERITIES.index(fail_on) :]):
        ctx.exit(1)


def _noting_severities(reports: Iterable[CaptureReport], severities: set[str]) -> Iterator[CaptureReport]:
    for report in reports:
        severities.update(finding.severity for each in report.handshakes for finding in each.findings)
        yield report
