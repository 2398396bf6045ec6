"""Every certificate yields a view, however odd or damaged; sound ones read as `cryptography` reads them."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pki_builder as made
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pki_builder import CLIENT, INTERMEDIATE, ROOT, SERVER, tlv

from analyzer.pki import der
from analyzer.pki.certificate import Certificate
from analyzer.pki.extensions import BasicConstraints, NameConstraints

LEAF = SERVER.der()


def agrees(encoded: bytes) -> None:
    """Compare every field with what `cryptography` reads."""
    ours, theirs = Certificate(encoded), x509.load_der_x509_certificate(encoded)
    for mine, its in ((ours.subject, theirs.subject), (ours.issuer, theirs.issuer)):
        flat = [[(der.dotted(one.type), one.text) for one in rdn] for rdn in mine.relative]
        assert flat == [[(one.oid.dotted_string, one.value) for one in rdn] for rdn in its.rdns]
    assert ours.serial_number == theirs.serial_number
    assert ours.version == theirs.version.value + 1
    assert ours.not_before == int(theirs.not_valid_before_utc.timestamp()) * 10**9
    assert ours.not_after == int(theirs.not_valid_after_utc.timestamp()) * 10**9
    assert ours.spki == theirs.public_key().public_bytes(made.Encoding.DER, made.PublicFormat.SubjectPublicKeyInfo)
    assert ours.sha256 == theirs.fingerprint(made.hashes.SHA256()).hex()
    assert ours.key.bits == getattr(theirs.public_key(), "key_size", None)
    assert ours.signature_algorithm.hash == getattr(theirs.signature_hash_algorithm, "name", None)
    assert len(ours.extensions) == len(theirs.extensions)
    assert [one.critical for one in ours.extensions.values()] == [one.critical for one in theirs.extensions]
    for extension in theirs.extensions:
        match value := extension.value:
            case x509.BasicConstraints():
                assert ours.basic_constraints == BasicConstraints(value.ca, value.path_length)
            case x509.SubjectKeyIdentifier():
                assert ours.subject_key_identifier == value.digest
            case x509.AuthorityKeyIdentifier():
                assert ours.authority_key_identifier == value.key_identifier
            case x509.ExtendedKeyUsage():
                assert ours.extended_key_usage is not None
                assert len(ours.extended_key_usage) == len(value)
            case x509.KeyUsage():
                assert ours.key_usage is not None
                assert {"keyCertSign" in ours.key_usage, "cRLSign" in ours.key_usage} == {
                    value.key_cert_sign,
                    value.crl_sign,
                }
                assert ("digitalSignature" in ours.key_usage) == value.digital_signature
            case x509.SubjectAlternativeName():
                assert [name.text for name in ours.san or () if name.kind == "DNS"] == value.get_values_for_type(
                    x509.DNSName
                )
            case x509.PrecertificateSignedCertificateTimestamps():
                assert [(one.log_id, one.time, one.signature) for one in ours.scts] == [
                    (one.log_id, round(one.timestamp.replace(tzinfo=UTC).timestamp() * 1000), one.signature)
                    for one in value
                ]


@pytest.mark.parametrize("spec", [ROOT, INTERMEDIATE, SERVER, CLIENT])
def test_made_certificates_read_as_cryptography_reads_them(spec):
    agrees(spec.der())
    assert Certificate(spec.der()).problems == {}


def test_the_roots_of_mozilla_read_as_cryptography_reads_them():
    certifi = pytest.importorskip("certifi")
    for root in x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes()):
        encoded = root.public_bytes(made.Encoding.DER)
        agrees(encoded)
        assert Certificate(encoded).self_signed


def test_the_public_view():
    report = Certificate(LEAF).report
    assert report.subject == "CN=www.example.test,O=Test"
    assert report.issuer == "CN=Intermediate,O=Test"
    assert report.serial_number == "1234567890"
    assert report.not_before == "2026-06-13T14:13:20.000000Z"
    assert report.san == ["DNS:www.example.test"]
    assert report.key == "EC secp256r1"
    assert report.algorithm == "ecdsa-with-SHA256"
    assert not report.self_signed
    assert not report.ca
    assert Certificate(ROOT.der()).report.self_signed
    assert Certificate(ROOT.der()).report.ca


def test_self_signed_needs_more_than_two_equal_names():
    assert not Certificate(replace(ROOT, key=made.key("ec another")).der()).self_signed


@pytest.mark.parametrize(
    ("serial", "text"),
    [
        (made.integer(-1), "-01"),
        (made.integer(0), "00"),
        (made.integer(0xABC), "0ABC"),
        (made.integer(1 << 200), "01" + "00" * 25),
        (tlv(2), "cannot be parsed: an INTEGER without contents"),
        (tlv(4, b"x"), "cannot be parsed: tag 0x04 where 0x02 belongs"),
    ],
)
def test_serial_numbers_of_all_kinds_are_shown(serial, text):
    assert Certificate(replace(SERVER, serial=serial).der()).report.serial_number == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (tlv(0x17, b"491231235959Z"), "2049-12-31T23:59:59.000000Z"),
        (tlv(0x17, b"500101000000Z"), "1950-01-01T00:00:00.000000Z"),
        (tlv(0x17, b"2601020304Z"), "2026-01-02T03:04:00.000000Z"),
        (tlv(0x17, b"260102030405+0130"), "2026-01-02T01:34:05.000000Z"),
        (tlv(0x18, b"99991231235959Z"), "9999-12-31T23:59:59.000000Z"),
        (tlv(0x18, b"20260102030405.75Z"), "2026-01-02T03:04:05.000000Z"),
        (tlv(0x18, b"00010101000000+2359"), None),
        (tlv(0x17, b"260230000000Z"), None),
        (tlv(0x17, b"20260102030405Z"), None),
        (tlv(0x17, "\uff1260102030405Z".encode()), None),
        (tlv(0x0C, b"260102030405Z"), None),
        (tlv(0x17), None),
    ],
)
def test_times_of_all_kinds_are_read_or_said_to_be_none(time, text):
    certificate = Certificate(replace(SERVER, not_after=time).der())
    assert certificate.report.not_after == text
    assert ("not_after" in certificate.problems) == (text is None)


@pytest.mark.parametrize(
    ("tag", "encoding"),
    [(0x1E, "utf-16-be"), (0x1C, "utf-32-be"), (0x14, "latin-1"), (0x0C, "utf-8")],
)
def test_names_of_all_string_types(tag, encoding):
    subject = made.name("CN=Grüße, Welt", tag=tag, encoding=encoding)
    assert Certificate(replace(SERVER, subject=subject).der()).report.subject == "CN=Grüße\\, Welt"


def rsa_spki(bits: int) -> bytes:
    number = (1 << bits) - 1
    algorithm = tlv(0x30, made.object_identifier("1.2.840.113549.1.1.1"), tlv(5))
    return tlv(0x30, algorithm, tlv(3, b"\0", tlv(0x30, made.integer(number), made.integer(3))))


def ec_spki(*parameters: bytes) -> bytes:
    return tlv(0x30, tlv(0x30, made.object_identifier("1.2.840.10045.2.1"), *parameters), tlv(3, b"\0\4" + bytes(64)))


@pytest.mark.parametrize(
    ("spki", "text"),
    [
        (rsa_spki(512), "RSA 512"),
        (rsa_spki(16384), "RSA 16384"),
        (ec_spki(made.object_identifier("1.3.132.0.36")), "EC sect409k1"),
        (ec_spki(made.object_identifier("1.2.3.4")), "EC 1.2.3.4"),
        (ec_spki(tlv(0x30)), "EC explicit parameters"),
        (ec_spki(), "EC without parameters"),
        (tlv(0x30, tlv(0x30, made.object_identifier("1.3.101.113")), tlv(3, b"\0")), "Ed448"),
        (tlv(0x30, tlv(0x30, made.object_identifier("1.2.3")), tlv(3, b"\0")), "1.2.3"),
        (tlv(0x30), "cannot be parsed: a public key without algorithm or value"),
    ],
)
def test_keys_of_all_kinds_are_described(spki, text):
    certificate = Certificate(replace(SERVER, spki=spki).der())
    assert certificate.report.key == text
    assert certificate.signed_by(certificate).status != "pass"


def test_twenty_kilobytes_of_names_are_all_shown():
    names = [f"host-{i}.example.test" for i in range(900)]
    spec = replace(SERVER, extensions=(made.san(*map(made.dns, names)),))
    assert len(spec.der()) > 20_000
    assert Certificate(spec.der()).report.san == [f"DNS:{name}" for name in names]


def test_alternative_names_of_all_kinds():
    user = tlv(0xA0, made.object_identifier("1.3.6.1.4.1.311.20.2.3"), tlv(0xA0, tlv(0x0C, b"alice@corp")))
    names = (
        made.ip(b"\xc0\0\2\1"),
        made.ip(bytes(15) + b"\1"),
        made.ip(b"odd"),
        tlv(0x81, b"a@example.test"),
        tlv(0x86, b"spiffe://test/a"),
        tlv(0x88, made.oid("1.2.3")),
        tlv(0xA4, made.name("CN=a", "O=b")),
        user,
    )
    assert Certificate(replace(SERVER, extensions=(made.san(*names),)).der()).report.san == [
        "IP:192.0.2.1",
        "IP:::1",
        "IP:#6f6464",
        "email:a@example.test",
        "URI:spiffe://test/a",
        "RID:1.2.3",
        "dirName:O=b,CN=a",
        "otherName:1.3.6.1.4.1.311.20.2.3=alice@corp",
    ]


def test_version_1_has_no_extensions():
    certificate = Certificate(replace(SERVER, version=1).der())
    assert (certificate.version, certificate.extensions, certificate.problems) == (1, {}, {})


def test_an_extension_that_is_damaged_leaves_the_others():
    damaged = made.extension("2.5.29.15", b"\3\5")
    certificate = Certificate(replace(SERVER, extensions=(damaged, made.basic_constraints(True, 3))).der())
    assert certificate.basic_constraints == BasicConstraints(True, 3)
    assert certificate.key_usage is None
    assert [*certificate.problems] == ["key_usage"]


def test_an_explicit_false_is_read_though_der_forbids_it():
    lax = made.extension("2.5.29.19", tlv(0x30, tlv(1, b"\0")))
    assert Certificate(replace(SERVER, extensions=(lax,)).der()).basic_constraints == BasicConstraints(False, None)


def test_name_constraints_show_networks():
    trees = made.name_constraints(
        [made.ip(b"\x0a\0\0\0\xff\0\0\0"), made.ip(bytes(4) + b"\xff\0\xff\0")], [made.dns("")]
    )
    constraints = Certificate(replace(SERVER, extensions=(trees,)).der()).name_constraints
    assert isinstance(constraints, NameConstraints)
    assert [*map(str, constraints.permitted)] == ["IP:10.0.0.0/8", "IP:0.0.0.0/255.0.255.0"]
    assert [*map(str, constraints.excluded)] == ["DNS:"]


def test_bytes_after_the_end_are_a_problem_but_hide_nothing():
    certificate = Certificate(LEAF + b"\0\0")
    assert certificate.problems == {"certificate": "2 bytes follow its end"}
    assert certificate.subject.text == Certificate(LEAF).subject.text


@pytest.mark.parametrize("length", range(0, len(LEAF), 7))
def test_a_certificate_cut_anywhere_shows_what_is_left(length):
    certificate = Certificate(LEAF[:length])
    assert certificate.problems
    assert certificate.report.serial_number in ("1234567890",) or "cannot be parsed" in certificate.report.serial_number
    assert certificate.signed_by(Certificate(INTERMEDIATE.der())).status == "undetermined"


@given(st.binary(max_size=300))
def test_any_bytes_yield_a_view(encoded):
    certificate = Certificate(encoded)
    assert certificate.report.sha256
    assert certificate.problems or encoded


@given(st.integers(0, len(LEAF) - 1), st.integers(1, 255), st.integers(0, 3))
def test_any_changed_byte_yields_a_view(at, change, inserted):
    certificate = Certificate(LEAF[:at] + bytes([LEAF[at] ^ change]) + bytes(inserted) + LEAF[at + 1 :])
    assert isinstance(certificate.problems, dict)
    assert len(certificate.report.sha256) == 64


SIGNED = x509.load_der_x509_certificate(LEAF).tbs_certificate_bytes


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_signed_part_breaks_the_signature(at, change):
    start = LEAF.index(SIGNED) + at
    certificate = Certificate(LEAF[:start] + bytes([LEAF[start] ^ change]) + LEAF[start + 1 :])
    assert certificate.signed_by(Certificate(INTERMEDIATE.der())).status != "pass"


def test_a_long_object_identifier_takes_no_time():
    oid = b"\xff" * 200_000 + b"\x7f"
    attribute = tlv(0x30, tlv(6, oid), tlv(0x0C, b"x"))
    certificate = Certificate(replace(SERVER, subject=tlv(0x30, tlv(0x31, attribute))).der())
    assert certificate.subject.text.startswith("0xffff")


def test_reading_certificates_does_not_load_cryptography():
    code = (
        "import sys; from analyzer.pki.certificate import Certificate; "
        f"Certificate(bytes.fromhex('{LEAF.hex()}')).subject.text; sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_common_names_and_mail_addresses_are_found_in_the_subject():
    subject = made.name("CN=a", "emailAddress=a@example.test", "CN=b")
    certificate = Certificate(replace(SERVER, subject=subject).der())
    assert certificate.subject.common_names == ["a", "b"]
    assert certificate.subject.email_addresses == ["a@example.test"]
    theirs = x509.load_der_x509_certificate(certificate.der).subject
    assert [one.value for one in theirs.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["a", "b"]
    assert datetime.fromisoformat(certificate.report.not_before or "") == made.as_datetime(made.NOW - 100 * made.DAY)
