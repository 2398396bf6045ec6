"""Revocation lists and OCSP responses are believed only as far as they reach."""

from dataclasses import replace

import pki_builder as made
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st
from pki_builder import DAY, HOST, INTERMEDIATE, NOW, ROOT, SERVER

from analyzer.pki import der
from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Exchange
from analyzer.pki.der import DerError
from analyzer.pki.revocation import RevocationList, Staple
from analyzer.pki.trust import NO_STORE, TrustStore
from analyzer.pki.verdict import Validator
from analyzer.results import CheckReport

STORE = TrustStore("test", [Certificate(ROOT.der())])
SERIAL = 0x1234567890
STAPLE = made.staple(SERVER)


def answers(check: str, *crls: bytes, store: TrustStore = STORE, **exchange: bytes) -> list[CheckReport]:
    validator = Validator(store, crls=map(RevocationList, crls))
    asked = Exchange(role="server", reference=HOST, **exchange)
    report = validator.validate([SERVER.der(), INTERMEDIATE.der()], asked, time=NOW).report
    return [one for one in report.checks if one.check == check]


def scoped(**scope: bool) -> bytes:
    """A list that speaks of some certificates only."""
    everything = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    issuer = x509.load_der_x509_certificate(INTERMEDIATE.der()).subject
    builder = x509.CertificateRevocationListBuilder(
        issuer, made.as_datetime(NOW - DAY), made.as_datetime(NOW + DAY)
    ).add_extension(x509.IssuingDistributionPoint(**everything | scope), critical=True)
    return builder.sign(INTERMEDIATE.key, hashes.SHA256()).public_bytes(made.Encoding.DER)


def test_each_certificate_that_has_an_issuer_is_looked_up():
    both = answers("revocation-list", made.crl(INTERMEDIATE), made.crl(ROOT))
    assert [one.status for one in both] == ["pass", "pass"]
    only = answers("revocation-list", made.crl(INTERMEDIATE))
    assert [one.status for one in only] == ["pass", "undetermined"]
    assert only[1].got == "no list of CN=Root,O=Test was given"


def test_the_reason_and_the_time_of_a_revocation_are_told():
    (leaf, _) = answers("revocation-list", made.crl(INTERMEDIATE, SERIAL), made.crl(ROOT))
    assert leaf.got == "revoked on 2026-09-20T14:13:20Z (keyCompromise)"


@pytest.mark.parametrize(
    ("crl", "status", "words"),
    [
        (made.crl(INTERMEDIATE, due=NOW - 10**9), "undetermined", "out of date since 2026-09-21T14:13:19"),
        (made.crl(replace(INTERMEDIATE, key=made.key("ec forger"))), "undetermined", "did not make this signature"),
        (scoped(only_contains_user_certs=True), "pass", "not in the list"),
        (scoped(only_contains_ca_certs=True), "undetermined", "no list of CN=Intermediate,O=Test was given"),
        (scoped(indirect_crl=True), "undetermined", "does not speak of all revocations"),
    ],
)
def test_a_list_is_believed_as_far_as_it_reaches(crl, status, words):
    leaf = answers("revocation-list", crl)[0]
    assert leaf.status == status
    assert words in (leaf.got or "")


def test_a_staple_of_an_unknown_issuer_cannot_be_checked():
    validator = Validator(NO_STORE)
    asked = Exchange(role="server", reference=HOST, staple=STAPLE)
    report = validator.validate([SERVER.der()], asked, time=NOW).report
    (one,) = (one for one in report.checks if one.check == "ocsp-staple")
    assert one.status == "undetermined"


def test_a_good_staple_says_when():
    (one,) = answers("ocsp-staple", staple=STAPLE)
    assert (one.status, one.got) == ("pass", "good on 2026-09-20T14:13:20Z")


@given(st.integers(0, len(STAPLE) - 1), st.integers(1, 255))
def test_no_changed_byte_makes_another_statement(at, change):
    """Certificates and times are under the signature; what is not is refused or changes nothing."""
    (one,) = answers("ocsp-staple", staple=STAPLE[:at] + bytes([STAPLE[at] ^ change]) + STAPLE[at + 1 :])
    assert one.status in ("fail", "undetermined") or one.got == "good on 2026-09-20T14:13:20Z"


def test_an_explicit_default_version_as_old_responders_send_it_is_read():
    _, octets = der.inside(STAPLE, der.inside(STAPLE, der.children(STAPLE, der.SEQUENCE)[1])[0])
    basic = der.contents(STAPLE, octets, der.OCTET_STRING)
    signed = der.children(basic, der.SEQUENCE)[0]
    version = made.tlv(0xA0, made.integer(0))
    explicit = made.tlv(0x30, version, basic[signed[1] : signed[2]])
    algorithm, signature = made.sign(INTERMEDIATE.key, explicit)
    basic = made.tlv(0x30, explicit, algorithm, made.tlv(3, b"\0", signature))
    kind = made.object_identifier("1.3.6.1.5.5.7.48.1.1")
    response = made.tlv(0x30, made.tlv(0x0A, b"\0"), made.tlv(0xA0, made.tlv(0x30, kind, made.tlv(4, basic))))
    with pytest.raises(ValueError, match="EncodedDefault"):
        _ = x509.ocsp.load_der_ocsp_response(response).responses
    (one,) = answers("ocsp-staple", staple=response)
    assert one.status == "pass"


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(encoded):
    for kind in (RevocationList, Staple):
        with pytest.raises(DerError):
            kind(encoded)
