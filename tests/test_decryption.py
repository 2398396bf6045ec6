"""With secrets the hidden messages are read, and only those; what they say agrees with the stacks and with tshark."""

import shutil
import subprocess
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from captured import read
from followed import connections, events, keyring, session
from forge import Frame, block, pcap
from hypothesis import given
from hypothesis import strategies as st

from analyzer import api
from analyzer.net.rows import held
from analyzer.net.stream import Stretch
from analyzer.pki.public_keys import PublicKeys
from analyzer.report.serialize import handshake as serialized
from analyzer.settings import Limits
from analyzer.tls.authentication import judge
from analyzer.tls.handshake import Handshake
from analyzer.tls.keylog import KeyLog
from analyzer.tls.keyring import Keyring
from analyzer.tls.proofs import proofs
from analyzer.tls.record import APPLICATION_DATA, CHANGE_CIPHER_SPEC, Event, Hole, Record
from analyzer.tls.session import Session

CAPTURES = Path(__file__).parents[1] / "captures"
MANIFEST = tomllib.loads((CAPTURES / "manifest.toml").read_text(encoding="utf-8"))
WITH_KEYS = {c["file"]: c for c in MANIFEST["capture"] if "keylog" in c}
COMPLETE = [name for name, c in WITH_KEYS.items() if "variant_of" not in c]
STREAMS = [name for name in COMPLETE if not any("transport" in e for e in WITH_KEYS[name]["expect"])]
"""Those over TCP, whose records a session takes one by one."""
PLAIN = [
    "mutual-tls10.pcap",
    "mutual-tls12.pcap",
    "mutual-tls12-rsa.pcap",
    "mutual-tls13.pcap",
    "mutual-tls13-ccm8.pcap",
    "mutual-tls13-java.pcap",
    "hello-retry-request-mutual.pcap",
    "renegotiation-mutual.pcap",
    "post-handshake-authentication.pcap",
]
EVENTS = {name: events(CAPTURES / name) for name in PLAIN}
READABLE = ("change_cipher_spec", "alert", "application_data", "encrypted_handshake")


def keys_of(name: str) -> Path:
    return CAPTURES / WITH_KEYS[name]["keylog"]


def analyze(name: str) -> list[api.HandshakeReport]:
    return api.analyze(str(CAPTURES / name), trust="none", keylog=str(keys_of(name))).handshakes


def messages_of(handshakes: list[Handshake]) -> Counter[tuple[str, bytes]]:
    return Counter((sent.sender, sent.raw) for one in handshakes for sent in one.sent if sent.message is not None)


# What the secrets open


@pytest.mark.parametrize("name", COMPLETE)
def test_the_manifest_s_truths_hold_with_secrets(name: str) -> None:
    found = {(h.stream, h.handshake): h for h in analyze(name)}
    for expect in WITH_KEYS[name]["expect"]:
        report = found.pop((expect["stream"], expect.get("handshake", 0)))
        for field in ("authentication", "client_certificate_requested", "client_certificate_presented", "outcome"):
            if field in expect:
                allowed = expect[field] if isinstance(expect[field], list) else [expect[field]]
                assert getattr(report, field) in allowed, field
        hidden = expect.get("authentication_basis") == "inferred" or "needs_keys" in expect
        assert not hidden or report.authentication_basis == "decrypted"
        assert {proof.status for proof in report.proofs} <= {"pass"}
    assert not found


@pytest.mark.parametrize("name", COMPLETE)
def test_every_proof_that_keys_allow_holds(name: str) -> None:
    for report in analyze(name):
        expected = {
            (m.sender, m.message)
            for m in report.messages
            if m.message in ("finished", "certificate_verify")
            or (m.message == "server_key_exchange" and "anon" not in (report.cipher_suite or ""))
        }
        if report.cipher_suite and "PSK" in report.cipher_suite:
            expected.discard(("server", "server_key_exchange"))
        assert {(proof.of, proof.message) for proof in report.proofs} == expected


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark")
@pytest.mark.parametrize(
    "name",
    [
        "mutual-tls10.pcap",
        "one-way-tls12-rsa.pcap",
        "mutual-tls13.pcap",
        "mutual-tls13-ccm8.pcap",
        "early-data-accepted.pcap",
        "hello-retry-request-mutual.pcap",
        "post-handshake-authentication.pcap",
        "resumption-session-ticket.pcap",
    ],
)
def test_tshark_reads_the_same_messages(name: str) -> None:
    command = ["tshark", "-o", f"tls.keylog_file:{keys_of(name)}", "-r", str(CAPTURES / name), "-Y", "tls.handshake"]
    fields = ["-T", "fields", "-e", "tcp.stream", "-e", "tls.handshake.type"]
    done = subprocess.run([*command, *fields], capture_output=True, text=True, check=True, timeout=60)
    expected = Counter(
        (int(stream), int(kind))
        for stream, kinds in (line.split("\t") for line in done.stdout.splitlines())
        for kind in kinds.split(",")
        if kind
    )
    found = Counter(
        (report.stream, sent.raw[0])
        for report in analyze(name)
        for sent in report.facts.sent
        if sent.message is not None
    )
    assert found == expected


# What stays closed


def protected(original: list[Event]) -> list[int]:
    """Positions of the records that keys open: behind ChangeCipherSpec, or of TLS 1.3."""
    switched: set[int] = set()
    found: list[int] = []
    for at, event in enumerate(original):
        if isinstance(event, Record) and event.fragment:
            in_clear = int.from_bytes(event.fragment[1:4]) + 4 == len(event.fragment)  # a second ClientHello
            if event.type == CHANGE_CIPHER_SPEC:
                switched.add(event.direction)
            elif event.type == APPLICATION_DATA or (event.direction in switched and not in_clear):
                found.append(at)
    return found


def followed(parts: list[list[Event]], secrets: Keyring | None) -> list[Handshake]:
    """The handshakes of all connections of a capture, which may resume each other's sessions."""
    return [handshake for part in parts for handshake in session(part, secrets)]


def assert_no_proof_fails(found: list[Handshake]) -> None:
    for handshake in found:
        assert "fail" not in {proof.status for proof in proofs(handshake, PublicKeys())}


ALL = {name: connections(CAPTURES / name) for name in STREAMS}
KNOWN = {name: messages_of(followed(ALL[name], keyring(keys_of(name)))) for name in STREAMS}
PLACES = [(name, which, at) for name in STREAMS for which, part in enumerate(ALL[name]) for at in protected(part)]


def test_protected_records_of_every_capture_with_keys_are_tried() -> None:
    assert {name for name, _, _ in PLACES} == set(STREAMS)
    for name in STREAMS:
        read = followed(ALL[name], keyring(keys_of(name)))
        assert any(sent.protection == "decrypted" for handshake in read for sent in handshake.sent)


def assert_nothing_is_made_up(name: str, which: int, at: int, position: int, flipped: int) -> None:
    """With one byte of one record changed."""
    original = ALL[name]
    record = original[which][at]
    assert isinstance(record, Record)
    fragment = bytearray(record.fragment or b"")
    fragment[position % len(fragment)] ^= flipped
    changed = [[*part] for part in original]
    changed[which][at] = replace(record, fragment=bytes(fragment))
    read = followed(changed, keyring(keys_of(name)))
    assert messages_of(read) - KNOWN[name] <= messages_of(
        followed(changed, None)
    )  # nothing but what is in clear anyway
    # What is read was sent so, at least where all of it is known; that something is missing is no forgery.
    assert_no_proof_fails([handshake for handshake in read if messages_of([handshake]) <= KNOWN[name]])


@given(st.sampled_from(PLACES), st.integers(0, 2**16), st.integers(1, 255))
def test_a_changed_record_never_yields_a_message(place: tuple[str, int, int], position: int, flipped: int) -> None:
    assert_nothing_is_made_up(*place, position, flipped)


@pytest.mark.parametrize("name", STREAMS)
def test_a_change_at_either_end_of_any_record_is_seen(name: str) -> None:
    for place in PLACES:
        if place[0] == name:
            for position in (0, -1):
                assert_nothing_is_made_up(*place, position, 0x01)


def changed_secret(line: bytes, at: int, flipped: int) -> bytes:
    """A line of a key log with one byte of its secret changed."""
    *rest, secret = line.split()
    value = bytearray.fromhex(secret.decode())
    value[at % len(value)] ^= flipped
    return b" ".join((*rest, value.hex().encode()))


def secrets_of(name: str) -> list[bytes]:
    return [line for line in keys_of(name).read_bytes().splitlines() if line and not line.startswith(b"#")]


@pytest.mark.parametrize("name", STREAMS)
def test_secrets_that_are_wrong_by_a_bit_read_nothing(name: str) -> None:
    plain = followed(ALL[name], None)
    log = KeyLog()
    log.read(changed_secret(line, -1, 1) for line in secrets_of(name))
    found = followed(ALL[name], Keyring(log))
    assert messages_of(found) == messages_of(plain)
    assert all(handshake.decryption.opened == 0 for handshake in found)
    assert any("do not fit" in handshake.decryption.says for handshake in found)
    assert_no_proof_fails(found)


@given(st.data())
def test_one_wrong_secret_among_right_ones_makes_nothing_up(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(STREAMS))
    lines = secrets_of(name)
    wrong = data.draw(st.integers(0, len(lines) - 1))
    lines[wrong] = changed_secret(lines[wrong], data.draw(st.integers(0, 47)), data.draw(st.integers(1, 255)))
    log = KeyLog()
    log.read(lines)
    found = followed(ALL[name], Keyring(log))
    assert messages_of(found) <= KNOWN[name]
    assert_no_proof_fails(found)


@pytest.mark.parametrize("name", ["mutual-tls12.pcap", "mutual-tls13.pcap"])
def test_behind_a_hole_records_open_again_and_no_proof_fails(name: str) -> None:
    original = EVENTS[name]
    for at, event in enumerate(original):
        if isinstance(event, Record) and event.type in (22, 23):
            holed = [*original[:at], Hole(event.direction, event.frame, "not-captured"), *original[at + 1 :]]
            for handshake in session(holed, keyring(keys_of(name))):
                assert "fail" not in {proof.status for proof in proofs(handshake, PublicKeys())}
    last = max(i for i, e in enumerate(original) if isinstance(e, Record) and e.type == 23)
    before = next(i for i, e in enumerate(original) if e.direction == original[last].direction and e.type == 23)
    if before < last:
        holed = [*original[:before], Hole(original[last].direction, 0, "not-captured"), *original[before + 1 :]]
        [handshake] = session(holed, keyring(keys_of(name)))
        assert handshake.decryption.closed == 0


FRAMES = {name: read(CAPTURES / name).frames for name in COMPLETE if name.endswith(".pcap")}


def lossy(name: str, lost: set[int]) -> bytes:
    """A capture without some of its frames."""
    kept = [Frame(data, time) for at, (_, time, data, _, _) in enumerate(FRAMES[name]) if at not in lost]
    return pcap(kept, nanoseconds=True, link_type=FRAMES[name][0][4])


@pytest.mark.parametrize("name", FRAMES)
def test_whatever_frame_is_missing_no_proof_fails(name: str) -> None:
    for at in range(len(FRAMES[name])):
        for keylog in ((), keys_of(name)):
            for report in api.analyze(lossy(name, {at}), trust="none", keylog=keylog).handshakes:
                assert "fail" not in {proof.status for proof in report.proofs}, f"without frame {at + 1}"


@pytest.mark.parametrize(
    ("name", "lost", "reason"),
    [
        ("hello-retry-request.pcap", {1, 2, 3, 4}, "the second ClientHello is not in the capture"),
        ("lossy-dtls12.pcap", {2, 3}, "the ClientHello that the server answers is not in the capture"),
    ],
)
def test_a_hello_that_is_lost_without_a_trace_is_missed(name: str, lost: set[int], reason: str) -> None:
    capture = lossy(name, {frame - 1 for frame in lost})
    [report] = api.analyze(capture, trust="none", keylog=keys_of(name)).handshakes
    assert not report.facts.holes
    told = {(proof.status, proof.reason) for proof in report.proofs if proof.message != "server_key_exchange"}
    assert told == {("undetermined", reason)}


@given(st.data())
def test_whatever_frames_are_missing_no_proof_fails(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FRAMES)))
    lost = data.draw(st.sets(st.integers(0, len(FRAMES[name]) - 1), max_size=6))
    for report in api.analyze(lossy(name, lost), trust="none", keylog=keys_of(name)).handshakes:
        assert "fail" not in {proof.status for proof in report.proofs}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_that_are_cut_make_no_other_verdict(name: str) -> None:
    whole = {
        one.place: one.authentication for one in api.analyze(str(CAPTURES / name), keylog=keys_of(name)).handshakes
    }
    for length in range(80, max(len(data) for _, _, data, _, _ in FRAMES[name]), 37):
        kept = [Frame(data[:length], time, len(data)) for _, time, data, _, _ in FRAMES[name]]
        capture = pcap(kept, nanoseconds=True, link_type=FRAMES[name][0][4])
        for report in api.analyze(capture, trust="none", keylog=keys_of(name)).handshakes:
            assert report.authentication in (whole[report.place], "undetermined"), f"{length} bytes a frame"
            assert "fail" not in {proof.status for proof in report.proofs}, f"{length} bytes a frame"


def test_a_client_whose_certificate_was_cut_did_not_decline() -> None:
    original = EVENTS["mutual-tls13.pcap"]
    first = next(at for at, one in enumerate(original) if (one.direction, one.type) == (0, APPLICATION_DATA))
    lost = replace(original[first], fragment=None, lost="snap-length")
    [handshake] = session([*original[:first], lost, *original[first + 1 :]], keyring(keys_of("mutual-tls13.pcap")))
    assert handshake.first("finished", "client") and not handshake.first("certificate", "client")
    assert handshake.has_hole("client")
    assert judge(handshake, None).authentication == "mutual", "it has proved that it has the key"
    handshake.sent = [one for one in handshake.sent if one.name != "certificate_verify"]
    assert judge(handshake, None).authentication == "undetermined"


def test_secrets_of_one_direction_read_that_direction() -> None:
    log = KeyLog()
    log.read(line for line in keys_of("mutual-tls13.pcap").read_bytes().splitlines() if line.startswith(b"SERVER"))
    [handshake] = session(EVENTS["mutual-tls13.pcap"], Keyring(log))
    decrypted = {(s.sender, s.name) for s in handshake.sent if s.protection == "decrypted" and s.message}
    assert ("server", "certificate_request") in decrypted
    assert {sender for sender, _ in decrypted} == {"server"}


@pytest.mark.parametrize("name", ["early-data-accepted.pcap", "early-data-rejected.pcap"])
def test_without_the_secret_of_early_data_no_proof_fails(name: str) -> None:
    log = KeyLog()
    log.read(line for line in secrets_of(name) if not line.startswith(b"CLIENT_EARLY"))
    found = followed(ALL[name], Keyring(log))
    assert_no_proof_fails(found)
    end_is_missing = name == "early-data-accepted.pcap"  # EndOfEarlyData is part of what the client's Finished covers
    [proof] = [one for one in proofs(found[-1], PublicKeys()) if (one.of, one.message) == ("client", "finished")]
    assert (proof.status, proof.reason) == (
        ("undetermined", "messages before it are encrypted") if end_is_missing else ("pass", None)
    )


def test_records_that_never_open_are_given_up_and_no_longer_copied() -> None:
    secrets = keyring(keys_of("mutual-tls13.pcap"))
    one = Session(Limits(), 0, secrets)
    one.process([*EVENTS["mutual-tls13.pcap"]])
    closed = Record(1, APPLICATION_DATA, 0x303, 30, bytes(30), 99, 0, 99, 0)
    for copied, many in ((True, 255), (False, 1)):
        one.process([closed] * many)
        found: list[Event] = []
        data = b"\x17\x03\x03\0\x1e" + bytes(30)
        one.reader(1).search()
        one.reader(1).feed(Stretch(held(data * 3, 100, 0), 0, 1, 0), found)
        assert [isinstance(event, Record) and event.fragment is not None for event in found] == [copied] * 3
    one.process([closed])
    assert one.handshakes[0].decryption is not None


# Secrets that the capture brings along


def test_secrets_behind_the_traffic_are_found() -> None:
    whole = (CAPTURES / "embedded-secrets.pcapng").read_bytes()
    [report] = api.analyze(whole, trust="none").handshakes
    assert report.authentication_basis == "decrypted"
    log = keys_of("mutual-tls13.pcap").read_bytes()
    secrets = block(10, (0x544C534B).to_bytes(4, "little") + len(log).to_bytes(4, "little") + log)
    assert secrets[8:-4] in whole
    first = whole.index(secrets[8:-4]) - 8
    without = whole[:first] + whole[first + len(secrets) :]
    assert api.analyze(without, trust="none").handshakes[0].authentication_basis == "inferred"
    section = without[: int.from_bytes(without[4:8], "little")]
    for late in (secrets, section + secrets):  # behind it, also in another section
        assert api.analyze(without + late, trust="none").handshakes == [report]


EXTENDED_MASTER_SECRET = b"\0\x17\0\0"


@pytest.mark.parametrize("suite", [0x0081, 0xC100, 0xC0FF, 0x00C6, 0x0003, 0xC0B4, 0xC050, 0xFFFF])
@pytest.mark.parametrize("label", ["CLIENT_RANDOM", "PMS_CLIENT_RANDOM"])
@pytest.mark.parametrize("bound", [True, False])
def test_any_cipher_suite_with_any_secret_is_read_without_complaint(suite: int, label: str, bound: bool) -> None:
    """Secrets may come with the capture, and so from whoever made it."""
    original = [*EVENTS["mutual-tls12.pcap"]]
    at = next(i for i, e in enumerate(original) if isinstance(e, Record) and (e.fragment or b"")[:1] == b"\2")
    record = original[at]
    assert isinstance(record, Record) and record.fragment is not None
    place = 4 + 2 + 32 + 1 + record.fragment[38]
    fragment = record.fragment[:place] + suite.to_bytes(2) + record.fragment[place + 2 :]
    assert EXTENDED_MASTER_SECRET in fragment
    if not bound:
        fragment = fragment.replace(EXTENDED_MASTER_SECRET, b"\x7f\x7f\0\0")
    original[at] = replace(record, fragment=fragment)
    [plain] = session(original, None)
    assert plain.client_hello is not None
    log = KeyLog()
    log.read([f"{label} {plain.client_hello.random.hex()} {'5a' * 48}".encode()])
    [handshake] = session(original, Keyring(log))
    assert messages_of([handshake]) == messages_of([plain])
    assert "fail" not in {proof.status for proof in proofs(handshake, PublicKeys()) if proof.message == "finished"}


def test_what_the_user_says_outweighs_what_the_capture_brings() -> None:
    secrets = keyring(keys_of("mutual-tls13.pcap"))
    secrets.embedded.read(changed_secret(line, 0, 1) for line in secrets_of("mutual-tls13.pcap"))
    [handshake] = session(EVENTS["mutual-tls13.pcap"], secrets)
    assert handshake.decryption.closed == 0


# What nobody may see


@pytest.mark.parametrize("name", ["mutual-tls12.pcap", "mutual-tls13.pcap"])
def test_no_secret_is_left_in_what_an_analysis_yields(name: str) -> None:
    secrets = [line.split()[2] for line in keys_of(name).read_text().splitlines()]
    for report in analyze(name):
        told = f"{serialized(report)} {report!r} {report.facts!r} {vars_of(report.facts.decryption)}"
        for secret in secrets:
            assert secret not in told
            assert repr(bytes.fromhex(secret))[2:-1] not in told


def vars_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in type(value).__slots__}


def test_neither_handshake_nor_keyring_shows_secrets_while_they_are_in_use() -> None:
    secrets = keyring(keys_of("mutual-tls12.pcap"))
    [handshake] = session(EVENTS["mutual-tls12.pcap"], secrets)
    master = handshake.decryption.master
    assert master is not None
    for shown in (repr(handshake), repr(secrets)):
        assert master.hex() not in shown
        assert repr(master)[2:-1] not in shown
