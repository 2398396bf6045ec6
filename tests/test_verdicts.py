"""Every claim of the sample captures' manifest holds without keys."""

from functools import cache
from typing import Any

import pytest
from manifest import CAPTURES, FILES, Claim, claims, keylog, options

from analyzer import api
from analyzer.report import serialize

CLAIMS = [claim for file in FILES for claim in claims(file)]


@cache
def records(file: str) -> dict[tuple[int, int], dict[str, Any]]:
    """The handshakes of a capture as in JSON, by stream and number."""
    report = api.analyze(str(CAPTURES / file), **options(file))
    return {(h.stream, h.handshake): serialize.handshake(h) for h in report.handshakes}


@pytest.mark.parametrize(
    "claim", [pytest.param(c, id=f"{c.file}-{c.fields['stream']}-{c.fields['handshake']}") for c in CLAIMS]
)
def test_claims_hold_without_keys(claim: Claim) -> None:
    if "handshake" in claim.needs_keys:
        pytest.skip("it is not to be seen without keys")
    found = records(claim.file)[claim.key]
    names = claim.fields.keys() - claim.needs_keys - {"root_cause"}
    assert {name: found[name] for name in names if not claim.holds(name, found[name])} == {}


@pytest.mark.parametrize("file", FILES)
def test_nothing_else_is_reported(file: str) -> None:
    assert records(file).keys() <= {claim.key for claim in claims(file)}


@pytest.mark.parametrize("claim", [pytest.param(c, id=c.file) for c in CLAIMS if "authentication" in c.needs_keys])
def test_what_needs_keys_is_not_told_wrongly_without_them(claim: Claim) -> None:
    found = records(claim.file)[claim.key]
    assert found["authentication"] in ("undetermined", claim.fields["authentication"])


@pytest.mark.parametrize("file", FILES)
def test_every_verdict_has_a_basis_and_evidence(file: str) -> None:
    for found in records(file).values():
        assert found["evidence"]
        assert (found["authentication_basis"] is None) == (found["authentication"] == "undetermined")
        assert (found["outcome_basis"] is None) == (found["outcome"] == "incomplete")
        frames = [one["frame"] for one in found["evidence"] if one["frame"] is not None]
        assert all(found["first_frame"] <= frame for frame in frames)
        assert found["first_frame"] <= found["last_frame"]
        assert max((message["frame"] for message in found["messages"]), default=0) <= found["last_frame"]


LACKS = {
    "gap.pcap": {"segments-not-captured": 1},
    "server-only.pcap": {"segments-not-captured": 1},
    "snap-length.pcap": {"frames-cut": 4},
    "overlapping.pcap": {"overlaps-differ": 18},
    "cut.pcap": {"capture-cut-short": 1},
    "gap-dtls12.pcap": {"datagrams-missing": 1},
}


@pytest.mark.parametrize("file", FILES)
def test_what_a_capture_lacks_is_told(file: str) -> None:
    report = api.analyze(str(CAPTURES / file), **options(file))
    assert {issue.code: issue.count for issue in report.issues} == LACKS.get(file, {})


@pytest.mark.parametrize("file", [file for file in FILES if keylog(file)])
def test_what_is_said_without_keys_keys_do_not_deny(file: str) -> None:
    opened = api.analyze(str(CAPTURES / file), **options(file), keylog=str(keylog(file)))
    for handshake in map(serialize.handshake, opened.handshakes):
        before = records(file).get((handshake["stream"], handshake["handshake"]))
        if before is not None:
            assert before["authentication"] in ("undetermined", handshake["authentication"])
            assert before["outcome"] in ("incomplete", handshake["outcome"])
            for name in ("client_certificate_requested", "client_certificate_presented", "version", "resumption"):
                assert before[name] in (None, handshake[name])
