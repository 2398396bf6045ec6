"""What was sealed as the RFCs say opens, in order and only then; what was changed by one bit stays closed."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sealing import DATA, HANDSHAKE, Sealed, known, record, tls13_record

from analyzer.tls import protection
from analyzer.tls.keyschedule import DirectionKeys
from analyzer.tls.protection import Plain, Unsupported


def sealed() -> list[Sealed]:
    by_version = {
        0x0300: [0x0002, 0x0004, 0x0005, 0x0007, 0x0009, 0x000A, 0x002F],
        0x0301: [0x0002, 0x0004, 0x0005, 0x0007, 0x0009, 0x000A, 0x002F, 0x0035, 0x0041, 0x0096],
        0x0302: [0x0002, 0x0005, 0x000A, 0x002F, 0x0084],
        0x0303: [0x003B, 0x003C, 0xC028, 0x00BA, 0xC02F, 0xC030, 0xC09C, 0xC0A0, 0xCCA8, 0xCC13, 0xCC15],
    }
    return [
        Sealed(known(code), version, encrypt_then_mac, truncated_mac)
        for version, codes in by_version.items()
        for code in codes
        for encrypt_then_mac in ((False, True) if known(code).block_size and version > 0x0300 else (False,))
        for truncated_mac in ((False, True) if known(code).mac and version > 0x0300 else (False,))
    ]


CASES = pytest.mark.parametrize(
    "case",
    sealed(),
    ids=lambda c: f"{c.version:04x}-{c.suite.name}{'-etm' * c.encrypt_then_mac}{'-truncated' * c.truncated_mac}",
)


@CASES
def test_records_open_in_order(case: Sealed) -> None:
    opened = case.protection()
    for content in (b"", b"a", b"some more" * 100, bytes(16384)):
        assert opened.open(case.seal(content, HANDSHAKE)) == Plain(HANDSHAKE, content)


@CASES
def test_records_that_are_passed_over_count(case: Sealed) -> None:
    opened = case.protection()
    for content in (b"not read", b"not read either"):
        opened.pass_over(case.seal(content))
    assert opened.open(case.seal(b"read")) == Plain(DATA, b"read")


@CASES
def test_no_bit_can_be_changed(case: Sealed) -> None:
    whole = case.seal(b"message")
    fragment = whole.fragment or b""
    ssl3_padding = range(len(fragment) - case.suite.block_size, len(fragment)) if case.version == 0x0300 else ()
    for at in range(len(fragment)):
        if at not in ssl3_padding:  # which nothing protects
            changed = fragment[:at] + bytes([fragment[at] ^ 1]) + fragment[at + 1 :]
            assert case.protection().open(record(changed, DATA, case.version)) is None


@CASES
def test_another_type_version_or_place_is_another_record(case: Sealed) -> None:
    first, second = case.seal(b"first"), case.seal(b"second")
    assert case.protection().open(second) is None
    assert case.protection().open(record(first.fragment, HANDSHAKE, case.version)) is None
    if case.version > 0x0300:
        assert case.protection().open(record(first.fragment, DATA, case.version - 1)) is None


@CASES
@given(fragment=st.binary(max_size=200))
def test_any_bytes_stay_closed(case: Sealed, fragment: bytes) -> None:
    assert case.protection().open(record(fragment, DATA, case.version), tries=3) is None


@pytest.mark.parametrize("code", [*range(0x1301, 0x1306), 0x00C6])
@pytest.mark.parametrize("padding", [0, 16, 500])
def test_tls13_hides_type_and_padding(code: int, padding: int) -> None:
    secret = os.urandom(known(code).hash_length)
    opened = protection.tls13(secret, known(code))
    for sequence, content in enumerate((b"message", b"", b"ends in zeros\0\0")):
        sealed = tls13_record(code, secret, content + b"\x16" + bytes(padding), sequence)
        assert opened.open(sealed) == Plain(HANDSHAKE, content)


def test_tls13_without_a_type_is_nothing() -> None:
    secret = bytes(32)
    assert protection.tls13(secret, known(0x1301)).open(tls13_record(0x1301, secret, bytes(9), 0)) is None


def test_behind_a_hole_later_numbers_are_tried() -> None:
    secret = bytes(32)
    opened = protection.tls13(secret, known(0x1301))
    fifth = tls13_record(0x1301, secret, b"x\x16", 5)
    assert opened.open(fifth) is None
    assert opened.open(fifth, tries=6) == Plain(HANDSHAKE, b"x")
    assert opened.open(tls13_record(0x1301, secret, b"y\x16", 6)) == Plain(HANDSHAKE, b"y")


def test_in_tls10_the_record_behind_a_missing_one_is_lost_and_no_other() -> None:
    case = Sealed(known(0x002F), 0x0301)
    opened = case.protection()
    opened.pass_over(record(None, DATA, 0x0301, len(case.seal(b"missing").fragment or b"")))
    second, third = case.seal(b"second"), case.seal(b"third")
    assert opened.open(second) is None
    opened.pass_over(second)
    assert opened.open(third) == Plain(DATA, b"third")


@pytest.mark.parametrize("code", [0x0003, 0x0008, 0xC050, 0xC05C, 0x0080, 0xC100, 0xC0B4])
def test_what_cannot_be_decrypted_is_named(code: int) -> None:
    chosen = known(code)
    keys = DirectionKeys(b"", bytes(chosen.key_length), bytes(12))
    with pytest.raises(Unsupported, match="cannot decrypt"):
        protection.tls12(keys, chosen, 0x0303, encrypt_then_mac=False)


def test_keys_are_shown_to_nobody() -> None:
    secret = os.urandom(32)
    opened = protection.tls13(secret, known(0x1301))
    assert secret.hex() not in repr(opened)
