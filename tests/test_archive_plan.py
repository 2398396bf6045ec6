"""What a batch reads: each capture once, wherever it lies, and every input that cannot be read by name."""

import gzip
import os
import shutil
import struct
import tarfile
import zipfile

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")
from archived import CAPTURES, batch, captures, contents, rows, short
from lab import traffic

from analyzer.archive import plan
from analyzer.archive.dataset import Dataset
from analyzer.capture import source
from analyzer.cli import main
from analyzer.errors import UsageError

ONE = CAPTURES / "one-way-tls12.pcap"
TWO = CAPTURES / "mutual-tls12.pcap"
THREE = CAPTURES / "mutual-tls13.pcap"


@pytest.fixture
def folder(tmp_path):
    """Three captures in a folder, and what is none."""
    made = tmp_path / "in"
    (made / "sub").mkdir(parents=True)
    shutil.copyfile(ONE, made / "1.pcap")
    shutil.copyfile(TWO, made / "sub" / "2.pcap")
    (made / "notes.txt").write_text("no capture")
    with zipfile.ZipFile(made / "3.zip", "w") as archive:
        archive.write(THREE, "deep/3.pcap")
        archive.writestr("readme", "no capture")
    return made


def names(place):
    return sorted(short(name) for name in captures(place))


def test_folders_archives_globs_and_files_are_searched(folder, tmp_path):
    batch(tmp_path / "a", folder)
    assert names(tmp_path / "a") == ["1.pcap", "2.pcap", "3.pcap", "3.zip"]
    batch(tmp_path / "b", f"{folder}/**/*.pcap")
    assert names(tmp_path / "b") == ["1.pcap", "2.pcap"]
    batch(tmp_path / "c", folder / "1.pcap", folder / "1.pcap", folder)
    assert contents(tmp_path / "c") == contents(tmp_path / "a")
    about = rows(tmp_path / "a", "SELECT capture, source, size, archive_id, members FROM captures ORDER BY capture")
    zipped, member = about[1], about[2]
    assert (zipped["members"], zipped["source"]) == (1, str(folder / "3.zip"))
    assert member["capture"] == f"{folder}/3.zip/deep/3.pcap"
    assert (member["source"], member["size"]) == (str(folder / "3.zip"), THREE.stat().st_size)


def test_object_stores_are_read_and_written(folder, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.put(str(folder), "/bucket/captures", recursive=True)
    try:
        for source in ["memory://bucket/captures", "memory://bucket/captures/**/*.*", folder]:
            batch(f"memory://bucket/{abs(hash(source))}", source)
        datasets = [place for place in store.ls("/bucket", detail=False) if not place.endswith("captures")]
        ask = "SELECT start_ns, authentication FROM handshakes ORDER BY ALL"
        verdicts = [rows(f"memory:/{place}", ask) for place in datasets]
        assert len(datasets) == 3 and verdicts[0] == verdicts[1] == verdicts[2] and len(verdicts[0]) == 3
        planned, progress, _ = batch(f"memory:/{datasets[0]}", "memory://bucket/captures")
        assert progress.captures == 0 or len(planned.tasks) == 0
    finally:
        store.store.clear()


def test_run_again_nothing_is_done_again(folder, tmp_path):
    _, first, _ = batch(tmp_path / "d", folder)
    before = contents(tmp_path / "d")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*.parquet")}
    planned, second, told = batch(tmp_path / "d", folder)
    assert (first.captures, second.captures, planned.tasks) == (3, 0, [])
    assert sorted(short(each.name) for each in told) == ["1.pcap", "2.pcap", "3.pcap", "3.zip"]
    assert contents(tmp_path / "d") == before
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*.parquet")} == times


@pytest.mark.parametrize("table", ["captures", "handshakes/day=*", "certificates/day=*"])
@pytest.mark.parametrize("schema", [False, True])
def test_what_a_power_failure_has_left_empty_is_made_again(table, schema, folder, tmp_path):
    batch(tmp_path / "d", folder)
    before = contents(tmp_path / "d")
    found = [path for path in (tmp_path / "d").glob(f"{table}/*.parquet") if (path.stem == "schema") == schema]
    found[0].write_bytes(b"")
    batch(tmp_path / "d", folder)
    assert contents(tmp_path / "d") == before


def test_a_dataset_with_a_damaged_file_is_refused_and_the_file_named(folder, tmp_path, capsys):
    batch(tmp_path / "d", folder)
    path = next(path for path in (tmp_path / "d").glob("handshakes/day=2*/*.parquet"))
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["summary", str(tmp_path / "d")]) == 2
    told = capsys.readouterr().err
    assert path.name in told and told.count("\n") == 1 and "fault" not in told


def test_a_folder_that_was_moved_is_known(folder, tmp_path):
    batch(tmp_path / "d", folder)
    before = contents(tmp_path / "d")
    folder.rename(tmp_path / "elsewhere")
    planned, _, _ = batch(tmp_path / "d", tmp_path / "elsewhere")
    assert planned.tasks == [] and contents(tmp_path / "d") == before


def test_a_capture_that_grew_takes_the_place_of_what_it_was(folder, tmp_path):
    whole = (folder / "1.pcap").read_bytes()
    (folder / "1.pcap").write_bytes(whole[:500])
    batch(tmp_path / "d", folder)
    (folder / "1.pcap").write_bytes(whole)
    batch(tmp_path / "d", folder)
    batch(tmp_path / "fresh", folder)
    assert contents(tmp_path / "d") == contents(tmp_path / "fresh")


def test_an_archive_that_changed_takes_the_place_of_what_it_was(folder, tmp_path):
    batch(tmp_path / "d", folder)
    with zipfile.ZipFile(folder / "3.zip", "w") as archive:
        archive.write(ONE, "one.pcap")
        archive.write(THREE, "deep/3.pcap")
    batch(tmp_path / "d", folder)
    batch(tmp_path / "fresh", folder)
    assert contents(tmp_path / "d") == contents(tmp_path / "fresh")


def test_a_change_between_the_samples_is_seen_by_the_time_of_the_file(tmp_path):
    big = tmp_path / "big.pcap"
    big.write_bytes(ONE.read_bytes() + bytes(4 << 20))
    batch(tmp_path / "d", big)
    with big.open("r+b") as file:
        file.seek(ONE.stat().st_size + (2 << 20) + 4711)
        file.write(b"\xff")
    planned, _, _ = batch(tmp_path / "d", big)
    assert len(planned.tasks) == 1


def test_the_same_bytes_count_once_and_are_named(folder, tmp_path):
    shutil.copyfile(ONE, folder / "copy.pcap")
    (folder / "link.pcap").symlink_to(folder / "1.pcap")
    (folder / "hard.pcap").hardlink_to(folder / "1.pcap")
    planned, progress, _ = batch(tmp_path / "d", folder)
    assert progress.captures == 3
    assert [(short(name), short(twin)) for name, twin in planned.duplicates] == [
        ("copy.pcap", "1.pcap"),
        ("hard.pcap", "1.pcap"),
        ("link.pcap", "1.pcap"),
    ]


def test_equal_samples_are_compared_byte_by_byte(tmp_path):
    for name, at in [("a.pcap", 1 << 20), ("b.pcap", (1 << 20) + 300_000)]:
        data = bytearray(ONE.read_bytes() + bytes(4 << 20))
        data[at + 100_000] = 1
        (tmp_path / name).write_bytes(data)
    planned, _, _ = batch(tmp_path / "d", tmp_path / "a.pcap", tmp_path / "b.pcap")
    assert len(planned.tasks) == 2 and not planned.duplicates


def test_a_dataset_keeps_to_its_options(folder, tmp_path):
    batch(tmp_path / "d", folder, trust=("none",))
    with pytest.raises(UsageError, match="other options"):
        batch(tmp_path / "d", folder, trust=("mozilla",))
    (tmp_path / "keys").write_text("# empty\n")
    batch(tmp_path / "e", folder, keylog=(str(tmp_path / "keys"),))
    (tmp_path / "keys").write_text("# changed\n")
    with pytest.raises(UsageError, match="other files"):
        batch(tmp_path / "e", folder, keylog=(str(tmp_path / "keys"),))


def test_a_folder_of_something_else_is_no_dataset(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="not empty"):
        batch(tmp_path, ONE)
    with pytest.raises(UsageError, match="no dataset"), Dataset(str(tmp_path / "nowhere")).connect():
        pass


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder of all that is bad, with some good captures among it."""
    made = tmp_path_factory.mktemp("hostile") / "in"
    made.mkdir()
    for name in ("cut.pcap", "mutual-tls12.pcap"):
        shutil.copyfile(CAPTURES / name, made / name)
    (made / "empty.pcap").touch()
    (made / "text.pcap").write_text("no capture at all")
    compressed = (CAPTURES / "compressed.pcap.gz").read_bytes()
    (made / "head.pcap.gz").write_bytes(compressed[:12])
    (made / "half.pcap.gz").write_bytes(compressed[: len(compressed) * 3 // 4])
    (made / "no.zip").write_bytes(b"PK\3\4 nothing")
    (made / "no.tar.gz").write_bytes(b"\x1f\x8b nothing")
    (made / "loop-a.pcap").symlink_to("loop-b.pcap")
    (made / "loop-b.pcap").symlink_to("loop-a.pcap")
    (made / "gone.pcap").symlink_to("nowhere")
    (made / "up").symlink_to("..")
    os.mkfifo(made / "pipe.pcap")
    with (made / "sparse.pcap").open("wb") as file:
        file.truncate(5 << 30)
    with zipfile.ZipFile(made / "none.zip", "w") as archive:
        archive.writestr("readme", "no captures")
    with zipfile.ZipFile(made / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("bomb.pcap", "w") as out:
            out.write(ONE.read_bytes()[:24])
            for _ in range(300):  # MiB of records without a byte
                out.write(bytes(1 << 20))
        archive.write(THREE, "good.pcap")
    with gzip.open(made / "bomb.pcap.gz", "wb") as out:
        out.write(ONE.read_bytes()[:24])
        for _ in range(300):
            out.write(bytes(1 << 20))
    with tarfile.open(made / "up.tar", "w") as archive:
        archive.add(CAPTURES / "resumption-psk.pcap", "../../escaped.pcap")
    return made


BAD = {
    "bomb.pcap", "bomb.pcap.gz", "empty.pcap", "gone.pcap", "head.pcap.gz", "loop-a.pcap", "loop-b.pcap", "no.tar.gz",
    "no.zip", "none.zip", "pipe.pcap", "sparse.pcap", "text.pcap",
}  # fmt: skip
GOOD = {"bomb.zip", "cut.pcap", "escaped.pcap", "good.pcap", "half.pcap.gz", "mutual-tls12.pcap", "up.tar"}


def test_every_bad_input_is_named_once_and_every_good_one_is_analyzed(hostile, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("analyzer.cli.batch.LINE_EVERY", 3600)
    for _ in range(2):
        assert main(["batch", str(hostile), "-o", str(tmp_path / "d"), "--jobs", "2"]) == 3
        told = [line.removeprefix("mtlscope: ") for line in capfd.readouterr().err.splitlines()]
        named = [short(line.partition(": ")[0]) for line in told]
        assert sorted(set(named)) == sorted(named)
        assert set(named) - {"cut.pcap", "half.pcap.gz"} == BAD
        read = captures(tmp_path / "d")
        assert {short(name) for name, error in read.items() if error is None} == GOOD
        assert {short(name) for name, error in read.items() if error is not None} == BAD
    assert not list(tmp_path.rglob("escaped.pcap")) and not list(hostile.parent.rglob("escaped.pcap"))
    found = rows(tmp_path / "d", "SELECT capture, count(*) AS n FROM handshakes GROUP BY ALL")
    assert {short(row["capture"]) for row in found} == {name for name in GOOD if name not in ("bomb.zip", "up.tar")}


def test_what_is_cut_short_is_no_failure_and_what_cannot_be_read_on_is_one(tmp_path, monkeypatch, capsys):
    assert main(["analyze", str(CAPTURES / "cut.pcap"), "-o", str(tmp_path / "report.json")]) == 0
    assert main(["batch", str(CAPTURES / "cut.pcap"), "-o", str(tmp_path / "cut"), "--jobs", "0"]) == 0
    assert "The capture ends within the record" in capsys.readouterr().err

    def breaking(file, live):
        def read(target):
            if file.tell() == 20_000:
                raise OSError(5, "Input/output error")
            return file.readinto(target[: 20_000 - file.tell()])

        return read

    monkeypatch.setattr(source, "_reader", breaking)
    whole = tmp_path / "whole.pcap"
    with whole.open("wb") as out:
        out.writelines(traffic.dense(CAPTURES, 20))
    assert main(["analyze", str(whole), "-o", str(tmp_path / "report.json")]) == 3
    assert main(["batch", str(whole), "-o", str(tmp_path / "failed"), "--jobs", "0"]) == 3
    (row,) = rows(tmp_path / "failed", "SELECT error, handshakes FROM captures")
    assert row["error"].startswith("Reading failed after 20000 bytes: ") and row["handshakes"] > 0


def test_a_folder_that_may_not_be_read_is_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "in" / "secret").mkdir(parents=True)
    shutil.copyfile(ONE, tmp_path / "in" / "1.pcap")
    (tmp_path / "in" / "secret").chmod(0)
    _, _, told = batch(tmp_path / "d", tmp_path / "in")
    assert {short(each.name): each.error for each in told} == {"1.pcap": None, "secret": "Permission denied"}


def test_what_cannot_be_read_for_a_while_keeps_its_rows(folder, tmp_path):
    batch(tmp_path / "d", folder / "1.pcap")
    good = contents(tmp_path / "d")
    (folder / "1.pcap").rename(tmp_path / "away")
    batch(tmp_path / "d", folder / "1.pcap")
    assert len(captures(tmp_path / "d")) == 1 and rows(tmp_path / "d", "SELECT error FROM captures WHERE error <> ''")
    (tmp_path / "away").rename(folder / "1.pcap")
    batch(tmp_path / "d", folder / "1.pcap")
    assert contents(tmp_path / "d") == good


@pytest.mark.parametrize("source", ["nowhere.pcap", "no*match.pcap", "memory://no/such/bucket"])
def test_a_source_that_is_not_there_is_named(source, tmp_path):
    _, _, told = batch(tmp_path / "d", source)
    assert [bool(each.error) for each in told] == [True]


def test_names_that_are_not_utf_8_are_read_and_known_again(tmp_path):
    odd, folder, place = os.fsdecode(b"\xff"), tmp_path / "in", tmp_path / "d"
    folder.mkdir()
    shutil.copyfile(ONE, folder / f"{odd}.pcap")
    for number in (1, 2):  # a rotated set
        shutil.copyfile(ONE, folder / f"{odd}_0000{number}_20261123142501.pcap")
    (folder / f"{odd}-none.pcap").write_bytes(b"no capture")
    (folder / f"{odd}.keys").touch()
    os.mkfifo(folder / f"{odd}-pipe.pcap")
    with zipfile.ZipFile(folder / f"{odd}.zip", "w") as archive:
        archive.write(THREE, "3.pcap")
    with tarfile.open(folder / f"{odd}.tar", "w") as archive:
        archive.add(TWO, f"{odd}.pcap")
        link = tarfile.TarInfo("link.pcap")
        link.type, link.linkname = tarfile.SYMTYPE, odd
        archive.addfile(link)
    batch(place, folder, keylog=(str(folder / f"{odd}.keys"),))
    read = contents(place)
    assert {short(name): error is None for name, error in captures(place).items()} == {
        r"\xff.pcap": True,
        r"\xff_*.pcap": True,
        r"\xff-none.pcap": False,
        r"\xff-pipe.pcap": False,
        r"\xff.zip": True,
        "3.pcap": True,
        r"\xff.tar": True,
        "link.pcap": False,
    }
    assert captures(place)[rf"{folder}/\xff.tar/link.pcap"] == r"a link to \xff, which is not followed"
    assert rf"{folder}/\xff.tar/\xff.pcap" in captures(place)
    assert r"\\xff.keys" in (place / "dataset.json").read_text()
    planned, progress, _ = batch(place, folder, keylog=(str(folder / f"{odd}.keys"),))
    assert (planned.tasks, progress.captures) == ([], 0)
    assert contents(place) == read
    with pytest.raises(UsageError, match="UTF-8"):
        Dataset(odd)


# Rotated sets


def rotate(capture, count, folder):
    """Cut a capture between frames into so many files, as dumpcap names them."""
    data = capture.read_bytes()
    cuts = [24]
    while cuts[-1] < len(data):
        cuts.append(cuts[-1] + 16 + struct.unpack_from("<I", data, cuts[-1] + 8)[0])
    folder.mkdir()
    bounds = [cuts[number * (len(cuts) - 1) // count] for number in range(count)] + [len(data)]
    for number in range(count):
        name = f"x_{number + 1:05}_{20261123142501 + number}.pcap"
        (folder / name).write_bytes(data[:24] + data[bounds[number] : bounds[number + 1]])
    return folder


FACTS = """
    SELECT start_ns, client_ip, client_port, server_name, version, authentication, outcome, evidence[1].says
    FROM handshakes ORDER BY ALL
"""


def test_a_rotated_set_is_one_capture(tmp_path):
    batch(tmp_path / "whole", TWO)
    batch(tmp_path / "d", rotate(TWO, 5, tmp_path / "in"))
    assert rows(tmp_path / "d", FACTS) == rows(tmp_path / "whole", FACTS)
    (row,) = rows(tmp_path / "d", "SELECT capture, files, frames FROM captures")
    assert short(row["capture"]) == "x_*.pcap"
    assert [short(name) for name in row["files"]] == sorted(path.name for path in (tmp_path / "in").iterdir())


@pytest.mark.parametrize("count", [6, 7, 24])
def test_a_long_set_is_cut_in_pieces_and_every_handshake_stays_whole(count, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "PIECE_FILES", 3)
    monkeypatch.setattr(plan, "PIECE_BYTES", 0)
    capture = tmp_path / "whole.pcap"
    with capture.open("wb") as out:
        out.writelines(traffic.dense(CAPTURES, 40))
    batch(tmp_path / "whole", capture)
    planned, _, _ = batch(tmp_path / "d", rotate(capture, count, tmp_path / "in"))
    assert len(planned.tasks) == count // 3
    assert rows(tmp_path / "d", FACTS) == rows(tmp_path / "whole", FACTS)
    totals = "SELECT sum(frames) AS frames, sum(bytes) AS bytes, sum(handshakes) AS handshakes FROM captures"
    assert rows(tmp_path / "d", totals) == rows(tmp_path / "whole", totals)


def test_a_set_that_grew_takes_the_place_of_what_it_was(tmp_path):
    folder = rotate(TWO, 4, tmp_path / "in")
    last = max(folder.iterdir())
    later = last.rename(tmp_path / last.name)
    batch(tmp_path / "d", folder)
    later.rename(last)
    batch(tmp_path / "d", folder)
    batch(tmp_path / "fresh", folder)
    assert contents(tmp_path / "d") == contents(tmp_path / "fresh")


def test_a_set_in_an_archive_or_in_a_store_is_one_too(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    batch(tmp_path / "whole", TWO)
    folder = rotate(TWO, 3, tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    store = fsspec.filesystem("memory")
    store.put(str(folder), "/bucket/set", recursive=True)
    try:
        for source in (tmp_path / "set.zip", "memory://bucket/set"):
            place = tmp_path / f"of-{short(source)}"
            batch(place, source)
            assert rows(place, FACTS) == rows(tmp_path / "whole", FACTS)
    finally:
        store.store.clear()
