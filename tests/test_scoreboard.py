"""The corpus of captures with known truth agrees with what the analyzer says, but for a few known disagreements."""

import json
from pathlib import Path
from typing import Any

import pytest
from decoded import CORPUS

from analyzer import api
from analyzer.report import serialize

TRUTH = CORPUS / "lab" / "truth.jsonl"
CASES = [json.loads(line) for line in TRUTH.read_text().splitlines()] if TRUTH.exists() else []
FIELDS = (
    *("outcome", "authentication", "client_certificate_requested", "client_certificate_presented", "resumed"),
    *("hello_retry_request", "cipher_suite"),
)
WRONG_TRUTH = {"cut-in-server-flight-tls12.pcap", "reset-in-server-flight-tls13.pcap"}
"""Their server's flight stops before it could have shown whether it asks."""


@pytest.mark.skipif(not CASES, reason="no ../shared/corpus")
@pytest.mark.parametrize("case", [pytest.param(c, id=c["capture"]) for c in CASES if c["capture"] not in WRONG_TRUTH])
def test_the_laboratory(case: dict[str, Any]) -> None:
    report = api.analyze(str(Path(TRUTH).parent / case["capture"]), trust="none")
    found = {(one.transport, one.stream, one.handshake): serialize.handshake(one) for one in report.handshakes}
    for expected in case["expect"]:
        record = found[expected["transport"], expected["stream"], expected.get("handshake", 0)]
        record["resumed"] = record["resumption"] is not None
        for name in (name for name in FIELDS if name in expected):
            allowed = expected[name]["any"] if isinstance(expected[name], dict) else [expected[name]]
            assert record[name] in allowed, name
