"""Preambles of databases, proxies and desktops, as servers and clients of today were seen to speak them."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talk import Talk, alert, capture, tls12

from analyzer import api
from analyzer.tls.preambles import deframer, follow, recognize

HELLO = bytes.fromhex("160301002d010000290303") + bytes(32) + bytes.fromhex("00000213010100")
LOGIN = b"\x17\x03\x03\0\x1a" + bytes(26)
SIZES = st.lists(st.integers(1, 40), max_size=40)


def tds_packet(kind: int, payload: bytes) -> bytes:
    return pack(">BBHHBB", kind, 1, 8 + len(payload), 0, 0, 0) + payload


def taken(framing: str, stream: bytes, sizes: list[int]) -> tuple[bytes, bool]:
    """What a deframer takes out of a stream that arrives in pieces, and whether it says that no more comes."""
    made = deframer(framing)
    data, position = b"", 0
    for size in [*sizes, len(stream)]:
        for chunk in made.feed(stream[position : position + size]):
            assert stream[chunk.begin : chunk.end] == chunk.data
            data += chunk.data
        position += size
    return data, made.ended


@given(SIZES)
def test_a_client_of_tds_that_encrypts_its_login_only(sizes: list[int]) -> None:
    """MS-TDS, section 3.2.5.3: the login is the last record, and plain packets follow it."""
    records, batch = tds_packet(0x12, HELLO) + LOGIN, tds_packet(0x01, b"S\0E\0L\0")
    assert taken("tds", records + batch, sizes) == (HELLO + LOGIN, True)
    assert taken("tds", records + LOGIN, sizes) == (HELLO + LOGIN * 2, False)


@given(SIZES)
def test_a_server_of_tds_that_answers_an_encrypted_login_in_clear(sizes: list[int]) -> None:
    answer = tds_packet(0x04, b"\xad\x36\0\1\x74\0\0\4")
    assert taken("tds", tds_packet(0x12, HELLO) + answer, sizes) == (HELLO, True)
    assert taken("tds", tds_packet(0x04, HELLO) * 2, sizes) == (HELLO * 2, False)


@given(SIZES)
def test_bare_records_of_tds_behind_a_gap(sizes: list[int]) -> None:
    """What is no record and begins no packet either shows that bytes are missing: all is passed on."""
    stream = tds_packet(0x12, HELLO) + LOGIN + b"\xfe\xdc" + LOGIN + b"\1"
    assert taken("tds", stream, sizes) == (HELLO + LOGIN + b"\xfe\xdc" + LOGIN + b"\1", False)


def test_a_proxy_that_speaks_socks5_alone() -> None:
    """To such a one the request of version 4 is a greeting with one method, which it does not accept."""
    request = b"\4\1\1\xbb\0\0\0\1\0srv.example\0"
    waiting = recognize(request, b"\5")
    assert waiting is not None
    assert (waiting.name, waiting.state) == ("socks4", "waiting")
    refused = recognize(request, b"\5\xff")
    assert refused is not None
    assert (refused.name, refused.state, refused.client, refused.server) == ("socks4", "refused", len(request), 2)
    assert "srv.example:443" in refused.says
    assert "SOCKS5" in refused.says
    assert recognize(request, b"\5\0") is None


def test_socks4_says_the_port_that_was_refused() -> None:
    refused = recognize(b"\4\1\1\xbb\xc0\0\2\1\0", b"\0\x5b" + bytes(6))
    assert refused is not None
    assert "192.0.2.1:443: request rejected or failed (91)" in refused.says


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (0x80000002, b"TLS not configured", "policy (2), TLS not configured."),
        (0x80000001, b"", "unsupported (1)."),
        (0x8000002A, b"", "error (42)."),
    ],
)
def test_nbd_declines_in_the_servers_words(kind: int, text: bytes, says: str) -> None:
    server = b"NBDMAGICIHAVEOPT\0\3" + pack(">QIII", 0x3E889045565A9, 5, kind, len(text)) + text
    refused = recognize(b"\0\0\0\3IHAVEOPT" + pack(">II", 5, 0), server)
    assert refused is not None
    assert (refused.state, refused.server) == ("refused", len(server))
    assert refused.says == f"The server declined NBD_OPT_STARTTLS: {says}"


def test_nbd_declines_by_the_header_alone() -> None:
    """A client that knows the error does not wait for the message that the header announces."""
    client = b"\0\0\0\3IHAVEOPT" + pack(">II", 5, 0)
    header = b"NBDMAGICIHAVEOPT\0\3" + pack(">QIII", 0x3E889045565A9, 5, 0x80000002, 30)
    refused = recognize(client, header)
    assert refused is not None
    assert (refused.state, refused.server) == ("refused", len(header))
    assert "policy (2)" in refused.says
    unfinished = recognize(client, header[:26] + pack(">III", 5, 1, 9))
    assert unfinished is not None
    assert unfinished.state == "waiting"


def test_a_load_balancer_that_could_not_verify_the_clients_certificate() -> None:
    """PP2_TYPE_SSL, section 2.2.6: `verify` is not zero."""
    name = b"\x22\0\3eva"
    ssl = b"\x20" + pack(">H", 5 + len(name)) + b"\7\0\0\0\x14" + name
    body = bytes([192, 0, 2, 1, 198, 51, 100, 2, 203, 208, 1, 187]) + ssl
    prologue = follow(b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + pack(">H", len(body)) + body + HELLO, b"")
    assert prologue.state == "tls"
    assert prologue.preambles[0].says.endswith("showed a certificate (eva), which it could not verify.")


@pytest.mark.parametrize(
    ("name", "opens", "answer"),
    [
        ("proxy-protocol", b"PROXY TCP4 192.0.2.1 198.51.100.2 52176 443\r\n", b""),
        ("http-connect", b"CONNECT a.example:443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("socks4", b"\4\1\1\xbb\xc0\0\2\1\0", b"\0\x5a" + bytes(6)),
    ],
)
def test_plaintext_behind_a_tunnel_is_what_the_client_sent(name: str, opens: bytes, answer: bytes) -> None:
    """What opened the way is no plaintext where TLS is due: a balancer's header, or what a proxy was asked."""
    talk = Talk().open().send("client", opens)
    talk = talk.send("server", answer) if answer else talk
    talk = talk.send("client", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").send("server", alert(2, 10)).fin("server")
    [report] = api.analyze(capture(talk.segments), trust="none").handshakes
    assert (report.preamble, report.root_cause) == (name, "plaintext-on-tls-port")
    assert report.evidence[0].says == "The client sent no ClientHello but 'GET / HTTP/1.1'."
    assert "'GET / HTTP/1.1'" in report.findings[0].summary


def test_a_handshake_tells_what_the_load_balancer_said_of_the_true_client() -> None:
    ssl = b"\x20" + pack(">H", 11) + b"\7\0\0\0\0" + b"\x22\0\3eva"
    body = bytes([192, 0, 2, 1, 198, 51, 100, 2, 203, 208, 1, 187]) + ssl
    talk = Talk().open().send("client", b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + pack(">H", len(body)) + body)
    report = tls12(talk=talk).report
    assert (report.preamble, report.outcome) == ("proxy-protocol", "established")
    assert any("showed a certificate (eva), which it verified" in seen.says for seen in report.evidence)


@pytest.mark.parametrize(
    "asks", [b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", b"\4\1\1\xbb\0\0\0\1user\0example.org\0"]
)
def test_a_proxy_that_closes_without_an_answer_is_the_likely_cause(asks: bytes) -> None:
    talk = Talk(server=("198.51.100.7", 3128)).open().send("client", asks).acknowledge("server").fin("server")
    report = talk.report
    assert (report.outcome, report.root_cause, report.findings[0].confidence) == ("failed", "proxy-refused", "likely")
