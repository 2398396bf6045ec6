"""Makes datasets for tests, and reads them back as plain values that can be compared."""

import os
import signal
from pathlib import Path

from analyzer.archive import engines
from analyzer.archive.dataset import Dataset
from analyzer.archive.plan import plan
from analyzer.archive.rows import Rows
from analyzer.archive.run import run
from analyzer.archive.schema import TABLES

CAPTURES = Path(__file__).parent.parent / "captures"


def batch(place, *sources, engine=None, **options):
    """Run a batch, by default in this process; returns its plan, progress and what it was told was done."""
    dataset = Dataset(str(place))
    digest = dataset.create(options)
    planned = plan(map(str, sources), dataset.known(), digest)
    told = []
    engine = engine or engines.Serial()
    try:
        progress = run(planned, dataset, options, engine, lambda _, done: told.extend(done))
    finally:
        engine.close()
    return planned, progress, told


def write(dataset, capture_id, report, **about):
    """Write a report that is at hand."""
    rows = Rows(capture_id)
    with dataset.part(capture_id) as part:
        part.extend(rows.part(report))
        part.extend(rows.end(report, about))


def rows(place, sql):
    """The answer to a query as dictionaries."""
    with Dataset(str(place)).connect() as connection:
        return connection.sql(sql).to_arrow_table().to_pylist()


def short(name):
    """A capture's name without its folder."""
    return Path(name).name


def contents(place):
    """All rows of all tables, in an order of their own."""
    return {table: sorted(rows(place, f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def captures(place):
    """Name and error of every capture and archive."""
    return {row["capture"]: row["error"] for row in rows(place, "SELECT capture, error FROM captures")}


def distinct(folder, count):
    """So many captures, each with some handshakes, none like another."""
    from lab import traffic

    folder.mkdir(parents=True)
    for number in range(count):
        with (folder / f"{number:03}.pcap").open("wb") as out:
            out.writelines(traffic.dense(CAPTURES, 5 + number))
    return folder


class Deadly(engines.Processes):
    """Local processes that die of every capture whose name has `poison` in it."""

    def submit(self, function, *args):
        return super().submit(deadly, function, *args)


def deadly(function, *args):
    from analyzer.archive import task

    analyze = task.analyze_live

    def poisoned(source, *, name, **options):
        if "poison" in name:
            os.kill(os.getpid(), signal.SIGKILL)
        return analyze(source, name=name, **options)

    task.analyze_live = poisoned
    try:
        return function(*args)
    finally:
        task.analyze_live = analyze


class Half(engines.Processes):
    """Local processes whose helpers do not do their share of a capture."""

    def submit(self, function, *args):
        return super().submit(half, function, *args)


def half(function, *args):
    from analyzer.archive import task

    task.share = stop
    return function(*args)


def stop(mine, *_):
    if os.environ["MTLSCOPE_TEST_SHARE"] == "exit":
        os._exit(1)
    raise ValueError("half of it")
