"""By what hash do other tools know this client or server?

JA3 and JA3S (Salesforce, 2017) and JA4 for clients (FoxIO, 2023; the part under a BSD licence). They are pure
functions of one hello; GREASE (RFC 8701) counts in none of them.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import md5, sha256
from struct import pack
from typing import Literal, TypeVar

from analyzer.tls.codec import Malformed
from analyzer.tls.extensions import alpn_protocols
from analyzer.tls.hello import ClientHello, ServerHello
from analyzer.tls.registry import GREASE, as_tls

T = TypeVar("T")

_SERVER_NAME, _ALPN = 0, 16
_LONGEST = 256
_JA4_TRANSPORTS = {"tcp": "t", "udp": "d", "quic": "q"}
_JA4_VERSIONS = {
    0x0002: "s2",
    0x0300: "s3",
    0x0301: "10",
    0x0302: "11",
    0x0303: "12",
    0x0304: "13",
    0xFEFF: "d1",
    0xFEFD: "d2",
    0xFEFC: "d3",
}


def ja3_string(hello: ClientHello) -> str:
    """What `ja3` hashes: version, cipher suites, extensions, groups and point formats, in decimal."""
    parts = (hello.cipher_suites, _types(hello), hello.supported_groups or (), hello.ec_point_formats or ())
    return ",".join([str(hello.legacy_version), *map(_decimal, parts)])


def ja3(hello: ClientHello) -> str | None:
    """The client's JA3; None for a hello in SSLv2's format, which has none."""
    return None if hello.is_sslv2_format else _md5(ja3_string(hello))


def ja3s_string(hello: ServerHello) -> str:
    """What `ja3s` hashes: version, cipher suite and extensions, in decimal."""
    return f"{hello.legacy_version},{hello.cipher_suite},{'-'.join(map(str, _types(hello)))}"


def ja3s(hello: ServerHello) -> str:
    """The server's JA3S."""
    return _md5(ja3s_string(hello))


def ja4(hello: ClientHello, transport: Literal["tcp", "udp", "quic"] = "tcp") -> str | None:
    """The client's JA4, where udp stands for DTLS; None for a hello in SSLv2's format, which has none."""
    if hello.is_sslv2_format:
        return None
    version = _ja4_version(hello.supported_versions or (), hello.legacy_version)
    name, extensions, described = _ja4_extensions(_types(hello), hello.signature_algorithms or ())
    suites, listed = _ja4_suites(hello.cipher_suites)
    alpn = _ja4_alpn(hello.extension(_ALPN) or b"\0\0")
    return f"{_JA4_TRANSPORTS[transport]}{version}{name}{suites}{extensions}{alpn}_{listed}_{described}"


def _remembering(function: Callable[..., T]) -> Callable[..., T]:
    """The same clients come again and again: turn their lists into text once, unless they are absurdly long."""
    remembering = lru_cache(function)

    def remember(*lists: tuple[int, ...]) -> T:
        return remembering(*lists) if max(map(len, lists)) <= _LONGEST else function(*lists)

    return remember


@lru_cache
def _ja4_version(offered: tuple[int, ...], legacy: int) -> str:
    """The highest version, in two characters."""
    highest = max(_without_grease(offered), key=lambda version: (as_tls(version), version), default=legacy)
    return _JA4_VERSIONS.get(highest, "00")


@_remembering
def _ja4_suites(suites: tuple[int, ...]) -> tuple[str, str]:
    """How many there are, and a hash of them, sorted."""
    codes = sorted(_without_grease(suites))
    return f"{min(len(codes), 99):02}", _sha256(_hexadecimal(codes))


@_remembering
def _ja4_extensions(types: tuple[int, ...], schemes: tuple[int, ...]) -> tuple[str, str, str]:
    """Whether a server is named, how many extensions there are, and a hash of them and the signature schemes."""
    kept = _without_grease(types)
    hashed = _hexadecimal(sorted(type_ for type_ in kept if type_ not in (_SERVER_NAME, _ALPN)))
    signed = _hexadecimal(_without_grease(schemes))
    described = f"{hashed}_{signed}" if signed else hashed
    return "d" if _SERVER_NAME in kept else "i", f"{min(len(kept), 99):02}", _sha256(described)


@lru_cache
def _ja4_alpn(extension: bytes) -> str:
    """First and last character of the first protocol; of its hexadecimal form where one is not alphanumeric."""
    try:
        first = alpn_protocols(extension)[0]
    except (Malformed, IndexError):
        return "00"
    if not first:
        return "00"
    ends = first[:1] + first[-1:]
    return ends.decode() if ends.isalnum() else first.hex()[0] + first.hex()[-1]


@_remembering
def _decimal(codes: tuple[int, ...]) -> str:
    return "-".join(map(str, _without_grease(codes)))


def _hexadecimal(codes: list[int]) -> str:
    """Four digits each, joined by commas."""
    return pack(f">{len(codes)}H", *codes).hex(",", 2)


def _without_grease(codes: Iterable[int]) -> list[int]:
    return [code for code in codes if code not in GREASE]


def _types(hello: ClientHello | ServerHello) -> tuple[int, ...]:
    return tuple([type_ for type_, _ in hello.extensions])


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else "000000000000"
