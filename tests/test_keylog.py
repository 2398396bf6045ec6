"""A key log yields its secrets by client random, whatever else stands in it, and shows them to nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.tls.keylog import KeyLog

RANDOM, OTHER = bytes(range(32)), bytes(range(32, 64))
MASTER, TRAFFIC = b"m" * 48, b"t" * 32


def line(label: str, named: bytes = RANDOM, secret: bytes = MASTER, end: str = "\n") -> bytes:
    return f"{label} {named.hex()} {secret.hex()}{end}".encode()


def read(*lines: bytes) -> KeyLog:
    log = KeyLog()
    log.read(lines)
    return log


def test_secrets_are_found_by_client_random_and_label() -> None:
    log = read(
        line("CLIENT_HANDSHAKE_TRAFFIC_SECRET", secret=TRAFFIC),
        line("SERVER_TRAFFIC_SECRET_0", secret=MASTER),
        line("CLIENT_RANDOM", OTHER),
    )
    assert log.find(RANDOM) == {"CLIENT_HANDSHAKE_TRAFFIC_SECRET": TRAFFIC, "SERVER_TRAFFIC_SECRET_0": MASTER}
    assert log.find(OTHER) == {"CLIENT_RANDOM": MASTER}
    assert log.find(bytes(32)) == {}
    assert (len(log), log.malformed) == (2, [])


def test_lines_of_other_purposes_are_no_errors() -> None:
    log = read(
        b"# a comment\n",
        b"\n",
        b"  \t \r\n",
        line("EXPORTER_SECRET"),
        line("ECH_SECRET", secret=TRAFFIC),
        line("QUIC_SERVER_TRAFFIC_SECRET", secret=TRAFFIC),
        line("CLIENT_RANDOM", end="\r\n"),
    )
    assert (log.find(RANDOM), log.malformed) == ({"CLIENT_RANDOM": MASTER}, [])


def test_a_secret_that_is_logged_twice_counts_once() -> None:
    log = read(line("CLIENT_RANDOM"), line("CLIENT_RANDOM"))
    assert (len(log), log.find(RANDOM)) == (1, {"CLIENT_RANDOM": MASTER})


def test_the_older_forms_name_an_encrypted_secret_or_a_session() -> None:
    log = read(
        b"RSA 0123456789abcdef " + MASTER.hex().encode(),
        b"RSA Session-ID:aabb Master-Key:" + MASTER.hex().encode(),
        line("PMS_CLIENT_RANDOM", secret=TRAFFIC),
    )
    assert log.pre_master(bytes.fromhex("0123456789abcdef") + b"and so on") == MASTER
    assert log.pre_master(b"something else") is None
    assert log.master(b"\xaa\xbb") == MASTER
    assert log.master(b"") is None
    assert log.find(RANDOM) == {"PMS_CLIENT_RANDOM": TRAFFIC}


@pytest.mark.parametrize(
    "bad",
    [
        b"CLIENT_RANDOM",
        b"CLIENT_RANDOM aa bb",
        b"CLIENT_RANDOM " + RANDOM.hex().encode(),
        b"CLIENT_RANDOM " + RANDOM.hex().encode() + b" abc",
        b"CLIENT_RANDOM " + RANDOM.hex().encode() + b" zz",
        line("CLIENT_RANDOM", secret=b"")[:-1] + b" x",
        line("CLIENT_RANDOM", secret=bytes(256)),
        line("CLIENT_RANDOM")[:-1] + b" more",
        line("a label that has spaces"),
        b"RSA 0123456789abcdef aabb",
        b"RSA Session-ID:zz Master-Key:" + MASTER.hex().encode(),
        b"\xff\xfe\x00\x00",
    ],
)
def test_a_malformed_line_is_counted_with_its_number(bad: bytes) -> None:
    log = read(line("CLIENT_RANDOM", OTHER), bad)
    assert (log.malformed, log.malformed_count, len(log)) == ([2], 1, 1)


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_lines_leave_the_others_readable(lines: list[bytes]) -> None:
    log = read(*lines, line("CLIENT_RANDOM"))
    assert log.find(RANDOM) == {"CLIENT_RANDOM": MASTER}
    assert log.malformed_count <= len(lines)


def test_its_text_shows_no_secret() -> None:
    log = read(line("CLIENT_RANDOM"))
    assert MASTER.hex() not in repr(log) + str(log)
    assert "1 connection" in repr(log)


def test_short_lines_are_malformed_where_they_are_not_empty() -> None:
    log = KeyLog()
    log.read([b"\n", b"  \r\n", b"\t", b"# nothing\n", b"a b c\n", b"", b"ABCDEFGH a b\n"])
    assert (log.malformed_count, log.malformed) == (2, [5, 7])
    log.read([b"ABCDEFGH ab cd", b"ABCDEFGH ab cd\n"])
    assert log.malformed_count == 2
