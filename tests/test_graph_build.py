"""A graph counts every handshake once, tells verdicts apart, and follows certificates to whoever issued them."""

import sys

import pytest
from forged_reports import LEAF, capture, failed_handshake, handshake
from hypothesis import given
from hypothesis import strategies as st

import analyzer
from analyzer.graph import columns as arranged
from analyzer.graph import legible
from analyzer.results import CertificateReport, ChainReport, CheckReport, Endpoint

ROOT, INTERMEDIATE = "CN=Root,O=Trust", "CN=Intermediate,O=Trust"


def certificate(number, subject, issuer, **changes):
    known = {
        "subject": subject, "issuer": issuer, "serial_number": "0A", "not_before": "2026-01-01T00:00:00Z",
        "not_after": "2027-01-01T00:00:00Z", "san": [], "key": "EC secp256r1", "algorithm": "ecdsa-with-SHA256",
        "sha256": f"{number:064x}", "self_signed": subject == issuer, "ca": False,
    }  # fmt: skip
    return CertificateReport(**{**known, **changes})


def leaf(number, issuer=INTERMEDIATE):
    return certificate(number, f"CN=host{number}.example", issuer)


ISSUING = certificate(1000, INTERMEDIATE, ROOT, ca=True)
PASSES = ChainReport("pass", ROOT, [CheckReport("issuer-known", "pass", None, None, None, None)])
FAILS = ChainReport("fail", None, [CheckReport("issuer-known", "fail", None, None, None, None)])


def served(number, chain, verdict, **changes):
    made = {"certificates": {"server": chain, "client": []}, "chain": {"server": verdict, "client": None}}
    return handshake(server=Endpoint(f"198.51.100.{number}", 443), **made, **changes)


def edges(graph):
    return [about for _, _, about in graph.network.edges(data=True)]


# Who shook hands with whom


def test_handshakes_of_the_same_verdict_are_one_edge():
    report = capture(
        handshake(), handshake(version="TLSv1.3", authentication_basis="inferred"), handshake(), failed_handshake(),
        handshake(authentication="one-way"), handshake(server=Endpoint("2001:db8::7", 443)),
    )  # fmt: skip
    graph = analyzer.graph(report)
    told = {(about["port"], about["authentication"], about["outcome"]): about for about in edges(graph)}
    assert {key: about["count"] for key, about in told.items()} == {
        (8443, "mutual", "established"): 3,
        (8443, "requested-not-provided", "failed"): 1,
        (8443, "one-way", "established"): 1,
        (443, "mutual", "established"): 1,
    }
    mutual = told[8443, "mutual", "established"]
    assert mutual["versions"] == {"TLSv1.2": 2, "TLSv1.3": 1} and mutual["bases"] == {"observed": 2, "inferred": 1}
    assert told[8443, "requested-not-provided", "failed"]["causes"] == {"client-certificate-missing": 1}
    assert [mutual["tone"], told[8443, "requested-not-provided", "failed"]["tone"]] == ["mutual", "failed"]


def test_hosts_are_called_as_clients_and_certificates_call_them():
    graph = analyzer.graph(capture(handshake(), handshake(server_name="other.example"), handshake()))
    client, server = graph.network.nodes["192.0.2.10"], graph.network.nodes["2001:db8::7"]
    assert client["names"] == {"mydomain.example": 3} and client["client"] == 3 and client["server"] == 0
    assert server["names"] == {"mydomain.example": 2, "other.example": 1} and server["label"] == "mydomain.example"
    bare = handshake(server_name=None, certificates={"server": [], "client": []})
    assert analyzer.graph(capture(bare)).network.nodes["2001:db8::7"]["label"] == "2001:db8::7"


def test_a_host_that_is_both_stands_in_both_columns():
    proxy = handshake(client=Endpoint("2001:db8::7", 1), server=Endpoint("192.0.2.99", 443))
    picture = arranged.columns(analyzer.graph(capture(handshake(), proxy)))
    assert [(card.column, card.lines[0]) for card in picture.cards if card.key.endswith("2001:db8::7")] == [
        (0, "2001:db8::7"),
        (1, "2001:db8::7"),
    ]
    assert next(card.tag for card in picture.cards if card.key == "client 2001:db8::7") == "also a server"


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 40), st.sampled_from(["mutual", "one-way"]), st.booleans()),
        max_size=120,
    )
)
def test_every_handshake_is_counted_once_however_few_cards_are_shown(tried):
    handshakes = [
        (failed_handshake if failed else handshake)(
            client=Endpoint(f"10.0.0.{client}", 50000), server=Endpoint(f"10.1.0.{server}", 443), authentication=verdict
        )
        for client, server, verdict, failed in tried
    ]
    graph = analyzer.graph(capture(*handshakes))
    assert sum(about["count"] for about in edges(graph)) == len(tried)
    whole = arranged.columns(graph)
    few = legible.ordered(legible.limited(whole, most=8))
    for picture in (whole, few):
        assert sum(link.count for link in picture.links) == len(tried)
        assert {end for link in picture.links for end in (link.source, link.target)} <= {c.key for c in picture.cards}
        assert sum(row.count for card in picture.cards for row in picture.rows(card)) == len(tried)
    for column in (0, 1):
        shown = [card for card in few.cards if card.column == column]
        assert len(shown) <= 8
        assert sum(card.members for card in shown) == sum(card.column == column for card in whole.cards)


def test_failures_are_shown_before_what_is_frequent():
    busy = [handshake(server=Endpoint(f"10.0.0.{number}", 443)) for number in range(50) for _ in range(3)]
    report = capture(*busy, failed_handshake(server=Endpoint("10.9.9.9", 443)))
    few = legible.limited(arranged.columns(analyzer.graph(report)), most=8)
    assert "server 10.9.9.9" in {card.key for card in few.cards if card.members == 1}
    (group,) = [card for card in few.cards if card.members > 1 and card.column == 1]
    assert group.title == f"{group.members} more servers" and group.weight == group.members * 3


# Who trusts whom


def test_certificates_lead_to_their_issuers_and_the_anchor():
    graph = analyzer.graph(capture(served(1, [leaf(1), ISSUING], PASSES), served(2, [leaf(2)], FAILS)), view="trust")
    network = graph.network
    first, second, issuing = (f"sha256:{number:064x}" for number in (1, 2, 1000))
    issued = {(a, b): about["sent"] for a, b, about in network.edges(data=True) if about["kind"] == "issued-by"}
    assert issued == {(first, issuing): True, (second, issuing): False, (issuing, f"name:{ROOT}"): False}
    assert network.nodes[f"name:{ROOT}"] == {"kind": "issuer", "label": "Root", "subject": ROOT, "anchor": True}
    assert network.nodes[first]["leaf"] and not network.nodes[issuing]["leaf"]
    presented = {a: (b, about["chain"], about["tone"]) for a, b, about in network.edges(data=True) if "side" in about}
    assert presented == {"198.51.100.1": (first, "pass", "mutual"), "198.51.100.2": (second, "fail", "failed")}
    assert [about["failures"] for about in edges(graph) if about.get("chain") == "fail"] == [{"issuer-known": 1}]


def test_a_certificate_counts_its_verdicts_and_peers():
    clients = [Endpoint(f"192.0.2.{number}", 1) for number in (1, 2, 2)]
    passes = [served(1, [leaf(1)], PASSES, client=client) for client in clients]
    graph = analyzer.graph(capture(*passes, served(1, [leaf(1)], FAILS)), view="trust")
    told = {about["chain"]: (about["count"], about["peers"]) for about in edges(graph) if "side" in about}
    assert told == {"pass": (3, 2), "fail": (1, 1)}


def test_a_self_signed_certificate_has_no_issuer_but_itself():
    alone = certificate(7, "CN=me", "CN=me")
    graph = analyzer.graph(capture(served(1, [alone], FAILS)), view="trust")
    assert [about["kind"] for about in edges(graph)] == ["presented"]
    assert next(card.tag for card in arranged.columns(graph).cards if card.column == 1) == "self-signed"


def test_issuers_that_certify_each_other_do_not_hang():
    one = certificate(1, "CN=A", "CN=B", ca=True)
    other = certificate(2, "CN=B", "CN=A", ca=True)
    graph = analyzer.graph(capture(served(1, [leaf(3, "CN=A"), one, other], FAILS)), view="trust")
    assert len(arranged.columns(graph).cards) == 4
    assert graph.render("svg").startswith(b"<?xml")


def test_anchors_stand_in_the_last_column():
    report = capture(served(1, [leaf(1), ISSUING], PASSES), served(2, [leaf(2, ROOT)], PASSES))
    picture = arranged.columns(analyzer.graph(report, view="trust"))
    assert picture.heads == ("Presented by", "Certificates", "Issued by", "Authorities")
    assert {card.title: card.column for card in picture.cards}["Root"] == 3


# The door


def test_several_reports_make_one_graph():
    graph = analyzer.graph([capture(handshake()), capture(handshake(), failed_handshake(), capture="b.pcap")])
    assert graph.subtitle == "2 captures: 3 handshakes, 2 hosts"
    assert analyzer.graph(capture(handshake())).subtitle.startswith("a.pcap: 1 handshake")


def test_no_other_view_and_no_other_format(tmp_path):
    with pytest.raises(analyzer.UsageError, match="nonsense: no view"):
        analyzer.graph(capture(), view="nonsense")
    with pytest.raises(analyzer.UsageError, match=r"graph\.xyz: its suffix says no format of graphs"):
        analyzer.graph(capture()).save(tmp_path / "graph.xyz")


def test_the_function_stays_where_the_package_of_its_name_is_imported():
    import analyzer.graph.build
    import analyzer.graph.writers

    assert callable(analyzer.graph) and "analyzer.graph.build" in sys.modules


def test_subjects_with_escaped_commas_are_named_by_all_of_their_common_name():
    from analyzer.graph.names import common_name

    assert common_name("O=X,CN=Acme\\, Inc.,C=DE") == "Acme, Inc."
    assert common_name("O=X,C=DE") == "O=X,C=DE" and common_name(LEAF.subject) == "mydomain.example"
