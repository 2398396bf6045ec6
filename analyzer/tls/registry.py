"""What is the name of a TLS code point, and what does a cipher suite consist of?

All tables are open: a code that nobody has assigned is shown as a number and never refused. IANA's names
are in `_iana`; the tables here hold only what IANA does not list and captures contain all the same.
"""

from dataclasses import dataclass
from functools import lru_cache

from analyzer.tls import _iana

_FIELD_CIPHER_SUITES = {
    # SSL 3.0 (RFC 6101), Netscape's FIPS suites, draft-ietf-tls-56-bit-ciphersuites
    0x001C: "SSL_FORTEZZA_KEA_WITH_NULL_SHA",
    0x001D: "SSL_FORTEZZA_KEA_WITH_FORTEZZA_CBC_SHA",
    0x0060: "TLS_RSA_EXPORT1024_WITH_RC4_56_MD5",
    0x0061: "TLS_RSA_EXPORT1024_WITH_RC2_CBC_56_MD5",
    0x0062: "TLS_RSA_EXPORT1024_WITH_DES_CBC_SHA",
    0x0063: "TLS_DHE_DSS_EXPORT1024_WITH_DES_CBC_SHA",
    0x0064: "TLS_RSA_EXPORT1024_WITH_RC4_56_SHA",
    0x0065: "TLS_DHE_DSS_EXPORT1024_WITH_RC4_56_SHA",
    0x0066: "TLS_DHE_DSS_WITH_RC4_128_SHA",
    0xFEFE: "SSL_RSA_FIPS_WITH_DES_CBC_SHA",
    0xFEFF: "SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA",
    # GOST before RFC 9189
    0x0080: "TLS_GOSTR341094_WITH_28147_CNT_IMIT",
    0x0081: "TLS_GOSTR341001_WITH_28147_CNT_IMIT",
    0x0082: "TLS_GOSTR341094_WITH_NULL_GOSTR3411",
    0x0083: "TLS_GOSTR341001_WITH_NULL_GOSTR3411",
    0xFF85: "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT_OLD",
    0xFF87: "TLS_GOSTR341112_256_WITH_NULL_GOSTR3411",
    # CECPQ1 (Google, 2016), J-PAKE (Thread), ChaCha20 before RFC 7905
    0x16B7: "TLS_CECPQ1_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0x16B8: "TLS_CECPQ1_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0x16B9: "TLS_CECPQ1_RSA_WITH_AES_256_GCM_SHA384",
    0x16BA: "TLS_CECPQ1_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC0FF: "TLS_ECJPAKE_WITH_AES_128_CCM_8",
    0xCC13: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256_OLD",
    0xCC14: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256_OLD",
    0xCC15: "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256_OLD",
    # TLCP (GB/T 38636)
    0xE011: "ECDHE_SM4_CBC_SM3",
    0xE013: "ECC_SM4_CBC_SM3",
    0xE019: "RSA_SM4_CBC_SM3",
    0xE051: "ECDHE_SM4_GCM_SM3",
    0xE053: "ECC_SM4_GCM_SM3",
    0xE059: "RSA_SM4_GCM_SM3",
    # SSLv2 cipher kinds (three bytes)
    0x010080: "SSL2_RC4_128_WITH_MD5",
    0x020080: "SSL2_RC4_128_EXPORT40_WITH_MD5",
    0x030080: "SSL2_RC2_128_CBC_WITH_MD5",
    0x040080: "SSL2_RC2_128_CBC_EXPORT40_WITH_MD5",
    0x050080: "SSL2_IDEA_128_CBC_WITH_MD5",
    0x060040: "SSL2_DES_64_CBC_WITH_MD5",
    0x0700C0: "SSL2_DES_192_EDE3_CBC_WITH_MD5",
    0x080080: "SSL2_RC4_64_WITH_MD5",
}
_FIELD_EXTENSIONS = {
    40: "key_share",  # TLS 1.3 drafts up to 22
    46: "ticket_early_data_info",  # TLS 1.3 drafts up to 18
    13172: "next_protocol_negotiation",  # draft-agl-tls-nextprotoneg
    17513: "application_settings_old",  # draft-vvv-tls-alps
    17613: "application_settings",
    30031: "channel_id_old",  # draft-balfanz-tls-channelid
    30032: "channel_id",
    51764: "trust_anchors",  # draft-ietf-tls-trust-anchor-ids
    65445: "quic_transport_parameters_draft",
    65486: "encrypted_server_name",  # draft-ietf-tls-esni up to 06
}
_FIELD_GROUPS = {
    0x4138: "CECPQ2",
    0xFE30: "X25519Kyber512Draft00",
    0xFE31: "X25519Kyber768Draft00_old",
}
_FIELD_SIGNATURE_SCHEMES = {
    0x0840: "gostr34102012_256",  # RFC 9189
    0x0841: "gostr34102012_512",
    0xEDED: "gostr34102001",  # before RFC 9189
    0xEEEE: "gostr34102012_256_old",
    0xEFEF: "gostr34102012_512_old",
}
_FIELD_HANDSHAKE_TYPES = {67: "next_protocol", 203: "channel_id"}
_FIELD_ALERTS = {1: "end_of_early_data"}  # TLS 1.3 drafts up to 20
_FIELD_CLIENT_CERTIFICATE_TYPES = {21: "gost94_sign", 22: "gost01_sign", 80: "ibc_params"}

_CIPHER_SUITES = _FIELD_CIPHER_SUITES | _iana.CIPHER_SUITES
_EXTENSIONS = _FIELD_EXTENSIONS | _iana.EXTENSIONS
_GROUPS = _FIELD_GROUPS | _iana.GROUPS
_HANDSHAKE_TYPES = _FIELD_HANDSHAKE_TYPES | _iana.HANDSHAKE_TYPES
_ALERTS = _FIELD_ALERTS | _iana.ALERTS
_CLIENT_CERTIFICATE_TYPES = _FIELD_CLIENT_CERTIFICATE_TYPES | _iana.CLIENT_CERTIFICATE_TYPES
_SIGNATURES = {1: "rsa_pkcs1", 2: "dsa", 3: "ecdsa"}
_HASHES = {1: "md5", 2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512"}
_SIGNATURE_SCHEMES = {
    **{h << 8 | s: f"{sig}_{hsh}" for h, hsh in _HASHES.items() for s, sig in _SIGNATURES.items()},
    **_FIELD_SIGNATURE_SCHEMES,
    **_iana.SIGNATURE_SCHEMES,
}

_VERSIONS = {
    0x0002: "SSLv2",
    0x0300: "SSLv3",
    0x0301: "TLSv1.0",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
    0x0100: "DTLSv1.0",  # OpenSSL before 0.9.8f
    0xFEFF: "DTLSv1.0",
    0xFEFD: "DTLSv1.2",
    0xFEFC: "DTLSv1.3",
}
_AS_TLS = {0x0100: 0x0302, 0xFEFF: 0x0302, 0xFEFD: 0x0303, 0xFEFC: 0x0304}

GREASE = frozenset(0x0A0A + 0x1010 * n for n in range(16))
"""The two-byte code points that mean nothing (RFC 8701, section 2)."""


def is_grease(code: int) -> bool:
    """Whether a cipher suite, extension, group, signature scheme or version is GREASE (RFC 8701)."""
    return code in GREASE


def as_tls(version: int) -> int:
    """The TLS version whose message formats a wire version shares.

    DTLS 1.0 is TLS 1.1, DTLS 1.2 and 1.3 are TLS 1.2 and 1.3 (RFC 9147); the drafts of TLS 1.3 (0x7fNN),
    Facebook's (0xfbNN) and Google's experiments (0x7eNN) are TLS 1.3. Any other version stays as it is.
    """
    if version >> 8 in (0x7E, 0x7F, 0xFB):
        return 0x0304
    return _AS_TLS.get(version, version)


def version(code: int) -> str:
    """`SSLv2`, `SSLv3`, `TLSv1.0` … `TLSv1.3`, `DTLSv1.0` …; drafts of TLS 1.3 are `TLSv1.3`."""
    return _VERSIONS.get(code) or _VERSIONS.get(as_tls(code)) or f"0x{code:04x}"


def cipher_suite(code: int) -> str:
    """IANA's name of a cipher suite; an SSLv2 cipher kind is a code above 0xffff."""
    return _CIPHER_SUITES.get(code) or (f"0x{code:04x}" if code <= 0xFFFF else f"0x{code:06x}")


def extension(code: int) -> str:
    """Name of an extension (RFC 8446, section 4.2)."""
    return _EXTENSIONS.get(code) or f"0x{code:04x}"


def group(code: int) -> str:
    """Name of a named group or curve (RFC 8446, section 4.2.7)."""
    return _GROUPS.get(code) or f"0x{code:04x}"


def signature_scheme(code: int) -> str:
    """Name of a signature scheme (RFC 8446, section 4.2.3).

    A pair of hash and signature of TLS 1.2 (RFC 5246, section 7.4.1.4.1) that became no scheme is named in
    the same style: `rsa_pkcs1_sha224`, `dsa_sha1`. In TLS 1.2 `ecdsa_secp256r1_sha256` leaves the curve open.
    """
    return _SIGNATURE_SCHEMES.get(code) or f"0x{code:04x}"


def content_type(code: int) -> str:
    """Name of a record's content type (RFC 8446, section 5.1)."""
    return _iana.CONTENT_TYPES.get(code) or f"0x{code:02x}"


def handshake_type(code: int) -> str:
    """Name of a handshake message (RFC 8446, section 4; RFC 5246, section 7.4), in lower case."""
    return _HANDSHAKE_TYPES.get(code) or f"0x{code:02x}"


def alert_description(code: int) -> str:
    """Name of an alert (RFC 8446, section 6)."""
    return _ALERTS.get(code) or f"0x{code:02x}"


def alert_level(code: int) -> str:
    """`warning` or `fatal` (RFC 8446, section 6)."""
    return {1: "warning", 2: "fatal"}.get(code) or f"0x{code:02x}"


def client_certificate_type(code: int) -> str:
    """What a CertificateRequest of TLS 1.2 and before accepts (RFC 5246, section 7.4.4)."""
    return _CLIENT_CERTIFICATE_TYPES.get(code) or f"0x{code:02x}"


def certificate_type(code: int) -> str:
    """Form of a certificate (RFC 7250): `X509`, `Raw Public Key`."""
    return _iana.CERTIFICATE_TYPES.get(code) or f"0x{code:02x}"


def certificate_status_type(code: int) -> str:
    """Form of a stapled status (RFC 6066, section 8)."""
    return _iana.CERTIFICATE_STATUS_TYPES.get(code) or f"0x{code:02x}"


def certificate_compression(code: int) -> str:
    """Algorithm of a CompressedCertificate (RFC 8879, section 3)."""
    return _iana.CERTIFICATE_COMPRESSIONS.get(code) or f"0x{code:04x}"


def ec_point_format(code: int) -> str:
    """Form of an elliptic-curve point (RFC 8422, section 5.1.2)."""
    return _iana.EC_POINT_FORMATS.get(code) or f"0x{code:02x}"


def psk_key_exchange_mode(code: int) -> str:
    """How a pre-shared key may be used (RFC 8446, section 4.2.9)."""
    return _iana.PSK_KEY_EXCHANGE_MODES.get(code) or f"0x{code:02x}"


@dataclass(frozen=True, slots=True, eq=False)
class Suite:
    """A cipher suite taken apart; lengths are bytes."""

    name: str
    """IANA's name."""
    key_exchange: str
    """RSA DHE ECDHE DH ECDH PSK DHE_PSK ECDHE_PSK RSA_PSK SRP KRB5 ECCPWD ECJPAKE GOST …, or TLS13 where the
    suite does not say. An anonymous exchange is DHE or ECDHE."""
    authentication: str | None
    """How the server proves its identity: RSA ECDSA DSS PSK SRP KRB5 GOST … or anonymous; None where the
    suite does not say (TLS 1.3)."""
    is_export: bool
    """Deliberately weak keys; with RSA key exchange the server may send a short RSA key of its own."""
    cipher: str
    """Such as AES_128_GCM, 3DES_EDE_CBC, CHACHA20_POLY1305, NULL."""
    key_length: int
    """The cipher's key; of an export suite, the secret part of it."""
    block_size: int
    """The cipher's block in CBC mode; 0 for stream ciphers and AEAD."""
    tag_length: int
    """The AEAD's tag; 0 where there is a MAC."""
    mac: str | None
    """The MAC's hash (MD5 SHA1 SHA256 SHA384 SM3) or GOST algorithm; None for AEAD."""
    mac_length: int
    """0 for AEAD."""
    hash: str
    """Hash of TLS 1.2's PRF, of TLS 1.3's HKDF and of the transcript; before TLS 1.2 it is MD5 with SHA-1."""
    hash_length: int
    """The length of its output."""

    @property
    def is_aead(self) -> bool:
        """Whether one algorithm encrypts and authenticates (RFC 5116)."""
        return self.tag_length > 0


_MAC_LENGTHS = {
    "MD5": 16,
    "SHA1": 20,
    "SHA256": 32,
    "SHA384": 48,
    "SHA512": 64,
    "SM3": 32,
    "GOSTR3411": 32,
    "IMIT": 4,
    "OMAC": 16,
}
_KEY_LENGTHS = {  # of ciphers whose name has no number of bits
    "3DES": 24,
    "28147": 32,
    "CHACHA20": 32,
    "DES": 8,
    "DES40": 5,
    "IDEA": 16,
    "KUZNYECHIK": 32,
    "MAGMA": 32,
    "SEED": 16,
    "SM4": 16,
}
_BLOCKS_OF_16 = {"AES", "ARIA", "CAMELLIA", "SEED", "SM4"}


@lru_cache(maxsize=1024)
def suite(code: int) -> Suite | None:
    """A cipher suite taken apart by its name; None for an unknown code or a signalling value (SCSV)."""
    name = _CIPHER_SUITES.get(code)
    if name is None or name.endswith("_SCSV"):
        return None
    family, *words = name.removesuffix("_OLD").split("_")
    exports = [word for word in words if word.startswith("EXPORT")]
    words = [word for word in words if word not in exports]
    if family == "SSL2":  # the words around WITH are cipher and MAC
        words.remove("WITH")
        exchange, protection = ["RSA"], words
    elif "WITH" in words:
        split = words.index("WITH")
        exchange, protection = words[:split], words[split + 1 :]
    else:  # TLS 1.3, or TLCP's ECC_SM4_CBC_SM3
        exchange, protection = ["TLS13" if family == "TLS" else family], words
    if protection == ["NULL", "NULL"]:
        protection.pop()
    if "MGM" in protection:  # GOST in TLS 1.3 (RFC 9367)
        exchange = ["TLS13"]
    key_exchange, authentication = _key_exchange(exchange)

    if protection[-1] == "SHA":
        protection[-1] = "SHA1"
    mac = protection.pop() if protection[-1] in _MAC_LENGTHS else None
    prf_hash = mac if mac in ("SHA384", "SHA512", "SM3") else "SHA256"
    if "GOST" in name:
        prf_hash = "GOSTR3411"
    if protection == [mac]:  # integrity only (RFC 9150)
        protection, tag_length = ["NULL"], _MAC_LENGTHS[prf_hash]
    else:
        tag_length = _tag_length(protection)
    if tag_length:
        mac = None
    mac_length = _MAC_LENGTHS[mac] if mac else 0
    if mac == "OMAC" and protection[0] == "MAGMA":  # its block is 8 bytes
        mac_length = 8
    block_size = 0
    if "CBC" in protection:
        block_size = 16 if protection[0] in _BLOCKS_OF_16 else 8
    return Suite(
        name=name,
        key_exchange=key_exchange,
        authentication=authentication,
        is_export=bool(exports),
        cipher="_".join(protection),
        key_length=5 if "EXPORT40" in exports else _key_length(protection),
        block_size=block_size,
        tag_length=tag_length,
        mac=mac,
        mac_length=mac_length,
        hash=prf_hash,
        hash_length=_MAC_LENGTHS[prf_hash],
    )


def _key_exchange(words: list[str]) -> tuple[str, str | None]:
    match words:
        case ["TLS13"]:
            return "TLS13", None
        case ["NULL"]:
            return "NULL", "anonymous"
        case [("DH" | "ECDH") as exchange, "anon"]:
            return exchange + "E", "anonymous"
        case [("DHE" | "ECDHE") as exchange, "PSK"] | ["PSK", "DHE" as exchange]:
            return exchange + "_PSK", "PSK"
        case ["RSA", "PSK"]:
            return "RSA_PSK", "RSA"
        case ["RSA", "FIPS"]:
            return "RSA", "RSA"
        case ["SRP", "SHA"]:
            return "SRP", "SRP"
        case ["SRP", "SHA", authentication]:
            return "SRP", authentication
        case ["ECDHE"]:  # TLCP
            return "ECDHE", "ECC"
        case [family, *_] if family.startswith("GOST"):
            return "GOST", "GOST"
    return words[0], words[-1]


def _key_length(cipher: list[str]) -> int:
    bits = [word.rstrip("L") for word in cipher[1:] if word[0].isdigit()]
    return int(bits[0]) // 8 if bits else _KEY_LENGTHS.get(cipher[0], 0)


def _tag_length(cipher: list[str]) -> int:
    if cipher[-2:] == ["CCM", "8"] or cipher[:2] == ["MAGMA", "MGM"]:
        return 8
    return 16 if cipher[0] == "AEGIS" or {"GCM", "CCM", "POLY1305", "MGM"}.intersection(cipher) else 0
