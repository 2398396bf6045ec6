"""Where does a dataset keep its rows, and what is in it already?

    DATASET/
        dataset.json                             schema version, and the options that its captures were analyzed with
        captures/ID.parquet                      a row a capture; written last: a capture is there when this is
        handshakes/day=2026-11-23/ID.parquet     a row a handshake, by the day of its start
        certificates/day=2026-11-23/ID.parquet
        findings/day=2026-11-23/ID.parquet
        …/schema.parquet                         no rows, but the columns, with what they mean: this file alone says it
        _temporary/                              what is being written

ID is the capture's `capture_id`. Each file appears at once and replaces one of the same name, so that a run that
is killed, or two runs at a time, leave nothing half done and count nothing twice. Parquet readers (DuckDB,
Polars, pandas, Spark) take each folder for a table, partitioned in Hive's manner.
"""

import glob
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from analyzer.archive import need, schema
from analyzer.archive.rows import Row
from analyzer.archive.store import Store
from analyzer.errors import UsageError
from analyzer.filenames import named

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_MANIFEST = "dataset.json"
_NO_DAY = "1970-01-01"
"""The folder of a file without rows, by which readers know a table that has none yet."""
_SCHEMA = "schema"
"""What that file is called."""
_DAY = 86_400_000_000
_LEFT_BEHIND = 86_400.0
"""Seconds after which a temporary file belongs to no run any more."""
_ROW_GROUP = 20_000
_FEW_ROWS = 20
"""A file with fewer is written without what speeds up the reading of long ones."""
_SECRET = ("password",)
"""Options that no file may hold."""


@dataclass(slots=True, frozen=True)
class Known:
    """A capture, or an archive, that the dataset has."""

    capture_id: str
    capture: str
    source: str
    archive_id: str | None
    members: int | None
    size: int | None
    modified: int | None
    """Microseconds since 1970."""
    error: str | None


class Dataset:
    """A folder, local or in an object store."""

    def __init__(self, place: str) -> None:
        """Name it; nothing is read or written yet. Raises UsageError where a library is missing."""
        need("pyarrow", "duckdb", "fsspec")
        if named(place) != place:
            raise UsageError(f"{place}: a dataset's name is UTF-8, as those who read it want")
        self._store = Store(place)

    @property
    def place(self) -> str:
        """Its path or URL."""
        return self._store.place

    # Writing

    def create(self, options: Mapping[str, Any]) -> str:
        """Make it, or go on with one that was made with the same options of `analyze`; return their digest.

        Raises UsageError where it was made with others, or is something else.
        """
        digest = options_digest(options)
        if not self._store.exists(_MANIFEST):
            if not self._store.empty():
                raise UsageError(f"{self.place}: is not empty, and no dataset of mtlscope's")
            shown = {name: _shown(value) for name, value in options.items() if name not in _SECRET}
            manifest = {"schema_version": schema.SCHEMA_VERSION, "options": shown, "options_digest": digest}
            self._store.put(_MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
        manifest = self._manifest()
        if manifest.get("options_digest") != digest:
            said = json.dumps(manifest.get("options"))
            raise UsageError(f"{self.place}: was made with other options ({said}) or other files; use another dataset")
        for pattern in ("captures/*.parquet", "*/day=*/*.parquet"):
            for capture_id in self._store.hollow(pattern):
                self.remove(capture_id)
        if not self.holds(_SCHEMA):
            with self.part(_SCHEMA) as part:
                for table in schema.TABLES:
                    folder = f"{table}/day={_NO_DAY}" if table in schema.PARTITIONED else table
                    part.merge([{folder: schema.arrow(table).empty_table()}])
        self._store.tidy(_LEFT_BEHIND)
        return digest

    def part(self, capture_id: str) -> "Part":
        """A capture's files, to be written."""
        return Part(self._store, capture_id)

    def holds(self, capture_id: str) -> bool:
        """Whether a capture is done."""
        return self._store.exists(f"captures/{capture_id}.parquet")

    def known(self) -> list[Known]:
        """All that it holds."""
        names = ", ".join(Known.__dataclass_fields__)
        with self.connect() as connection:
            found = connection.sql(f"SELECT {names} FROM captures").to_arrow_table()
        moments = found.column("modified").cast("int64").to_pylist()
        rows = found.drop_columns(["modified"]).to_pylist()
        return [Known(modified=moment, **row) for moment, row in zip(moments, rows, strict=True)]

    def remove(self, capture_id: str) -> None:
        """Take a capture out."""
        for table in schema.PARTITIONED:
            self._store.remove(f"{table}/day=*/{capture_id}.parquet")
        self._store.remove(f"captures/{capture_id}.parquet")

    def note(self, task: str, text: str) -> None:
        """Leave word of what a task is at, for whoever has to find out what killed it."""
        self._store.put(f"_notes/{task}", text.encode())

    def noted(self, task: str) -> str | None:
        """The last word of a task."""
        text = self._store.get(f"_notes/{task}")
        return None if text is None else text.decode()

    def forget(self, task: str) -> None:
        """The task is done."""
        self._store.remove(f"_notes/{task}")

    # Reading

    @contextmanager
    def connect(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A DuckDB connection with a view of each table, also of `day`; times are UTC, memory is bounded by the disk.

        Raises UsageError where there is no dataset, or it cannot be read.
        """
        import duckdb

        try:
            with self._connection() as connection:
                yield connection
        except duckdb.Error as error:
            raise UsageError(f"{self.place}: {' '.join(str(error).split())}") from error

    def _connection(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        manifest = self._manifest()
        if manifest["schema_version"] > schema.SCHEMA_VERSION:
            raise UsageError(f"{self.place}: was written by a newer mtlscope")
        connection = duckdb.connect(":memory:")
        # Nothing is fetched from the network behind the user's back.
        connection.execute("SET autoinstall_known_extensions = false; SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false; SET parquet_metadata_cache = true")
        root = self.place
        if self._store.fs is not None:
            connection.register_filesystem(self._store.fs)
        else:
            root = glob.escape(root)
        for table in schema.TABLES:
            partitioned = table in schema.PARTITIONED
            files = f"{root}/{table}/day=*/*.parquet" if partitioned else f"{root}/{table}/*.parquet"
            connection.execute(
                f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{files.replace(chr(39), chr(39) * 2)}', "
                f"hive_partitioning = {partitioned}" + (", hive_types = {'day': DATE})" if partitioned else ")")
            )
        return connection

    def _manifest(self) -> dict[str, Any]:
        text = self._store.get(_MANIFEST)
        try:
            found = json.loads(text or b"")
            if isinstance(found["schema_version"], int):
                return found  # type: ignore[no-any-return]
        except (ValueError, LookupError, TypeError):
            pass
        raise UsageError(f"{self.place}: is no dataset of mtlscope's")


Columns = dict[str, "pa.Table"]
"""Rows by the folder of their table and day: what goes from one process to another."""


def columns(some: Iterable[tuple[str, list[Row]]]) -> Columns:
    """Rows of several tables, each in its day's folder."""
    import pyarrow as pa

    found: dict[str, list[pa.Table]] = {}
    for table, rows in some:
        by_folder: dict[str, list[Row]] = {}
        for row in rows:
            by_folder.setdefault(_folder(table, row), []).append(row)
        for folder, its in by_folder.items():
            found.setdefault(folder, []).append(pa.Table.from_pylist(its, schema=schema.arrow(table)))
    return {folder: pa.concat_tables(tables) for folder, tables in found.items()}


def _folder(table: str, row: Row) -> str:
    if table not in schema.PARTITIONED:
        return table
    moment = row["first_seen" if table == "certificates" else "start"]
    return f"{table}/day={_day(moment // _DAY)}"


@lru_cache
def _day(number: int) -> str:
    return str((_EPOCH + timedelta(days=number)).date())


def _in_order(tables: "list[pa.Table]") -> "pa.Table":
    """Rows of handshakes in the order in which one process finds them; sorting keeps the order of equal ones."""
    import pyarrow as pa

    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in ("transport", "stream", "handshake")])


class Part:
    """The files of one capture: a context manager that publishes them at its end, unless there is an exception.

    They take the place of what the dataset had under this id.
    """

    def __init__(self, store: Store, capture_id: str) -> None:
        self._store = store
        self._capture_id = capture_id
        self._files: dict[str, _File] = {}
        """By their folder."""

    def __enter__(self) -> Self:
        return self

    def extend(self, some: Iterable[tuple[str, list[Row]]]) -> None:
        """Add rows of several tables."""
        self.merge([columns(some)])

    def merge(self, shares: "list[Columns]") -> None:
        """Add what several processes have found at the same time, in the order of the capture."""
        for folder in dict.fromkeys(chain.from_iterable(shares)):
            found = [share[folder] for share in shares if folder in share]
            self._add(folder, found[0] if len(found) == 1 else _in_order(found))

    def _add(self, folder: str, rows: "pa.Table") -> None:
        file = self._files.get(folder)
        if file is None:
            file = self._files[folder] = _File(self._store, folder.partition("/")[0])
        file.add(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # The row in captures says that the capture is done: it comes last.
            for folder, file in sorted(self._files.items(), key=lambda file: file[0] == "captures"):
                if kind is None:
                    file.publish(f"{folder}/{self._capture_id}.parquet")
        finally:
            for file in self._files.values():
                file.discard()


class _File:
    """A Parquet file that is being written, in row groups of a size that readers like."""

    def __init__(self, store: Store, table: str) -> None:
        self._store = store
        self._table = table
        self._schema = schema.arrow(table)
        self._held: list[pa.Table] = []
        self._rows = 0
        """How many are held."""
        self._draft: BinaryIO | None = None
        """What went before them, where they were too many."""
        self._writer: Any = None

    def add(self, rows: "pa.Table") -> None:
        self._held.append(rows)
        self._rows += len(rows)
        if self._rows >= _ROW_GROUP:
            if self._draft is None:
                self._draft = self._store.draft()
                self._writer = self._open(self._draft)
            self._flush()

    def publish(self, name: str) -> None:
        """Give it its name."""
        import pyarrow as pa

        if self._draft is not None:
            self._flush()
            self._writer.close()
            self._store.publish(self._draft, name)
            self._draft = None
            return
        made = pa.BufferOutputStream()
        self._writer = self._open(made)
        self._flush()
        self._writer.close()
        self._store.put(name, made.getvalue())

    def discard(self) -> None:
        """Forget it."""
        if self._draft is not None:
            self._store.discard(self._draft)

    def _open(self, sink: Any) -> Any:
        from pyarrow import parquet

        # Of a file of few rows a schema, dictionaries and statistics would be most of the bytes, and of the time.
        few = 0 < self._rows < _FEW_ROWS
        writer = parquet.ParquetWriter(
            sink, self._schema, store_schema=self._rows == 0, use_dictionary=not few, write_statistics=not few
        )
        if self._rows:
            writer.add_key_value_metadata(schema.metadata(self._table))
        return writer

    def _flush(self) -> None:
        import pyarrow as pa

        if self._held:
            self._writer.write_table(self._held[0] if len(self._held) == 1 else pa.concat_tables(self._held))
        self._held, self._rows = [], 0


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def options_digest(options: Mapping[str, Any]) -> str:
    """Hash the options of an analysis, and the files that they name: others may lead to other rows."""
    digest = hashlib.sha256(str(schema.SCHEMA_VERSION).encode())
    for name, value in sorted(options.items()):
        if name in _SECRET:
            continue
        digest.update(f"\n{name}".encode())
        for each in value if isinstance(value, list | tuple) else [value]:
            digest.update(f"\0{each}".encode("utf-8", "surrogateescape"))
            for path in _files(str(each)) if isinstance(each, str | Path) else ():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _shown(value: Any) -> Any:
    """An option as JSON."""
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return value if value is None or isinstance(value, int | float) else named(str(value))


def _files(name: str) -> Iterable[Path]:
    """What a word names, where it names files."""
    path = Path(name)
    try:
        if path.is_dir():
            return sorted(each for each in path.iterdir() if each.is_file())
        return [path] if path.is_file() else []
    except (OSError, ValueError):
        return []
