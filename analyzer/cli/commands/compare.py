"""Set two handshakes side by side: the first difference that matters, and all others.

GOOD and BAD are captures (they may be the same file). Without --stream the first established handshake of GOOD and
the first failed one of BAD are taken, or the first of each; given twice, --stream names the connection in GOOD, then
that in BAD.

\b
mtlscope compare works.pcapng fails.pcapng
mtlscope compare mixed.pcapng mixed.pcapng --stream 3 --stream 7 -o difference.html

\b
Exit status: 0 done, whether or not they differ
             2 wrong use, or there is no such handshake
             3 a capture could not be read
"""

from pathlib import Path
from typing import Any

import click

from analyzer.cli.captures import Captures
from analyzer.cli.datasets import format_of
from analyzer.cli.options import analyzes, diagnoses, output_option
from analyzer.errors import UsageError
from analyzer.report import comparison as writers
from analyzer.results import CaptureReport, HandshakeReport


@click.command()
@click.argument("good", type=click.Path(allow_dash=True))
@click.argument("bad", type=click.Path(allow_dash=True))
@click.option(
    "--stream", "streams", type=click.IntRange(min=0), multiple=True, help="Wireshark's tcp.stream; once or twice."
)
@analyzes
@diagnoses
@click.option("--format", "format_name", type=click.Choice(list(writers.FORMATS)), help="How to write it.")
@output_option()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    good: str,
    bad: str,
    streams: tuple[int, ...],
    format_name: str | None,
    output: str,
    **analysis: Any,
) -> None:
    """Run the command."""
    from analyzer.diagnosis.comparison import compare

    if len(streams) > 2:
        raise UsageError("--stream: at most two, one for each capture")
    captures = Captures([good, bad], **analysis)
    captures.protect(output)
    write = {"text": writers.text, "json": writers.to_json, "html": writers.html}[
        format_of(output, format_name, writers.FORMATS)
    ]
    reports = list(captures)
    if captures.unreadable:
        ctx.exit(3)
    first = _find(reports[0], streams[0] if streams else None, wanted="established")
    second = _find(reports[-1], streams[-1] if streams else None, wanted="failed")
    made = write(compare(first, second))
    if output == "-":
        click.echo(made, nl=False)
    else:
        Path(output).write_text(made, encoding="utf-8", newline="\n")


def _find(report: CaptureReport, stream: int | None, *, wanted: str) -> HandshakeReport:
    """A handshake of a capture: the one of this stream, or else the first with the wanted outcome, or the first."""
    found = [one for one in report.handshakes if stream is None or one.stream == stream]
    if not found:
        raise UsageError(f"{report.capture}: no handshake" + (f" in stream {stream}" if stream is not None else ""))
    return next((one for one in found if one.outcome == wanted), found[0])
