"""Our modes open what `cryptography` seals with AES, the published vectors of SM4, and nothing that was changed."""

import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from hypothesis import given
from hypothesis import strategies as st
from sealing import first_chacha20

from analyzer.tls.modes import Ccm, FirstChaCha20Poly1305, Gcm

# RFC 8998, appendix A: the same key, nonce, text and associated data for both
KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
NONCE = bytes.fromhex("00001234567800000000ABCD")
TEXT = b"".join(bytes((byte,)) * 8 for byte in b"\xaa\xbb\xcc\xdd\xee\xff\xee\xaa")
ASSOCIATED = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
SEALED_GCM = bytes.fromhex(
    "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735D82710CA5C22F0CCFA7CBF93D496AC15"
    "A56834CBCF98C397B4024A2691233B8D83DE3541E4C2B58177E065A9BF7B62EC"
)
SEALED_CCM = bytes.fromhex(
    "48AF93501FA62ADBCD414CCE6034D895DDA1BF8F132F042098661572E7483094FD12E518CE062C98ACEE28D95DF4416B"
    "ED31A2F04476C18BB40C84A74B97DC5B16842D4FA186F56AB33256971FA110F4"
)


def test_the_published_vectors_of_sm4_open() -> None:
    assert Gcm(SM4(KEY)).decrypt(NONCE, SEALED_GCM, ASSOCIATED) == TEXT
    assert Ccm(SM4(KEY), 16).decrypt(NONCE, SEALED_CCM, ASSOCIATED) == TEXT


def test_the_draft_s_vector_of_chacha20_opens() -> None:
    key = bytes.fromhex("4290bcb154173531f314af57f3be3b5006da371ece272afa1b5dbdd1100a1007")
    number, associated = bytes.fromhex("cd7cf67be39c794a"), bytes.fromhex("87e229d4500845a079c0")
    sealed = bytes.fromhex("e3e446f7ede9a19b62a4677dabf4e3d24b876bb284753896e1d6")
    assert FirstChaCha20Poly1305(key).decrypt(number, sealed, associated).hex() == "86d09974840bded2a5ca"


texts = st.binary(max_size=100) | st.integers(0, 4).map(lambda blocks: bytes(16 * blocks))


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=12, max_size=12), texts, texts)
def test_they_open_what_others_seal(key: bytes, nonce: bytes, text: bytes, associated: bytes) -> None:
    assert Gcm(AES(key)).decrypt(nonce, AESGCM(key).encrypt(nonce, text, associated), associated) == text
    for length in (8, 16):
        sealed = AESCCM(key, tag_length=length).encrypt(nonce, text, associated)
        assert Ccm(AES(key), length).decrypt(nonce, sealed, associated) == text


@pytest.mark.parametrize("mode", ["gcm", "ccm", "ccm_8", "chacha20"])
def test_nothing_changed_opens(mode: str) -> None:
    key, text, associated = os.urandom(16), b"a message of more than a block", b"thirteen bytes"
    nonce = os.urandom(8 if mode == "chacha20" else 12)
    opener, sealed = {
        "gcm": lambda: (Gcm(AES(key)), AESGCM(key).encrypt(nonce, text, associated)),
        "ccm": lambda: (Ccm(AES(key), 16), AESCCM(key).encrypt(nonce, text, associated)),
        "ccm_8": lambda: (Ccm(AES(key), 8), AESCCM(key, tag_length=8).encrypt(nonce, text, associated)),
        "chacha20": lambda: (FirstChaCha20Poly1305(2 * key), first_chacha20(2 * key, nonce, text, associated)),
    }[mode]()
    assert opener.decrypt(nonce, sealed, associated) == text
    for data in (nonce, sealed, associated):
        for at in range(len(data)):
            changed = {
                id(each): each if each is not data else each[:at] + bytes((each[at] ^ 1,)) + each[at + 1 :]
                for each in (nonce, sealed, associated)
            }
            with pytest.raises(InvalidTag):
                opener.decrypt(changed[id(nonce)], changed[id(sealed)], changed[id(associated)])
    for cut in range(len(sealed)):
        with pytest.raises((InvalidTag, ValueError)):
            opener.decrypt(nonce, sealed[:cut], associated)
