"""By what hash do other tools know this client or server?

JA3 and JA3S (Salesforce, 2017) and JA4 for clients (FoxIO, 2023; the part under a BSD licence). They are pure
functions of one hello; GREASE (RFC 8701) counts in none of them.
"""

from collections.abc import Iterable
from hashlib import md5, sha256
from typing import Literal

from analyzer.tls.codec import Malformed
from analyzer.tls.extensions import alpn_protocols
from analyzer.tls.hello import ClientHello, ServerHello
from analyzer.tls.registry import GREASE, as_tls

_SERVER_NAME, _ALPN = 0, 16
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
    extensions = (type_ for type_, _ in hello.extensions)
    parts = (hello.cipher_suites, extensions, hello.supported_groups or (), hello.ec_point_formats or ())
    return ",".join([str(hello.legacy_version), *map(_decimal, parts)])


def ja3(hello: ClientHello) -> str | None:
    """The client's JA3; None for a hello in SSLv2's format, which has none."""
    return None if hello.is_sslv2_format else _md5(ja3_string(hello))


def ja3s_string(hello: ServerHello) -> str:
    """What `ja3s` hashes: version, cipher suite and extensions, in decimal."""
    extensions = (type_ for type_, _ in hello.extensions)
    return f"{hello.legacy_version},{hello.cipher_suite},{'-'.join(map(str, extensions))}"


def ja3s(hello: ServerHello) -> str:
    """The server's JA3S."""
    return _md5(ja3s_string(hello))


def ja4(hello: ClientHello, transport: Literal["tcp", "udp", "quic"] = "tcp") -> str | None:
    """The client's JA4, where udp stands for DTLS; None for a hello in SSLv2's format, which has none."""
    if hello.is_sslv2_format:
        return None
    types = [type_ for type_, _ in hello.extensions if type_ not in GREASE]
    suites = sorted(_hexadecimal(hello.cipher_suites))
    extensions = sorted(_hexadecimal(type_ for type_ in types if type_ not in (_SERVER_NAME, _ALPN)))
    schemes = _hexadecimal(hello.signature_algorithms or ())
    described = ",".join(extensions) + ("_" + ",".join(schemes) if schemes else "")
    return (
        f"{_JA4_TRANSPORTS[transport]}{_ja4_version(hello)}{'d' if _SERVER_NAME in types else 'i'}"
        f"{min(len(suites), 99):02}{min(len(types), 99):02}{_ja4_alpn(hello)}"
        f"_{_sha256(','.join(suites))}_{_sha256(described)}"
    )


def _ja4_version(hello: ClientHello) -> str:
    offered = [version for version in hello.supported_versions or () if version not in GREASE]
    highest = max(offered, key=lambda version: (as_tls(version), version), default=hello.legacy_version)
    return _JA4_VERSIONS.get(highest, "00")


def _ja4_alpn(hello: ClientHello) -> str:
    """First and last character of the first protocol; of its hexadecimal form where one is not alphanumeric."""
    try:
        first = alpn_protocols(hello.extension(_ALPN) or b"\0\0")[0]
    except (Malformed, IndexError):
        return "00"
    if not first:
        return "00"
    ends = first[:1] + first[-1:]
    return ends.decode() if ends.isalnum() else first.hex()[0] + first.hex()[-1]


def _decimal(codes: Iterable[int]) -> str:
    return "-".join(str(code) for code in codes if code not in GREASE)


def _hexadecimal(codes: Iterable[int]) -> list[str]:
    return [f"{code:04x}" for code in codes if code not in GREASE]


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else "000000000000"
