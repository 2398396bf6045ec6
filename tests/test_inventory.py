"""Every certificate is listed once, with what all handshakes say of it, in every format; and written out safely."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from ssl import DER_cert_to_PEM_cert, PEM_cert_to_DER_cert

import pytest
from forged_reports import LEAF, capture, handshake
from hypothesis import given
from hypothesis import strategies as st

import analyzer
from analyzer.cli import main
from analyzer.errors import UsageError
from analyzer.inventory import certificates, writers
from analyzer.inventory.collect import SIGHTINGS, Entry, Inventory
from analyzer.inventory.export import file_name
from analyzer.results import ChainReport, CheckReport

CAPTURES = Path(__file__).parents[1] / "captures"
NAMES = ("mutual-tls12.pcap", "server-certificate-expired-tls12.pcap", "one-way-tls12.pcap")
MUTUAL, EXPIRED, ONE_WAY = (str(CAPTURES / name) for name in NAMES)
CA = str(CAPTURES / "ca.pem")
ISSUER = replace(LEAF, subject="CN=Test CA", sha256="cd" * 32, ca=True)
DAY = 86_400 * 10**9


def written(inventory: Inventory, name: str) -> str:
    out = io.StringIO()
    writers.write(inventory, name, out)
    return out.getvalue()


def forged(*chains: ChainReport | None, sent=(LEAF, ISSUER), at: str = "capture") -> Inventory:
    """An inventory of handshakes in which a server sent these certificates, and its chain was judged so."""
    made = [
        handshake(stream=stream, certificates={"server": [*sent], "client": []}, chain={"server": each, "client": None})
        for stream, each in enumerate(chains)
    ]
    return certificates(capture(*made), at=at)


def chain(status, *checks: CheckReport, anchor: str | None = "CN=Root") -> ChainReport:
    return ChainReport(status, anchor, [*checks])


def check(name: str, status="fail", certificate: str | None = LEAF.sha256, got: str = "so") -> CheckReport:
    return CheckReport(name, status, certificate, None, got, None)


# What is listed


def test_each_certificate_is_listed_once_with_every_place() -> None:
    reports = analyzer.analyze_many([MUTUAL, EXPIRED, ONE_WAY], trust=CA)
    inventory = analyzer.certificates(reports)
    assert len({entry.certificate.sha256 for entry in inventory}) == len(inventory) == 4
    issuer = next(entry for entry in inventory if entry.certificate.subject.startswith("CN=Example Issuing CA"))
    places = [(Path(one.capture).name, one.stream, one.frame, one.side, one.position) for one in issuer.seen]
    assert places[:2] == [("mutual-tls12.pcap", 0, 5, "server", 1), ("mutual-tls12.pcap", 0, 6, "client", 1)]
    assert issuer.count == len(issuer.seen) == 4
    assert not issuer.leaf
    assert issuer.verdicts == {"server": "pass", "client": "undetermined"}
    leaf = next(entry for entry in inventory if entry.verdict == "fail")
    assert leaf.leaf and [one.check for one in leaf.checks] == ["validity-period"]
    assert leaf is inventory.entries[0], "the first to expire comes first"


def test_an_issuer_is_judged_by_itself_and_a_leaf_by_its_chain() -> None:
    leaf, issuer = sorted(forged(chain("fail", check("name-match"))), key=lambda entry: not entry.leaf)
    assert (leaf.verdict, issuer.verdict) == ("fail", "pass")
    leaf, issuer = sorted(
        forged(chain("fail", check("validity-period", certificate=ISSUER.sha256))), key=lambda entry: not entry.leaf
    )
    assert (leaf.verdict, issuer.verdict) == ("fail", "fail")
    assert [one.check for one in issuer.checks] == ["validity-period"]


def test_what_does_not_decide_is_told_and_decides_nothing() -> None:
    notice = check("expires-soon", certificate=ISSUER.sha256)
    issuer = next(entry for entry in forged(chain("pass", notice)) if not entry.leaf)
    assert (issuer.verdict, issuer.checks) == ("pass", [notice])


def test_the_worst_verdict_counts_and_checks_are_told_once() -> None:
    verdicts = chain("pass"), chain("fail", check("name-match")), chain("fail", check("name-match")), None
    entry = next(entry for entry in forged(*verdicts) if entry.leaf)
    assert (entry.verdict, len(entry.checks), entry.count) == ("fail", 1, 4)
    assert [one.verdict for one in entry.seen] == ["pass", "fail", "fail", "undetermined"]


def test_sightings_are_bounded_and_counted() -> None:
    made = [handshake(stream=stream) for stream in range(SIGHTINGS + 5)]
    [entry] = certificates(capture(*made))
    assert len(entry.seen) == SIGHTINGS
    assert entry.count == 2 * (SIGHTINGS + 5)  # both sides show the same one
    assert f"and {entry.count - writers.SHOWN:,} more" in written(certificates(capture(*made)), "table")


@pytest.mark.parametrize(
    ("end", "at", "left"),
    [
        ("2027-01-01T00:00:00Z", "capture", 38),
        ("2026-11-23T14:25:01.123456Z", "capture", 0),
        ("2026-11-23T14:25:01.123455Z", "capture", -1),
        ("2027-01-01T00:00:00Z", "2026-12-31T00:00:00Z", 1),
        ("9999-12-31T23:59:59Z", "2000-01-01", 2_921_939),
        (None, "capture", None),
    ],
)
def test_days_are_counted_from_the_validation_time(end: str | None, at: str, left: int | None) -> None:
    [entry] = forged(chain("pass"), sent=[replace(LEAF, not_after=end)], at=at)
    assert entry.days_left == left


def test_days_are_counted_from_the_last_handshake() -> None:
    first = handshake()
    [entry] = certificates(capture(first, replace(first, start=first.start + 30 * DAY)))
    assert (entry.days_left, entry.last_seen - entry.first_seen) == (8, 30 * DAY)


def test_at_must_be_a_time() -> None:
    with pytest.raises(UsageError, match="no time"):
        certificates([], at="soon")


# Formats


def test_people_read_what_the_verdict_rests_on_and_no_more() -> None:
    told = chain(
        "fail",
        check("issuer-signature", "undetermined", got="not at hand"),
        check("expires-soon", got="expires on 2027-01-01"),
        check("name-match", got="another name"),
    )
    for name in ("table", "markdown"):
        text = written(forged(told, chain("pass"), sent=[LEAF]), name).replace("\\", "")
        assert text.index("fail: name-match: another name") < text.index("note: expires-soon: expires on 2027-01-01")
        assert "not at hand" not in text
    assert "seen 2 times (1 pass, 1 fail): a.pcap tcp 0, a.pcap tcp 1" in written(
        forged(told, chain("pass"), sent=[LEAF]), "table"
    )
    open_one = chain("undetermined", check("issuer-known", "undetermined", got="no anchors"))
    assert "undetermined: issuer-known: no anchors" in written(forged(open_one, sent=[LEAF]), "table")


def test_json_tells_everything_and_jsonl_the_same() -> None:
    inventory = certificates(analyzer.analyze(MUTUAL, trust=CA))
    document = json.loads(written(inventory, "json"))
    assert document["schema_version"] == 1
    assert document["certificates"] == [json.loads(line) for line in written(inventory, "jsonl").splitlines()]
    assert list(document["certificates"][0]) == [
        "subject", "issuer", "serial_number", "not_before", "not_after", "san", "key", "algorithm", "sha256",
        "self_signed", "ca", "verdict", "verdicts", "checks", "days_left", "leaf", "first_seen", "last_seen", "count",
        "seen",
    ]  # fmt: skip
    assert list(document["certificates"][0]["seen"][0]) == [
        "capture", "transport", "stream", "handshake", "frame", "side", "position", "verdict",
    ]  # fmt: skip
    assert json.loads(written(certificates([]), "json")) == {"schema_version": 1, "certificates": []}


def test_csv_has_a_row_a_certificate() -> None:
    rows = list(csv.DictReader(io.StringIO(written(certificates(analyzer.analyze(EXPIRED, trust=CA)), "csv"))))
    assert [row["checks"] for row in rows] == ["validity-period:fail", ""]
    assert (rows[0]["verdict"], rows[0]["leaf"], rows[0]["frame"], rows[0]["days_left"]) == (
        "fail",
        "true",
        "5",
        "-2153",
    )


@pytest.mark.parametrize("name", writers.FORMATS)
def test_hostile_names_are_harmless_in_every_format(name: str) -> None:
    hostile = replace(LEAF, subject="CN=\x1b]0;x\x07<b>\u202e|`", issuer="=cmd()", san=["DNS:\x1b[31m\n"])
    text = written(forged(chain("fail", check("name-match", got="\x1b[2J\r"))), name)
    text += written(forged(chain("fail", check("name-match", got="\x1b[2J\r")), sent=[hostile]), name)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    if name == "markdown":
        assert len({line.replace(r"\|", "").count("|") for line in text.splitlines() if line.startswith("|")}) == 1


@pytest.mark.parametrize("name", writers.FORMATS)
def test_every_format_is_chosen_by_its_suffix(name: str, tmp_path: Path) -> None:
    inventory = certificates(analyzer.analyze(MUTUAL, trust=CA))
    for suffix in writers.FORMATS[name]:
        path = tmp_path / f"list{suffix.upper()}"
        inventory.save(path)
        assert path.read_text() == written(inventory, name)
    with pytest.raises(UsageError, match="no format of certificates"):
        inventory.save(tmp_path / "list.pem")


# Export


def test_export_writes_what_was_sent(tmp_path: Path) -> None:
    inventory = certificates(analyzer.analyze(MUTUAL, trust=CA))
    folder = tmp_path / "a" / "b"
    files = inventory.export(folder)
    assert sorted(files) == sorted(folder.iterdir())
    for entry, path in zip(inventory, files, strict=True):
        assert PEM_cert_to_DER_cert(path.read_text()) == entry.der
        assert path.name.endswith(f"-{entry.certificate.sha256}.pem")
    assert {path.name[:20] for path in files} == {
        "service.example.com-",
        "integration.example.",
        "Example_Issuing_CA-e",
    }
    assert inventory.export(folder) == files, "what holds the same may stay"


def test_export_writes_over_nothing(tmp_path: Path) -> None:
    inventory = certificates(analyzer.analyze(MUTUAL, trust=CA))
    precious = tmp_path / file_name(inventory.entries[1])
    precious.write_bytes(b"precious")
    with pytest.raises(UsageError, match="not written over"):
        inventory.export(tmp_path)
    assert precious.read_bytes() == b"precious"


def test_export_does_not_follow_links(tmp_path: Path) -> None:
    inventory = certificates(analyzer.analyze(MUTUAL, trust=CA))
    elsewhere = tmp_path / "elsewhere"
    folder = tmp_path / "pem"
    folder.mkdir()
    (folder / file_name(inventory.entries[0])).symlink_to(elsewhere)
    with pytest.raises(UsageError):
        inventory.export(folder)
    assert not elsewhere.exists()


@given(st.text(max_size=300), st.sampled_from(["CN=", "O=", ""]))
def test_any_subject_makes_a_harmless_file_name(subject: str, kind: str) -> None:
    name = file_name(Entry(replace(LEAF, subject=kind + subject), "pass"))
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}-[0-9a-f]{64}\.pem", name)
    assert len(name) <= 160


@pytest.mark.parametrize(
    "subject", ["", "CN=", "CN=../../etc/passwd", "CN=/", "CN=..", "CN=\x00", "CN=\u202e", "CN=a\\/b"]
)
def test_no_subject_leads_out_of_the_folder(subject: str, tmp_path: Path) -> None:
    made = certificates(analyzer.analyze(EXPIRED, trust=CA))
    made.entries = [replace(entry, certificate=replace(entry.certificate, subject=subject)) for entry in made]
    files = made.export(tmp_path / "in")
    assert {path.parent for path in files} == {tmp_path / "in"}
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_names_that_differ_in_case_only_have_files_of_their_own() -> None:
    twin = replace(LEAF, subject=LEAF.subject.upper(), sha256="ef" * 32)
    assert len({file_name(Entry(each, "pass")).lower() for each in (LEAF, twin)}) == 2


# The command


def test_the_command_lists_and_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certificates", MUTUAL, ONE_WAY, "--trust", CA, "--export", str(tmp_path / "pem")]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.endswith("3 certificates in 2 captures: 1 pass, 2 undetermined\n")
    exported = [PEM_cert_to_DER_cert(path.read_text()) for path in (tmp_path / "pem").iterdir()]
    assert len(set(exported)) == 3
    assert all(DER_cert_to_PEM_cert(one).encode() for one in exported)


HIDDEN = "1 handshake hides its certificates by encryption: a key log with its secrets (--keylog) shows them\n"


@pytest.mark.parametrize("name", writers.FORMATS)
def test_what_encryption_hides_is_said_once_and_not_among_data(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    # A resumption and a shared key hide nothing: no certificate is sent there.
    sealed, bare = (str(CAPTURES / f"{file}.pcap") for file in ("resumption-psk", "psk-tls13"))
    assert main(["certificates", sealed, bare, ONE_WAY, "--format", name, "--trust", CA]) == 0
    said = capsys.readouterr()
    if name in ("table", "markdown"):
        assert said.out.replace("\\", "").endswith(HIDDEN) and said.err == ""
    else:
        assert said.err == f"mtlscope: {HIDDEN}" and "encryption" not in said.out
    log = str(CAPTURES / "keys" / "mutual-tls13.keys")
    assert main(["certificates", str(CAPTURES / "mutual-tls13.pcap"), "--format", name, "--keylog", log]) == 0
    said = capsys.readouterr()
    assert "encryption" not in said.out + said.err


def test_secrets_show_the_certificates_of_tls13(capsys: pytest.CaptureFixture[str]) -> None:
    sealed = str(CAPTURES / "mutual-tls13.pcap")
    assert main(["certificates", sealed, "--format", "jsonl"]) == 0
    assert capsys.readouterr().out == ""
    log = str(CAPTURES / "keys" / "mutual-tls13.keys")
    assert main(["certificates", sealed, "--format", "jsonl", "--keylog", log]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_redacted_certificates_are_listed_and_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pem"
    assert main(["certificates", MUTUAL, "--redact", "--export", str(folder)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("mtlscope: --export") and "--redact" in said.err and said.err.count("\n") == 1
    assert not folder.exists()
    assert main(["certificates", MUTUAL, "--redact", "--format", "jsonl"]) == 0
    redacted = capsys.readouterr().out
    assert len(redacted.splitlines()) == 3
    assert "Example Lab" not in redacted
    assert "service.example.com" not in redacted
    assert all(json.loads(line)["seen"][0]["frame"] in (5, 6) for line in redacted.splitlines())


def test_a_redacted_report_cannot_be_exported_from_python_either(tmp_path: Path) -> None:
    from analyzer.report.redact import redacted

    with pytest.raises(UsageError, match="redacted"):
        certificates(redacted([analyzer.analyze(MUTUAL)])).export(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_does_not_stop_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.pcap").write_bytes(b"no capture")
    assert main(["certificates", str(tmp_path / "bad.pcap"), MUTUAL, "--format", "jsonl"]) == 3
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert said.err.count("\n") == 1


def test_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    for arguments in (["--export", str(file)], ["-o", "list.xyz"], ["--at", "soon"], ["-o", MUTUAL]):
        assert main(["certificates", MUTUAL, *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1
