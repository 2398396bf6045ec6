"""A capture may end anywhere, and lack anything: what is said of a part of it is never denied by the whole."""

import gzip
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest import CAPTURES, FILES, options

from analyzer import api
from analyzer.errors import FormatError
from analyzer.report import serialize

Records = dict[tuple[int, int], dict[str, Any]]
CHANGES = {"post-handshake-authentication.pcap"}
"""What the server asks for later nobody can know before."""


@cache
def data(file: str) -> bytes:
    held = (CAPTURES / file).read_bytes()
    return gzip.decompress(held) if file.endswith(".gz") else held


def analyzed(file: str, length: int) -> tuple[Records, int] | None:
    """Handshakes of the first bytes of a capture, and how many frames those hold; None where that is no capture."""
    try:
        report = api.analyze(data(file)[:length], name=file, **options(file))
    except FormatError:
        return None
    found = {
        (h.stream, h.handshake): {**serialize.handshake(h), "holes": bool(h.facts and h.facts.holes)}
        for h in report.handshakes
    }
    return found, report.frames


@cache
def whole(file: str) -> tuple[Records, int]:
    found = analyzed(file, len(data(file)))
    assert found is not None
    return found


def check(file: str, length: int) -> None:
    part = analyzed(file, length)
    if part is None:
        assert length < 300
        return
    found, frames = part
    complete, all_frames = whole(file)
    assert frames <= all_frames
    assert found.keys() <= complete.keys()
    for key, before in found.items():
        after = complete[key]
        same = {name: (before[name], after[name]) for name in ("client", "server", "first_frame", "start")}
        assert not [name for name, (one, other) in same.items() if one != other]
        assert before["outcome"] in ("incomplete", after["outcome"])
        for name in ("version", "cipher_suite", "server_name", "preamble", "closed_by", "ja3"):
            assert before[name] in (None, after[name])
        clear = [[m for m in r["messages"] if m["protection"] == "cleartext"] for r in (before, after)]
        if before["holes"]:  # what came too early is shown where it came
            clear = [[(m["sender"], m["message"], m["length"]) for m in messages] for messages in clear]
            assert not Counter(clear[0]) - Counter(clear[1])
        else:
            assert clear[0] == clear[1][: len(clear[0])]
            assert before["alerts"] == after["alerts"][: len(before["alerts"])]
        if file not in CHANGES:
            assert before["authentication"] in ("undetermined", after["authentication"])
            for name in ("client_certificate_requested", "client_certificate_presented", "resumption"):
                assert before[name] in (None, after[name]), name


@given(st.sampled_from(FILES), st.floats(0, 1))
@settings(max_examples=250, deadline=None)
def test_any_prefix_of_any_capture(file: str, share: float) -> None:
    check(file, int(share * len(data(file))))


@given(st.sampled_from(FILES), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_handshakes_only_become_more(file: str, one: float, other: float) -> None:
    shorter, longer = (analyzed(file, int(share * len(data(file)))) for share in sorted((one, other)))
    if shorter is not None:
        assert longer is not None
        assert shorter[0].keys() <= longer[0].keys()


@pytest.mark.slow
@pytest.mark.parametrize("file", ["client-certificate-missing-tls12.pcap", "requested-not-provided-tls13.pcap"])
def test_every_prefix_of_a_small_capture(file: str) -> None:
    for length in range(len(data(file))):
        check(file, length)


def frame_ends(file: str) -> list[int]:
    """Where the frames of a classic pcap file end."""
    held, ends = data(file), [24]
    while ends[-1] < len(held):
        ends.append(ends[-1] + 16 + int.from_bytes(held[ends[-1] + 8 : ends[-1] + 12], "little"))
    return ends


@pytest.mark.slow
@pytest.mark.parametrize("file", [file for file in FILES if file.endswith(".pcap") and file != "cut.pcap"])
def test_every_frame_of_every_capture_may_be_the_last(file: str) -> None:
    for length in frame_ends(file):
        check(file, length)


# ---- what a capture lacks


def frames(file: str) -> tuple[bytes, list[bytes]]:
    """What comes first in a capture, and its frames with what leads each (of pcapng: its blocks)."""
    held = data(file)
    is_classic = held[:4] == bytes.fromhex("d4c3b2a1")
    at, found = 24 if is_classic else 0, []
    head = held[:at]
    while at + 8 <= len(held):
        lengths = (held[at + 8 : at + 12], 16) if is_classic else (held[at + 4 : at + 8], 0)
        end = at + lengths[1] + int.from_bytes(lengths[0], "little")
        found.append(held[at:end])
        at = end
    return head, found


def cut(frame: bytes, length: int) -> bytes:
    """A frame of classic pcap of which so many bytes at most were captured."""
    held = frame[16 : 16 + length]
    return frame[:8] + len(held).to_bytes(4, "little") + frame[12:16] + held


def parts(file: str) -> Iterator[bytes]:
    """The capture without each frame, without some pairs and triples, with what comes late only, and cut short."""
    head, held = frames(file)
    draw = Random(file)
    is_frame = [head or frame[0] == 6 for frame in held]  # an Enhanced Packet Block
    numbers = [number for number, yes in enumerate(is_frame) if yes]
    lost: list[tuple[int, ...]] = [(number,) for number in numbers]
    for count in (2, 3):
        several = list(combinations(numbers, count))
        lost += draw.sample(several, min(len(several), 20))
    lost += [tuple(numbers[:first]) for first in draw.sample(range(len(numbers)), min(len(numbers), 8))]
    for gone in lost:
        yield head + b"".join(frame for number, frame in enumerate(held) if number not in gone)
    for length in (60, 61, 68, 96, 128, 256, 400) if head else ():
        yield head + b"".join(cut(frame, length) for frame in held)


def said(source: bytes, file: str) -> list[tuple[frozenset[Any], str, str]]:
    """Between which ends, and of whom and how, each handshake is said to be."""
    report = api.analyze(source, name=file, **options(file))
    return [
        (frozenset(((h.client.ip, h.client.port), (h.server.ip, h.server.port))), h.authentication, h.outcome)
        for h in report.handshakes
    ]


@pytest.mark.parametrize("file", [file for file in FILES if file not in CHANGES])
def test_what_is_lost_never_turns_one_answer_into_another(file: str) -> None:
    """Nor does what is cut short: it may leave open who was authenticated and how it ended, no more."""
    complete = said(data(file), file)
    for part in parts(file):
        for ends, authentication, outcome in said(part, file):
            same = [(one, other) for both, one, other in complete if both == ends]
            assert authentication in {"undetermined", *(one for one, _ in same)}, len(part)
            assert outcome in {"incomplete", *(other for _, other in same)}, len(part)
