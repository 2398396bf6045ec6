"""tshark numbers, times and measures the frames of the corpus as we do."""

import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from captured import read

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
FIELDS = ("frame.number", "frame.time_epoch", "frame.cap_len", "frame.len")

pytestmark = [
    pytest.mark.skipif(not CORPUS.is_dir(), reason="no ../shared/corpus"),
    pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark"),
]

# Link types that tshark 4.0 does not know; and fuzzed files in whose records tshark sees a variant of pcap from
# the last century, or reserved bits of the link type that it refuses.
TSHARK_CANNOT = (
    "brcm-tag",
    "dsa",
    "hoobr_juniper3",
    "vtp_asan",
    "bug-6875",
    "igmplayer",
    "crash-exception",
    "5752969003008000",
)


def sample() -> list[Path]:
    """All odd captures that tshark reads, all compressed ones, and every 25th of the others."""
    found = [path for path in sorted(CORPUS.rglob("*")) if path.is_file() and path.suffix != ".jsonl"]
    odd = [path for path in found if path.parent.name == "odd"]
    others = [path for path in found if path.suffix in (".pcap", ".pcapng", ".cap") and path not in odd]
    compressed = [path for path in found if path.suffix in (".gz", ".zst")]
    return [path for path in odd + others[::25] + compressed if not any(word in path.name for word in TSHARK_CANNOT)]


@pytest.mark.parametrize("path", sample() or [CORPUS], ids=lambda path: path.name[-60:])
def test_frames_are_those_of_tshark(path):
    if path.suffix == ".zst":
        pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    fields = [word for name in FIELDS for word in ("-e", name)]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *fields]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    result = read(path)
    ours = {number: (time, len(data), length) for number, time, data, length, _ in result.frames}
    events = 0
    for line in run.stdout.splitlines():
        number, time, captured, length = line.split("\t")
        if int(number) not in ours:
            events += 1
            continue
        our_time, our_captured, our_length = ours.pop(int(number))
        assert (our_captured, min(our_length, 2**31 - 1)) == (int(captured), int(length))
        # Of simple packet blocks tshark shows no time; where a fraction is a second or more, it overflows.
        if time and "Fuzzers" not in path.name:
            assert our_time == min(int(Decimal(time) * 10**9), 2**63 - 1)
    assert not ours
    assert events == 0 or "test202" in path.name or "test017" in path.name  # these hold custom blocks
    ends_early = any(word in run.stderr for word in ("cut short", "damaged", "doesn't support"))
    assert ends_early == bool(result.issues.keys() & {"capture-cut-short", "capture-damaged"})
