"""Archives: every capture in them is found, and no archive, however it was made, does harm."""

import contextlib
import gzip
import io
import os
import random
import sys
import tarfile
import zipfile

import pytest

from analyzer.archive import members
from analyzer.archive.members import ArchiveError, walk

PCAP = (b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(8) + b"\xff\xff\0\0\x01\0\0\0") + bytes(range(40))


def tar(entries, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            if isinstance(data, bytes):
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            else:
                info.type, info.linkname = data
                archive.addfile(info)
    return out.getvalue()


def zipped(entries, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


def found(data, name):
    """Name and bytes, or the error, of each member."""
    result = {}
    for member in walk(io.BytesIO(data), name):
        try:
            with member.open() as stream:
                result[member.name] = stream.read()
        except (ArchiveError, OSError) as error:
            result[member.name] = str(error)
    return result


def first_bytes(member):
    """As the reader of a capture does, which takes an error for the end."""
    data = b""
    with member.open() as stream, contextlib.suppress(tarfile.TarError):
        while chunk := stream.read(64):
            data += chunk
    return data


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_captures_of_a_tar_are_found_whatever_it_is_compressed_with(mode):
    entries = [("a/1.pcap", PCAP), ("a/notes.txt", b"no"), ("a/2.pcapng.gz", b"x" * 3_000_000), ("a/3.cap", b"")]
    assert found(tar(entries, mode), "e.tar") == {f"e.tar/{name}": data for name, data in entries if "txt" not in name}


def test_zstd_and_lz4_too():
    zstd = pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    lz4 = pytest.importorskip("lz4.frame")
    data = tar([("1.pcap", PCAP)])
    assert found(zstd.compress(data), "e.tar.zst") == found(lz4.compress(data), "e.tar.zst") != {}


def test_captures_of_a_zip_are_found():
    assert found(zipped([("a/1.pcap", PCAP), ("b", b"no")]), "e.zip") == {"e.zip/a/1.pcap": PCAP}


def test_archives_within_archives_are_followed_so_deep_and_no_deeper():
    data, name = zipped([("x.pcap", PCAP)]), "0.zip"
    for depth in range(1, members.MAX_DEPTH + 1):
        data, name = (tar([(name, data)]), f"{depth}.tar") if depth % 2 else (zipped([(name, data)]), f"{depth}.zip")
        answer = found(data, name)
        if depth < members.MAX_DEPTH:
            assert list(answer.values()) == [PCAP]
        else:
            assert "deep" in next(iter(answer.values()))


def test_a_path_out_of_the_archive_is_only_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    answer = found(tar([("../../evil.pcap", PCAP), ("/etc/evil.pcap", PCAP)]), "e.tar")
    assert list(answer.values()) == [PCAP, PCAP]
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


def test_links_and_sparse_members_are_named():
    answer = found(tar([("l.pcap", (tarfile.SYMTYPE, "/etc/passwd")), ("h.pcap", (tarfile.LNKTYPE, "x"))]), "e.tar")
    assert answer == {
        "e.tar/l.pcap": "a link to /etc/passwd, which is not followed",
        "e.tar/h.pcap": "a link to x, which is not followed",
    }


@pytest.mark.parametrize("make", [lambda d: tar([("b.pcap", d)], "w:gz"), lambda d: zipped([("b.pcap", d)])])
def test_a_bomb_is_cut_off(make, monkeypatch):
    monkeypatch.setattr(members, "FREE_EXPANSION", 1 << 20)
    name = "b.zip" if make(b"")[:2] == b"PK" else "b.tar"
    read = 0
    with pytest.raises((ArchiveError, OSError), match="expands more than 200 times"):
        for member in walk(io.BytesIO(make(bytes(20 << 20))), name):
            with member.open() as stream:
                while chunk := stream.read(1 << 16):
                    read += len(chunk)
    assert read < 5 << 20


def test_a_zip_within_an_archive_is_copied_only_so_far(monkeypatch):
    monkeypatch.setattr(members, "MAX_INNER_ZIP", 1 << 20)
    inner = zipped([("x.pcap", os.urandom(2 << 20))])
    assert found(tar([("i.zip", inner)]), "e.tar") == {"e.tar/i.zip": "a zip within an archive is read up to 1 MiB"}


def test_a_header_of_gigabytes_is_not_read(monkeypatch):
    info = tarfile.TarInfo("a")
    info.type, info.size = b"L", 1 << 33
    with pytest.raises(ArchiveError, match="header"):
        found(info.tobuf(), "e.tar")


@pytest.mark.parametrize("cut", [1, 300, 700, 1500])
def test_a_truncated_tar_says_so_and_gives_what_it_has(cut):
    data = tar([("1.pcap", PCAP), ("2.pcap", bytes(2000))])[: 512 * 2 + cut]
    with pytest.raises(ArchiveError):
        seen = {}
        for member in walk(io.BytesIO(data), "e.tar"):
            seen[member.name] = first_bytes(member)
    assert seen["e.tar/1.pcap"] == PCAP


def test_a_truncated_gzip_says_so():
    data = tar([("1.pcap", PCAP), ("2.pcap", os.urandom(100_000))], "w:gz")
    with pytest.raises(ArchiveError, match=r"ends early|unexpected end"):
        for member in walk(io.BytesIO(data[:60_000]), "e.tar.gz"):
            first_bytes(member)


def test_a_damaged_header_is_not_taken_for_the_end():
    data = bytearray(tar([("1.pcap", PCAP), ("2.pcap", PCAP)]))
    data[1024 + 20] ^= 1
    with pytest.raises(ArchiveError, match="bad checksum"):
        found(bytes(data), "e.tar")


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", random.Random(1).randbytes(1000), b"PK\5\6" + bytes(18), gzip.compress(b"no tar", mtime=0)],
    ids=["empty", "two bytes", "noise", "an empty zip", "a gzip of no tar"],
)
@pytest.mark.parametrize("name", ["e.zip", "e.tar", "e.tar.gz"])
def test_what_is_no_archive_has_no_members_or_says_why(data, name):
    try:
        assert found(data, name) == {}
    except ArchiveError as error:
        assert str(error)


def test_an_encrypted_member_is_named():
    data = bytearray(zipped([("1.pcap", PCAP)]))
    for at in (6, data.index(b"PK\1\2") + 8):
        data[at] |= 1
    assert found(bytes(data), "e.zip") == {"e.zip/1.pcap": "encrypted in the archive"}
