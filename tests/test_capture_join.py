"""The files of a rotated capture are read as one, in the order that mergecap gives their frames."""

import shutil
import subprocess
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from forge import Frame, pcap
from hypothesis import given
from hypothesis import strategies as st
from manifest import CAPTURES
from talk import Talk, capture, tls12

from analyzer import api
from analyzer.capture.join import Joined
from analyzer.capture.rotation import rotated
from analyzer.cli import main
from analyzer.errors import CaptureError
from analyzer.settings import Limits

needs_mergecap = pytest.mark.skipif(not shutil.which("mergecap"), reason="no mergecap")


def joined(sources: list[bytes], batch_bytes: int = 4 << 20) -> list[bytes]:
    """The frames in order."""
    frames = []
    with Joined(sources, Limits(batch_bytes=batch_bytes), "joined") as capture:
        for batch in capture.batches():
            assert list(batch.number) == list(range(len(frames) + 1, len(frames) + len(batch) + 1))
            for offset, length in zip(batch.offset, batch.captured, strict=True):
                frames.append(batch.buffer[offset : offset + length].tobytes())
        assert capture.frames == len(frames)
        assert capture.bytes == sum(map(len, frames))
    return frames


def by_mergecap(sources: list[bytes], folder: Path) -> list[bytes]:
    names = []
    for number, data in enumerate(sources):
        names.append(str(folder / f"{number}.pcap"))
        Path(names[-1]).write_bytes(data)
    subprocess.run(["mergecap", "-F", "nsecpcap", "-w", folder / "merged.pcap", *names], check=True, timeout=60)
    return joined([(folder / "merged.pcap").read_bytes()])


FRAME_TIMES = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=3)


@needs_mergecap
@given(FRAME_TIMES)
def test_frames_come_as_mergecap_puts_them(tmp_path_factory, frame_times):
    """Also where files overlap, times go back, and several frames have one time."""
    sources = [
        pcap([Frame(bytes([rank, place]) * 30, time=at * 1000) for place, at in enumerate(times)], nanoseconds=True)
        for rank, times in enumerate(frame_times)
    ]
    expected = by_mergecap(sources, tmp_path_factory.mktemp("merged"))
    assert joined(sources) == expected
    assert joined(sources, batch_bytes=1) == expected


def pieces() -> list[bytes]:
    """Two connections, cut into four captures."""
    talks = [tls12(talk=Talk(client=("192.0.2.10", port)).open()) for port in (50000, 50001)]
    segments = [segment for pair in zip(*(talk.segments for talk in talks), strict=True) for segment in pair]
    whole = capture(segments)
    at, starts = 24, []
    while at < len(whole):
        starts.append(at)
        at += 16 + int.from_bytes(whole[at + 8 : at + 12], "little")
    cuts = [24, starts[5], starts[6], starts[11], len(whole)]
    return [whole[:24] + whole[start:end] for start, end in pairwise(cuts)]


def test_handshakes_reach_from_file_to_file():
    parts = pieces()
    report = api.analyze([parts[2], parts[0], parts[3], parts[1]], trust="none")
    assert [(handshake.stream, handshake.outcome) for handshake in report.handshakes] == [
        (0, "established"),
        (1, "established"),
    ]


def test_one_that_cannot_be_read_is_an_issue_and_all_are_an_error(tmp_path):
    (tmp_path / "bad").write_bytes(b"no capture")
    report = api.analyze([*pieces(), str(tmp_path / "bad")], trust="none")
    assert len(report.handshakes) == 2
    assert "capture-unreadable" in {issue.code for issue in report.issues}
    with pytest.raises(CaptureError):
        api.analyze([str(tmp_path / "bad"), str(tmp_path / "missing")])


def test_damage_is_told_of_the_file_that_has_it(tmp_path):
    parts = pieces()
    (tmp_path / "cut.pcap").write_bytes(parts[0][:-7])
    report = api.analyze([str(tmp_path / "cut.pcap"), *parts[1:]], trust="none")
    [issue] = [issue for issue in report.issues if issue.code == "capture-cut-short"]
    assert str(tmp_path / "cut.pcap") in issue.message


def test_many_files_of_one_time_share_the_memory_of_a_few():
    size = 1 << 20
    sources = [pcap([Frame(bytes([rank]) * 1000, n * 10**6 + rank) for n in range(size // 1000)]) for rank in range(30)]
    tracemalloc.start()
    try:
        with Joined(sources, Limits(batch_bytes=size), "joined") as capture:
            frames = sum(len(batch) for batch in capture.batches())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert frames == 30 * (size // 1000)
    assert peak < 15 * size


def test_secrets_of_all_files_count():
    embedded = str(CAPTURES / "embedded-secrets.pcapng")
    alone = api.analyze(embedded, trust="none")
    together = api.analyze([embedded, str(CAPTURES / "two-servers.pcap")], trust="none")
    decrypted = [handshake for handshake in together.handshakes if handshake.authentication_basis == "decrypted"]
    assert len(decrypted) == len(alone.handshakes) == 1


def test_which_files_are_a_set():
    names = [
        "d/ring_00002_20261123142511.pcapng",
        "d/ring_00001_20261123142501.pcapng",
        "e/ring_00001_20261123142501.pcapng",
        "ring_20261123142501_00001.pcap.gz",
        "ring_20261123142511_00002.pcap.gz",
        "t.pcap",
        "t.pcap1",
        "t.pcap2",
        "w.pcap00",
        "w.pcap01",
        "copy.pcap",
        "copy.pcap.gz",
        "-",
        "capture",
        "my_00001_trace.pcap",
        "my_00002_trace.pcap",
    ]
    assert rotated(names) == {
        "d/ring_*.pcapng": names[:2],
        "e/ring_00001_20261123142501.pcapng": names[2:3],
        "ring_*.pcap.gz": names[3:5],
        "t.pcap*": names[5:8],
        "w.pcap*": names[8:10],
        **{name: [name] for name in names[10:]},
    }


def test_the_command_line_joins_a_set_and_says_so(tmp_path, capsys):
    names = []
    for number, data in enumerate(pieces()):
        names.append(str(tmp_path / f"ring_{number:05}_2026112314250{number}.pcap"))
        Path(names[-1]).write_bytes(data)
    assert main(["analyze", *names, "--format", "csv", "--trust", "none"]) == 0
    said = capsys.readouterr()
    assert said.err.count("4 files of one rotated capture, joined in time") == 1
    assert said.out.count("established") == 2
    assert str(tmp_path / "ring_*.pcap") in said.out
    Path(names[1]).write_bytes(b"")
    assert main(["analyze", str(tmp_path), "--format", "csv", "--trust", "none"]) == 3
