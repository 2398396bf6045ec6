"""The dataset says what the reports say, in columns whose types and meanings are written down."""

import re
from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")
from archived import CAPTURES, batch, rows, write
from forged_reports import LEAF, START, capture, failed_handshake, handshake

from analyzer.api import analyze
from analyzer.archive import schema
from analyzer.archive.dataset import Dataset
from analyzer.archive.rows import Rows
from analyzer.report import serialize
from analyzer.results import HandshakeReport

README = (Path(schema.__file__).parent / "README.md").read_text()
NAMES = ["mutual-tls12", "one-way-tls13", "client-certificate-missing-tls12", "resumption-session-ticket-mutual",
         "renegotiation-mutual", "connection-refused", "starttls-imap-mutual", "anonymous-tls12", "cut"]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = tmp_path_factory.mktemp("dataset") / "d"
    batch(made, *(CAPTURES / f"{name}.pcap" for name in NAMES))
    return made


def written(place, *reports):
    dataset = Dataset(str(place))
    dataset.create({})
    for number, report in enumerate(reports):
        write(dataset, f"{number:032x}", report, source=report.capture, size=1)
    return place


def test_a_row_says_what_the_json_object_says(place):
    nested = {"client": ("ip", "port"), "server": ("ip", "port"), "resumes": ("stream", "handshake")}
    for name in NAMES:
        found = rows(place, f"SELECT * FROM handshakes WHERE capture LIKE '%/{name}.pcap' ORDER BY stream, handshake")
        expected = [serialize.handshake(each) for each in analyze(str(CAPTURES / f"{name}.pcap")).handshakes]
        assert len(found) == len(expected)
        for row, report in zip(found, expected, strict=True):
            for parent, names in nested.items():
                inside = report.pop(parent) or dict.fromkeys(names)
                report |= {f"{parent}_{key}": inside[key] for key in names}
            closed = report.pop("closed_by") or {"sender": None, "how": None}
            assert (row["closed_by"], row["closed_how"]) == (closed["sender"], closed["how"])
            assert row["start"] == datetime.fromisoformat(report.pop("start"))
            assert row["day"] == row["start"].date()
            assert row["findings"] == [finding["code"] for finding in report.pop("findings")]
            for side in ("server", "client"):
                sent = report["certificates"][side]
                assert row[f"{side}_certificates"] == [each["sha256"] for each in sent]
                assert row[f"{side}_certificate_subject"] == (sent[0]["subject"] if sent else None)
                assert row[f"{side}_chain"] == ((report["chain"][side] or {}).get("status"))
            report["capture"] = row["capture"]
            shared = row.keys() & report.keys()
            assert {key: row[key] for key in shared} == {key: report[key] for key in shared}
            assert report.keys() - shared <= {"schema_version", "messages", "application", "certificates", "chain"}


def test_start_is_kept_to_the_nanosecond(tmp_path):
    written(tmp_path / "d", capture(handshake(start=START + 7)))
    (row,) = rows(tmp_path / "d", "SELECT start, start_ns FROM handshakes")
    assert row["start_ns"] == START + 7
    assert row["start"] == datetime.fromtimestamp(START // 10**9, UTC) + timedelta(microseconds=123456)


def test_a_certificate_stands_once_per_capture_with_all_its_handshakes(tmp_path):
    other = replace(LEAF, sha256="cd" * 32)
    later = START + 86_400 * 10**9
    both = {"server": [LEAF, other], "client": []}
    first = capture(handshake(), failed_handshake(start=later, certificates=both), capture="a")
    written(tmp_path / "d", first, capture(handshake(), capture="b"))
    found = rows(tmp_path / "d", "SELECT * FROM certificates ORDER BY capture, sha256")
    counts = ("handshakes", "server_leaf", "client_leaf")
    assert [(row["capture"], row["sha256"][:2], *(row[name] for name in counts)) for row in found] == [
        ("a", "ab", 2, 2, 1),
        ("a", "cd", 1, 0, 0),
        ("b", "ab", 1, 1, 1),
    ]
    assert found[0]["last_seen"] - found[0]["first_seen"] == timedelta(days=1)
    assert found[0]["not_after"] == datetime(2027, 1, 1, tzinfo=UTC)
    assert [row["day"].day for row in found] == [23, 24, 23]


def test_findings_stand_with_their_handshakes(tmp_path):
    written(tmp_path / "d", capture(handshake(), failed_handshake()))
    found = rows(tmp_path / "d", "SELECT code, is_root_cause, stream, evidence FROM findings ORDER BY code")
    assert [(row["code"], row["is_root_cause"], row["stream"]) for row in found] == [
        ("certificate-expires-soon", False, 4),
        ("client-certificate-missing", True, 4),
    ]
    assert found[1]["evidence"] == [{"frame": 9, "display_filter": "frame.number == 9"}]


def test_captures_hold_their_issues(tmp_path):
    written(tmp_path / "d", capture())
    (row,) = rows(tmp_path / "d", "SELECT * FROM captures")
    assert row["issues"] == [{"code": "gap", "message": "a segment is missing", "count": 3, "frame": 12}]
    assert (row["frames"], row["handshakes"], row["error"]) == (2140, 0, None)


def test_tables_without_rows_can_be_asked_too(tmp_path):
    written(tmp_path / "d")
    for table in schema.TABLES:
        assert rows(tmp_path / "d", f"SELECT count(*) AS n FROM {table}") == [{"n": 0}]


def test_no_field_of_a_report_was_forgotten():
    elsewhere = {"schema_version", "messages", "application", "facts", "carrier"}
    elsewhere |= {"resumes", "client", "server", "certificates", "chain"}  # as columns of other names
    columns = {column.name for column in schema.TABLES["handshakes"]}
    assert {field.name for field in fields(HandshakeReport)} - columns <= elsewhere


def test_types_do_not_depend_on_the_rows(place):
    from pyarrow import parquet

    for table in schema.TABLES:
        for path in Path(place).glob(f"{table}/**/*.parquet"):
            found = parquet.read_schema(path)
            assert found.equals(schema.arrow(table), check_metadata=False), path
            assert found.metadata[b"mtlscope.schema_version"] == str(schema.SCHEMA_VERSION).encode()


def test_every_column_says_what_it_means_in_the_dataset_too(place):
    from pyarrow import dataset, parquet

    for table, columns in schema.TABLES.items():
        (path,) = Path(place).glob(f"{table}/**/schema.parquet")
        for column, field in zip(columns, parquet.read_schema(path), strict=True):
            assert field.metadata[b"description"].decode() == column.description
    read = dataset.dataset(str(Path(place) / "handshakes"), partitioning="hive").schema
    assert read.field("ja4").metadata[b"description"] == b"Fingerprint of the ClientHello."


def test_the_readme_lists_every_column():
    for table, columns in schema.TABLES.items():
        section = re.search(rf"^### `{table}`\n(.*?)(?=^#|\Z)", README, re.MULTILINE | re.DOTALL)[1]
        listed = re.findall(r"^\| `(\w+)` \| ([\w ]+) \| (.+) \|$", section, re.MULTILINE)
        kinds = {True: "list"}
        assert listed == [
            (each.name, kinds.get(isinstance(each.kind, tuple), each.kind), each.description) for each in columns
        ]


@pytest.mark.parametrize("count", [1, 19, 20, 21])
def test_few_rows_and_many_say_the_same(count, tmp_path):
    made = [handshake(stream=number) for number in range(count)]
    written(tmp_path / "many", capture(*made))
    for number, each in enumerate(made):
        written(tmp_path / "few" / str(number), capture(each))
    (whole,) = [rows(tmp_path / "many", "SELECT * FROM handshakes ORDER BY stream")]
    assert whole == [rows(tmp_path / "few" / str(number), "SELECT * FROM handshakes")[0] for number in range(count)]


def test_a_part_of_more_rows_than_a_row_group_holds_is_whole(tmp_path, monkeypatch):
    from pyarrow import parquet

    from analyzer.archive import dataset

    monkeypatch.setattr(dataset, "_ROW_GROUP", 30)
    place = tmp_path / "d"
    made = Dataset(str(place))
    made.create({})
    counter = Rows("0" * 32)
    with made.part("0" * 32) as part:
        for start in range(0, 100, 10):
            some = [handshake(stream=start + number) for number in range(10)]
            part.extend(counter.part(capture(*some)))
        part.extend(counter.end(capture(), {}))
    assert [row["stream"] for row in rows(place, "SELECT stream FROM handshakes ORDER BY stream")] == list(range(100))
    (path,) = [path for path in place.glob("handshakes/*/*.parquet") if path.stem != "schema"]
    assert parquet.read_metadata(path).num_row_groups == 4
    assert not list((place / "_temporary").iterdir())


def test_pyarrow_reads_a_folder_as_a_table_with_its_days(place):
    from pyarrow import dataset

    found = dataset.dataset(str(Path(place) / "handshakes"), partitioning="hive").to_table()
    assert found.num_rows == sum(len(analyze(str(CAPTURES / f"{name}.pcap")).handshakes) for name in NAMES)
    assert set(found.column("day").to_pylist()) == {"2026-11-23"}


def test_pandas_and_polars_read_it_as_it_is(place):
    verdicts = Counter(row["authentication"] for row in rows(place, "SELECT authentication FROM handshakes"))
    folder = f"{place}/handshakes"
    read = 0
    for name in ("pandas", "polars"):
        try:
            library = __import__(name)
        except ImportError:
            continue
        frame = library.read_parquet(folder) if name == "pandas" else library.scan_parquet(folder).collect()
        assert Counter(frame["authentication"].to_list()) == verdicts
        assert "day" in frame.columns
        read += 1
    if not read:
        pytest.skip("neither pandas nor polars is installed")
