"""Which stack a hello is of is guessed from its shape, and from real captures rightly."""

from pathlib import Path

import pytest
from forged_cases import TLS12_ASKING, TLS13, TLS13_FLIGHT, client_hello, forged

from analyzer import analyze
from analyzer.diagnosis import stacks
from analyzer.tls.extensions import Extension
from analyzer.tls.hello import ClientHello

CAPTURES = Path(__file__).parents[1] / "captures"


def hello(*types: int, suites: tuple[int, ...] = (0x1301,)) -> ClientHello:
    return ClientHello(0x0303, bytes(32), b"", suites, b"\0", tuple(Extension(type_, b"") for type_ in types))


@pytest.mark.parametrize(
    ("types", "stack"),
    [
        ((0, 11, 10, 35, 22, 23, 13, 43, 45, 51), "OpenSSL"),
        ((5, 10, 11, 13, 22, 23, 35, 51, 43, 65281, 0, 45, 28), "GnuTLS"),
        ((0, 5, 10, 13, 43, 45, 50, 51), "Java JSSE"),
        ((0, 5, 10, 11, 13, 17, 23), "Java JSSE"),
        ((0, 5, 10, 11, 13, 65281, 18, 43, 51), "Go"),
        ((0x2A2A, 0, 23, 65281, 10, 11, 35, 16, 5, 13, 18, 51, 45, 43, 27), "BoringSSL"),
        ((0, 23, 65281, 10, 11, 35, 16, 5, 34, 51, 43, 13, 45, 28), "NSS"),
        ((0, 5, 10, 11, 13, 35, 23, 65281), "SChannel"),
        ((0,), None),
        ((), None),
    ],
)
def test_client(types: tuple[int, ...], stack: str | None) -> None:
    guess = stacks.client(forged(hello=hello(*types)).facts)
    assert (guess.stack if guess else None) == stack


def test_a_guess_says_by_what_and_how_sure() -> None:
    assert stacks.Guess("Go", "possible", "its hello").words == "by its hello, perhaps Go"
    assert stacks.Guess("Go", "likely", "its hello").words == "by its hello, Go"


def test_server_that_pads_its_records() -> None:
    steps = "S>server_hello S>ccs S>data:65 S>data:1747 S>data:297 S>data:85"
    assert stacks.server(forged(steps, version=TLS13).facts).stack == "Java JSSE"
    assert stacks.server(forged(TLS13_FLIGHT, version=TLS13).facts) is None


@pytest.mark.parametrize(
    ("types", "schemes", "stack"),
    [
        ((64, 1, 2), (0x0403, 0x0503, 0x0603), "Java JSSE"),
        ((1, 2, 64), (0x0403, 0x0503, 0x0603), "OpenSSL"),
        ((1, 64, 2), (0x0403, 0x0503, 0x0603), "NSS"),
        ((1, 64), (0x0804, 0x0403, 0x0807), "Go"),
        ((1, 64), (0x0401, 0x0809, 0x0804), "GnuTLS"),
        ((1, 64), (0x0403, 0x0804, 0x0401), "BoringSSL"),
        ((1, 64), (0x0503, 0x0403, 0x0603), "rustls"),
        ((1, 64), (0x0501, 0x0503, 0x0401), None),
        ((64, 1, 2), (0x0202, 0x0201, 0x0203), None),
    ],
)
def test_server_by_its_request(types: tuple[int, ...], schemes: tuple[int, ...], stack: str | None) -> None:
    guess = stacks.server(forged(TLS12_ASKING, types=types, schemes=schemes).facts)
    assert (guess.stack if guess else None) == stack


def test_a_hello_in_the_old_format_tells_nothing() -> None:
    old = ClientHello(0x0303, bytes(32), b"", (0x2F,), b"\0", is_sslv2_format=True)
    assert stacks.client(forged(hello=old).facts) is None
    assert stacks.client(forged(hello=client_hello()).facts) is None


@pytest.mark.parametrize(
    ("capture", "stack"),
    [
        ("one-way-tls13.pcap", "OpenSSL"),
        ("mutual-tls13-java.pcap", "Java JSSE"),
        ("client-certificate-filtered.pcap", "Java JSSE"),
        ("mutual-tls13-gnutls.pcap", "GnuTLS"),
        ("server-name-mismatch.pcap", "OpenSSL"),
    ],
)
def test_captured_clients(capture: str, stack: str) -> None:
    (handshake,) = analyze(str(CAPTURES / capture)).handshakes
    assert stacks.client(handshake.facts).stack == stack
