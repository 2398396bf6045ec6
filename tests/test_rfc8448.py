"""The published traces of TLS 1.3 (RFC 8448) reproduce: every secret follows, every record opens, every proof holds."""

import hmac
from dataclasses import dataclass, field, replace
from hashlib import sha256
from struct import unpack_from

import pytest
import rfc8448
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from rfc8448 import Trace
from sealing import tls13_record

from analyzer.pki.public_keys import PublicKeys
from analyzer.settings import Limits
from analyzer.tls import messages
from analyzer.tls.authentication import judge
from analyzer.tls.handshake import Handshake, Sent
from analyzer.tls.keylog import KeyLog
from analyzer.tls.keyring import Keyring
from analyzer.tls.keyschedule import expand_label, finished_tls13, next_traffic_secret
from analyzer.tls.proofs import proofs
from analyzer.tls.record import Event, Record
from analyzer.tls.registry import suite
from analyzer.tls.session import Session
from analyzer.tls.transcript import covered

KEY_SHARE, PRE_SHARED_KEY = 51, 41
SUITE = suite(0x1301)
ZEROS = bytes(32)


@dataclass
class Secrets:
    """The key schedule of one connection, as a client computes it (RFC 8446, section 7.1)."""

    trace: Trace
    psk: bytes = ZEROS
    known: dict[str, bytes] = field(default_factory=dict)

    def follow(self) -> Handshake:
        """Compute all secrets, each as soon as the messages that it needs can be read."""
        self.early = hmac.digest(ZEROS, self.psk, "sha256")
        hello = read(self.trace, {})
        self.random = hello.client_hello.random
        if hello.client_hello.early_data:
            self.known["CLIENT_EARLY_TRAFFIC_SECRET"] = derive(self.early, "c e traffic", raw(hello, "client_hello"))
        secret = hmac.digest(derive(self.early, "derived", b""), shared(self.trace, hello), "sha256")
        answered = through(hello, "server_hello", "server")
        self.known["CLIENT_HANDSHAKE_TRAFFIC_SECRET"] = derive(secret, "c hs traffic", answered)
        self.known["SERVER_HANDSHAKE_TRAFFIC_SECRET"] = derive(secret, "s hs traffic", answered)
        opened = read(self.trace, {self.random: self.known})
        self.master = hmac.digest(derive(secret, "derived", b""), ZEROS, "sha256")
        finished = through(opened, "finished", "server")
        self.known["CLIENT_TRAFFIC_SECRET_0"] = derive(self.master, "c ap traffic", finished)
        self.known["SERVER_TRAFFIC_SECRET_0"] = derive(self.master, "s ap traffic", finished)
        handshake = read(self.trace, {self.random: self.known})
        self.resumption = derive(self.master, "res master", through(handshake, "finished", "client"))
        return handshake


def derive(secret: bytes, label: str, transcript: bytes) -> bytes:
    return expand_label(secret, label, sha256(transcript).digest(), 32, "sha256")


def shared(trace: Trace, handshake: Handshake) -> bytes:
    """What both sides compute from their shares."""
    share = handshake.server_hello.extension(KEY_SHARE)
    group, public = int.from_bytes(share[:2]), share[4:]
    if group == 29:
        return X25519PrivateKey.from_private_bytes(trace.private_key).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    own = ec.derive_private_key(int.from_bytes(trace.private_key), ec.SECP256R1())
    return own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public))


def raw(handshake: Handshake, name: str) -> bytes:
    return handshake.first(name).raw


def through(handshake: Handshake, name: str, sender: str) -> bytes:
    return covered(handshake, handshake.first(name, sender), including=True)


def keyring(secrets: dict[bytes, dict[str, bytes]]) -> Keyring:
    log = KeyLog()
    log.read(
        f"{label} {random.hex()} {secret.hex()}\n".encode()
        for random, known in secrets.items()
        for label, secret in known.items()
    )
    return Keyring(log)


def records(trace: Trace) -> list[Event]:
    events: list[Event] = []
    for frame, (sender, flight) in enumerate(trace.flights, 1):
        position = 0
        while position < len(flight):
            type_, version, length = unpack_from(">BHH", flight, position)
            fragment = flight[position + 5 : position + 5 + length]
            events.append(Record("><".index(sender), type_, version, length, fragment, frame, frame, frame, frame))
            position += 5 + length
    return events


def read(trace: Trace, secrets: dict[bytes, dict[str, bytes]]) -> Handshake:
    """What the session makes of the trace with these secrets."""
    session = Session(Limits(), 0, keyring(secrets))
    session.process(records(trace))
    [handshake] = session.handshakes
    return handshake


def named(handshake: Handshake) -> list[tuple[str, str]]:
    return [("> " if s.sender == "client" else "< ") + s.name for s in handshake.sent if s.protection == "decrypted"]


SERVER = ["< encrypted_extensions", "< certificate", "< certificate_verify", "< finished", "> finished"]
DATA = ["> application_data", "< application_data"]
CLOSING = ["> alert", "< alert"]
SECTIONS = {
    "SIMPLE": [*SERVER, "< new_session_ticket", *DATA, *CLOSING],
    "HELLO_RETRY_REQUEST": [*SERVER, *CLOSING],
    "CLIENT_AUTHENTICATION": [
        "< encrypted_extensions",
        "< certificate_request",
        *SERVER[1:4],
        "> certificate",
        "> certificate_verify",
        "> finished",
        *CLOSING,
    ],
    "COMPATIBILITY_MODE": [*SERVER, *CLOSING],
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_record_opens_and_every_proof_holds(section: str) -> None:
    handshake = Secrets(getattr(rfc8448, section)).follow()
    assert named(handshake) == SECTIONS[section]
    assert handshake.decryption.closed == 0
    found = {(p.of, p.message): p.status for p in proofs(handshake, PublicKeys())}
    expected = {("server", "certificate_verify"), ("server", "finished"), ("client", "finished")}
    if section == "CLIENT_AUTHENTICATION":
        expected.add(("client", "certificate_verify"))
    assert found == dict.fromkeys(expected, "pass")
    verdict = judge(handshake, None)
    assert verdict.authentication == ("mutual" if section == "CLIENT_AUTHENTICATION" else "one-way")
    assert verdict.basis == "decrypted"


def test_secrets_and_keys_are_the_published_ones() -> None:
    secrets = Secrets(rfc8448.SIMPLE)
    secrets.follow()
    server, client = (secrets.known[f"{side}_HANDSHAKE_TRAFFIC_SECRET"] for side in ("SERVER", "CLIENT"))
    assert server.hex() == "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38"
    assert client.hex() == "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21"
    assert expand_label(server, "key", b"", 16, "sha256").hex() == "3fce516009c21727d0f2e4e86ee403bc"
    assert expand_label(server, "iv", b"", 12, "sha256").hex() == "5d313eb2671276ee13000b30"
    assert expand_label(client, "key", b"", 16, "sha256").hex() == "dbfaa693d1762c5b666af5d950258d01"
    assert secrets.master.hex() == "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"


def test_a_resumed_handshake_follows_from_the_ticket_of_the_first() -> None:
    first = Secrets(rfc8448.SIMPLE)
    ticket = first.follow().find(messages.NewSessionTicket)
    resumed = Secrets(rfc8448.RESUMED, psk=expand_label(first.resumption, "resumption", ticket.nonce, 32, "sha256"))
    handshake = resumed.follow()
    assert handshake.client_hello.psk_identities[0].identity == ticket.ticket
    assert named(handshake) == [
        "< encrypted_extensions",
        "< finished",
        "> end_of_early_data",
        "> finished",
        *DATA,
        *CLOSING,
    ]
    assert {(p.of, p.message, p.status) for p in proofs(handshake, PublicKeys())} == {
        ("server", "finished", "pass"),
        ("client", "finished", "pass"),
    }
    # The binder is a Finished over the hello up to the binders (RFC 8446, section 4.2.11.2).
    hello = raw(handshake, "client_hello")
    binder = hello[-32:]
    assert finished_tls13(derive(resumed.early, "res binder", b""), hello[: -(2 + 1 + 32)], SUITE) == binder


def test_without_early_secret_only_the_early_records_stay_closed() -> None:
    first = Secrets(rfc8448.SIMPLE)
    ticket = first.follow().find(messages.NewSessionTicket)
    resumed = Secrets(rfc8448.RESUMED, psk=expand_label(first.resumption, "resumption", ticket.nonce, 32, "sha256"))
    resumed.follow()
    known = {label: secret for label, secret in resumed.known.items() if "EARLY" not in label}
    handshake = read(rfc8448.RESUMED, {resumed.random: known})
    assert named(handshake) == ["< encrypted_extensions", "< finished", "> finished", *DATA, *CLOSING]


def test_sent_messages_keep_the_bytes_of_the_transcript() -> None:
    handshake = Secrets(rfc8448.SIMPLE).follow()
    verify: Sent = handshake.first("certificate_verify")
    assert verify.raw[:4] == bytes.fromhex("0f000084")
    assert handshake.first("finished", "server").raw.hex() == (
        "140000209b9b141d906337fbd2cbdce71df4deda4ab42c309572cb7fffee5454b78f0718"
    )


def going_on(*contents: bytes, update: int | None = None, limits: Limits | None = None) -> Handshake:
    """Section 3 up to the ticket; then the server sends these messages, from one of them on under updated keys."""
    secrets = Secrets(rfc8448.SIMPLE)
    secrets.follow()
    session = Session(limits or Limits(), 0, keyring({secrets.random: secrets.known}))
    secret, sequence = secrets.known["SERVER_TRAFFIC_SECRET_0"], 1
    events = records(rfc8448.SIMPLE)[:5]
    for number, content in enumerate(contents):
        if number == update:
            secret, sequence = next_traffic_secret(secret, SUITE), 0
        events.append(replace(tls13_record(0x1301, secret, content, sequence), direction=1, frame=9 + number))
        sequence += 1
    session.process(events)
    [handshake] = session.handshakes
    return handshake


KEY_UPDATE, TICKET, CLOSE = bytes.fromhex("1800000100") + b"\x16", bytes.fromhex("04000000") + b"\x16", b"\1\0\x15"


def test_behind_a_key_update_the_keys_are_new() -> None:
    handshake = going_on(KEY_UPDATE, CLOSE, update=1)
    assert named(handshake)[-2:] == ["< key_update", "< alert"]
    assert named(going_on(KEY_UPDATE, CLOSE))[-1] == "< key_update"  # the old keys open nothing more


def test_a_message_that_is_too_long_is_passed_over_and_said() -> None:
    size = 40_000
    long = b"\x04" + size.to_bytes(3) + bytes(size)
    parts = [long[at : at + 16_000] + b"\x16" for at in range(0, len(long), 16_000)]
    handshake = going_on(*parts, KEY_UPDATE, limits=Limits(message_bytes=30_000))
    assert handshake.truncated
    assert named(handshake)[-2:] == ["< new_session_ticket", "< key_update"]
    assert named(going_on(*parts, KEY_UPDATE))[-3:] == ["< new_session_ticket"] * 2 + ["< key_update"]


def test_endless_messages_take_no_endless_memory() -> None:
    handshake = going_on(*[TICKET] * 3000, KEY_UPDATE, CLOSE, update=3001)
    assert handshake.truncated
    assert len(handshake.sent) <= 2000
    assert handshake.alerts  # the KeyUpdate was followed all the same
    assert "fail" not in {proof.status for proof in proofs(handshake, PublicKeys())}
