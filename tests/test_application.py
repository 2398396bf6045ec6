"""The first request and response inside TLS are told on demand, and nothing in them that may be secret."""

import io
import json
from pathlib import Path

import pytest
from forged_reports import capture, handshake
from hypothesis import given
from hypothesis import strategies as st
from lab import pki, wire
from lab.stacks import Scene, StackMissingError, curl, direct, free_port

import analyzer
from analyzer.cli import main
from analyzer.diagnosis import application, http2
from analyzer.diagnosis.application import exchange, harmless_path
from analyzer.report import formats, words
from analyzer.report.redact import redacted
from analyzer.results import ApplicationReport, RequestReport, ResponseReport
from analyzer.tls.handshake import Handshake, Sent

CAPTURES = Path(__file__).parents[1] / "captures"
SECRETS = ("s3cr3t", "Zm9vOmJhcg", "eyJhbGciOi", "sid=", "grant_type")
"""Nothing of these may be told."""


def told(client: bytes = b"", server: bytes = b"") -> ApplicationReport | None:
    sent = [
        Sent("client", "application_data", 9, 0, 1, "decrypted"),
        Sent("server", "application_data", 11, 0, 1, "decrypted"),
    ]
    return exchange(Handshake(0, 0, 1, 0, sent=sent, plaintext={"client": client, "server": server}))


def request(client: bytes) -> RequestReport | None:
    report = told(client)
    return report and report.request


# HTTP/1


def test_a_request_and_its_answer() -> None:
    asked = (
        b"POST /services/oauth2/token?client_secret=s3cr3t HTTP/1.1\r\nHost: login.example.com\r\n"
        b"Authorization: Basic Zm9vOmJhcg==\r\nCookie: sid=1\r\n\r\ngrant_type=password&password=s3cr3t"
    )
    answered = b"HTTP/1.1 403 Forbidden\r\nSet-Cookie: sid=2\r\n\r\neyJhbGciOi"
    report = told(asked, answered)
    assert report == ApplicationReport(
        "http/1.1",
        RequestReport(9, "POST", "login.example.com", "/services/oauth2/token…", "oauth-token"),
        ResponseReport(11, 403, "Forbidden"),
    )
    assert words.application(report) == (
        "Inside TLS (http/1.1) the client asked POST /services/oauth2/token… at login.example.com "
        "(a request for an OAuth token), the server answered 403 Forbidden."
    )


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/services/data/v59.0/sobjects/001Ws00000abcdEIAQ", "/services/data/v59.0/sobjects/001Ws00000abcdEIAQ"),
        ("/a?token=s3cr3t", "/a…"),
        ("/a;jsessionid=s3cr3t/b", "/a…"),
        ("/a#s3cr3t", "/a…"),
        ("/a%3Ftoken=s3cr3t", "/a…"),
        ("/reset/0123456789abcdef0123456789abcdef/new", "/reset/…/new"),
        ("/x/eyJhbGciOi.s3cr3t/y", "/x/…/y"),
        ("/u/me@example.com", "/u/…"),
        ("/k=s3cr3t/y", "/…/y"),
        ("/\x1b[31m/\u202e", "/…/…"),
        ("*", "…"),
    ],
)  # fmt: skip
def test_what_may_be_a_value_is_left_out_of_a_path(target: str, path: str) -> None:
    assert harmless_path(target) == path


@pytest.mark.parametrize(
    ("line", "authority", "path"),
    [
        (b"GET http://user:s3cr3t@example.com:8080/a?b HTTP/1.1\r\n\r\n", "example.com:8080", "/a…"),
        (b"GET http://example.com HTTP/1.1\r\nHost: other.example\r\n\r\n", "example.com", "/"),
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", "example.com:443", None),
        (b"GET / HTTP/1.0\r\n\r\n", None, "/"),
        (b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n", "[2001:db8::1]:8443", "/"),
        (b"GET / HTTP/1.1\r\nHost: \x1b]0;s3cr3t\r\n\r\n", None, "/"),
        (b"GET / HTTP/1.1\r\nX-A: 1\r\nhOST:a.example\r\n\r\nHost: b.example\r\n", "a.example", "/"),
        (b"GET / HTTP/1.1\r\n\r\n\r\nHost: b.example\r\n", None, "/"),
        (b"GET /a?" + b"b" * 2000, None, "/a…"),
    ],
)
def test_authority_and_path(line: bytes, authority: str | None, path: str | None) -> None:
    made = request(line)
    assert made is not None
    assert (made.authority, made.path) == (authority, path)


@pytest.mark.parametrize(
    "data", [b"", b"EHLO client.example\r\n", b"SELECT 1", b"get / HTTP/1.1\r\n", b"\0" * 99, b"PRI * HTTP"]
)
def test_what_is_no_http_is_not_told(data: bytes) -> None:
    assert told(data, data) is None


def test_a_reason_that_is_no_phrase_is_not_told() -> None:
    report = told(server=b"HTTP/1.1 401 token=s3cr3t\r\n\r\n")
    assert report == ApplicationReport("http/1.1", None, ResponseReport(11, 401, None))
    answer = application.response(b"HTTP/1.1 401 token=s3cr3t\r\n\r\n")
    assert answer is not None and answer.words == "HTTP 401"  # as findings say it


# HTTP/2; header blocks are those of RFC 7541, appendices C.3, C.4, C.5 and C.6

PLAIN = bytes.fromhex("828684410f7777772e6578616d706c652e636f6d")
HUFFMAN = bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")
ANSWER = bytes.fromhex("4803333032580770726976617465")
ANSWER_HUFFMAN = bytes.fromhex("488264025885aec3771a4b")
NAMED = bytes.fromhex("040c2f73616d706c652f70617468")  # C.2.2
SETTINGS = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"


def frame(kind: int, flags: int, payload: bytes, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def opened(*frames: bytes) -> bytes:
    return http2.PREFACE + SETTINGS + b"".join(frames)


@pytest.mark.parametrize("block", [PLAIN, HUFFMAN])
def test_http2_headers_are_read(block: bytes) -> None:
    report = told(opened(frame(1, 4, block)), SETTINGS + frame(1, 4, ANSWER))
    assert report == ApplicationReport(
        "h2", RequestReport(9, "GET", "www.example.com", "/", None), ResponseReport(11, 302, None)
    )


def test_http2_frames_of_every_form() -> None:
    weight = b"\0\0\0\0\x10"
    for made in (
        frame(1, 0x0C, b"\x03" + HUFFMAN + b"\0\0\0"),
        frame(1, 0x2C, b"\x01" + weight + HUFFMAN + b"\0"),
        frame(1, 0x20, weight + HUFFMAN[:3]) + frame(9, 0, HUFFMAN[3:9]) + frame(9, 4, HUFFMAN[9:]),
        frame(8, 0, b"\0\0\1\0", 0) + frame(1, 4, b"\x3f\xe1\x1f" + HUFFMAN),
        frame(1, 4, HUFFMAN + b"\x40\x06cookie\x06s3cr3t" * 100)[:60],
    ):
        assert (asked := request(opened(made))) is not None
        assert (asked.method, asked.authority) == ("GET", "www.example.com")


def test_an_interim_answer_is_passed_over() -> None:
    interim, final = frame(1, 4, b"\x08\x03103" + NAMED), frame(1, 4, ANSWER_HUFFMAN)
    answer = application.response(SETTINGS + interim + final + frame(0, 1, b"your certificate is not known"))
    assert answer is not None
    assert (answer.status, answer.speaks_of_certificate, answer.words) == (302, True, "HTTP 302")


def test_only_the_pseudo_header_fields_are_decoded() -> None:
    block = HUFFMAN + b"\x40\x0dauthorization\x06s3cr3t" + b"\x84"
    assert list(http2.headers(opened(frame(1, 4, block)))) == [
        {":method": "GET", ":scheme": "http", ":path": "/", ":authority": "www.example.com"}
    ]


@given(st.binary(max_size=200))
def test_any_header_block_is_read_without_complaint(block: bytes) -> None:
    for fields in http2.headers(opened(frame(1, 4, block))):
        assert all(name.startswith(":") and value.isprintable() for name, value in fields.items())
    application.response(SETTINGS + frame(1, 4, block))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_read_without_complaint(client: bytes, server: bytes) -> None:
    told(client, server)
    told(http2.PREFACE + client, SETTINGS + server)
    told(b"GET /" + client, b"HTTP/1.1 200" + server)


# In reports

EXCHANGE = ApplicationReport(
    "http/1.1",
    RequestReport(9, "POST", "login.acme.io:8443", "/acme/token", "oauth-token"),
    ResponseReport(11, 403, "Forbidden"),
)


@pytest.mark.parametrize("name", ["table", "markdown", "csv", "json", "jsonl", "html"])
def test_formats_tell_it(name: str) -> None:
    out = io.StringIO()
    formats.load(name).write([capture(handshake(application=EXCHANGE))], out)
    text = " ".join(out.getvalue().replace("\\", "").split())
    for part in ("POST", "/acme/token", "login.acme.io:8443", "403"):
        assert part in text


def test_it_is_an_object_in_json() -> None:
    out = io.StringIO()
    formats.load("jsonl").write([capture(handshake(application=EXCHANGE), handshake())], out)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["application"] == {
        "protocol": "http/1.1",
        "request": {
            "frame": 9, "method": "POST", "authority": "login.acme.io:8443", "path": "/acme/token",
            "purpose": "oauth-token",
        },
        "response": {"frame": 11, "status": 403, "reason": "Forbidden"},
    }  # fmt: skip
    assert second["application"] is None


def test_redacted_it_names_nobody() -> None:
    [report] = redacted([capture(handshake(application=EXCHANGE))])
    made = report.handshakes[0].application
    assert made is not None and made.request is not None
    assert "acme" not in str(made)
    assert (made.request.method, made.request.purpose, made.response) == ("POST", "oauth-token", EXCHANGE.response)
    assert made.request.authority is not None and made.request.authority.endswith(":8443")


# With the engine


def test_it_is_told_on_demand_only() -> None:
    name, log = CAPTURES / "mutual-tls12-nginx.pcap", CAPTURES / "keys" / "mutual-tls12-nginx.keys"
    [silent] = analyzer.analyze(name, keylog=log).handshakes
    assert silent.application is None
    [telling] = analyzer.analyze(name, keylog=log, application=True).handshakes
    assert telling.application is not None and telling.application.request is not None
    assert telling.application.request.method == "GET"
    assert telling.application.response is not None and telling.application.response.status == 200
    [closed] = analyzer.analyze(name, application=True).handshakes
    assert closed.application is None
    telling.application = None
    assert telling == silent


def test_redacted_facts_hold_nothing_decrypted() -> None:
    name, log = CAPTURES / "mutual-tls12-nginx.pcap", CAPTURES / "keys" / "mutual-tls12-nginx.keys"
    report = analyzer.analyze(name, keylog=log)
    [left] = redacted([report])
    assert report.handshakes[0].facts.plaintext
    assert not left.handshakes[0].facts.plaintext


def test_the_command_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    name, log = str(CAPTURES / "mutual-tls12-nginx.pcap"), str(CAPTURES / "keys" / "mutual-tls12-nginx.keys")
    assert main(["analyze", name, "--keylog", log]) == 0
    assert "Inside TLS" not in capsys.readouterr().out
    assert main(["analyze", name, "--keylog", log, "--application"]) == 0
    assert "Inside TLS (http/1.1) the client asked GET /" in " ".join(capsys.readouterr().out.split())


HTTP2_SERVER = """
const files = (name) => require("fs").readFileSync(name);
const options = { key: files("server.key"), cert: files("server.chain.pem"), ca: files("ca.pem"), requestCert: true };
require("http2").createSecureServer(options, (request, response) => { response.statusCode = 403; response.end("no"); })
  .listen(%d, "127.0.0.1");
"""


@pytest.fixture(scope="module")
def over_http2(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """curl asks node for a token over HTTP/2, with a certificate, and is refused."""
    folder = tmp_path_factory.mktemp("lab")
    pki.write_all(folder)
    scene, port = Scene(folder), free_port()
    (folder / "server.js").write_text(HTTP2_SERVER % port)
    asking = '--http2 -H "Authorization: Bearer s3cr3t" -d grant_type=password&password=s3cr3t'
    url = f"https://{pki.HOST}/services/oauth2/token?client_secret=s3cr3t"
    try:
        with scene.start("node --tls-keylog=keys.log server.js"), scene.relay(port) as near:
            scene.run(curl(direct(near), asking, url, identity="client"))
    except StackMissingError as missing:
        pytest.skip(str(missing))
    return scene


def test_a_refusal_after_a_perfect_handshake_is_seen_over_http2(over_http2: Scene) -> None:
    log = over_http2.directory / "log"
    log.write_text(over_http2.secrets)
    report = analyzer.analyze(wire.pcap(wire.frames(over_http2.segments)), keylog=log, trust="none", application=True)
    [made] = report.handshakes
    assert (made.authentication, made.outcome, made.alpn) == ("mutual", "established", "h2")
    assert made.application is not None
    asked, answer = made.application.request, made.application.response
    assert asked is not None and answer is not None
    assert (asked.method, asked.authority, asked.path) == ("POST", pki.HOST, "/services/oauth2/token…")
    assert (asked.purpose, answer.status) == ("oauth-token", 403)
    assert "identity-refused-after-handshake" in {finding.code for finding in made.findings}
    for name in formats.REGISTRY.names():
        out = io.StringIO()
        formats.load(name).write([report], out)
        assert not any(secret in out.getvalue() for secret in SECRETS)
