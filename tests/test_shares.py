"""Several processes analyze one capture, and say together what one of them would say."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
import talk
from shared import crowd, in_shares
from talk import Talk, tls12

from analyzer import api, crew
from analyzer.api import analyze, analyze_live
from analyzer.cli.shares import worthwhile
from analyzer.report import serialize
from analyzer.results import CaptureReport
from analyzer.settings import Limits
from analyzer.shares import AloneError, Share

HELP = api._help
CAPTURES = Path(__file__).parents[1] / "captures"
FILES = sorted(file for file in CAPTURES.glob("*.pcap*") if file.name != "embedded-secrets.pcapng")


def said(reports: Iterable[CaptureReport]) -> list[str]:
    """The handshakes of several shares, in the order of the capture."""
    handshakes = [handshake for report in reports for handshake in report.handshakes]
    handshakes.sort(key=lambda one: (one.transport, one.stream, one.handshake))
    return [serialize.encode(one) for one in handshakes]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_shares_together_say_what_one_process_says(file: Path) -> None:
    whole = analyze(file)
    for count in (2, 3):
        shares = in_shares(count, lambda share: analyze(file, share=share))
        assert said(shares) == said([whole])
        for share in shares:
            assert serialize.issues(share) == serialize.issues(whole)
            assert (share.frames, share.connections, share.conversations) == (
                whole.frames,
                whole.connections,
                whole.conversations,
            )


def everybody(apart: int) -> bytes:
    """Many captures as if they had been made on one network, each so many nanoseconds after the one before."""
    return crowd(sorted([*CAPTURES.glob("*-tls1[23].pcap"), *CAPTURES.glob("resumption-*.pcap")]), apart)


def test_many_connections_in_parts_are_the_same_parts() -> None:
    """What one connection tells of another, such as a session to resume, crosses the shares batch by batch."""
    capture = everybody(apart=2 * 10**9)
    limits = Limits(handshakes=5, batch_bytes=10_000)

    def parts(**share: Share) -> list[CaptureReport]:
        return list(analyze_live(capture, limits=limits, **share))

    alone, shares = parts(), in_shares(2, lambda share: parts(share=share))
    assert len(alone) > 5
    assert [len(each) for each in shares] == [len(alone)] * 2
    for part, *together in zip(alone, *shares, strict=True):
        assert said(together) == said([part])
    links = {(one.stream, one.resumes.stream) for part in alone for one in part.handshakes if one.resumes}
    assert any(stream % 2 != original % 2 for stream, original in links)


def test_what_is_let_go_depends_on_all_shares() -> None:
    capture = everybody(apart=10**6)
    limits = Limits(held_bytes=20_000, batch_bytes=10_000)
    whole = analyze(capture, limits=limits)
    assert "held-bytes" in {issue.code for issue in whole.issues}
    shares = in_shares(2, lambda share: analyze(capture, limits=limits, share=share))
    assert said(shares) == said([whole])
    assert serialize.issues(shares[0]) == serialize.issues(whole)


def test_the_first_failed_attempts_are_listed_whosever_they_are() -> None:
    """On port 443 they are told at once, elsewhere once it is known that the server speaks TLS."""
    servers = ("198.51.100.7", 443), ("198.51.100.9", 9000)
    talks = [
        Talk(client=(f"10.0.{number}.1", 40000), server=servers[number % 3 == 0])
        .open()
        .send("client", b"GET / HTTP/1.1")
        for number in range(80)
    ]
    talks += [tls12(talk=Talk(client=("10.1.0.1", 40000), server=server).open()) for server in servers]
    data = talk.capture(segment for each in talks for segment in each.segments)
    limits = Limits(attempts=15, batch_bytes=2_000)
    whole = analyze(data, limits=limits)
    assert [issue.count for issue in whole.issues if issue.code == "attempts"] == [80 - 2 * 15]
    assert sum(one.facts is None for one in whole.handshakes) == 2 * 15
    for count in (2, 3):
        shares = in_shares(count, lambda share: analyze(data, limits=limits, share=share))
        assert said(shares) == said([whole])
        assert serialize.issues(shares[0]) == serialize.issues(whole)


def test_secrets_in_a_capture_are_for_one_process() -> None:
    with pytest.raises(AloneError):
        in_shares(2, lambda share: analyze(CAPTURES / "embedded-secrets.pcapng", share=share))


# Processes


def speak(share: Share, *words: str) -> list[list[object]]:
    heard = [share.exchange(word, (share.index, word)) for word in words]
    share.gather("end", f"bye from {share.index}")
    return heard


def fail(share: Share) -> None:
    share.exchange("here", None)
    raise ValueError("no")


def die(share: Share) -> None:
    share.exchange("here", None)
    os._exit(9)


def test_processes_hear_each_other_in_order() -> None:
    with crew.together(3, speak, "a", "b") as share:
        heard = [share.exchange(word, (0, word)) for word in ("a", "b")]
        assert heard == [[(index, word) for index in range(3)] for word in ("a", "b")]
        assert share.gather("end", "bye from 0") == [f"bye from {index}" for index in range(3)]


def test_who_is_somewhere_else_is_left_alone() -> None:
    with crew.together(2, speak, "a", "b") as share:
        share.exchange("a", None)
        with pytest.raises(AloneError):
            share.exchange("c", None)


@pytest.mark.parametrize("read", ["longer", "other", "gone"])
def test_a_capture_that_changes_is_for_one_process(tmp_path: Path, monkeypatch, read: str) -> None:
    """The other process finds more in it, or another capture in its place, or nothing."""
    file, other = tmp_path / "capture.pcap", tmp_path / "capture.pcap.other"
    file.write_bytes(everybody(apart=10**9))
    if read != "gone":
        other.write_bytes(everybody(apart=(2 if read == "other" else 1) * 10**9))
    if read == "longer":
        file.write_bytes(file.read_bytes()[:-20_000])
    monkeypatch.setattr("analyzer.api._help", help_with_another)
    limits = Limits(batch_bytes=10_000)
    assert said([analyze(file, limits=limits, jobs=2)]) == said([analyze(file, limits=limits)])


def help_with_another(share: Share, capture: str, *rest: object) -> None:
    """Do one's share of what is not the same."""
    HELP(share, f"{capture}.other", *rest)


@pytest.mark.parametrize("name", ["two-servers.pcap", "embedded-secrets.pcapng", "resumption-psk-mutual.pcap"])
def test_several_processes_do_what_one_does(name: str) -> None:
    """Also where the capture turns out to be for one only."""
    whole, together = (analyze(CAPTURES / name, jobs=jobs) for jobs in (1, 2))
    assert said([together]) == said([whole])
    assert serialize.capture(together) == serialize.capture(whole)


def test_parts_that_were_told_are_not_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process dies, one goes on behind what is known already."""
    (file := tmp_path / "everybody.pcap").write_bytes(everybody(apart=2 * 10**9))
    limits = Limits(handshakes=5, batch_bytes=10_000)
    parts = [said([part]) for part in analyze_live(file, limits=limits)]
    assert [said([part]) for part in analyze_live(file, limits=limits, jobs=2)] == parts
    monkeypatch.setattr("analyzer.api._help", gather_twice)
    assert [said([part]) for part in analyze_live(file, limits=limits, jobs=2)] == parts


def gather_twice(share: Share, capture: str, name: str | None, asked: dict[str, object], in_parts: bool) -> None:
    """Do one's share of two parts, and die."""
    for number, report in enumerate(analyze_live(capture, name=name, share=share, **asked)):
        if number == 2:
            os._exit(9)
        for each in report.handshakes:
            each.facts = None
        share.gather("reports", report.handshakes)


@pytest.mark.parametrize(
    ("size", "handshakes", "begins", "jobs"),
    [(64 << 20, 20, True, 5), (64 << 20, 0, True, 1), (64 << 20, 0, False, 1), (1 << 20, 20, True, 1), (0, 0, True, 1)],
)
def test_several_are_worth_their_while_for_many_handshakes(
    tmp_path, monkeypatch, size, handshakes, begins, jobs
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4}, raising=False)
    with (file := tmp_path / "capture").open("wb") as out:
        for start in range(0, size, 1 << 20):
            out.seek(start)
            out.write(b"\x16\x03\x01\0\x50" * (handshakes if start or begins else 20))
        out.truncate(size)
    assert worthwhile([str(file)]) == jobs
    assert worthwhile([str(file), str(tmp_path)]) == worthwhile([str(tmp_path / "nothing")]) == worthwhile(["-"]) == 1


def test_one_process_needs_no_others() -> None:
    with crew.together(1, fail) as share:
        assert (share.count, share.exchange("here", 1), share.gather("here", 2)) == (1, [1], [2])


def test_a_process_that_fails_says_why() -> None:
    with crew.together(2, fail) as share, pytest.raises(crew.FailedShareError, match="ValueError: no"):
        share.exchange("here", None)
        share.exchange("here", None)


def test_a_process_that_dies_is_missed() -> None:
    with crew.together(2, die) as share, pytest.raises(crew.BrokenShareError):
        share.exchange("here", None)
        share.exchange("here", None)
