"""What did the parties say to each other inside TLS, as far as their first bytes tell?

Of HTTP/1 that is the first request and response line, of HTTP/2 the same in headers. Tokens, cookies, bodies and query
strings are none of our business: they are never kept, and a part of a path that may be one is `…`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.diagnosis import http2
from analyzer.results import ApplicationReport, RequestReport, ResponseReport, Sender
from analyzer.tls.handshake import Handshake

_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) (\d{3})([^\r\n]*)")
_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]{1,19}) ([^\s]+)(?: HTTP/(1\.[01])\r?\n|\Z)")
_HOST = re.compile(rb"\nhost:[ \t]*([^\s]+)[ \t]*\r?\n", re.IGNORECASE)
_IDENTITY = b"MUTUAL_AUTHENTICATION_FAILED"
"""Salesforce's word for a certificate that belongs to nobody."""
_CERTIFICATE = re.compile(rb"certificate|mutual[ _-]?(tls|auth)", re.IGNORECASE)
_REASON = re.compile(r"[A-Za-z][A-Za-z' -]{0,39}")
_AUTHORITY = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_METHOD = re.compile(r"[A-Z][A-Z-]{1,19}")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_TELLING = re.compile(r"[A-Za-z0-9._~-]{1,40}")
"""What a segment of a path may be made of; anything else may be a value."""
_SECRET = re.compile(r"(?=.*\d)[A-Za-z0-9._~-]{19,}|eyJ.*")
"""Segments that may be a token: long and with digits, or a JWT."""
_CUT = "…"


@dataclass(slots=True, frozen=True)
class Response:
    """The head of an HTTP response."""

    status: int
    """Status code (RFC 9110, section 15)."""
    reason: str
    """Its words, where they are a reason phrase like any other; else empty."""
    speaks_of_certificate: bool
    """Status line, header or the beginning of the body speak of a certificate."""
    refuses_identity: bool
    """It says that the certificate is good and belongs to nobody who may come in."""
    protocol: str = "http/1.1"
    """ALPN's name of the protocol."""

    @property
    def words(self) -> str:
        """`HTTP 403 Forbidden`."""
        return f"HTTP {self.status} {self.reason}".rstrip()


def response(data: bytes) -> Response | None:
    """The first response, past interim ones; None where the bytes are no HTTP."""
    if http2.is_http2(data):
        statuses = (fields.get(":status", "") for fields in http2.headers(data))
        final = next((each for each in statuses if re.fullmatch(r"[2-9]\d\d", each)), None)
        return None if final is None else _response(data, 0, int(final), "", "h2")
    for found in _STATUS_LINE.finditer(data):
        if found.start() and data[found.start() - 1 : found.start()] != b"\n":
            continue
        if found[2][:1] != b"1":
            phrase = found[3].strip().decode("latin-1")
            reason = phrase if _REASON.fullmatch(phrase) else ""
            return _response(data, found.start(), int(found[2]), reason, f"http/{found[1].decode()}")
    return None


def _response(data: bytes, start: int, status: int, reason: str, protocol: str) -> Response:
    identity = data.find(_IDENTITY, start) >= 0
    speaks = not identity and _CERTIFICATE.search(data, start) is not None
    return Response(status, reason, speaks, identity, protocol)


def exchange(facts: Handshake) -> ApplicationReport | None:
    """The first request and its answer, without anything that is secret; None where none can be read."""
    told, frames = facts.plaintext, _frames(facts)
    asked = _request(told.get("client", b""), frames.get("client"))
    answer = response(told.get("server", b""))
    answered = None
    if answer is not None:
        answered = ResponseReport(frames.get("server"), answer.status, answer.reason or None)
    if asked is None and answer is None:
        return None
    protocol = answer.protocol if answer is not None else asked[0] if asked is not None else ""
    return ApplicationReport(protocol, asked[1] if asked is not None else None, answered)


def _frames(facts: Handshake) -> Mapping[Sender, int]:
    """Where either side's first application data that could be read are."""
    frames: dict[Sender, int] = {}
    for sent in facts.sent:
        if sent.name == "application_data" and sent.protection == "decrypted":
            frames.setdefault(sent.sender, sent.frame)
    return frames


def _request(data: bytes, frame: int | None) -> tuple[str, RequestReport] | None:
    """The protocol and the first request."""
    if http2.is_http2(data):
        fields = next(http2.headers(data), {})
        method = fields.get(":method")
        if method is None or not _METHOD.fullmatch(method):
            return None
        return "h2", _told(frame, method, fields.get(":path"), fields.get(":authority"))
    line = _REQUEST_LINE.match(data)
    if line is None:
        return None
    target, version = line[2].decode("latin-1"), line[3]
    if version is None and not target.startswith(("/", "http://", "https://")):
        return None  # cut before its end, and it may be any protocol's
    host = _HOST.search(data.partition(b"\r\n\r\n")[0] + b"\r\n")
    authority = host[1].decode("latin-1") if host else None
    return f"http/{version.decode() if version else '1.1'}", _told(frame, line[1].decode(), target, authority)


def _told(frame: int | None, method: str, target: str | None, authority: str | None) -> RequestReport:
    """A request without what may be secret in it."""
    if target is not None:
        if method == "CONNECT":
            target, authority = None, target
        elif absolute := _ABSOLUTE.match(target):
            target, authority = target[absolute.end() :] or "/", absolute[1]
    path = None if target is None else harmless_path(target)
    is_token_request = method == "POST" and path is not None and _last(path) == "token"
    fits = authority is not None and _AUTHORITY.fullmatch(authority.rpartition("@")[2])
    return RequestReport(frame, method, fits[0] if fits else None, path, "oauth-token" if is_token_request else None)


def harmless_path(target: str) -> str:
    """The path without query string, parameters and fragment; segments that may hold a value are `…`."""
    path, *rest = re.split(r"[?#;]|%3[fFbB]|%23", target, maxsplit=1)
    segments = [
        segment if not segment or (_TELLING.fullmatch(segment) and not _SECRET.fullmatch(segment)) else _CUT
        for segment in path.split("/")
    ]
    return "/".join(segments) + (_CUT if rest else "")


def _last(path: str) -> str:
    return path.rstrip(f"/{_CUT}").rpartition("/")[2]
