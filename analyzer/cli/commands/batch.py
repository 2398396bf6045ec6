"""Analyze archives of captures into a dataset of Parquet files; run again, it goes on where it stopped.

SOURCE is a file, a folder, a glob pattern (quoted), an fsspec URL such as s3://bucket/captures, or any of these
with .zip and .tar archives, whose members are read as they are, never unpacked. Files of one rotated capture
(dumpcap -b, tcpdump -C) are read as one. DATASET is a folder or a URL: what it has is not analyzed again.

\b
Exit status: 0 done
             2 wrong use
             3 a capture could not be read (the others were; the table captures has the reason). One that is cut short
               or damaged was read as far as it goes: that is told, and an issue in the table
             130 interrupted: what is done is kept, the same command goes on
"""

import time
from contextlib import closing
from typing import Any

import click

from analyzer.cli.messages import about
from analyzer.cli.options import analyzes
from analyzer.shares import cores


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("-o", "--output", "place", metavar="DATASET", required=True, help="Where the dataset is, or shall be.")
@analyzes
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(0),
    help="Worker processes; by default one a core. 0 does it all in this process, for a debugger.",
)
@click.option(
    "--cluster",
    metavar="SCHEDULER",
    help="Have the workers of a Dask cluster do it: its scheduler's address, or scheduler file.",
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    sources: tuple[str, ...],
    place: str,
    jobs: int | None,
    cluster: str | None,
    **analysis: Any,
) -> None:
    """Run the command; the options that it does not name are the analysis's."""
    from analyzer.archive import engines
    from analyzer.archive.dataset import Dataset
    from analyzer.archive.plan import plan
    from analyzer.archive.run import run
    from analyzer.cli.batch import Display, checked

    if jobs is not None and cluster is not None:
        raise click.UsageError("--jobs is for local processes; a cluster has its own number of workers", ctx)
    dataset = Dataset(place)
    number = cores() if jobs is None else jobs
    with about(place), closing(engines.Dask(cluster) if cluster else engines.local(number)) as engine:
        # Local workers get ready meanwhile.
        options = checked(analysis)
        digest = dataset.create(options)
        planned = plan(sources, dataset.known(), digest)
        started = time.monotonic()
        with Display(planned) as display:
            try:
                progress = run(planned, dataset, options, engine, display)
            except KeyboardInterrupt:
                display.interrupted()
                raise
    click.echo(display.conclusion(progress, time.monotonic() - started))
    if progress.failed:
        ctx.exit(3)
