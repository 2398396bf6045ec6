"""DTLS up to 1.2 with keys: every kind of suite, records in any order, connection ids; and what does not fit."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from datagrams import (
    APPLICATION_DATA,
    CERTIFICATE,
    CLIENT_HELLO,
    CLIENT_KEY_EXCHANGE,
    DTLS10,
    DTLS12,
    FINISHED,
    HANDSHAKE,
    LEAF,
    SERVER_HELLO,
    SERVER_HELLO_DONE,
    WITH_ID,
    Exchange,
    certificate,
    change_cipher_spec,
    client_hello,
    fragment,
    message,
    record,
    server_hello,
)
from sealing import Sealed, known
from talk import vector

from analyzer.results import HandshakeReport
from analyzer.secrets import Secrets
from analyzer.tls.keylog import KeyLog
from analyzer.tls.keyschedule import DirectionKeys, finished, key_block
from analyzer.tls.protection import fixed_iv_length
from analyzer.tls.registry import Suite, as_tls

GCM, CHACHA20, CCM_8, CBC, CBC_SHA256 = 0xC02B, 0xCCA9, 0xC0AE, 0xC009, 0xC023
RANDOMS = (bytes(range(32)), bytes(range(32, 64)))
MASTER = bytes(range(100, 148))


def log(master: bytes = MASTER) -> Secrets:
    made = KeyLog()
    made.read([b"CLIENT_RANDOM " + RANDOMS[0].hex().encode() + b" " + master.hex().encode()])
    return Secrets(made)


class Side:
    """What one side seals; the epoch is 1."""

    def __init__(self, sender: str, suite: Suite, version: int, *, encrypt_then_mac: bool, identity: bytes) -> None:
        self.sender, self.suite, self.version, self.identity = sender, suite, version, identity
        tls = as_tls(version)
        keys = key_block(MASTER, *RANDOMS, tls, suite, fixed_iv_length(suite, tls))
        self.keys: DirectionKeys = keys[sender]  # type: ignore[index]
        self.sealed = Sealed(suite, version, encrypt_then_mac)
        self.sealed.keys = self.keys

    def seal(self, kind: int, content: bytes, number: int) -> bytes:
        if self.identity:
            return self._with_id(kind, content, number)
        self.sealed.sequence = 1 << 48 | number
        fragment = self.sealed.seal(content, kind).fragment
        assert fragment is not None
        return record(kind, fragment, number, epoch=1, version=self.version)

    def _with_id(self, kind: int, content: bytes, number: int) -> bytes:
        """RFC 9146, section 5.3."""
        inner = content + bytes([kind]) + bytes(3)
        place = (1 << 48 | number).to_bytes(8)
        covered = b"\xff" * 8 + bytes([WITH_ID, len(self.identity), WITH_ID]) + self.version.to_bytes(2) + place
        covered += self.identity + len(inner).to_bytes(2)
        if "CHACHA20" in self.suite.cipher:
            nonce = bytes(a ^ b for a, b in zip(self.keys.iv, bytes(4) + place, strict=True))
            fragment = ChaCha20Poly1305(self.keys.key).encrypt(nonce, inner, covered)
        else:
            ccm = "CCM" in self.suite.cipher
            aead = AESCCM(self.keys.key, self.suite.tag_length) if ccm else AESGCM(self.keys.key)
            fragment = place + aead.encrypt(self.keys.iv + place, inner, covered)
        whole = record(WITH_ID, fragment, number, epoch=1, version=self.version)
        return whole[:11] + self.identity + whole[11:]


def talk(
    code: int, version: int = DTLS12, *, encrypt_then_mac: bool = False, identities: tuple[bytes, bytes] = (b"", b"")
) -> Exchange:
    """A handshake without signatures that matter, and some data; a datagram a record."""
    suite, transcript = known(code), b""
    more = [(22, b"")] if encrypt_then_mac else []
    asked, chosen = ([(54, vector(1, one))] if any(identities) else [] for one in identities)
    exchange = Exchange()

    def clear(sender: str, kind: int, number: int, body: bytes) -> None:
        nonlocal transcript
        transcript += fragment(kind, number, body)
        exchange.send(sender, message(kind, number, body, version=version))

    clear("client", CLIENT_HELLO, 0, client_hello(*more, *asked, version=version, suites=(code,)))
    clear("server", SERVER_HELLO, 0, server_hello(*more, *chosen, version=version, suite=code))
    clear("server", CERTIFICATE, 1, certificate(LEAF))
    clear("server", SERVER_HELLO_DONE, 2, b"")
    clear("client", CLIENT_KEY_EXCHANGE, 1, vector(1, bytes(32)))
    for sender, number in (("client", 2), ("server", 3)):
        # What a side wants to see is in the records of the other.
        identity = identities[1] if sender == "client" else identities[0]
        side = Side(sender, suite, version, encrypt_then_mac=encrypt_then_mac, identity=identity)
        mac = finished(MASTER, sender, transcript, as_tls(version), suite)  # type: ignore[arg-type]
        sealed = side.seal(HANDSHAKE, fragment(FINISHED, number, mac), 0)
        transcript += fragment(FINISHED, number, mac)
        exchange.send(sender, change_cipher_spec()).send(sender, sealed)
        for count in (1, 2, 3):
            exchange.send(sender, side.seal(APPLICATION_DATA, b"hello from the " + sender.encode(), count))
    return exchange


def opened(exchange: Exchange, secrets: Secrets | None = None) -> HandshakeReport:
    [report] = exchange.analyze(keylog=secrets or log()).handshakes
    return report


def assert_open(report: HandshakeReport) -> None:
    assert report.facts is not None
    assert report.facts.decryption is not None
    assert (report.facts.decryption.opened, report.facts.decryption.closed) == (8, 0)
    assert report.facts.plaintext["client"].startswith(b"hello from the client")
    proofs = {(proof.of, proof.message): proof.status for proof in report.proofs}
    assert proofs["client", "finished"] == proofs["server", "finished"] == "pass"
    assert report.outcome == "established"


@pytest.mark.parametrize("code", [GCM, CHACHA20, CCM_8, CBC, CBC_SHA256])
def test_every_kind_of_suite_opens(code: int) -> None:
    assert_open(opened(talk(code)))


@pytest.mark.parametrize("code", [CBC, CBC_SHA256])
def test_a_mac_over_ciphertext(code: int) -> None:
    assert_open(opened(talk(code, encrypt_then_mac=True)))


def test_version_1_0() -> None:
    report = opened(talk(CBC, DTLS10))
    assert report.version == "DTLSv1.0"
    assert_open(report)


@pytest.mark.parametrize("code", [GCM, CHACHA20, CCM_8])
@pytest.mark.parametrize("identities", [(b"\xaa", b"\xbb\xcc\xdd"), (b"", b"\xbb"), (b"\xaa", b"")])
def test_records_with_connection_ids(code: int, identities: tuple[bytes, bytes]) -> None:
    exchange = talk(code, identities=identities)
    assert_open(opened(exchange))
    assert exchange.report.outcome == "established"


def test_records_open_in_any_order_for_they_say_their_number() -> None:
    exchange = talk(GCM)
    *others, one, two, three = exchange.datagrams
    assert_open(opened(replace(exchange, datagrams=[*others, three, one, two])))


def test_one_record_that_was_changed_stays_closed_and_the_others_open() -> None:
    exchange = talk(GCM)
    damaged = replace(exchange.datagrams[-2], payload=exchange.datagrams[-2].payload[:-1] + b"?")
    report = opened(replace(exchange, datagrams=[*exchange.datagrams[:-2], damaged, exchange.datagrams[-1]]))
    assert report.facts is not None
    assert report.facts.decryption is not None
    assert (report.facts.decryption.opened, report.facts.decryption.closed) == (7, 1)


def test_a_finished_over_another_transcript_fails() -> None:
    exchange = talk(GCM)
    body = b"\1" + bytes(32)
    changed = replace(exchange.datagrams[4], payload=message(CLIENT_KEY_EXCHANGE, 1, body[:-1] + b"?"))
    report = opened(replace(exchange, datagrams=[*exchange.datagrams[:4], changed, *exchange.datagrams[5:]]))
    assert {proof.status for proof in report.proofs if proof.message == "finished"} == {"fail"}


def test_secrets_of_another_connection_open_nothing() -> None:
    report = opened(talk(GCM), log(bytes(48)))
    assert report.facts is not None
    assert report.facts.decryption is not None
    assert report.facts.decryption.opened == 0
    assert "do not fit" in report.facts.decryption.says
    assert (report.outcome, report.authentication) == ("established", "one-way")
