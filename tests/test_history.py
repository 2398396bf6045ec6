"""The history of a handshake is what Zeek logs of it, and its fingerprints are those that tshark shows."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from decoded import CORPUS
from manifest import CAPTURES
from talk import (
    CCS,
    ENCRYPTED_FINISHED,
    RETRY,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    Talk,
    alert,
    certificate,
    client_hello,
    handshake,
    message,
    server_hello,
    tls12,
    tls13,
)

from analyzer import api

BASELINES = CORPUS / "zeek-baselines"


def history(talk: Talk) -> str | None:
    return talk.report.history


def test_letters_of_whole_handshakes():
    assert history(tls12()) == "CsxknGIi"
    assert history(tls12(asks=True, client_certificate=certificate(500))) == "CsxkrnXGYIi"
    assert history(tls13([23, 900, 281, 69], [69], ("server", [250]))) == "CsiI"
    assert history(tls13([23, 900, 281, 69], [69], compatible=False)) == "Cs"


def test_what_follows_the_change_to_ciphertext_is_left_out():
    assert history(tls12().send("server", alert(1, 0))) == "CsxknGIi"
    resumed = Talk().open().send("client", handshake(client_hello(tls13=False, session_id=bytes(32))))
    resumed.send("server", handshake(server_hello(tls13=False, session_id=bytes(32))), CCS, ENCRYPTED_FINISHED)
    assert history(resumed.send("client", CCS, ENCRYPTED_FINISHED)) == "CsiI"


def test_letters_of_what_ends_early():
    hello = Talk().open().send("client", handshake(client_hello()))
    assert history(hello) == "C"
    assert history(hello.send("server", alert(2, 70))) == "Cl"
    retry = Talk().open().send("client", handshake(client_hello()))
    retry.send("server", handshake(server_hello(random=RETRY)), CCS).send("client", CCS, handshake(client_hello()))
    assert history(retry.send("server", handshake(server_hello()))) == "CjiICs"
    odd = Talk().open().send("client", handshake(client_hello(tls13=False)))
    odd.send("server", handshake(server_hello(tls13=False), message(203, b"next"), SERVER_KEY_EXCHANGE))
    assert history(odd.send("server", handshake(SERVER_HELLO_DONE))) == "Cszkn"


def test_a_client_that_did_not_open_the_connection():
    flipped = Talk().open().send("server", handshake(client_hello(tls13=False)))
    flipped.send("client", handshake(server_hello(tls13=False), certificate(500)))
    assert history(flipped) == "^Csx"


def test_keys_do_not_change_it():
    file = "mutual-tls13.pcap"
    keys = CAPTURES / "keys" / "mutual-tls13.keys"
    without, with_ = (api.analyze(str(CAPTURES / file), trust="none", keylog=log).handshakes for log in ((), keys))
    assert without[0].history == with_[0].history == "CsiI"
    assert any(one.protection == "decrypted" for one in with_[0].messages)


def zeek_rows(path: Path) -> list[dict[str, str]]:
    """The rows of one ssl.log after another."""
    rows: list[dict[str, str]] = []
    fields: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith("#fields"):
            fields = line.split("\t")[1:]
        elif fields and not line.startswith("#"):
            rows.append(dict(zip(fields, line.split("\t"), strict=True)))
    return rows


@pytest.mark.skipif(not BASELINES.is_dir(), reason="no ../shared/corpus")
def test_it_is_what_zeek_expects_of_its_own_captures():
    captures: dict[str, list[str]] = {}
    for line in (BASELINES / "index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        captures.setdefault(entry["log"], []).append(entry["capture"])
    compared = 0
    for log, names in captures.items():
        rows = zeek_rows(BASELINES / log)
        if not rows or "ssl_history" not in rows[0]:
            continue
        ours: dict[tuple[str, str], list[str | None]] = {}
        for name in names:
            for report in api.analyze(str(CORPUS / "public" / name), trust="none").handshakes:
                if report.handshake == 0:
                    ours.setdefault((report.client.ip, str(report.client.port)), []).append(report.history)
        for row in rows:
            found = ours.get((row["id.orig_h"], row["id.orig_p"])) or ours.get((row["id.resp_h"], row["id.resp_p"]))
            if found:
                assert row["ssl_history"] == (found.pop(0) if len(found) > 1 else found[0]), (log, row)
                compared += 1
    assert compared > 60


@pytest.mark.skipif(not shutil.which("tshark"), reason="no tshark")
@pytest.mark.parametrize("file", ["mutual-tls12.pcap", "one-way-tls13.pcap", "hello-retry-request.pcap"])
def test_the_fingerprints_in_a_report_are_those_that_tshark_shows(file):
    command = ["tshark", "-r", str(CAPTURES / file), "-Y", "tls.handshake.type in {1,2}", "-T", "fields"]
    command += ["-e", "tls.handshake.ja3", "-e", "tls.handshake.ja3s"]
    output = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout
    shown = [line.split("\t") for line in output.splitlines()]
    [report] = api.analyze(str(CAPTURES / file), trust="none").handshakes
    assert report.ja3 == next(ja3 for ja3, _ in shown if ja3)
    assert report.ja3s == [ja3s for _, ja3s in shown if ja3s][-1]
    assert report.ja4 is not None and report.ja4.startswith("t13d")
