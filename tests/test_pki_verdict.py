"""A verdict that is remembered is the verdict that would be found afresh."""

from dataclasses import replace

import pki_builder as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pki_builder import CLIENT, DAY, HOST, INTERMEDIATE, NOW, ROOT, SERVER
from test_pki_matrix import STRANGER

from analyzer.pki import verdict as verdict_module
from analyzer.pki.certificate import Certificate
from analyzer.pki.context import Answer, Exchange
from analyzer.pki.revocation import RevocationList
from analyzer.pki.times import Moment
from analyzer.pki.trust import NO_STORE, TrustStore
from analyzer.pki.verdict import CHECKS, Validator
from analyzer.results import ChainReport, CheckReport

STORE = TrustStore("test", [Certificate(ROOT.der())])
CHAIN = [SERVER.der(), INTERMEDIATE.der()]
CRL = RevocationList(made.crl(INTERMEDIATE, 0x1234567890, revoked=NOW + 5 * DAY, due=NOW + 20 * DAY))
STAPLE = made.staple(SERVER, updated=NOW - 3 * DAY, due=NOW + 4 * DAY)
EXCHANGES = [
    Exchange(role="server", reference=HOST),
    Exchange(role="server", reference="other.example.test"),
    Exchange(role="server", reference=HOST, staple=STAPLE),
    Exchange(role="server"),
    Exchange(role="client"),
    Exchange(role="client", signature_schemes=(0x0804,)),
    Exchange(role="client", authorities=()),
    Exchange(role="client", authorities=(SERVER.subject,)),
]
EDGES = [
    edge + step
    for edge in (
        NOW - 1000 * DAY,
        NOW - 100 * DAY,
        NOW - 3 * DAY,
        NOW,
        NOW + 4 * DAY,
        NOW + 5 * DAY,
        NOW + 20 * DAY,
        NOW + 70 * DAY,
        NOW + 100 * DAY,
        NOW + 1000 * DAY,
    )
    for step in (-1, 0, 1, 10**9)
]


def fresh() -> Validator:
    return Validator(STORE, STORE, crls=[CRL])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([CHAIN, CHAIN[:1], CHAIN[::-1], [CLIENT.der(), INTERMEDIATE.der()]]),
            st.sampled_from(EXCHANGES),
            st.sampled_from(EDGES),
        ),
        max_size=30,
    )
)
def test_whatever_was_asked_before_the_answer_is_the_same(questions):
    kept = fresh()
    for chain, exchange, time in questions:
        expected = fresh().validate(chain, exchange, time=time).report
        assert kept.validate(chain, exchange, time=time).report == expected


def test_a_chain_seen_again_is_not_judged_again(monkeypatch):
    validator = fresh()
    first = validator.validate(CHAIN, EXCHANGES[0], time=NOW)
    monkeypatch.setattr(Validator, "_judge", None)
    assert validator.validate([bytes(bytearray(one)) for one in CHAIN], EXCHANGES[0], time=NOW + 3600) is first
    with pytest.raises(TypeError):
        validator.validate(CHAIN, EXCHANGES[0], time=NOW + 200 * DAY)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(verdict_module, "_KEPT_BYTES", 40_000)
    validator = fresh()
    for serial in range(40):
        validator.validate([replace(SERVER, serial=made.integer(serial)).der(), CHAIN[1]], EXCHANGES[0], time=NOW)
    assert len(validator._certificates._kept) < 5
    assert len(validator._verdicts._kept) < 3
    for days in range(-120, 120, 5):
        validator.validate(CHAIN, EXCHANGES[2], time=NOW + days * DAY)
    assert all(len(known) <= 8 for known in validator._verdicts._kept.values())


def test_one_certificate_larger_than_all_memory_is_still_judged(monkeypatch):
    monkeypatch.setattr(verdict_module, "_KEPT_BYTES", 10)
    validator = fresh()
    assert validator.validate(CHAIN, EXCHANGES[0], time=NOW).report.status == "pass"
    assert not validator._certificates._kept


def test_no_certificates_yield_no_checks():
    assert fresh().validate([], EXCHANGES[0], time=NOW).report == ChainReport("undetermined", None, [])


def test_the_anchor_and_its_store_are_named():
    dated = TrustStore("mine", [Certificate(ROOT.der())], date="2026-01-02")
    report = Validator(TrustStore.union([NO_STORE, dated])).validate(CHAIN, EXCHANGES[0], time=NOW).report
    assert report.anchor == "CN=Root,O=Test"
    (known,) = (one for one in report.checks if one.check == "issuer-known")
    assert known.got == "CN=Root,O=Test in mine of 2026-01-02 (1 anchor)"
    assert known.certificate == Certificate(ROOT.der()).sha256


def test_servers_and_clients_are_judged_by_their_own_stores():
    validator = Validator(STORE)
    assert validator.validate(CHAIN, EXCHANGES[0], time=NOW).report.status == "pass"
    client = [CLIENT.der(), INTERMEDIATE.der()]
    assert validator.validate(client, Exchange(role="client"), time=NOW).report.status == "undetermined"


def known_issuer(validator: Validator, *chain: bytes, answer: Answer | None = None, time: int = NOW) -> CheckReport:
    report = validator.validate(chain, Exchange(role="server", reference=HOST, answer=answer), time=time).report
    (found,) = (one for one in report.checks if one.check == "issuer-known")
    assert report.status == found.status
    return found


def strangers(date: str | None) -> TrustStore:
    return TrustStore("others", [Certificate(STRANGER.der())], date=date)


@pytest.mark.parametrize(
    ("date", "answer", "status", "reason"),
    [
        ("2026-09-01", "went-on", "undetermined", "the client went on, and others of 2026-09-01 (1 anchor) merely"),
        ("2026.09.01", None, "fail", "no anchor"),
        ("2027.9.1", None, "fail", "no anchor"),
        ("2027.10.1", None, "undetermined", "is of more than 365 days after"),
        ("2027-10-01", "refused", "fail", "no anchor"),
        ("lately", None, "fail", "no anchor"),
        ("2027-13-01", None, "fail", "no anchor"),
        (None, "went-on", "undetermined", "the client went on"),
    ],
)
def test_a_store_that_nobody_named_says_little_of_a_client_that_went_on_or_of_long_ago(date, answer, status, reason):
    found = known_issuer(Validator(strangers(date), assumed=True), *CHAIN, answer=answer)
    assert found.status == status
    assert reason in (found.got or "")
    assert (found.got or "").startswith("CN=Root,O=Test, which issued CN=Intermediate,O=Test, is no anchor")
    assert known_issuer(Validator(strangers(date)), *CHAIN, answer=answer).status == "fail"


def test_a_link_that_is_missing_is_missing_whatever_the_client_trusts():
    validator = Validator(STORE, assumed=True)
    assert known_issuer(validator, CHAIN[0], answer="went-on").status == "undetermined"
    validator.learn(INTERMEDIATE.der(), "tcp.stream 5")
    assert known_issuer(validator, CHAIN[0], answer="went-on").status == "fail"


def test_the_day_from_which_a_store_counts_is_kept_in_mind():
    kept = Validator(strangers("2027-09-21"), assumed=True)
    for days in (-5, 5, -4, 4):
        fresh_one = Validator(strangers("2027-09-21"), assumed=True)
        expected = "undetermined" if days < 0 else "fail"
        for validator in (kept, fresh_one):
            assert known_issuer(validator, *CHAIN, time=NOW + days * DAY).status == expected


@given(st.binary(max_size=200), st.lists(st.binary(max_size=60), max_size=3), st.sampled_from(EXCHANGES))
def test_any_bytes_get_a_verdict(leaf, others, exchange):
    verdict = fresh().validate([leaf, *others], exchange, time=NOW)
    assert {one.check for one in verdict.report.checks} == set(CHECKS.names())
    assert verdict.report.status != "pass"


@given(st.integers(0, len(CHAIN[0]) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_leaf_gets_a_verdict(at, change):
    leaf = CHAIN[0][:at] + bytes([CHAIN[0][at] ^ change]) + CHAIN[0][at + 1 :]
    exchange = Exchange(role="server", reference=HOST, staple=leaf, timestamps=leaf, authorities=(leaf,))
    assert fresh().validate([leaf, CHAIN[1]], exchange, time=NOW).report.checks


def test_thousands_of_names_against_thousands_of_constraints_are_given_up():
    authority = replace(
        INTERMEDIATE,
        extensions=(
            *INTERMEDIATE.extensions,
            made.name_constraints(excluded=[made.dns(f"no{i}.test") for i in range(2000)]),
        ),
    )
    leaf = replace(SERVER, extensions=(made.san(made.dns(HOST), *(made.dns(f"h{i}.test") for i in range(2000))),))
    report = fresh().validate([leaf.der(), authority.der()], EXCHANGES[0], time=NOW).report
    (one,) = (one for one in report.checks if one.check == "name-constraints")
    assert one.status == "undetermined"


def test_a_list_of_many_names_is_cut_and_says_so():
    names = (made.dns(f"host{i}.test") for i in range(50))
    leaf = replace(SERVER, extensions=(made.san(*names),))
    report = fresh().validate([leaf.der(), CHAIN[1]], EXCHANGES[0], time=NOW).report
    (one,) = (one for one in report.checks if one.check == "name-match")
    assert one.got is not None
    assert one.got.endswith("; DNS:host19.test; and 30 more")


@pytest.mark.parametrize("name", CHECKS.names())
def test_every_check_documents_itself(name):
    module = CHECKS.load(name)
    assert CHECKS.documentation(name)
    assert module.CITATION
    assert set(module.DECIDES) <= {"server", "client"}


@given(st.integers(-10, 10), st.lists(st.integers(-10, 10)), st.integers(-10, 10))
def test_a_moment_knows_for_which_times_its_answers_hold(time, instants, other):
    moment = Moment(time)
    answers = [moment.reached(one) for one in instants]
    if moment.since <= other < moment.until:
        assert [Moment(other).reached(one) for one in instants] == answers
