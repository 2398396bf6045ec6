"""Code points have IANA's names, unknown ones stay numbers, and cipher suites come apart as OpenSSL says."""

import re
import shutil
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from analyzer.tls import _iana, registry


@pytest.mark.parametrize(
    ("function", "code", "name"),
    [
        (registry.cipher_suite, 0x1301, "TLS_AES_128_GCM_SHA256"),
        (registry.cipher_suite, 0x1234, "0x1234"),
        (registry.cipher_suite, 0x0A0A, "0x0a0a"),
        (registry.cipher_suite, 0x010080, "SSL2_RC4_128_WITH_MD5"),
        (registry.cipher_suite, 0x0A0000, "0x0a0000"),
        (registry.cipher_suite, 0xCC13, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256_OLD"),
        (registry.extension, 0, "server_name"),
        (registry.extension, 13172, "next_protocol_negotiation"),
        (registry.extension, 40, "key_share"),
        (registry.extension, 65037, "encrypted_client_hello"),
        (registry.extension, 0xFFFF, "0xffff"),
        (registry.group, 29, "x25519"),
        (registry.group, 0x11EC, "X25519MLKEM768"),
        (registry.group, 0x6399, "X25519Kyber768Draft00"),
        (registry.signature_scheme, 0x0804, "rsa_pss_rsae_sha256"),
        (registry.signature_scheme, 0x0301, "rsa_pkcs1_sha224"),
        (registry.signature_scheme, 0x0203, "ecdsa_sha1"),
        (registry.signature_scheme, 0x0402, "dsa_sha256"),
        (registry.signature_scheme, 0x0000, "0x0000"),
        (registry.alert_description, 116, "certificate_required"),
        (registry.alert_description, 41, "no_certificate"),
        (registry.alert_description, 250, "0xfa"),
        (registry.alert_level, 2, "fatal"),
        (registry.alert_level, 3, "0x03"),
        (registry.handshake_type, 0, "hello_request"),
        (registry.handshake_type, 3, "hello_verify_request"),
        (registry.handshake_type, 12, "server_key_exchange"),
        (registry.handshake_type, 67, "next_protocol"),
        (registry.handshake_type, 254, "message_hash"),
        (registry.client_certificate_type, 64, "ecdsa_sign"),
        (registry.content_type, 22, "handshake"),
        (registry.certificate_type, 2, "Raw Public Key"),
        (registry.certificate_status_type, 2, "ocsp_multi"),
        (registry.certificate_compression, 2, "brotli"),
        (registry.ec_point_format, 0, "uncompressed"),
        (registry.psk_key_exchange_mode, 1, "psk_dhe_ke"),
    ],
)
def test_name(function, code, name):
    assert function(code) == name


@pytest.mark.parametrize(
    ("code", "name", "as_tls"),
    [
        (0x0002, "SSLv2", 0x0002),
        (0x0300, "SSLv3", 0x0300),
        (0x0301, "TLSv1.0", 0x0301),
        (0x0304, "TLSv1.3", 0x0304),
        (0x7F12, "TLSv1.3", 0x0304),
        (0xFB1A, "TLSv1.3", 0x0304),
        (0xFEFF, "DTLSv1.0", 0x0302),
        (0xFEFD, "DTLSv1.2", 0x0303),
        (0xFEFC, "DTLSv1.3", 0x0304),
        (0x0305, "0x0305", 0x0305),
    ],
)
def test_version(code, name, as_tls):
    assert (registry.version(code), registry.as_tls(code)) == (name, as_tls)


def test_grease():
    """RFC 8701, section 2: two equal bytes whose low half is ten."""
    grease = [code for code in range(0x10000) if registry.is_grease(code)]
    assert grease == [high << 8 | high for high in range(0x0A, 0x100, 0x10)]


def test_every_suite_comes_apart():
    for code, name in (_iana.CIPHER_SUITES | registry._FIELD_CIPHER_SUITES).items():
        suite = registry.suite(code)
        if name.endswith("_SCSV"):
            assert suite is None
            continue
        assert suite is not None and suite.name == name
        assert suite.is_aead == (suite.mac is None) or name == "TLS_NULL_WITH_NULL_NULL"
        assert bool(suite.mac) == bool(suite.mac_length)
        assert suite.hash_length in (32, 48, 64)
        assert bool(suite.key_length) == (not suite.cipher.startswith(("NULL", "FORTEZZA")))
        assert (suite.block_size in (8, 16)) == ("CBC" in suite.cipher)
        assert (suite.key_exchange == "TLS13") == (suite.authentication is None)
    assert registry.suite(0x1234) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0x000A, ("RSA", "RSA", "3DES_EDE_CBC", 24, 8, 0, "SHA1", 20, "SHA256")),
        (0x0034, ("DHE", "anonymous", "AES_128_CBC", 16, 16, 0, "SHA1", 20, "SHA256")),
        (0xC02F, ("ECDHE", "RSA", "AES_128_GCM", 16, 0, 16, None, 0, "SHA256")),
        (0xC024, ("ECDHE", "ECDSA", "AES_256_CBC", 32, 16, 0, "SHA384", 48, "SHA384")),
        (0xC0AB, ("DHE_PSK", "PSK", "AES_256_CCM_8", 32, 0, 8, None, 0, "SHA256")),
        (0x0095, ("RSA_PSK", "RSA", "AES_256_CBC", 32, 16, 0, "SHA1", 20, "SHA256")),
        (0xC01E, ("SRP", "RSA", "AES_128_CBC", 16, 16, 0, "SHA1", 20, "SHA256")),
        (0x1303, ("TLS13", None, "CHACHA20_POLY1305", 32, 0, 16, None, 0, "SHA256")),
        (0x1305, ("TLS13", None, "AES_128_CCM_8", 16, 0, 8, None, 0, "SHA256")),
        (0xC0B5, ("TLS13", None, "NULL", 0, 0, 48, None, 0, "SHA384")),
        (0x0003, ("RSA", "RSA", "RC4_40", 5, 0, 0, "MD5", 16, "SHA256")),
        (0xE011, ("ECDHE", "ECC", "SM4_CBC", 16, 16, 0, "SM3", 32, "SM3")),
    ],
)
def test_suite(code, expected):
    suite = registry.suite(code)
    assert suite is not None
    parts = (suite.key_exchange, suite.authentication, suite.cipher, suite.key_length, suite.block_size)
    assert (*parts, suite.tag_length, suite.mac, suite.mac_length, suite.hash) == expected
    assert suite.is_export == ("EXPORT" in suite.name)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_suites_as_openssl_sees_them():
    """OpenSSL's own account of each suite it has: key exchange, authentication, key length, MAC."""
    command = ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    exchanges = {"DH": "DHE", "ECDH": "ECDHE", "DHEPSK": "DHE_PSK", "ECDHEPSK": "ECDHE_PSK", "RSAPSK": "RSA_PSK"}
    pattern = r"0x(\w\w),0x(\w\w) - (\S+) .*Kx=(\S+) +Au=(\S+) +Enc=(\S+) +Mac=(\S+)"
    found = re.findall(pattern, listing)
    assert len(found) > 50
    for high, low, name, exchange, authentication, cipher, mac in found:
        suite = registry.suite(int(high + low, 16))
        if suite is None or name == "UNKNOWN" or "GOST" in name:
            continue
        assert suite.name == name
        assert suite.key_exchange == ("TLS13" if exchange == "any" else exchanges.get(exchange, exchange))
        expected = {"any": None, "None": "anonymous"}.get(authentication, authentication)
        assert suite.authentication == expected
        assert suite.is_aead == (mac == "AEAD")
        assert suite.is_aead or suite.mac == mac
        if bits := re.search(r"\((\d+)\)", cipher):
            assert suite.key_length == {168: 24}.get(int(bits[1]), int(bits[1]) // 8)


@pytest.mark.skipif(not shutil.which("tshark"), reason="no tshark")
def test_names_as_wireshark_shows_them():
    """Wireshark's tables; it may lack what is newer, and names what was renamed or never assigned its own way."""
    values = subprocess.run(["tshark", "-G", "values"], capture_output=True, check=True).stdout
    tables = {
        "ciphersuite": (_iana.CIPHER_SUITES, {0x1306}),
        "extension.type": (_iana.EXTENSIONS, {34, 53}),
        "sig_hash_alg": (_iana.SIGNATURE_SCHEMES, set()),
    }
    for field, (ours, renamed) in tables.items():
        pattern = rf"^V\ttls\.handshake\.{re.escape(field)}\t(\w+)\t([\w.]+)$"
        theirs = {int(c, 0): n for c, n in re.findall(pattern, values.decode(errors="replace"), re.MULTILINE)}
        shared = theirs.keys() & ours.keys() - renamed
        assert len(shared) > 15
        assert {code: theirs[code] for code in shared} == {code: ours[code] for code in shared}


def test_reads_ianas_files():
    path = Path(__file__).parent.parent / "scripts" / "registries"
    loader = SourceFileLoader("registries", str(path))
    script = module_from_spec(spec_from_loader("registries", loader))
    loader.exec_module(script)
    text = (
        "Value,Description,DTLS-OK,Recommended,Reference\n"
        '"0xC0,0x2F",TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,Y,Y,[RFC5289]\n'
        '"0x00,0x1C-1D","Reserved to avoid\nconflicts",,,[RFC5246]\n'
        '"0x0A,0x0A",Reserved,Y,N,[RFC8701]\n'
        "25497,X25519Kyber768Draft00 (OBSOLETE),Y,N,[draft]\n"
        "4-16383,Unassigned,,,\n"
        "3,hello_verify_request_RESERVED,Y,,[RFC9147]\n"
    )
    assert script.assignments(text) == {
        3: "hello_verify_request",
        25497: "X25519Kyber768Draft00",
        0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    }
