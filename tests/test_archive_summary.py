"""What a dataset answers: the summary's sections, the ten questions of the manual, and any other in SQL."""

import io
import json
import re
from collections import Counter, defaultdict
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")
from archived import CAPTURES, batch, write
from forged_archive import build
from forged_reports import capture, handshake

from analyzer.api import analyze
from analyzer.archive import query, render, summary
from analyzer.archive.dataset import Dataset
from analyzer.cli import main
from analyzer.errors import UsageError

README = (Path(summary.__file__).parent / "README.md").read_text()
RECIPES = re.findall(r"^\d+\. ([^\n]+)\n\n```sql\n(.*?)```\n\n```text\n(.*?)```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return build(tmp_path_factory.mktemp("forged") / "d")


def answers(place, top=20):
    return {answer.section.name: answer for answer in summary.summarize(Dataset(str(place)), top)}


def test_there_are_ten_questions():
    assert len(RECIPES) == 10


@pytest.mark.parametrize(("question", "sql", "shown"), RECIPES, ids=[question for question, _, _ in RECIPES])
def test_the_manual_shows_the_answers(question, sql, shown, place):
    out = io.StringIO()
    with query.ask(Dataset(str(place)), sql) as answer:
        query.table(answer, out)
    assert out.getvalue() == shown


# The summary


def test_what_is_counted_is_what_the_reports_say(tmp_path):
    paths = sorted(CAPTURES.glob("*-tls1[23].pcap"))
    batch(tmp_path / "d", *paths)
    reports = [each for path in paths for each in analyze(str(path)).handshakes]
    found = answers(tmp_path / "d", None)
    verdicts = Counter((each.authentication, each.authentication_basis, each.outcome) for each in reports)
    assert {
        (row["authentication"], row["basis"], row["outcome"]): row["handshakes"] for row in found["verdicts"].rows
    } == verdicts
    suites = Counter((each.version, each.cipher_suite) for each in reports if each.version)
    assert {(row["version"], row["cipher_suite"]): row["handshakes"] for row in found["protocols"].rows} == suites
    failed = sum(each.outcome == "failed" for each in reports)
    assert sum(row["failed"] for row in found["failures"].rows) == failed
    assert sum(row["failed"] for row in found["days"].rows) == failed
    seen = defaultdict(list)
    for each in reports:
        if each.certificates["client"]:
            leaf = each.certificates["client"][0]
            seen[leaf.subject, leaf.issuer, leaf.not_after].append(each)
    assert sorted(row["handshakes"] for row in found["identities"].rows) == sorted(map(len, seen.values()))
    leaves = {sent[0].sha256 for each in reports for sent in each.certificates.values() if sent}
    assert {row["sha256"] for row in found["expiry"].rows} == leaves
    assert found["overview"].rows[0]["handshakes"] == len(reports)
    assert found["overview"].rows[0]["captures"] == len(paths)


def test_a_healthy_pair_that_began_to_fail_is_found_with_the_moment(place):
    (row,) = answers(place)["broken"].rows
    assert (row["client"], row["server"], row["root_cause"]) == (
        "192.0.2.10",
        "partner.example",
        "client-certificate-expired",
    )
    assert (row["last_established"].day, row["first_failure"].day, row["failed_since"], row["established"]) == (
        19,
        20,
        11,
        19,
    )


def test_certificates_stand_by_expiry_with_the_days_that_are_left(place):
    rows = answers(place)["expiry"].rows
    assert [(row["subject"], row["days_left"]) for row in rows[:3]] == [
        ("CN=crm.example", -10),
        ("CN=pay.example", -5),
        ("CN=erp.example", 24),
    ]


def test_pairs_say_since_when_and_until_when(place):
    rows = answers(place)["pairs"].rows
    (legacy,) = [row for row in rows if row["server"] == "legacy.example"]
    assert (legacy["first_seen"].day, legacy["last_seen"].day, legacy["handshakes"]) == (10, 30, 3)


def test_what_was_not_read_is_told(place):
    assert answers(place)["captures"].rows == [{"capture": "2026-12-01.pcap", "reason": "Empty file"}]


def test_a_server_without_a_name_has_that_of_its_address_where_there_is_but_one(tmp_path):
    dataset = Dataset(str(tmp_path / "d"))
    dataset.create({})
    nameless = {"server_name": None, "outcome": "failed", "version": None}
    report = capture(handshake(server_name="a.example"), handshake(**nameless))
    write(dataset, "0" * 32, report)
    assert [(row["server"], row["handshakes"]) for row in answers(tmp_path / "d")["servers"].rows] == [("a.example", 2)]
    report = capture(handshake(server_name="b.example"))
    write(dataset, "1" * 32, report)
    named = {row["server"] for row in answers(tmp_path / "d")["servers"].rows}
    assert named == {"a.example", "b.example", "2001:db8::7"}


def test_rows_that_are_left_out_are_counted(place):
    found = answers(place, 1)
    assert (len(found["pairs"].rows), found["pairs"].rest) == (1, 5)
    assert len(found["days"].rows) == 30 and found["days"].rest == 0
    out = io.StringIO()
    render.text(found.values(), out)
    assert "  and 5 more\n" in out.getvalue()


def test_an_empty_dataset_has_a_summary_too(tmp_path, capsys):
    Dataset(str(tmp_path / "d")).create({})
    for name in ("text", "json", "html"):
        assert main(["summary", str(tmp_path / "d"), "--format", name]) == 0
        assert capsys.readouterr().out


# How it reads


def test_formats_are_chosen_by_option_and_suffix(place, tmp_path, capsys):
    assert main(["summary", str(place)]) == 0
    assert capsys.readouterr().out.startswith("Overview\n  captures      31\n")
    assert main(["summary", str(place), "-o", str(tmp_path / "s.json")]) == 0
    made = json.loads((tmp_path / "s.json").read_text())
    assert made["days"]["total"] == 30 and made["days"]["rows"][0]["day"] == "2026-11-01"
    assert made["pairs"]["rows"][0]["first_seen"].endswith(".000000Z")
    assert main(["summary", str(place), "-o", str(tmp_path / "s.docx")]) == 2
    assert main(["summary", str(tmp_path)]) == 2


class Page(HTMLParser):
    """Collects what a page would run or fetch, and its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text, self.outside = Counter(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.outside += [
            value for name, value in attrs if name in ("src", "href") and not value.startswith(("#", "data:"))
        ]
        self.outside += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_asks_nobody_and_what_peers_say_stays_text(tmp_path):
    hostile = "<script>alert(1)</script>\x1b[31m\u202e"
    dataset = Dataset(str(tmp_path / "d"))
    dataset.create({})
    write(dataset, "0" * 32, capture(handshake(server_name=hostile)))
    assert main(["summary", str(tmp_path / "d"), "-o", str(tmp_path / "s.html")]) == 0
    page = Page()
    page.feed((tmp_path / "s.html").read_text())
    assert page.tags["script"] == 1 and not page.outside
    assert page.tags["svg"] == 2 and page.tags["rect"] >= 2
    assert "<script>alert(1)</script>\\x1b[31m\\u202e" in "".join(page.text)


# Anything else


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("table", "name n at parts\n=1+1\\x07 2 2026-11-23 14:25:01.123456 [1, null]\n"),
        ("csv", 'name,n,at,parts\n\'=1+1\\x07,2,2026-11-23T14:25:01.123456Z,"[1, null]"\n'),
        ("json", '[\n{"name": "=1+1\\u0007", "n": 2, "at": "2026-11-23T14:25:01.123456Z", "parts": [1, null]}\n]\n'),
        ("jsonl", '{"name": "=1+1\\u0007", "n": 2, "at": "2026-11-23T14:25:01.123456Z", "parts": [1, null]}\n'),
    ],
)
def test_answers_are_written_in_every_format(name, shown, place, capsys):
    sql = (
        "SELECT '=1+1' || chr(7) AS name, 2 AS n, '2026-11-23T14:25:01.123456Z'::TIMESTAMPTZ AS at, [1, NULL] AS parts"
    )
    assert main(["query", str(place), sql, "--format", name]) == 0
    assert capsys.readouterr().out.split() == shown.split()


def test_an_answer_may_be_parquet_too(place, tmp_path):
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    assert main(["query", str(place), "SELECT * FROM handshakes", "-o", str(path)]) == 0
    assert parquet.read_metadata(path).num_rows == parquet.read_table(path).num_rows > 100
    assert main(["query", str(place), "SELECT 1", "--format", "parquet"]) == 2


def test_sql_may_come_from_stdin(place, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT count(*) AS n FROM captures"))
    assert main(["query", str(place), "-", "--format", "jsonl"]) == 0
    assert capsys.readouterr().out == '{"n": 31}\n'


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM handshakes", "SELECT 'x'::INT", ""])
def test_wrong_sql_is_told_in_one_line(sql, place, capsys):
    assert main(["query", str(place), sql]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("value", ["'290000-01-01'::TIMESTAMP", "'290000-01-01'::TIMESTAMPTZ", "'infinity'::DATE"])
@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_a_time_that_cannot_be_shown_is_told_in_one_line(value, form, place, capsys):
    assert main(["query", str(place), f"SELECT {value}", "--format", form]) == 2
    told = capsys.readouterr().err
    assert told.startswith("mtlscope: a value of the answer cannot be shown: ") and told.count("\n") == 1
    assert main(["query", str(place), f"SELECT {value}::VARCHAR", "--format", form]) == 0


@pytest.mark.parametrize("old", [False, True])
def test_what_only_writes_a_file_is_done_and_no_error(old, place, tmp_path, monkeypatch, capsys):
    connect = Dataset.connect

    @contextmanager
    def silent(dataset):
        """As DuckDB was before 2.0: what has no rows has no answer."""
        with connect(dataset) as connection:
            yield SimpleNamespace(
                sql=lambda sql: connection.execute(sql) and None, extract_statements=connection.extract_statements
            )

    if old:
        monkeypatch.setattr(Dataset, "connect", silent)
    assert main(["query", str(place), f"COPY (SELECT 1 AS a) TO '{tmp_path}/a.csv'"]) == 0
    said = capsys.readouterr()
    assert said.out.split() in (["Success"], ["Count", "1"]) and not said.err
    assert (tmp_path / "a.csv").read_text() == "a\n1\n"
    assert main(["query", str(place), "-- nothing"]) == 2


def test_more_rows_than_can_be_asked_for_are_wrong_use(place, capsys):
    assert main(["summary", str(place), "--top", "99999999999999999999"]) == 2
    told = capsys.readouterr().err
    assert "--top" in told and told.count("\n") == 1 and "SELECT" not in told
    assert main(["summary", str(place), "--top", "1000000000"]) == 0


def test_a_dataset_is_put_together_for_others(place, tmp_path):
    (copy,) = re.findall(r"^COPY .*$", README, re.MULTILINE)
    with Dataset(str(place)).connect() as connection:
        (tmp_path / "compact").mkdir()
        connection.execute(copy.replace("compact/", f"{tmp_path}/compact/"))
        where = f"read_parquet('{tmp_path}/compact/handshakes/*/*.parquet', hive_partitioning = true)"
        ask = "SELECT count(*), count(DISTINCT day), min(start_ns) FROM "
        assert connection.sql(ask + where).fetchall() == connection.sql(ask + "handshakes").fetchall()


def test_a_newer_dataset_is_not_misread(tmp_path):
    dataset = Dataset(str(tmp_path / "d"))
    dataset.create({})
    manifest = json.loads((tmp_path / "d" / "dataset.json").read_text())
    (tmp_path / "d" / "dataset.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    with pytest.raises(UsageError, match="newer"), dataset.connect():
        pass
