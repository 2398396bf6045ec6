"""Which implementation may a side be, by the shape of what it sends?

A guess: applications change the defaults, and versions differ. It is evidence for what an alert means, which client
chooses its certificate by the server's list of authorities, and for the words in which advice is given.
"""

from dataclasses import dataclass
from typing import Literal

from analyzer.diagnosis.finding import Confidence
from analyzer.tls import messages, registry
from analyzer.tls.handshake import Handshake
from analyzer.tls.inference import JSSE_PADDING, Sizes

Stack = Literal["OpenSSL", "Java JSSE", "Go", "GnuTLS", "BoringSSL", "NSS", "rustls", "SChannel"]

FILTERS_BY_AUTHORITIES: frozenset[Stack] = frozenset(("Java JSSE", "Go", "SChannel"))
"""Clients that send no certificate where none of theirs is from an authority in the CertificateRequest."""

_EC_POINT_FORMATS, _GROUPS, _SIGNATURES, _ALPN, _SCT, _STATUS_V2 = 11, 10, 13, 16, 18, 17
_ENCRYPT_THEN_MAC, _EXTENDED_MASTER_SECRET, _RECORD_SIZE_LIMIT, _DELEGATED = 22, 23, 28, 34
_TICKET, _VERSIONS, _PSK_MODES, _SIGNATURES_CERT, _KEY_SHARE, _RENEGOTIATION = 35, 43, 45, 50, 51, 65281
_STATUS = 5
_SCSV = 0x00FF

_RSA, _DSS, _ECDSA = 1, 2, 64
_REQUESTS: dict[tuple[tuple[int, ...], tuple[int, ...]], Stack] = {
    ((_RSA, _DSS, _ECDSA), (0x0403, 0x0503)): "OpenSSL",
    ((_ECDSA, _RSA, _DSS), (0x0403, 0x0503)): "Java JSSE",
    ((_RSA, _ECDSA, _DSS), (0x0403, 0x0503)): "NSS",
    ((_RSA, _ECDSA), (0x0804, 0x0403)): "Go",
    ((_RSA, _ECDSA), (0x0401, 0x0809)): "GnuTLS",
    ((_RSA, _ECDSA), (0x0403, 0x0804)): "BoringSSL",
    ((_RSA, _ECDSA), (0x0503, 0x0403)): "rustls",
}
"""Which certificate types and, first of all, which two signature algorithms the CertificateRequest of TLS 1.2 names."""


@dataclass(slots=True, frozen=True)
class Guess:
    """An implementation, how sure that is, and by what."""

    stack: Stack
    confidence: Confidence
    by: str
    """What gave it away: `its hello`, `its records`."""

    @property
    def words(self) -> str:
        """`by its hello, Java JSSE`."""
        return f"by {self.by}, {'perhaps ' if self.confidence == 'possible' else ''}{self.stack}"


def client(handshake: Handshake) -> Guess | None:
    """Guess by the extensions of the ClientHello: which ones, and in which order."""
    hello = handshake.client_hello
    if hello is None or hello.is_sslv2_format:
        return None
    types = [extension.type for extension in hello.extensions]
    has = set(types)
    if has & registry.GREASE or any(registry.is_grease(suite) for suite in hello.cipher_suites):
        return Guess("BoringSSL", "possible", "its hello")
    if _ENCRYPT_THEN_MAC in has:
        if _RECORD_SIZE_LIMIT in has:
            return Guess("GnuTLS", "likely", "its hello")
        return Guess("OpenSSL", "likely" if _in_order(types, _EC_POINT_FORMATS, _GROUPS) else "possible", "its hello")
    if _SIGNATURES_CERT in has and _STATUS in has and _in_order(types, _STATUS, _GROUPS, _SIGNATURES):
        return Guess("Java JSSE", "likely", "its hello")
    if _STATUS_V2 in has and _EXTENDED_MASTER_SECRET in has:
        return Guess("Java JSSE", "possible", "its hello")
    if _DELEGATED in has and _RECORD_SIZE_LIMIT in has:
        return Guess("NSS", "likely", "its hello")
    if {_SCT, _STATUS, _RENEGOTIATION} <= has and _in_order(types, _STATUS, _GROUPS, _EC_POINT_FORMATS, _SIGNATURES):
        return Guess("Go", "likely", "its hello")
    if (
        _SCSV in hello.cipher_suites
        and {_STATUS, _EXTENDED_MASTER_SECRET, _GROUPS} <= has
        and _RENEGOTIATION not in has
    ):
        return Guess("rustls", "possible", "its hello")
    if types and types[-1] == _RENEGOTIATION and {_STATUS, _TICKET, _EXTENDED_MASTER_SECRET} <= has:
        return Guess("SChannel", "possible", "its hello")
    return None


def server(handshake: Handshake) -> Guess | None:
    """Guess by how it packs, what it asks and how it refuses."""
    if _pads_like_jsse(handshake):
        return Guess("Java JSSE", "likely", "its records")
    refusals = {alert.description for alert in handshake.alerts if alert.sender == "server"}
    if registry.alert_description(49) in {registry.alert_description(code) for code in refusals if code is not None}:
        return Guess("GnuTLS", "possible", "its alert")
    request = handshake.find(messages.CertificateRequest, "server")
    answer = handshake.server_hello
    if request is not None:
        asked = request.certificate_types, (request.signature_algorithms or ())[:2]
        if asked in _REQUESTS:
            return Guess(_REQUESTS[asked], "possible", "its request")
    types = [extension.type for extension in answer.extensions] if answer else []
    if _in_order(types, _RENEGOTIATION, _EC_POINT_FORMATS) and types[0] == _RENEGOTIATION:
        return Guess("OpenSSL", "possible", "its hello")
    return None


def _pads_like_jsse(handshake: Handshake) -> bool:
    """Whether the server's Finished or alert has the 16 zeros that only JSSE adds (TLS 1.3)."""
    if not handshake.is_tls13 or handshake.suite is None or handshake.datagrams is not None:
        return False
    size = Sizes(handshake.suite.hash_length, handshake.suite.tag_length or 16, JSSE_PADDING)
    lengths = {sent.length for sent in handshake.sent if sent.sender == "server" and sent.name == "application_data"}
    return size.finished in lengths


def _in_order(types: list[int], *wanted: int) -> bool:
    """Whether all of these extensions are there, in this order."""
    places = [types.index(type_) for type_ in wanted if type_ in types]
    return len(places) == len(wanted) and places == sorted(places)
