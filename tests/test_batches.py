"""How a capture is cut into batches is nobody's business: the reports are the same, byte for byte."""

import json
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from decoded import CORPUS
from manifest import CAPTURES, FILES, options
from talk import Segment, Talk, alert, capture, tls12, tls13
from test_prefixes import cut, frames

from analyzer import api
from analyzer.report import serialize
from analyzer.settings import Limits

SIZES = (1, 1000, 64 << 20)


def told(source: Any, batch_bytes: int, **more: Any) -> str:
    report = api.analyze(source, name="capture", limits=Limits(batch_bytes=batch_bytes), **more)
    found = {
        "capture": serialize.capture(report),
        "handshakes": [serialize.handshake(handshake) for handshake in report.handshakes],
        "issues": serialize.issues(report),
    }
    return json.dumps(found, indent=1)


@pytest.mark.parametrize("file", FILES)
def test_of_the_sample_captures(file: str) -> None:
    one, some, all_ = (told(str(CAPTURES / file), size, **options(file)) for size in SIZES)
    assert one == all_
    assert some == all_


@pytest.mark.parametrize("first", range(9))
@pytest.mark.parametrize(
    "file", ["mutual-tls13.pcap", "mutual-tls12.pcap", "starttls-smtp.pcap", "http-connect-mutual.pcap"]
)
def test_of_captures_that_begin_late(file: str, first: int) -> None:
    if (file, first) == ("starttls-smtp.pcap", 6):
        pytest.skip("it begins with STARTTLS: the 220 that follows may be the answer, or a greeting")
    data = (CAPTURES / file).read_bytes()
    at = 24
    for _ in range(first):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
    data = data[:24] + data[at:]
    assert told(data, 1) == told(data, SIZES[-1])


@pytest.mark.parametrize("lost", range(4, 12))
@pytest.mark.parametrize(
    "make", [lambda t: tls12(asks=True, talk=t), lambda t: tls13([23, 108, 1731, 281, 69], [900, 96, 69], talk=t)]
)
def test_of_captures_with_a_hole(make: Any, lost: int) -> None:
    """And so much behind it that it is given up before the end."""
    talk = make(Talk(size=500).open())
    talk.send("server", bytes.fromhex("1703034000") + bytes(0x4000)).acknowledge("client").fin("server")
    segments = talk.segments[:lost] + talk.segments[lost + 1 :]
    limits = [Limits(batch_bytes=size, pending_bytes=3000) for size in SIZES]
    found = [api.analyze(capture(segments), limits=one, trust="none").handshakes for one in limits]
    one, some, all_ = ([serialize.handshake(handshake) for handshake in handshakes] for handshakes in found)
    assert one == some == all_


@pytest.mark.parametrize("file", [file for file in FILES if frames(file)[0]])
def test_of_captures_with_frames_that_are_lost_repeated_swapped_or_cut(file: str) -> None:
    head, held = frames(file)
    draw = Random(file)
    for _ in range(8):
        left = list(held)
        for _ in range(draw.choice((1, 1, 2, 3))):
            at = draw.randrange(len(left))
            match draw.choice(("lost", "repeated", "swapped", "cut")) if len(left) > 4 else "cut":
                case "lost":
                    del left[at]
                case "repeated":
                    left.insert(draw.randint(at + 1, len(left)), left[at])
                case "swapped" if 3 <= at < len(left) - 1:  # the SYNs come first
                    left[at : at + 2] = left[at + 1], left[at]
                case _:
                    left[at] = cut(left[at], draw.randrange(60, 1500))
        data = head + b"".join(left)
        assert told(data, 1, **options(file)) == told(data, SIZES[-1], **options(file))


def in_two(segments: list[Segment], at: int) -> str:
    """What is told of a capture whose second batch begins with this segment."""
    data, begin = capture(segments), len(capture(segments[:at]))
    return told([BytesIO(data[:begin]), BytesIO(data[:24] + data[begin:])], SIZES[-1], trust="none")


def test_of_an_acknowledgment_behind_the_last_payload() -> None:
    segments = tls12().lose("server", b"data").acknowledge("client").segments
    expected = in_two(segments, 1)
    assert "segments-not-captured" in expected
    assert in_two(segments, len(segments) - 1) == expected


@pytest.mark.parametrize("at", range(2, 11))
def test_of_plaintext_where_tls_was_granted(at: int) -> None:
    """The server says only then, and later, that it is none."""
    talk = Talk(server=("198.51.100.7", 25)).open().send("server", b"220 a ESMTP\r\n").send("client", b"EHLO b\r\n")
    talk.send("server", b"250-a\r\n250 STARTTLS\r\n").send("client", b"STARTTLS\r\n").send("server", b"220 go\r\n")
    talk.send("client", b"NOOP\r\n").send("server", alert(2, 10)).fin("server")
    expected = in_two(talk.segments, 1)
    assert "NOOP" in expected
    assert in_two(talk.segments, at) == expected


corpus = sorted(file for folder in ("lab", "public", "odd") for file in (CORPUS / folder).glob("*.pcap*"))


@pytest.mark.slow
@pytest.mark.skipif(not corpus, reason="no ../shared/corpus")
@pytest.mark.parametrize("file", [pytest.param(f, id=f.name) for f in corpus[::5] if f.stat().st_size < 200_000])
def test_of_the_corpus(file: Path) -> None:
    try:
        expected = told(str(file), SIZES[-1])
    except api.CaptureError:
        return
    assert told(str(file), 1) == expected
    assert told(str(file), 1000) == expected
