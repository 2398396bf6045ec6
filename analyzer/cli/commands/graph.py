"""Draw who shook hands with whom, or who trusts whom.

CAPTURE is a file, a folder or - for stdin; all captures make one graph. The suffix of --output chooses the format:
.svg, .png, .html (to explore in a browser), .graphml, .dot, .json.

\b
mtlscope graph captures/ -o graph.svg
mtlscope graph captures/ --view trust -o trust.html
mtlscope graph captures/ --format dot | dot -Tpdf -o graph.pdf

\b
Exit status: 0 done
             2 wrong use
             3 a capture could not be read (the others were)
"""

import sys
from pathlib import Path
from typing import Any

import click

from analyzer.cli.captures import Captures
from analyzer.cli.messages import complain
from analyzer.cli.options import output_option, reads_captures
from analyzer.errors import UsageError
from analyzer.graph import graph, writers
from analyzer.graph.model import VIEWS
from analyzer.report import words


@click.command()
@reads_captures
@click.option(
    "--view",
    type=click.Choice(VIEWS),
    default=VIEWS[0],
    show_default=True,
    help="Hosts and their handshakes, or certificates: who presented and who issued them.",
)
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True, help="Its colours.")
@click.option("--format", "format_name", type=click.Choice(writers.REGISTRY.names()), help="How to write it.")
@output_option("Where to write it; - is stdout, the default, for which --format is needed.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    captures: tuple[str, ...],
    view: Any,
    theme: Any,
    format_name: str | None,
    output: str,
    **analysis: Any,
) -> None:
    """Run the command; the options that it does not name are the analysis's."""
    if format_name is None and output == "-":
        raise UsageError(f"stdout has no suffix: --format says how to write it ({', '.join(writers.REGISTRY.names())})")
    name = format_name or writers.of_file(output)
    reports = Captures(captures, **analysis)
    reports.protect(output)
    made = graph(reports, view=view)
    drawn = made.render(name, theme=theme)
    if made.hidden:
        complain(words.hidden(made.hidden))
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(drawn)
        sys.stdout.buffer.flush()
    else:
        Path(output).write_bytes(drawn)
    if reports.unreadable:
        ctx.exit(3)
