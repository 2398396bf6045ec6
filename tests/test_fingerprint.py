"""JA3, JA3S and JA4 are those that their authors publish and that tshark computes."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.tls import fingerprint, messages
from analyzer.tls.extensions import Extension
from analyzer.tls.messages import ClientHello, ServerHello
from analyzer.tls.registry import GREASE

CORPUS = Path(__file__).parent.parent.parent / "shared" / "corpus"


def u16_list(numbers: list[int]) -> bytes:
    return b"".join(number.to_bytes(2) for number in [2 * len(numbers), *numbers])


def hello(
    suites: list[int],
    extensions: list[int],
    schemes: list[int] = [],  # noqa: B006
    *,
    alpn: bytes = b"h2",
    tls13: bool = True,
    version: int = 0x0303,
) -> ClientHello:
    """A ClientHello with these code points; the other content of its extensions does not matter."""
    content = {
        10: u16_list([29, 23]),
        11: b"\1\0",
        13: u16_list(schemes),
        16: (len(alpn) + 1).to_bytes(2) + bytes([len(alpn)]) + alpn,
        43: b"\6\x1a\x1a\3\4\3\3" if tls13 else b"\2\3\3",
    }
    pairs = tuple(Extension(type_, content.get(type_, b"")) for type_ in extensions)
    return ClientHello(version, bytes(32), b"", tuple(suites), b"\0", pairs)


def codes(text: str) -> list[int]:
    return [int(code, 16) for code in text.split(",")]


CHROME = codes("1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035")
SCHEMES = codes("0403,0804,0401,0503,0805,0501,0806,0601")


@pytest.mark.parametrize(
    ("extensions", "schemes", "expected"),
    [
        (
            "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015",
            SCHEMES,
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
        ),
        (
            "0033,000a,0005,000d,0012,0000,0010,002b,0023,001b,0017,002d,ff01,4469,000b,0029",
            SCHEMES,
            "t13d1516h2_8daaf6152771_9b887d9acb53",
        ),
        (
            "0033,002b,001b,0000,0012,002d,000d,000a,0005,0023,0017,ff01,000b,0015",
            SCHEMES,
            "t13d151400_8daaf6152771_de4a06bb82e3",
        ),
        (
            "fe0d,0010,0017,0033,44cd,ff01,000a,000d,0023,002b,000b,ca34,002d,0000,0005,001b,0012",
            [0x2A2A, 0x0904, 0x0905, 0x0906, *SCHEMES],
            "t13d1517h2_8daaf6152771_cb7bf5808d99",
        ),
    ],
)
def test_ja4_that_foxio_publishes(extensions, schemes, expected):
    """Chrome's hellos in FoxIO's own test data; GREASE comes on top."""
    with_grease = [0x3A3A, *codes(extensions), 0xFAFA]
    assert fingerprint.ja4(hello([0x0A0A, *CHROME], with_grease, schemes)) == expected


@pytest.mark.parametrize(
    ("alpn", "expected"),
    [
        (b"http/1.1", "h1"),
        (b"h", "hh"),
        (b"", "00"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
    ],
)
def test_ja4_alpn(alpn, expected):
    """The examples of FoxIO's description."""
    assert fingerprint.ja4(hello(CHROME, [16], alpn=alpn)).split("_")[0][-2:] == expected


def test_ja4_of_little():
    """What is missing is zeros, and more than 99 is 99."""
    assert fingerprint.ja4(hello([], [], tls13=False)) == "t12i000000_000000000000_000000000000"
    assert fingerprint.ja4(hello([], [0, 16])).startswith("t12d0002h2_000000000000_000000000000")
    assert fingerprint.ja4(hello(list(range(200)), [5] * 200)).startswith("t12i999900_")


@pytest.mark.parametrize(
    ("version", "transport", "start"),
    [
        (0x0301, "tcp", "t10"),
        (0x0300, "tcp", "ts3"),
        (0xFEFD, "udp", "dd2"),
        (0x0303, "quic", "q12"),
        (0x7777, "tcp", "t00"),
    ],
)
def test_ja4_version_and_transport(version, transport, start):
    assert fingerprint.ja4(hello(CHROME, [], version=version), transport).startswith(start)


HELLOS = st.builds(
    hello,
    st.lists(st.integers(0, 0xFFFF), max_size=8),
    st.lists(st.sampled_from([0, 5, 10, 11, 13, 16, 23, 43, 51, 65281]), unique=True),
    st.lists(st.integers(0, 0xFFFF), max_size=4),
)


@given(HELLOS, st.data())
def test_grease_and_order(original, data):
    """GREASE changes no fingerprint; the order of suites and extensions changes no JA4."""
    suites = [*original.cipher_suites, data.draw(st.sampled_from(sorted(GREASE)))]
    pairs = [*original.extensions, Extension(data.draw(st.sampled_from(sorted(GREASE))), b"")]
    greased = ClientHello(0x0303, bytes(32), b"", tuple(suites), b"\0", tuple(pairs))
    assert fingerprint.ja3(greased) == fingerprint.ja3(original)
    suites, pairs = data.draw(st.permutations(suites)), data.draw(st.permutations(pairs))
    shuffled = ClientHello(0x0303, bytes(32), b"", tuple(suites), b"\0", tuple(pairs))
    assert fingerprint.ja4(shuffled) == fingerprint.ja4(original)


def test_ja3_that_salesforce_publishes():
    """The two examples of the description of JA3."""
    suites = (47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4)
    pairs = (Extension(0, b""), Extension(10, u16_list([23, 24, 25])), Extension(11, b"\1\0"))
    old = ClientHello(769, bytes(32), b"", suites, b"\0", pairs)
    assert fingerprint.ja3_string(old) == "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"
    assert fingerprint.ja3(old) == "ada70206e40642a3e4461f35503241d5"
    bare = ClientHello(769, bytes(32), b"", (4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99), b"\0")
    assert fingerprint.ja3(bare) == "de350869b8c85de67a350c8d186f11e6"


def test_ja3s_string():
    pairs = tuple(Extension(type_, b"") for type_ in (65281, 0, 11))
    assert fingerprint.ja3s_string(ServerHello(769, bytes(32), b"", 47, 0, pairs)) == "769,47,65281-0-11"
    assert fingerprint.ja3s_string(ServerHello(769, bytes(32), b"", 47, 0)) == "769,47,"


def test_sslv2_format_has_none():
    old = ClientHello(0x0301, bytes(32), b"", (0x010080,), b"\0", is_sslv2_format=True)
    assert fingerprint.ja3(old) is None and fingerprint.ja4(old) is None


def dissected(tree: Any) -> Iterator[tuple[str, str | None, str | None]]:
    """Each handshake message of tshark's JSON: its bytes, JA3 and JA3S."""
    if isinstance(tree, list):
        for part in tree:
            yield from dissected(part)
    elif isinstance(tree, dict):
        shown, raw = tree.get("tls.handshake", []), tree.get("tls.handshake_raw", [])
        shown = shown if isinstance(shown, list) else [shown]
        raw = raw if raw and isinstance(raw[0], list) else [raw]
        for fields, (octets, *_) in zip(shown, raw, strict=False):
            if fields:  # a fragment has none
                yield octets, fields.get("tls.handshake.ja3"), fields.get("tls.handshake.ja3s")
        for name, part in tree.items():
            if not name.startswith("tls.handshake"):
                yield from dissected(part)


@pytest.mark.skipif(not shutil.which("tshark"), reason="no tshark")
@pytest.mark.skipif(not CORPUS.is_dir(), reason="no ../shared/corpus")
@pytest.mark.parametrize(
    "capture",
    [
        "public/FoxIO-LLC+ja4__pcap__tls3.pcapng",
        "public/FoxIO-LLC+ja4__pcap__browsers-x509.pcapng",
        "lab/openssl-tls13-hrr-mutual.pcap",
    ],
)
def test_second_opinion_of_tshark(capture):
    command = ["tshark", "-r", str(CORPUS / capture), "-Y", "tls.handshake.type in {1,2}"]
    command += ["-T", "json", "-x", "--no-duplicate-keys"]
    output = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    compared = 0
    for octets, ja3, ja3s in dissected(json.loads(output)):
        body = bytes.fromhex(octets)
        message = messages.parse(body[0], body[4:])
        if isinstance(message, ClientHello):
            assert fingerprint.ja3(message) == ja3
        elif isinstance(message, ServerHello):
            assert fingerprint.ja3s(message) == ja3s
        else:
            continue
        compared += 1
    assert compared >= 2
