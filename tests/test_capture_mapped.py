"""A large file is looked at where it lies, and nobody can cut it short meanwhile: it reads as if it were copied."""

import os
import threading
from pathlib import Path

import pytest
from captured import Captured, read
from forge import Frame, pcap, pcapng

from analyzer.capture import mapped, open_capture
from analyzer.settings import Limits

BATCH = 10_000
FRAMES = [Frame(bytes([n % 251]) * (n * 37 % 1400), 1_600_000_000_000_000_000 + n * 1000) for n in range(300)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a capture of many batches, on a disk that grants leases."""
    path = tmp_path / "many.pcap"
    path.write_bytes(pcap(FRAMES))
    with path.open("rb") as file:
        try:
            mapped.Mapped(file)
        except OSError as error:
            pytest.skip(f"no leases here: {error}")
    return path


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each window that was asked for, whether there was one."""
    granted: list[bool] = []
    window = mapped.Mapped.window

    def noted(self, offset, length):
        found = window(self, offset, length)
        granted.append(found is not None)
        return found

    monkeypatch.setattr(mapped.Mapped, "window", noted)
    return granted


def of(path: Path) -> Captured:
    return read(path, batch_bytes=BATCH)


@pytest.mark.parametrize("write", [pcap, pcapng])
@pytest.mark.parametrize("cut", [0, 1, 15, 16, 17, 1000, 5000, 9_990, 9_999, 10_000, 10_001, 10_200, 40_000])
def test_it_reads_as_if_it_were_copied(path, windows, write, cut):
    capture = write(FRAMES)
    path.write_bytes(capture[: len(capture) - cut])
    expected = read(path.read_bytes(), batch_bytes=BATCH)
    found = of(path)
    assert (found.frames, found.messages, found.position) == (expected.frames, expected.messages, expected.position)
    assert windows.count(True) > 10
    assert windows.count(False) == 1  # at the end, which is shorter than a window


def test_a_frame_that_is_longer_than_a_batch(path, windows):
    path.write_bytes(pcap([*FRAMES, Frame(bytes(5 * BATCH), FRAMES[-1].time), *FRAMES]))
    assert len(of(path).frames) == 2 * len(FRAMES) + 1
    assert windows.count(True) > 20


def test_who_cuts_it_short_waits_and_no_page_is_lost(path, windows):
    cut = 20_000
    cutter = threading.Thread(target=os.truncate, args=(path, cut), daemon=True)
    with open_capture(path, limits=Limits(batch_bytes=BATCH)) as capture:
        batches = capture.batches()
        batch = next(batches)
        cutter.start()
        cutter.join(0.3)
        assert cutter.is_alive()
        assert batch.buffer[batch.offset[-1]] == FRAMES[len(batch) - 1].data[0]
        numbers = [int(number) for batch in batches for number in batch.number]
        cutter.join(30)
        assert not cutter.is_alive()
    assert windows == [True, False]
    assert path.stat().st_size == cut
    assert len(batch) < len(numbers) + len(batch) <= len(FRAMES)
    assert numbers == list(range(len(batch) + 1, capture.frames + 1))


def test_where_the_work_on_a_window_takes_long_the_rest_is_copied(path, windows, monkeypatch):
    clock = iter([0.0, 0.1, 0.2, 0.9, 2.0])
    monkeypatch.setattr(mapped, "monotonic", lambda: mapped._LONG * next(clock))
    assert of(path).data == [frame.data for frame in FRAMES]
    assert windows == [True, True, True, False]


def test_nobody_waits_once_all_has_been_read(path, windows):
    with open_capture(path, limits=Limits(batch_bytes=BATCH)) as capture:
        for _ in capture.batches():
            pass
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # BlockingIOError where one would have to wait
    assert any(windows)


def test_a_file_that_is_being_written_is_copied(path, windows):
    with path.open("ab"):
        assert of(path).data == [frame.data for frame in FRAMES]
    assert not windows


def test_an_open_file_of_the_callers_is_copied(path, windows):
    with path.open("rb", buffering=0) as file:
        file.seek(0)
        assert read(file, batch_bytes=BATCH).data == [frame.data for frame in FRAMES]
    assert not windows
