"""A chain with one fault fails exactly the check that the fault is about, and `cryptography` mostly agrees."""

from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

import pki_builder as made
import pytest
from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseBuilder, OCSPResponseStatus
from pki_builder import CLIENT, DAY, HOST, INTERMEDIATE, NOW, ROOT, SERVER, Spec

from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Exchange, Settings, TransparencyLog
from analyzer.pki.revocation import RevocationList
from analyzer.pki.trust import TrustStore
from analyzer.pki.verdict import CHECKS, Check, Validator

BASIC, USAGE, PURPOSE, NAMES = "2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.17"
PAST = {"not_before": made.utc_time(NOW - 20 * DAY), "not_after": made.utc_time(NOW - 10**9)}
FUTURE = {"not_before": made.utc_time(NOW + 10**9), "not_after": made.utc_time(NOW + 90 * DAY)}
SOON = {"not_before": made.utc_time(NOW - 10 * DAY), "not_after": made.utc_time(NOW + 20 * DAY)}
DAMAGE = made.tlv(0x30, b"\x82")


def changed(spec: Spec, dotted: str, *added: bytes) -> Spec:
    """Other extensions of one kind."""
    return replace(spec, extensions=(*made.without(spec.extensions, dotted), *added))


STRANGER = replace(
    ROOT,
    subject=made.name("CN=Stranger"),
    issuer=made.name("CN=Stranger"),
    key=made.key("ec stranger"),
    issuer_key=made.key("ec stranger"),
)
SECOND = replace(
    INTERMEDIATE,
    subject=made.name("CN=Second"),
    issuer=INTERMEDIATE.subject,
    key=made.key("ec second"),
    issuer_key=INTERMEDIATE.key,
    serial=made.integer(3),
)
WIDE = changed(INTERMEDIATE, BASIC, made.basic_constraints(True))
SECOND_SERVER = replace(SERVER, issuer=SECOND.subject, issuer_key=SECOND.key)
RESPONDER = replace(
    SERVER,
    subject=made.name("CN=Responder"),
    key=made.key("ec responder"),
    extensions=(made.extended_key_usage("OCSPSigning"),),
)
ALICE = (0x1234567890,)
LOG = made.key("ec log")

NO_REVOCATION = "it does not look at revocation"
ANY_LEAF_KEY = "it does not look at the size of the leaf's key"
NO_LEAF_USAGE = "it does not look at the key usage of the leaf"


@dataclass
class Case:
    """A chain, and the one check that it fails; None for a correct one."""

    fails: str | None
    leaf: Spec | bytes = SERVER
    chain: tuple[Spec | bytes, ...] = (INTERMEDIATE,)
    root: Spec = ROOT
    exchange: dict[str, Any] = field(default_factory=dict)
    crls: tuple[bytes, ...] = ()
    public: bool = False
    unlike_cryptography: str | None = None
    """Why `cryptography` comes to another conclusion."""

    @property
    def sent(self) -> list[bytes]:
        return [one.der() if isinstance(one, Spec) else one for one in (self.leaf, *self.chain)]

    @property
    def role(self) -> str:
        return "client" if b"alice" in self.sent[0] else "server"


def below(authority: Spec, leaf: Spec = SERVER) -> dict[str, Any]:
    """What another intermediate issued."""
    return {"leaf": replace(leaf, issuer=authority.subject, issuer_key=authority.key), "chain": (authority,)}


def constrained(*names: bytes, leaf: Spec = SERVER, **constraints: list[bytes]) -> dict[str, Any]:
    authority = replace(INTERMEDIATE, extensions=(*INTERMEDIATE.extensions, made.name_constraints(**constraints)))
    return {"leaf": changed(leaf, NAMES, made.san(made.dns(HOST), *names)), "chain": (authority,)}


def tampered(encoded: bytes) -> bytes:
    """Another signature, still of an encoding that is one."""
    return encoded[:-1] + bytes([encoded[-1] ^ 1])


def reference(host: str) -> dict[str, str]:
    return {"reference": host}


refusal = OCSPResponseBuilder.build_unsuccessful(OCSPResponseStatus.TRY_LATER).public_bytes(made.Encoding.DER)

CASES = {
    "correct server": Case(None),
    "correct client": Case(None, CLIENT),
    "correct wildcard": Case(None, changed(SERVER, NAMES, made.san(made.dns("*.example.test")))),
    "correct address": Case(
        None,
        changed(SERVER, NAMES, made.san(made.ip(b"\x7f\0\0\1"))),
        exchange=reference("127.0.0.1"),
    ),
    "correct name constraints": Case(
        None,
        **constrained(
            made.ip(b"\x0a\1\2\3"),
            permitted=[made.dns("example.test"), made.ip(b"\x0a\0\0\0\xff\0\0\0")],
            excluded=[made.dns("mail.example.test")],
        ),
    ),
    "correct staple": Case(None, exchange={"staple": made.staple(SERVER)}),
    "correct staple of a responder": Case(None, exchange={"staple": made.staple(SERVER, RESPONDER)}),
    "correct SCT": Case(None, exchange={"timestamps": made.timestamps(LOG, SERVER)}),
    "correct embedded SCT": Case(None, made.with_timestamps(LOG, SERVER)),
    "correct, not in the revocation lists": Case(None, crls=(made.crl(INTERMEDIATE, 77), made.crl(ROOT, 88))),
    "correct, revoked later": Case(None, crls=(made.crl(INTERMEDIATE, *ALICE, revoked=NOW + 10**9), made.crl(ROOT))),
    "correct request": Case(
        None,
        CLIENT,
        exchange={"authorities": (ROOT.subject,), "certificate_types": (1, 64), "signature_schemes": (0x0804, 0x0403)},
    ),
    "correct for RSA key exchange": Case(
        None, changed(SERVER, USAGE, made.key_usage("keyEncipherment")), exchange={"key_exchange": "RSA"}
    ),
    "server expired": Case("validity-period", replace(SERVER, **PAST)),
    "client expired": Case("validity-period", replace(CLIENT, **PAST)),
    "server not yet valid": Case("validity-period", replace(SERVER, **FUTURE)),
    "client not yet valid": Case("validity-period", replace(CLIENT, **FUTURE)),
    "intermediate expired": Case("validity-period", chain=(replace(INTERMEDIATE, **PAST),)),
    "intermediate not yet valid": Case("validity-period", chain=(replace(INTERMEDIATE, **FUTURE),)),
    "anchor expired": Case("validity-period", root=replace(ROOT, **PAST)),
    "server's signature tampered with": Case("issuer-signature", tampered(SERVER.der())),
    "client's signature tampered with": Case("issuer-signature", tampered(CLIENT.der())),
    "intermediate's signature tampered with": Case("issuer-signature", chain=(tampered(INTERMEDIATE.der()),)),
    "another key's signature": Case("issuer-signature", replace(SERVER, issuer_key=STRANGER.key, identifiers=False)),
    "two signature algorithms": Case(
        "issuer-signature",
        replace(SERVER, inner_algorithm=made.tlv(0x30, made.object_identifier("1.2.840.10045.4.3.3"))),
    ),
    "unknown root, not sent": Case("issuer-known", root=STRANGER),
    "unknown root, sent": Case("issuer-known", chain=(INTERMEDIATE, ROOT), root=STRANGER),
    "client of an unknown root": Case("issuer-known", CLIENT, root=STRANGER),
    "server's intermediate missing": Case("issuer-known", chain=()),
    "client's intermediate missing": Case("issuer-known", CLIENT, chain=()),
    "intermediate of the same name, but with another key": Case(
        "issuer-known", replace(SERVER, issuer_key=STRANGER.key)
    ),
    "server self-signed": Case("self-signed", replace(SERVER, issuer=SERVER.subject, issuer_key=SERVER.key), chain=()),
    "client self-signed": Case("self-signed", replace(CLIENT, issuer=CLIENT.subject, issuer_key=CLIENT.key), chain=()),
    "wrong host": Case("name-match", exchange=reference("other.example.test")),
    "wildcard for two labels": Case(
        "name-match",
        changed(SERVER, NAMES, made.san(made.dns("*.test"))),
    ),
    "wildcard in part of a label": Case("name-match", changed(SERVER, NAMES, made.san(made.dns("w*.example.test")))),
    "wildcard for no label": Case(
        "name-match",
        changed(SERVER, NAMES, made.san(made.dns("*.www.example.test"))),
    ),
    "host only in the common name": Case(
        "name-match", changed(SERVER, NAMES, made.san(made.dns("other.example.test")))
    ),
    "wrong address": Case(
        "name-match",
        changed(SERVER, NAMES, made.san(made.ip(b"\x7f\0\0\2"))),
        exchange=reference("127.0.0.1"),
    ),
    "address as a host name": Case(
        "name-match",
        changed(SERVER, NAMES, made.san(made.dns("127.0.0.1"))),
        exchange=reference("127.0.0.1"),
    ),
    "no subject alternative name": Case("san-missing", changed(SERVER, NAMES)),
    "client without subject alternative name": Case(
        None, changed(CLIENT, NAMES), unlike_cryptography="it refuses clients without one"
    ),
    "intermediate is no CA": Case(
        "basic-constraints", chain=(changed(INTERMEDIATE, BASIC, made.basic_constraints(False)),)
    ),
    "client's intermediate is no CA": Case(
        "basic-constraints", CLIENT, chain=(changed(INTERMEDIATE, BASIC, made.basic_constraints(False)),)
    ),
    "intermediate without basic constraints": Case("basic-constraints", chain=(changed(INTERMEDIATE, BASIC),)),
    "intermediate's path length exceeded": Case("basic-constraints", SECOND_SERVER, (SECOND, INTERMEDIATE)),
    "anchor's path length exceeded": Case(
        "basic-constraints", root=changed(ROOT, BASIC, made.basic_constraints(True, 0))
    ),
    "intermediate may not sign certificates": Case(
        "key-usage", chain=(changed(INTERMEDIATE, USAGE, made.key_usage("cRLSign")),)
    ),
    "server may not sign": Case(
        "key-usage",
        changed(SERVER, USAGE, made.key_usage("dataEncipherment")),
        unlike_cryptography=NO_LEAF_USAGE,
    ),
    "server may not sign the key exchange": Case(
        "key-usage",
        changed(SERVER, USAGE, made.key_usage("keyEncipherment")),
        exchange={"key_exchange": "ECDHE"},
        unlike_cryptography=NO_LEAF_USAGE,
    ),
    "server may not decrypt the key exchange": Case(
        "key-usage", exchange={"key_exchange": "RSA"}, unlike_cryptography=NO_LEAF_USAGE
    ),
    "client may not sign": Case(
        "key-usage",
        changed(CLIENT, USAGE, made.key_usage("keyEncipherment")),
        unlike_cryptography=NO_LEAF_USAGE,
    ),
    "server's certificate is for clients": Case(
        "extended-key-usage", changed(SERVER, PURPOSE, made.extended_key_usage("clientAuth"))
    ),
    "client's certificate is for servers": Case(
        "extended-key-usage", changed(CLIENT, PURPOSE, made.extended_key_usage("serverAuth"))
    ),
    "certificate for signing code": Case(
        "extended-key-usage", changed(SERVER, PURPOSE, made.extended_key_usage("codeSigning"))
    ),
    "intermediate for mail": Case(
        "extended-key-usage", chain=(changed(INTERMEDIATE, PURPOSE, made.extended_key_usage("emailProtection")),)
    ),
    "server's key too short": Case(
        "weak-key", replace(SERVER, key=made.key("rsa1024")), unlike_cryptography=ANY_LEAF_KEY
    ),
    "client's key too short": Case(
        "weak-key", replace(CLIENT, key=made.key("rsa1024")), unlike_cryptography=ANY_LEAF_KEY
    ),
    "intermediate's key too short": Case("weak-key", **below(replace(INTERMEDIATE, key=made.key("rsa1024")))),
    "curve too small": Case("weak-key", replace(SERVER, key=made.key("p192")), unlike_cryptography=ANY_LEAF_KEY),
    "server signed with SHA-1": Case("weak-signature", replace(SERVER, digest="sha1")),
    "client signed with SHA-1": Case("weak-signature", replace(CLIENT, digest="sha1")),
    "intermediate signed with SHA-1": Case("weak-signature", chain=(replace(INTERMEDIATE, digest="sha1"),)),
    "server signed with MD5": Case(
        "weak-signature",
        **below(replace(INTERMEDIATE, key=made.key("rsa2048")), replace(SERVER, digest="md5")),
    ),
    "host outside the permitted names": Case("name-constraints", **constrained(permitted=[made.dns("example.org")])),
    "host within the excluded names": Case("name-constraints", **constrained(excluded=[made.dns(".example.test")])),
    "address outside the permitted ones": Case(
        "name-constraints",
        **constrained(made.ip(b"\x0b\0\0\1"), permitted=[made.ip(b"\x0a\0\0\0\xff\0\0\0")]),
    ),
    "subject outside the permitted directory": Case(
        "name-constraints", **constrained(permitted=[made.tlv(0xA4, made.name("O=Other"))])
    ),
    "client's address outside the permitted domain": Case(
        "name-constraints",
        **constrained(made.tlv(0x81, b"alice@example.test"), leaf=CLIENT, permitted=[made.tlv(0x81, b"example.org")]),
    ),
    "unknown critical extension": Case(
        "critical-extensions",
        replace(SERVER, extensions=(*SERVER.extensions, made.extension("1.2.3.4", b"\5\0", critical=True))),
    ),
    "unknown critical extension of the intermediate": Case(
        "critical-extensions",
        chain=(
            replace(
                INTERMEDIATE,
                extensions=(*INTERMEDIATE.extensions, made.extension("1.2.3.4", b"\5\0", critical=True)),
            ),
        ),
    ),
    "names that cannot be parsed": Case("well-formed", changed(SERVER, NAMES, made.extension(NAMES, DAMAGE))),
    "key usage that cannot be parsed": Case("well-formed", changed(SERVER, USAGE, made.extension(USAGE, DAMAGE))),
    "date that does not exist": Case("well-formed", replace(SERVER, not_after=made.tlv(0x17, b"261332000000Z"))),
    "extension twice": Case("well-formed", replace(SERVER, extensions=(*SERVER.extensions, *SERVER.extensions[-1:]))),
    "staple says revoked": Case(
        "ocsp-staple",
        exchange={"staple": made.staple(SERVER, status=OCSPCertStatus.REVOKED)},
        unlike_cryptography=NO_REVOCATION,
    ),
    "staple says unknown": Case(
        "ocsp-staple",
        exchange={"staple": made.staple(SERVER, status=OCSPCertStatus.UNKNOWN)},
        unlike_cryptography=NO_REVOCATION,
    ),
    "staple out of date": Case(
        "ocsp-staple",
        exchange={"staple": made.staple(SERVER, updated=NOW - 3 * DAY, due=NOW - 10**9)},
        unlike_cryptography=NO_REVOCATION,
    ),
    "staple of the future": Case(
        "ocsp-staple",
        exchange={"staple": made.staple(SERVER, updated=NOW + 10**9, due=NOW + DAY)},
        unlike_cryptography=NO_REVOCATION,
    ),
    "staple signed by a stranger": Case(
        "ocsp-staple",
        exchange={"staple": made.staple(SERVER, STRANGER)},
        unlike_cryptography=NO_REVOCATION,
    ),
    "staple signed by one who may not": Case(
        "ocsp-staple", exchange={"staple": made.staple(SERVER, CLIENT)}, unlike_cryptography=NO_REVOCATION
    ),
    "staple about another certificate": Case(
        "ocsp-staple",
        exchange={"staple": made.staple(replace(SERVER, serial=made.integer(5)))},
        unlike_cryptography=NO_REVOCATION,
    ),
    "responder refuses": Case("ocsp-staple", exchange={"staple": refusal}, unlike_cryptography=NO_REVOCATION),
    "staple that is none": Case("ocsp-staple", exchange={"staple": b"0"}, unlike_cryptography=NO_REVOCATION),
    "staple promised and not there": Case(
        "ocsp-staple",
        replace(
            SERVER,
            extensions=(
                *SERVER.extensions,
                made.extension("1.3.6.1.5.5.7.1.24", made.tlv(0x30, made.integer(5))),
            ),
        ),
        unlike_cryptography=NO_REVOCATION,
    ),
    "SCT embedded in another certificate": Case(
        "sct",
        replace(made.with_timestamps(LOG, SERVER), serial=made.integer(5)),
    ),
    "SCT with another certificate's signature": Case(
        "sct",
        exchange={"timestamps": made.timestamps(LOG, CLIENT)},
    ),
    "SCT of the future": Case(
        "sct",
        exchange={"timestamps": made.timestamps(LOG, SERVER, time=NOW + DAY)},
    ),
    "SCT of a time that no calendar has": Case(
        "sct", exchange={"timestamps": made.timestamps(LOG, SERVER, time=(2**64 - 1) * 10**6)}
    ),
    "server revoked": Case(
        "revocation-list",
        crls=(made.crl(INTERMEDIATE, *ALICE), made.crl(ROOT)),
        unlike_cryptography=NO_REVOCATION,
    ),
    "client revoked": Case(
        "revocation-list",
        CLIENT,
        crls=(made.crl(INTERMEDIATE, *ALICE), made.crl(ROOT)),
        unlike_cryptography=NO_REVOCATION,
    ),
    "intermediate revoked": Case(
        "revocation-list",
        crls=(made.crl(INTERMEDIATE), made.crl(ROOT, 2)),
        unlike_cryptography=NO_REVOCATION,
    ),
    "revoked in a list that is out of date": Case(
        "revocation-list",
        crls=(made.crl(INTERMEDIATE, *ALICE, due=NOW - 10**9), made.crl(ROOT)),
        unlike_cryptography=NO_REVOCATION,
    ),
    "other authorities requested": Case(
        "requested-authorities",
        CLIENT,
        exchange={"authorities": (STRANGER.subject, b"\x30\x82")},
    ),
    "other key types requested": Case(
        "requested-signature-scheme",
        CLIENT,
        exchange={"certificate_types": (1,)},
    ),
    "other signature schemes requested": Case(
        "requested-signature-scheme",
        CLIENT,
        exchange={"signature_schemes": (0x0401, 0x0804)},
    ),
    "server expires soon": Case("expires-soon", replace(SERVER, **SOON)),
    "client expires soon": Case("expires-soon", replace(CLIENT, **SOON)),
    "valid for too long": Case(
        "validity-too-long",
        replace(SERVER, not_before=made.utc_time(NOW - 300 * DAY)),
        public=True,
    ),
    "server's certificate is a CA's": Case(
        "leaf-is-ca",
        changed(SERVER, BASIC, made.basic_constraints(True)),
        unlike_cryptography="it refuses it, as rustls does; OpenSSL, Go and Java accept it",
    ),
    "sent in the wrong order": Case("chain-order", SECOND_SERVER, (WIDE, SECOND)),
    "a stranger was sent too": Case("chain-order", chain=(INTERMEDIATE, STRANGER)),
}


def judged(case: Case) -> Any:
    store = TrustStore("test", [Certificate(case.root.der())], public=case.public)
    logs = {made.log_id(LOG): TransparencyLog("Test Log", made.spki(LOG))}
    validator = Validator(store, store, crls=map(RevocationList, case.crls), settings=Settings(transparency_logs=logs))
    exchange = {"reference": HOST} | case.exchange if case.role == "server" else case.exchange
    return validator.validate(case.sent, Exchange(role=case.role, **exchange), time=NOW)


def accepted_by_cryptography(case: Case) -> bool:
    store = verification.Store([x509.load_der_x509_certificate(case.root.der())])
    policy = verification.PolicyBuilder().store(store).time(made.as_datetime(NOW))
    host = case.exchange.get("reference", HOST)
    try:
        leaf, *others = map(x509.load_der_x509_certificate, case.sent)
        if case.role == "client":
            policy.build_client_verifier().verify(leaf, others)
        else:
            subject = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
            policy.build_server_verifier(subject).verify(leaf, others)
    except (verification.VerificationError, ValueError):
        return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_exactly_the_check_that_the_fault_is_about_fails(name):
    case = CASES[name]
    report = judged(case).report
    failed = [one for one in report.checks if one.status == "fail"]
    assert {one.check for one in failed} == ({case.fails} if case.fails else set()), failed
    decides = case.fails is not None and case.role in Check(case.fails).decides
    assert report.status == ("fail" if decides else "pass")
    for one in failed:
        assert one.certificate and one.expected and one.got and one.citation


def test_nobody_looks_up_a_client_by_name():
    report = judged(CASES["client without subject alternative name"]).report
    checks = {one.check: one.status for one in report.checks}
    assert checks["name-match"] == checks["san-missing"] == "not-applicable"


@pytest.mark.parametrize("name", CASES)
def test_cryptography_agrees_or_the_difference_is_known(name):
    case = CASES[name]
    agrees = accepted_by_cryptography(case) == (judged(case).report.status == "pass")
    assert agrees == (case.unlike_cryptography is None)


def test_every_check_is_failed_by_some_case_and_there_are_many():
    faults = [case.fails for case in CASES.values() if case.fails is not None]
    assert set(faults) == set(CHECKS.names())
    assert len(faults) >= 40
