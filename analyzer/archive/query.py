"""What does a dataset answer to SQL, and how is the answer written? Row by row, as it comes."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from analyzer.archive import render
from analyzer.archive.dataset import Dataset
from analyzer.errors import UsageError
from analyzer.report import escape

if TYPE_CHECKING:
    from pyarrow import RecordBatchReader


@contextmanager
def ask(dataset: Dataset, sql: str) -> Iterator["RecordBatchReader"]:
    """The answer's batches of rows; raises UsageError where the SQL is wrong, or fails."""
    import duckdb
    import pyarrow as pa

    with dataset.connect() as connection:
        try:
            relation = connection.sql(sql)
            if relation is not None:
                yield pa.RecordBatchReader.from_stream(relation)
            elif connection.extract_statements(sql):  # done; DuckDB before 2.0 does not call that an answer
                yield pa.RecordBatchReader.from_batches(pa.schema([("Success", pa.bool_())]), [])
            else:
                raise UsageError("the SQL asks for nothing: it begins with SELECT, DESCRIBE or SUMMARIZE")
        except (duckdb.Error, pa.ArrowException) as error:
            raise UsageError(" ".join(str(error).split())) from error


def table(answer: "RecordBatchReader", out: TextIO) -> None:
    """For people; all rows are held in memory, for their widths."""
    render.table(answer.schema.names, list(_rows(answer)), out)


def comma_separated(answer: "RecordBatchReader", out: TextIO) -> None:
    """CSV with a header; lists are JSON, and no cell is a formula."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(escape.csv, answer.schema.names))
    for row in _rows(answer):
        writer.writerow([_csv(render.plain(value)) for value in row])


def document(answer: "RecordBatchReader", out: TextIO) -> None:
    """JSON: a list of objects."""
    end = "["
    for row in _objects(answer):
        out.write(f"{end}\n{json.dumps(row)}")
        end = ","
    out.write("\n]\n" if end == "," else "[]\n")


def lines(answer: "RecordBatchReader", out: TextIO) -> None:
    """JSON: an object a line."""
    out.writelines(f"{json.dumps(row)}\n" for row in _objects(answer))


def parquet(answer: "RecordBatchReader", path: str) -> None:
    """Write a Parquet file."""
    from pyarrow import parquet as pq

    with pq.ParquetWriter(path, answer.schema) as writer:
        for batch in answer:
            writer.write_batch(batch)


def _objects(answer: "RecordBatchReader") -> Iterator[dict[str, Any]]:
    for row in _rows(answer):
        yield dict(zip(answer.schema.names, map(render.plain, row), strict=True))


def _rows(answer: "RecordBatchReader") -> Iterator[tuple[Any, ...]]:
    for batch in answer:
        try:
            values = [column.to_pylist() for column in batch.columns]
        except (OverflowError, ValueError) as error:  # a date that Python does not have
            raise UsageError(f"a value of the answer cannot be shown: {error} (cast to VARCHAR, it can)") from error
        yield from zip(*values, strict=True)


def _csv(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        value = json.dumps(value)
    return escape.csv(value) if isinstance(value, str) else value
