"""How a capture is cut into batches is nobody's business: the reports are the same, byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest
from decoded import CORPUS
from manifest import CAPTURES, FILES, options
from talk import Talk, capture, tls12, tls13

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
