r"""Zeek's ssl.log (tab-separated values): its header, columns and words, one row a handshake.

Differs from Zeek's own in this: a renegotiation has a row of its own under the connection's uid; the uid is
derived from capture and stream; a connection that should have become TLS and did not has a row without
version; drafts of TLS 1.3 are TLSv13; `sni_matches_cert` is the chain's `name-match`; there are no `#open`
and `#close`, so that the same capture gives the same bytes. What a terminal could act on is written `\xNN`.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import TextIO

from analyzer.results import CaptureReport, HandshakeReport, Sender

SUFFIXES = (".log",)
HOLDS_ISSUES = False
IN_PARTS = True
DRAWS = False

UNSET, EMPTY = "-", "(empty)"
COLUMNS = {
    "ts": "time",
    "uid": "string",
    "id.orig_h": "addr",
    "id.orig_p": "port",
    "id.resp_h": "addr",
    "id.resp_p": "port",
    "version": "string",
    "cipher": "string",
    "curve": "string",
    "server_name": "string",
    "resumed": "bool",
    "last_alert": "string",
    "next_protocol": "string",
    "established": "bool",
    "ssl_history": "string",
    "cert_chain_fps": "vector[string]",
    "client_cert_chain_fps": "vector[string]",
    "sni_matches_cert": "bool",
}
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def write(reports: Iterable[CaptureReport], out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write the header and a row a handshake."""
    out.write(f"#separator \\x09\n#set_separator\t,\n#empty_field\t{EMPTY}\n#unset_field\t{UNSET}\n#path\tssl\n")
    out.write("#fields\t" + "\t".join(COLUMNS) + "\n#types\t" + "\t".join(COLUMNS.values()) + "\n")
    for report in reports:
        out.writelines("\t".join(_row(handshake)) + "\n" for handshake in report.handshakes)


def _row(report: HandshakeReport) -> list[str]:
    described = [alert.description for alert in report.alerts if alert.description]
    microseconds = report.start // 1000
    return [
        f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}",
        _uid(report),
        report.client.ip,
        str(report.client.port),
        report.server.ip,
        str(report.server.port),
        _text(_name(report.version)).replace(".", ""),
        _text(_name(report.cipher_suite)),
        _text(_name(report.group)),
        _text(report.server_name),
        _bool(report.resumption is not None),
        _text(described[-1] if described else None),
        _text(report.alpn),
        _bool(report.outcome == "established"),
        _text(report.history),
        _fingerprints(report, "server"),
        _fingerprints(report, "client"),
        _name_matches(report),
    ]


def _uid(report: HandshakeReport) -> str:
    key = f"{report.capture}\0{report.transport}\0{report.stream}"
    number = int.from_bytes(sha256(key.encode(errors="surrogatepass")).digest()[:12])
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "C" + "".join(digits)


def _name(name: str | None) -> str | None:
    """Zeek writes a code point that it does not know as `unknown-` and its decimal."""
    return f"unknown-{int(name, 16)}" if name and re.fullmatch("0x[0-9a-f]+", name, re.IGNORECASE) else name


def _fingerprints(report: HandshakeReport, side: Sender) -> str:
    """Zeek's rule: unset while no certificate was seen at all, empty where only the other side sent some."""
    if not any(report.certificates.values()):
        return UNSET
    return ",".join(certificate.sha256 for certificate in report.certificates[side]) or EMPTY


def _name_matches(report: HandshakeReport) -> str:
    chain = report.chain["server"]
    statuses = {check.status for check in chain.checks if check.check == "name-match"} if chain else set()
    return _bool("fail" not in statuses) if statuses & {"pass", "fail"} else UNSET


def _bool(value: bool) -> str:
    return "T" if value else "F"


def _text(value: str | None) -> str:
    if value is None:
        return UNSET
    if value in ("", EMPTY, UNSET):
        return EMPTY if not value else f"\\x{ord(value[0]):02x}{value[1:]}"
    return "".join(c if c.isprintable() and c != "\\" else _bytes(c) for c in value)


def _bytes(character: str) -> str:
    if character == "\\":
        return r"\\"
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogatepass"))
