"""Say in one page what a dataset of mtlscope batch holds.

Verdicts by server and by day, versions and suites, failing pairs by root cause, healthy pairs that began to fail,
certificates by expiry, client identities, who talks to whom since when, and what could not be read.
"""

from pathlib import PurePath

import click

from analyzer.cli.datasets import format_of, opened
from analyzer.cli.options import output_option

FORMATS = {"text": (".txt",), "json": (".json",), "html": (".html", ".htm")}
MOST = 1_000_000_000
"""Rows of a section; DuckDB counts not much further."""


@click.command()
@click.argument("place", metavar="DATASET")
@click.option("--format", "format_name", type=click.Choice(list(FORMATS)), help="Without it the suffix of -o decides.")
@output_option()
@click.option(
    "--top",
    metavar="N",
    type=click.IntRange(0, MOST),
    default=20,
    show_default=True,
    help="Rows of each section at most; 0 for all. Days are all there.",
)
def command(place: str, format_name: str | None, output: str, top: int) -> None:
    """Run the command."""
    from analyzer.archive import render
    from analyzer.archive.dataset import Dataset
    from analyzer.archive.summary import summarize

    chosen = format_of(output, format_name, FORMATS)
    answers = list(summarize(Dataset(place), top or None))
    with opened(output) as out:
        if chosen == "json":
            render.document(answers, out)
        elif chosen == "html":
            render.page(answers, PurePath(place).name, out)
        else:
            render.text(answers, out)
