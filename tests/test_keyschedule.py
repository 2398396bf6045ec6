"""Keys and MACs follow from secrets as in published vectors, and as OpenSSL computes them."""

import hmac
from hashlib import md5, sha1, sha256

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from analyzer.tls import keyschedule
from analyzer.tls.registry import suite

GCM, CBC, CHACHA = suite(0xC02F), suite(0x002F), suite(0xCCA8)


def test_prf_of_tls12_gives_the_published_vector() -> None:
    """The widely used vector of the IETF's list (P_SHA256, 100 bytes)."""
    output = keyschedule.prf(
        bytes.fromhex("9bbe436ba940f017b17652849a71db35"),
        b"test label",
        bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c"),
        100,
        0x0303,
        GCM,
    )
    assert output.hex() == (
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17"
        "abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
    )


@given(st.binary(min_size=1, max_size=70), st.binary(max_size=40), st.integers(1, 80))
def test_prf_of_tls10_mixes_both_hashes(secret: bytes, seed: bytes, length: int) -> None:
    half = -(-len(secret) // 2)

    def p_hash(key: bytes, digest: str) -> bytes:
        blocks, step = b"", seed
        while len(blocks) < length:
            step = hmac.digest(key, step, digest)
            blocks += hmac.digest(key, step + seed, digest)
        return blocks[:length]

    expected = bytes(a ^ b for a, b in zip(p_hash(secret[:half], "md5"), p_hash(secret[-half:], "sha1"), strict=True))
    assert keyschedule.prf(secret, b"", seed, length, 0x0301, CBC) == expected


def test_ssl3_derives_with_letters() -> None:
    """RFC 6101, section 6.1: MD5 over the secret and SHA of A, BB, CCC."""
    expected = b"".join(
        md5(b"secret" + sha1(letters + b"secret" + b"seed").digest()).digest() for letters in (b"A", b"BB", b"CCC")
    )
    assert keyschedule.prf(b"secret", b"ignored", b"seed", 48, 0x0300, CBC) == expected


@given(st.binary(min_size=32, max_size=48), st.text("abcdefg ", min_size=1, max_size=12), st.binary(max_size=48))
def test_expand_label_is_that_of_hkdf(secret: bytes, label: str, context: bytes) -> None:
    name = b"tls13 " + label.encode()
    info = b"\0\x30" + bytes([len(name)]) + name + bytes([len(context)]) + context
    expected = HKDFExpand(hashes.SHA256(), 48, info).derive(secret)
    assert keyschedule.expand_label(secret, label, context, 48, "sha256") == expected


@pytest.mark.parametrize(("chosen", "iv"), [(GCM, 4), (CBC, 16), (CHACHA, 12)])
def test_the_key_block_is_cut_in_order(chosen: keyschedule.Suite, iv: int) -> None:
    version = 0x0303 if chosen.is_aead else 0x0301
    keys = keyschedule.key_block(b"m" * 48, b"c" * 32, b"s" * 32, version, chosen, iv)
    client, server = keys["client"], keys["server"]
    whole = client.mac + server.mac + client.key + server.key + client.iv + server.iv
    expected = keyschedule.prf(b"m" * 48, b"key expansion", b"s" * 32 + b"c" * 32, len(whole), version, chosen)
    assert whole == expected
    assert (len(client.mac), len(client.key), len(client.iv)) == (chosen.mac_length, chosen.key_length, iv)


def test_master_secrets_depend_on_randoms_or_on_the_transcript() -> None:
    plain = keyschedule.master_secret(b"p" * 48, b"c" * 32, b"s" * 32, 0x0303, GCM)
    assert plain == keyschedule.prf(b"p" * 48, b"master secret", b"c" * 32 + b"s" * 32, 48, 0x0303, GCM)
    bound = keyschedule.extended_master_secret(b"p" * 48, b"all messages", 0x0303, GCM)
    digest = sha256(b"all messages").digest()
    assert bound == keyschedule.prf(b"p" * 48, b"extended master secret", digest, 48, 0x0303, GCM)


def test_a_key_update_changes_the_secret() -> None:
    secret = bytes(32)
    updated = keyschedule.next_traffic_secret(secret, suite(0x1301))
    assert updated == keyschedule.expand_label(secret, "traffic upd", b"", 32, "sha256") != secret
