"""The path to the anchor is found through any mess that was sent, and the first missing link is named."""

from dataclasses import replace

import pki_builder as made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pki_builder import DAY, HOST, INTERMEDIATE, NOW, ROOT, SERVER, Spec

from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Exchange
from analyzer.pki.path import Path, Pool, Search
from analyzer.pki.trust import NO_STORE, TrustStore
from analyzer.pki.verdict import Validator

OLD_ROOT = replace(
    ROOT,
    subject=made.name("O=Test", "CN=Old Root"),
    issuer=made.name("O=Test", "CN=Old Root"),
    key=made.key("ec old root"),
    issuer_key=made.key("ec old root"),
)
CROSS = replace(ROOT, issuer=OLD_ROOT.subject, issuer_key=OLD_ROOT.key, serial=made.integer(7))
"""The root's name and key, certified by an older root."""


def store(*anchors: Spec) -> TrustStore:
    return TrustStore("test", [Certificate(one.der()) for one in anchors])


def find(*sent: Spec, anchors: tuple[Spec, ...] = (ROOT,), pool: Pool | None = None) -> Path:
    certificates = [Certificate(one.der()) for one in sent]
    return next(Search(certificates, store(*anchors), pool or Pool(), Certificate.signed_by).paths())


def subjects(path: Path) -> list[str]:
    return [one.subject.common_names[0] for one in path.certificates]


@pytest.mark.parametrize(
    "sent",
    [
        (SERVER, INTERMEDIATE),
        (SERVER, INTERMEDIATE, ROOT),
        (SERVER, ROOT, INTERMEDIATE),
        (SERVER, OLD_ROOT, INTERMEDIATE, INTERMEDIATE),
        (SERVER, INTERMEDIATE, CROSS),
        (SERVER, INTERMEDIATE, CROSS, OLD_ROOT),
    ],
)
def test_order_and_extras_do_not_hide_the_path(sent):
    path = find(*sent)
    assert subjects(path) == [HOST, "Intermediate", "Root"]
    assert path.anchor is path.certificates[-1]
    assert {link.status for link in path.links} == {"pass"}


def test_a_cross_certificate_leads_to_the_older_anchor():
    path = find(SERVER, INTERMEDIATE, CROSS, anchors=(OLD_ROOT,))
    assert subjects(path) == [HOST, "Intermediate", "Root", "Old Root"]


def test_an_intermediate_and_a_leaf_can_be_anchors():
    assert subjects(find(SERVER, anchors=(INTERMEDIATE,))) == [HOST, "Intermediate"]
    path = find(SERVER, INTERMEDIATE, anchors=(SERVER,))
    assert (subjects(path), path.links) == ([HOST], ())


@pytest.mark.parametrize(
    ("sent", "anchors", "fault", "words"),
    [
        ((SERVER,), (ROOT,), "issuer-not-sent", "CN=Intermediate,O=Test, which issued CN=www.example.test,O=Test"),
        ((SERVER, INTERMEDIATE), (OLD_ROOT,), "issuer-unknown", "CN=Root,O=Test, which issued CN=Intermediate"),
        ((SERVER, INTERMEDIATE, ROOT), (OLD_ROOT,), "issuer-unknown", "ends in the self-signed CN=Root"),
        ((ROOT,), (OLD_ROOT,), "self-signed", "CN=Root,O=Test is self-signed"),
    ],
)
def test_the_first_missing_link_is_named(sent, anchors, fault, words):
    path = find(*sent, anchors=anchors)
    assert (path.fault, path.anchor) == (fault, None)
    assert words in (path.explanation or "")


def test_an_intermediate_that_another_handshake_sent_is_named_and_not_believed():
    validator = Validator(store(ROOT))
    exchange = Exchange(role="server", reference=HOST)
    before = validator.validate([SERVER.der()], exchange, time=NOW)
    assert before.path is not None
    assert before.path.fault == "issuer-not-sent"
    validator.learn(INTERMEDIATE.der(), "tcp.stream 5")
    after = validator.validate([SERVER.der()], exchange, time=NOW)
    assert after.path is not None
    assert after.path.fault == "issuer-seen-elsewhere"
    assert after.report.status == "fail"
    (failed,) = (one for one in after.report.checks if one.status == "fail")
    assert failed.check == "issuer-known"
    assert failed.got == (
        "CN=Intermediate,O=Test, which issued CN=www.example.test,O=Test, was not sent here, but in tcp.stream 5"
    )


def test_an_intermediate_that_another_handshake_sent_and_that_leads_nowhere_is_not_named():
    pool = Pool()
    pool.learn(Certificate(INTERMEDIATE.der()), "tcp.stream 5")
    path = find(SERVER, anchors=(OLD_ROOT,), pool=pool)
    assert (subjects(path), path.fault) == ([HOST], "issuer-not-sent")


def said(anchors: tuple[Spec, ...], *sent: Spec) -> str:
    verdict = Validator(store(*anchors)).validate(
        [one.der() for one in sent], Exchange(role="server", reference=HOST), time=NOW
    )
    (report,) = (one for one in verdict.report.checks if one.check == "chain-order")
    return f"{report.status}: {report.got}"


def test_what_was_sent_amiss_is_said_in_words():
    assert said((ROOT,), SERVER, INTERMEDIATE) == "pass: None"
    assert said((ROOT,), SERVER, ROOT, INTERMEDIATE) == (
        "fail: number 2, CN=Root,O=Test, issued number 3, CN=Intermediate,O=Test"
    )
    assert "the anchor CN=Root,O=Test was sent too" in said((ROOT,), SERVER, INTERMEDIATE, ROOT)
    assert "number 3, CN=Intermediate,O=Test, was sent twice" in said((ROOT,), SERVER, INTERMEDIATE, INTERMEDIATE)
    assert "fail: number 3, CN=Old Root,O=Test, issued none" in said((ROOT,), SERVER, INTERMEDIATE, OLD_ROOT)
    assert said((ROOT,), SERVER, INTERMEDIATE, CROSS, OLD_ROOT) == (
        "pass: CN=Root,O=Test is cross-signed: CN=Old Root,O=Test issued the one sent, itself the one used; "
        "CN=Old Root,O=Test was sent too, and has no part in the path"
    )


def test_of_two_paths_the_one_that_is_valid_now_is_taken():
    expired = replace(ROOT, not_after=made.utc_time(NOW - DAY), serial=made.integer(8))
    for sent in ((SERVER, INTERMEDIATE), (SERVER, INTERMEDIATE, CROSS)):
        verdict = Validator(store(expired, OLD_ROOT)).validate(
            [one.der() for one in sent], Exchange(role="server", reference=HOST), time=NOW
        )
        assert verdict.report.status == ("pass" if CROSS in sent else "fail")


def test_a_hostile_mesh_is_given_up_and_said_so():
    names = [made.name(f"CN=mesh {i}") for i in range(12)]
    key = made.key("ec mesh")
    mesh = [
        replace(
            INTERMEDIATE, subject=subject, issuer=issuer, key=made.key(f"ec {i}"), issuer_key=key, identifiers=False
        )
        for i, subject in enumerate(names)
        for issuer in names
    ]
    leaf = replace(SERVER, issuer=names[0], issuer_key=key, identifiers=False)
    checked = []

    def verify(issued: Certificate, issuer: Certificate) -> object:
        checked.append(issued)
        return Certificate.signed_by(issuer, issuer)._replace(status="pass")

    certificates = [Certificate(one.der()) for one in (leaf, *mesh)]
    search = Search(certificates, store(ROOT), Pool(), verify)
    (path,) = search.paths()
    assert path.fault == "search-given-up"
    assert len(checked) <= 100
    assert len(path.certificates) <= 10


def test_among_many_of_the_same_name_the_one_with_the_right_key_is_found():
    forger = made.key("ec forger")
    forged = [replace(INTERMEDIATE, key=forger, serial=made.integer(i)) for i in range(10, 210)]
    twins = [replace(INTERMEDIATE, serial=made.integer(i)) for i in range(10, 210)]
    for others in (forged, twins, [replace(one, identifiers=False) for one in forged]):
        assert subjects(find(SERVER, *others, INTERMEDIATE)) == [HOST, "Intermediate", "Root"]


@given(st.permutations([INTERMEDIATE, ROOT, CROSS, OLD_ROOT]), st.integers(0, 4))
def test_in_any_order_the_root_is_reached_if_the_intermediate_was_sent(others, count):
    sent = others[:count]
    path = find(SERVER, *sent)
    assert (path.anchor is not None) == (INTERMEDIATE in sent)


def test_without_a_store_nothing_is_known():
    verdict = Validator(NO_STORE).validate(
        [SERVER.der(), INTERMEDIATE.der()], Exchange(role="server", reference=HOST), time=NOW
    )
    assert (verdict.report.status, verdict.report.anchor) == ("undetermined", None)
    assert [one.check for one in verdict.report.checks if one.status == "undetermined"] == ["issuer-known"]


def test_the_pool_forgets_nothing_and_stays_within_bounds():
    pool = Pool(limit=len(INTERMEDIATE.der()) + 1)
    certificates = [Certificate(one.der()) for one in (INTERMEDIATE, ROOT, OLD_ROOT)]
    for i, one in enumerate((*certificates, *certificates)):
        pool.learn(one, f"place {i}")
    assert [pool.where(one) for one in certificates] == ["place 0", "place 1", None]
    assert pool.version == 2
