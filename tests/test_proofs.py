"""A signature that holds passes, one over anything else fails, and nothing is said of what the capture lacks."""

from dataclasses import replace
from hashlib import md5, sha1
from pathlib import Path
from typing import Any

import pytest
from captured import read
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from followed import handshakes, rebuilt
from forge import Frame, pcap
from hypothesis import given
from hypothesis import strategies as st

from analyzer import api
from analyzer.pki.public_keys import PublicKeys
from analyzer.results import ProofReport
from analyzer.tls import messages
from analyzer.tls.handshake import Decryption, Handshake, Sent
from analyzer.tls.keyschedule import SSL3
from analyzer.tls.proofs import proofs
from analyzer.tls.record import Hole
from analyzer.tls.signatures import verify
from analyzer.tls.transcript import transcript

CAPTURES = Path(__file__).parents[1] / "captures"
CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
KEYS = PublicKeys()
INCOMPLETE = {"gap.pcap", "snap-length.pcap", "server-only.pcap", "no-beginning.pcap", "cut.pcap"}
SIGNED = [
    (path.name, handshake)
    for path in sorted(CAPTURES.glob("*.pcap*"))
    if path.name not in INCOMPLETE
    for handshake in handshakes(path, trust="none")
    if not handshake.is_tls13 and not handshake.is_dtls
    if any(proof.status == "pass" for proof in proofs(handshake, KEYS))
]
MUTUAL = next(handshake for name, handshake in SIGNED if name == "mutual-tls12.pcap")
TLS13 = next(
    handshake
    for handshake in handshakes(
        CAPTURES / "hello-retry-request-mutual.pcap",
        trust="none",
        keylog=CAPTURES / "keys" / "hello-retry-request-mutual.keys",
    )
)
TLS13_HELLOS = [one for one in TLS13.sent if one.name in ("client_hello", "server_hello", "hello_retry_request")]
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def proof(handshake: Handshake, message: str) -> ProofReport:
    return next(one for one in proofs(handshake, KEYS) if one.message == message)


def changed(sent: Sent, raw: bytes, version: int) -> Sent:
    return replace(sent, raw=raw, message=messages.parse(raw[0], raw[4:], version))


# What holds


def test_all_signatures_of_complete_captures_pass() -> None:
    for name, handshake in SIGNED:
        expected = {
            (sent.sender, sent.name, sent.frame)
            for sent in handshake.sent
            if sent.name in ("server_key_exchange", "certificate_verify")
        }
        found = [one for one in proofs(handshake, KEYS) if one.message != "finished"]
        assert {(p.of, p.message, p.frame) for p in found} == expected, name
        assert all(p.status == "pass" and p.algorithm and p.reason is None for p in found), name
    versions = {handshake.version for _, handshake in SIGNED}
    assert versions == {0x0301, 0x0302, 0x0303}


@pytest.mark.parametrize("folder", ["lab", "public"])
def test_signatures_of_other_captures_pass(folder: str) -> None:
    if not CORPUS.is_dir():
        pytest.skip("no ../shared/corpus")
    statuses: dict[str, set[str]] = {}
    for path in sorted((CORPUS / folder).glob("*.pcap*")):
        for report in api.analyze(str(path), trust="none").handshakes:
            for one in report.proofs:
                statuses.setdefault(one.status, set()).add(path.name)
    # Both show the same connection, whose certificate somebody has exchanged: its key is of another size.
    forged = {
        "OISF+suricata-verify__tests__tls__tls-altname-zero__input.pcap",
        "OISF+suricata-verify__tests__tls__tls-glupteba-mb__input.pcap",
    }
    assert statuses.get("fail", set()) <= forged
    assert len(statuses["pass"]) > 30


# What does not


def flips() -> st.SearchStrategy[tuple[Handshake, Sent, int, int]]:
    """A handshake, one of its messages, and which bits of it to flip."""

    def of(handshake: Handshake) -> st.SearchStrategy[tuple[Handshake, Sent, int, int]]:
        return st.sampled_from(transcript(handshake)).flatmap(
            lambda sent: st.tuples(
                st.just(handshake), st.just(sent), st.integers(0, len(sent.raw) - 1), st.integers(1, 255)
            )
        )

    return st.sampled_from([handshake for _, handshake in SIGNED]).flatmap(of)


def is_signed(handshake: Handshake, sent: Sent, at: int) -> bool:
    """Whether the server's signature covers this byte: a random or a parameter; or is it."""
    if sent.name in ("client_hello", "server_hello"):
        return 6 <= at < 38
    if sent.name != "server_key_exchange" or at < 4:
        return False
    assert handshake.suite is not None
    assert handshake.version is not None
    content = messages.ServerKeyExchange(sent.raw[4:]).parameters(handshake.suite, handshake.version)
    assert not isinstance(content, messages.MalformedMessage)
    scheme = range(4 + len(content.signed), 6 + len(content.signed)) if content.signature_scheme else ()
    return at not in scheme


@given(flips())
def test_flipping_any_byte_of_what_is_signed_makes_it_fail(flip: tuple[Handshake, Sent, int, int]) -> None:
    handshake, target, at, bits = flip
    raw = target.raw[:at] + bytes((target.raw[at] ^ bits,)) + target.raw[at + 1 :]
    assert handshake.version is not None
    altered = rebuilt(
        handshake,
        [changed(sent, raw, handshake.version) if sent is target else sent for sent in handshake.sent],
    )
    found = {one.message: one for one in proofs(altered, KEYS)}
    if is_signed(handshake, target, at) and handshake.first("server_key_exchange"):
        assert found["server_key_exchange"].status == "fail"
    before = transcript(handshake)
    verify_at = next((i for i, sent in enumerate(before) if sent.name == "certificate_verify"), -1)
    if verify_at > before.index(target) and "certificate_verify" in found:
        assert found["certificate_verify"].status != "pass"
        if altered.suite == handshake.suite and altered.version == handshake.version and altered.client_hello:
            key_lost = target.name == "certificate" and target.sender == "client"
            assert found["certificate_verify"].status == "fail" or key_lost
    if target.name == "certificate_verify" and at >= 6:
        assert found["certificate_verify"].status == "fail"


# What cannot be told


def test_the_order_of_the_flights_counts_not_that_of_the_capture() -> None:
    client = [sent for sent in MUTUAL.sent if sent.sender == "client"]
    server = [sent for sent in MUTUAL.sent if sent.sender == "server"]
    for order in (client + server, server + client):
        assert proof(rebuilt(MUTUAL, order), "certificate_verify").status == "pass"


@pytest.mark.parametrize("name", ["client_hello", "certificate_request", "server_hello_done", "client_key_exchange"])
def test_a_hole_before_it_makes_a_failure_undetermined(name: str) -> None:
    gone = next(sent for sent in MUTUAL.sent if sent.name == name)
    altered = rebuilt(MUTUAL, [sent for sent in MUTUAL.sent if sent is not gone])
    altered.holes.append((gone.sender, Hole(1, gone.frame, "not-captured")))
    found = proof(altered, "certificate_verify")
    assert (found.status, found.algorithm) == ("undetermined", proof(MUTUAL, "certificate_verify").algorithm)
    assert found.reason is not None
    assert gone.sender in found.reason or "ClientHello" in found.reason


def test_a_limit_makes_a_failure_undetermined_and_leaves_a_pass() -> None:
    altered = rebuilt(MUTUAL, MUTUAL.sent)
    altered.truncated = True
    assert proof(altered, "certificate_verify").status == "pass"
    altered = rebuilt(MUTUAL, [sent for sent in MUTUAL.sent if sent.name != "certificate_request"])
    altered.truncated = True
    assert proof(altered, "certificate_verify").status == "undetermined"


@pytest.mark.parametrize("name", ["hello_request", "new_session_ticket"])
def test_what_the_transcript_does_not_cover_changes_nothing(name: str) -> None:
    kind = {"hello_request": 0, "new_session_ticket": 4}[name]
    raw = bytes((kind, 0, 0, 0))
    extra = Sent("server", name, 0, 0, 0, "cleartext", messages.parse(kind, b""), raw)
    altered = rebuilt(MUTUAL, [extra, *MUTUAL.sent] if kind == 0 else [*MUTUAL.sent, extra])
    assert proof(altered, "certificate_verify").status == "pass"


@pytest.mark.parametrize(
    ("name", "of", "message", "words"),
    [
        ("one-way-tls12-rsa.pcap", "server", "finished", "Finished"),
        ("one-way-tls13.pcap", "server", "certificate_verify", "encrypted"),
        ("mutual-tls13.pcap", "client", "certificate_verify", "encrypted"),
        ("gap.pcap", "client", "certificate_verify", "lacks"),
    ],
)
def test_what_the_capture_does_not_show_is_undetermined(name: str, of: str, message: str, words: str) -> None:
    [report] = api.analyze(str(CAPTURES / name)).handshakes
    found = next(one for one in report.proofs if (one.of, one.message) == (of, message))
    assert found.status == "undetermined"
    assert words in (found.reason or "")


@pytest.mark.parametrize("code", [0x0081, 0xC100, 0xC0FF, 0xC0B0, 0x001E, 0x0010])
def test_a_key_exchange_that_nobody_here_knows_is_no_forgery(code: int) -> None:
    sent = [*MUTUAL.sent]
    at = next(i for i, one in enumerate(sent) if one.name == "server_hello")
    raw = bytearray(sent[at].raw)
    suite = 4 + 2 + 32 + 1 + raw[38]
    raw[suite : suite + 2] = code.to_bytes(2)
    sent[at] = changed(sent[at], bytes(raw), 0x0303)
    found = proof(rebuilt(MUTUAL, sent), "server_key_exchange")
    assert found.status == "undetermined"
    assert "not known" in (found.reason or "")


def test_an_unknown_hash_is_no_reason_to_fail_or_to_break() -> None:
    """TLS 1.3 with GOST's suites, and messages in clear that should not be."""
    hellos = [*TLS13_HELLOS]
    for at, one in enumerate(hellos):
        if one.sender == "server":
            raw = bytearray(one.raw)
            suite = 4 + 2 + 32 + 1 + raw[38]
            raw[suite : suite + 2] = (0xC103).to_bytes(2)
            hellos[at] = changed(one, bytes(raw), 0x0304)
    made = rebuilt(TLS13, [*hellos, *(one for one in TLS13.sent if one.message and one not in TLS13_HELLOS)])
    assert made.suite is not None and made.suite.hash == "GOSTR3411"
    made.decryption = TLS13.decryption
    assert {one.status for one in proofs(made, KEYS)} == {"undetermined"}


def test_messages_without_end_cost_no_more_than_some() -> None:
    verify = next(one for one in MUTUAL.sent if one.name == "certificate_verify")
    at = MUTUAL.sent.index(verify)
    many = rebuilt(MUTUAL, [*MUTUAL.sent[:at], *[replace(verify) for _ in range(100)], *MUTUAL.sent[at:]])
    found = [one for one in proofs(many, KEYS) if one.message == "certificate_verify"]
    assert len(found) == 101
    assert [one.status for one in found[16:]] == ["undetermined"] * 85
    assert [one.status for one in found[:16]] == ["pass"] + ["fail"] * 15  # each covers those before it


def overwritten(name: str, frame: int) -> bytes:
    """A capture in which other bytes come first, in the place of some that this frame brings: of the signature."""
    frames = [Frame(data, time) for _, time, data, _, _ in read(CAPTURES / name).frames]
    original = frames[frame - 1]
    other = original.data[:-70] + bytes(byte ^ 0x55 for byte in original.data[-70:-60]) + original.data[-60:]
    return pcap([*frames[: frame - 1], Frame(other, original.time - 1000), *frames[frame - 1 :]])


def test_where_segments_contradict_each_other_nothing_fails() -> None:
    [report] = api.analyze(str(CAPTURES / "mutual-tls12.pcap")).handshakes
    verify = next(one for one in report.proofs if one.message == "certificate_verify")
    assert verify.frame is not None
    told = api.analyze(overwritten("mutual-tls12.pcap", verify.frame))
    assert "overlaps-differ" in {issue.code for issue in told.issues}
    [report] = told.handshakes
    found = {one.message: one for one in report.proofs}
    assert found["server_key_exchange"].status == "pass"
    assert found["certificate_verify"].status == "undetermined"
    assert "different bytes for one place" in (found["certificate_verify"].reason or "")


@pytest.mark.parametrize(("bits", "exponent"), [(16400, 65537), (3080, (1 << 80) + 1)])
def test_a_key_that_openssl_does_not_take_fails_nobody(bits: int, exponent: int) -> None:
    key = rsa.RSAPublicNumbers(exponent, (1 << (bits - 1)) + 1).public_key()
    for scheme in (None, 0x0401, 0x0804):
        found = verify(key, scheme, b"content", bytes(bits // 8))
        assert (found.status, found.reason) == ("undetermined", "it cannot be verified: the key is too large")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mutual-tls12.pcap", ["The server shows who it is by signing the key exchange", "The client shows who it is"]),
        ("one-way-tls12.pcap", ["signing the key exchange", "Nothing in this handshake shows who the client is"]),
        ("one-way-tls12-rsa.pcap", ["decrypt the pre-master secret"]),
        ("one-way-tls13.pcap", ["signing all messages before"]),
        ("anonymous-tls12.pcap", ["Nothing shows who the server is"]),
        ("psk-tls12.pcap", ["knowing the pre-shared key"]),
    ],
)
def test_the_report_says_what_confers_each_identity(name: str, words: list[str]) -> None:
    [report] = api.analyze(str(CAPTURES / name)).handshakes
    says = [evidence.says for evidence in report.evidence]
    assert all(any(word in text for text in says) for word in words)


@pytest.mark.parametrize("name", ["psk-tls12", "psk-tls13", "resumption-psk-mutual", "resumption-session-ticket"])
def test_secrets_show_who_knows_the_secret_from_before(name: str) -> None:
    for keylog, says in ((), False), (CAPTURES / "keys" / f"{name}.keys", True):
        report = api.analyze(str(CAPTURES / f"{name}.pcap"), keylog=keylog).handshakes[-1]
        [rests] = [evidence.says for evidence in report.evidence if "shows who it is by knowing" in evidence.says]
        assert rests.endswith(": verified, the Finished of both hold.") is says


@pytest.mark.parametrize("name", ["anonymous-tls12.pcap", "psk-tls12.pcap", "psk-tls13.pcap", "no-common-version.pcap"])
def test_where_nobody_signs_there_is_no_proof(name: str) -> None:
    assert [report.proofs for report in api.analyze(str(CAPTURES / name)).handshakes] == [[]]


# Schemes


def pkcs1(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """PKCS #1 v1.5 without the name of a hash, as before TLS 1.2."""
    numbers = key.private_numbers()
    size = key.key_size // 8
    block = b"\0\1" + b"\xff" * (size - len(data) - 3) + b"\0" + data
    return pow(int.from_bytes(block), numbers.d, numbers.public_numbers.n).to_bytes(size)


P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
DSA_KEY = dsa.generate_private_key(1024)
PURE = ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()
SHA256, PKCS1 = hashes.SHA256(), padding.PKCS1v15()
SCHEMES: list[tuple[int | None, str, Any, Any]] = [
    (None, "rsa_pkcs1_md5_sha1", RSA_KEY, lambda k, m: pkcs1(k, md5(m).digest() + sha1(m).digest())),
    (None, "dsa_sha1", DSA_KEY, lambda k, m: k.sign(m, hashes.SHA1())),
    (None, "ecdsa_sha1", P256, lambda k, m: k.sign(m, ec.ECDSA(hashes.SHA1()))),
    (None, "ed25519", PURE[0], lambda k, m: k.sign(m)),
    (0x0101, "rsa_pkcs1_md5", RSA_KEY, lambda k, m: k.sign(m, PKCS1, hashes.MD5())),
    (0x0201, "rsa_pkcs1_sha1", RSA_KEY, lambda k, m: k.sign(m, PKCS1, hashes.SHA1())),
    (0x0401, "rsa_pkcs1_sha256", RSA_KEY, lambda k, m: k.sign(m, PKCS1, SHA256)),
    (0x0402, "dsa_sha256", DSA_KEY, lambda k, m: k.sign(m, SHA256)),
    (0x0403, "ecdsa_secp256r1_sha256", P384, lambda k, m: k.sign(m, ec.ECDSA(SHA256))),
    (0x0503, "ecdsa_secp384r1_sha384", P384, lambda k, m: k.sign(m, ec.ECDSA(hashes.SHA384()))),
    (0x0804, "rsa_pss_rsae_sha256", RSA_KEY, lambda k, m: k.sign(m, padding.PSS(padding.MGF1(SHA256), 32), SHA256)),
    (0x0807, "ed25519", PURE[0], lambda k, m: k.sign(m)),
    (0x0808, "ed448", PURE[1], lambda k, m: k.sign(m)),
    (
        0x080B,
        "rsa_pss_pss_sha512",
        RSA_KEY,
        lambda k, m: k.sign(m, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512()),
    ),
]


@pytest.mark.parametrize(("scheme", "name", "key", "sign"), SCHEMES, ids=[f"{s[0]}-{s[1]}" for s in SCHEMES])
def test_each_scheme_is_verified_as_its_rfc_says(scheme: int | None, name: str, key: Any, sign: Any) -> None:
    message = b"what is signed"
    signature = sign(key, message)
    assert verify(key.public_key(), scheme, message, signature)[:2] == ("pass", name)
    assert verify(key.public_key(), scheme, message + b"!", signature)[:2] == ("fail", name)
    assert verify(key.public_key(), scheme, message, b"")[0] == "fail"
    if scheme is not None:
        other = P256 if not isinstance(key, ec.EllipticCurvePrivateKey) else RSA_KEY
        assert verify(other.public_key(), scheme, message, signature).status == "fail"


def test_a_pss_salt_of_another_length_is_no_signature() -> None:
    signature = RSA_KEY.sign(b"", padding.PSS(padding.MGF1(SHA256), 20), SHA256)
    assert verify(RSA_KEY.public_key(), 0x0804, b"", signature).status == "fail"


@pytest.mark.parametrize("scheme", [0x0000, 0x0708, 0x0840, 0xEEEE, 0x0A0A])
def test_an_unknown_scheme_is_undetermined_and_named(scheme: int) -> None:
    found = verify(P256.public_key(), scheme, b"", b"")
    assert found.status == "undetermined"
    assert found.algorithm


# SSL 3.0, whose CertificateVerify covers the master secret (RFC 6101, section 5.6.8)

MASTER = bytes(range(48))


def ssl3_digests(covered: bytes) -> bytes:
    """MD5 and SHA-1, each over the messages, the master secret and its padding, then again over the outer ones."""
    inner_md5 = md5(covered + MASTER + b"\x36" * 48).digest()
    inner_sha1 = sha1(covered + MASTER + b"\x36" * 40).digest()
    return md5(MASTER + b"\x5c" * 48 + inner_md5).digest() + sha1(MASTER + b"\x5c" * 40 + inner_sha1).digest()


SHA1_ONLY = utils.Prehashed(hashes.SHA1())
SSL3_KEYS = {
    "rsa_pkcs1_md5_sha1": (RSA_KEY, pkcs1),
    "dsa_sha1": (DSA_KEY, lambda key, digests: key.sign(digests[16:], SHA1_ONLY)),
    "ecdsa_sha1": (P256, lambda key, digests: key.sign(digests[16:], ec.ECDSA(SHA1_ONLY))),
}


def ssl3(key: Any, sign: Any) -> Handshake:
    """A mutual handshake as SSL 3.0 has it, in which the client signs with this key."""
    encoded = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    sent: list[Sent] = []
    for one in MUTUAL.sent:
        raw = one.raw
        if one.name == "server_hello":
            raw = raw[:4] + b"\3\0" + raw[6:]
        elif one.name == "certificate" and one.sender == "client":
            entry = len(encoded).to_bytes(3) + encoded
            raw = b"\x0b" + (len(entry) + 3).to_bytes(3) + len(entry).to_bytes(3) + entry
        elif one.name == "certificate_verify":
            signature = sign(key, ssl3_digests(b"".join(each.raw for each in sent)))
            raw = b"\x0f" + (len(signature) + 2).to_bytes(3) + len(signature).to_bytes(2) + signature
        elif one.message is None:
            break
        sent.append(changed(one, raw, SSL3))
    made = rebuilt(MUTUAL, sent)
    made.decryption = Decryption(MASTER)
    return made


@pytest.mark.parametrize("algorithm", SSL3_KEYS)
def test_in_ssl3_the_client_signs_the_master_secret_too(algorithm: str) -> None:
    made = ssl3(*SSL3_KEYS[algorithm])
    assert made.version == SSL3
    found = proof(made, "certificate_verify")
    assert (found.status, found.algorithm) == ("pass", algorithm)
    made.decryption = Decryption(MASTER[::-1])
    assert proof(made, "certificate_verify").status == "fail"
    made.decryption = None
    found = proof(made, "certificate_verify")
    assert (found.status, found.reason) == (
        "undetermined",
        "in SSL 3.0 it covers the master secret, which is not known",
    )
