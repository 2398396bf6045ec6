"""List every certificate that was seen, once, with its verdict and when it ends.

CAPTURE is a file, a folder or - for stdin; all captures make one list, the first to expire first. Days are counted
from the validation time: --at, or the last handshake that showed the certificate. The suffix of --output chooses the
format: .txt, .json, .jsonl, .csv, .md. Certificates that TLS 1.3 encrypts are seen with --keylog.

\b
mtlscope certificates captures/
mtlscope certificates captures/ --at now -o certificates.csv
mtlscope certificates failed-callout.pcapng --export pem/

\b
Exit status: 0 done
             2 wrong use, or a file of --export is there already and holds something else
             3 a capture could not be read (the others were)
"""

import os
import shutil
from typing import Any

import click

from analyzer.cli.captures import Captures
from analyzer.cli.datasets import format_of, opened
from analyzer.cli.messages import complain
from analyzer.cli.options import output_option, reads_captures
from analyzer.cli.output import telling_issues
from analyzer.errors import UsageError
from analyzer.inventory import certificates, writers
from analyzer.report import words


@click.command()
@reads_captures
@click.option(
    "--export", "folder", metavar="DIR", type=click.Path(file_okay=False), help="Write each as a PEM file, into DIR."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(writers.FORMATS)),
    help="How to write the list; without it the suffix of --output decides, else table.",
)
@output_option("Where to write the list; - is stdout, the default.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    captures: tuple[str, ...],
    folder: str | None,
    format_name: str | None,
    output: str,
    redact: bool,
    **analysis: Any,
) -> None:
    """Run the command; the options that it does not name are the analysis's."""
    if folder is not None and redact:
        raise UsageError("--export writes the certificates as they are, which --redact is to hide: leave out one")
    chosen = format_of(output, format_name, writers.FORMATS)
    reports = Captures(captures, in_parts=True, redact=redact, **analysis)
    reports.protect(output)
    inventory = certificates(telling_issues(reports), at=analysis["at"])
    if inventory.hidden and chosen not in writers.FOR_PEOPLE:
        complain(words.hidden(inventory.hidden))
    if folder is not None:
        inventory.export(folder)
    with opened(output) as out:
        on_terminal = output == "-" and out.isatty()
        color = on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = shutil.get_terminal_size().columns if on_terminal else None
        writers.write(inventory, chosen, out, color=color, width=width)
    if reports.unreadable:
        ctx.exit(3)
