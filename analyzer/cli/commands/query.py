"""Ask a dataset of mtlscope batch anything, in DuckDB's SQL.

The tables are handshakes, certificates, findings and captures, with the columns that analyzer/archive/README.md
explains; `mtlscope query DATASET "DESCRIBE handshakes"` lists them. SQL of - is read from stdin. Times are UTC.
"""

import sys

import click

from analyzer.cli.datasets import format_of, opened
from analyzer.cli.options import output_option
from analyzer.errors import UsageError

FORMATS = {"table": (".txt",), "csv": (".csv",), "json": (".json",), "jsonl": (".jsonl",), "parquet": (".parquet",)}


@click.command()
@click.argument("place", metavar="DATASET")
@click.argument("sql")
@click.option("--format", "format_name", type=click.Choice(list(FORMATS)), help="Without it the suffix of -o decides.")
@output_option()
def command(place: str, sql: str, format_name: str | None, output: str) -> None:
    """Run the command."""
    from analyzer.archive import query
    from analyzer.archive.dataset import Dataset

    chosen = format_of(output, format_name, FORMATS)
    if chosen == "parquet" and output == "-":
        raise UsageError("Parquet is no text: name a file with -o")
    if sql == "-":
        if sys.stdin is None:
            raise UsageError("there is no standard input")
        sql = sys.stdin.read()
    with query.ask(Dataset(place), sql) as answer:
        if chosen == "parquet":
            query.parquet(answer, output)
            return
        with opened(output) as out:
            {"table": query.table, "csv": query.comma_separated, "json": query.document, "jsonl": query.lines}[chosen](
                answer, out
            )
