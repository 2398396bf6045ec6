"""Every format of a graph is read by the programs that it is for, keeps its bytes, and takes no text for markup."""

import io
import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import networkx
import pytest
from browser import CHROMIUM, MISSING, Browser
from click.testing import CliRunner
from forged_reports import LEAF, capture, failed_handshake, handshake

import analyzer
from analyzer.cli.commands import graph as command
from analyzer.graph import columns as arranged
from analyzer.graph import legible, writers
from analyzer.graph.lanes import laned
from analyzer.graph.writers import _page
from analyzer.report.escape import visible
from analyzer.results import CertificateReport, ChainReport, Endpoint

CAPTURES = Path(__file__).parents[1] / "captures"
HOSTILE = "</script><script>pwned=1</script>\"'\\N]]>&amp;{}|\x1b]0;\x07\u202e\x00\u2028"
NAMES = ["a" * 200, "x" * 63 + ".example.com", "服务器.例え.テスト", "שרת.בדיקה.ישראל", HOSTILE, "\ud800", ""]
VIEWS = ["handshakes", "trust"]


def named(name):
    number = NAMES.index(name)
    made = CertificateReport(
        f"CN={name}", f"CN={name} CA", "0A", None, None, [name], name, name, f"{number:064x}", False, False
    )
    return failed_handshake(
        server=Endpoint(f"198.51.100.{number}", 443), server_name=name, capture=name, root_cause=name,
        display_filter=name, certificates={"server": [made], "client": []},
    )  # fmt: skip


def fleet(clients=60, servers=40):
    made = []
    for number in range(clients * 3):
        make = failed_handshake if number % 11 == 0 else handshake
        serial = number * 7 % servers
        leaf = CertificateReport(
            f"CN=host{serial},O=Org {serial % 5}", f"CN=CA {serial % 6}", "0A", *(LEAF.not_before, LEAF.not_after), [],
            LEAF.key, LEAF.algorithm, f"{serial:064x}", False, False,
        )  # fmt: skip
        made.append(
            make(
                client=Endpoint(f"10.0.{number % clients}.1", 50_000),
                server=Endpoint(f"198.51.100.{serial}", 443 + number % 2),
                server_name=f"host{serial}.example.com",
                certificates={"server": [leaf], "client": []},
            )
        )
    return capture(*made)


@pytest.fixture(params=VIEWS)
def view(request):
    return request.param


@pytest.mark.parametrize("name", writers.REGISTRY.names())
def test_documented_deterministic_and_at_ease_with_nothing(name, view):
    assert writers.REGISTRY.documentation(name)
    assert analyzer.graph(capture(), view=view).render(name)
    assert analyzer.graph(fleet(), view=view).render(name) == analyzer.graph(fleet(), view=view).render(name)


@pytest.mark.parametrize("name", writers.REGISTRY.names())
def test_hostile_names_are_drawn_and_say_nothing_else(name, view):
    report = capture(*(named(each) for each in NAMES), capture=HOSTILE)
    made = analyzer.graph(report, view=view).render(name)
    if name != "png":
        text = made.decode()
        assert all(character.isprintable() or character == "\n" for character in text)
        assert name in ("dot", "json") or "<script>pwned" not in text


def test_svg_is_xml_with_the_names_as_text(view):
    report = capture(*(named(each) for each in NAMES))
    tree = ElementTree.fromstring(analyzer.graph(report, view=view).render("svg"))
    text = "".join(tree.itertext())
    assert "服务器" in text and visible(HOSTILE)[:20] in text and "(200 characters)" in text


def test_themes_differ_and_neither_warns():
    graph = analyzer.graph(fleet())
    light, dark = graph.render("svg"), graph.render("svg", theme="dark")
    assert light != dark and b"#12161f" in dark
    assert graph._repr_svg_().encode() == light


def test_graphml_is_read_back_by_networkx(view):
    graph = analyzer.graph(fleet(), view=view)
    back = networkx.read_graphml(io.BytesIO(graph.render("graphml")), force_multigraph=True)
    assert set(back.nodes) == set(graph.network.nodes) and back.number_of_edges() == graph.network.number_of_edges()
    before, after = (sorted(about["count"] for _, _, about in one.edges(data=True)) for one in (graph.network, back))
    assert before == after


def test_json_holds_every_attribute(view):
    graph = analyzer.graph(fleet(), view=view)
    made = json.loads(graph.render("json"))
    assert made["view"] == view and made["nodes"][0] == {
        "id": (first := next(iter(graph.network))),
        **graph.network.nodes[first],
    }
    assert sum(edge["count"] for edge in made["edges"]) == sum(c for _, _, c in graph.network.edges(data="count"))


@pytest.mark.skipif(not shutil.which("dot"), reason="no Graphviz (Debian: apt-get install graphviz)")
def test_graphviz_draws_the_dot(view):
    report = capture(*(named(each) for each in NAMES if each), *fleet().handshakes)
    made = analyzer.graph(report, view=view).render("dot")
    drawn = subprocess.run(["dot", "-Tjson"], input=made, capture_output=True, check=True)
    graph = json.loads(drawn.stdout)
    network = analyzer.graph(report, view=view).network
    assert len(graph["objects"]) == len(network) and len(graph["edges"]) == network.number_of_edges()
    assert b"error" not in drawn.stderr.lower()


def crossed():
    """Chains of which links skip columns, to the right and to the left, or stay in one."""

    def certificate(subject, issuer):
        return CertificateReport(
            f"CN={subject}", f"CN={issuer}", "0A", None, None, [], "EC", "ecdsa", subject.encode().hex().zfill(64),
            False, not subject.startswith("leaf"),
        )  # fmt: skip

    a, b, c = certificate("A", "B"), certificate("B", "C"), certificate("C", "Root")
    chains = [
        ("Root", [certificate("leaf1", "A"), a, b, c]),
        ("Root", [certificate("leaf2", "Root")]),
        ("Root", [certificate("leaf3", "C"), c]),
        ("X", [certificate("leaf4", "X"), certificate("X", "A"), a, b, c]),
        ("Y", [certificate("leaf5", "Y"), certificate("Y", "Root")]),
        ("Root", [c]),
    ]
    return capture(
        *(
            handshake(
                server=Endpoint(f"198.51.100.{number}", 443),
                certificates={"server": sent, "client": []},
                chain={"server": ChainReport("pass", f"CN={anchor}", []), "client": None},
            )
            for number, (anchor, sent) in enumerate(chains)
        )
    )


# The picture


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def along(curve):
    """Points of a curve, by De Casteljau."""
    reach = _page.LOOP if curve.loop else (curve.x2 - curve.x1) / 2
    ends = (curve.x1, curve.y1), (curve.x2, curve.y2)
    bends = (curve.x1 + reach, curve.y1), (curve.x2 + (reach if curve.loop else -reach), curve.y2)
    for step in range(101):
        points = [ends[0], *bends, ends[1]]
        while len(points) > 1:
            points = [tuple(a + (b - a) * step / 100 for a, b in zip(*two, strict=True)) for two in pairwise(points)]
        yield points[0]


@pytest.mark.parametrize(
    "report",
    [fleet(), fleet(4, 90), capture(*map(named, NAMES)), crossed()],
    ids=["fleet", "servers", "names", "crossed"],
)
def test_nothing_overlaps_or_leaves_the_page(report, view):
    picture = legible.ordered(laned(legible.limited(arranged.columns(analyzer.graph(report, view=view)))))
    made = _page.arrange(picture, "a note")
    page = made.page
    cards = [item for item in page.items if isinstance(item, _page.Box) and item.fill == "card"]
    boxes = [(card.x, card.y, card.x + card.width, card.y + card.height) for card in cards]
    assert len(boxes) == len([card for card in picture.cards if not card.leads_to])
    for x, y in (point for curve in made.curves for point in along(curve)):
        assert 0 <= x <= page.width and 0 <= y <= page.height
        assert not [1 for left, top, right, bottom in boxes if left + 0.1 < x < right - 0.1 and top < y < bottom]
    assert not [1 for at, one in enumerate(boxes) for other in boxes[:at] if overlap(one, other)]
    texts = []
    for item in page.items:
        if isinstance(item, _page.Text):
            width = _page._fonts.width(item.text, item.size, item.bold)
            left = item.x - (width if item.anchor == "right" else 0)
            texts.append((left, item.y - item.size * 0.75, left + width, item.y + item.size * 0.2))
    assert not [
        1 for left, top, right, bottom in texts if left < 0 or top < 0 or right > page.width or bottom > page.height
    ]
    for text in texts:  # a text that begins in a card ends in it
        for box in boxes:
            if box[0] <= text[0] < box[2] and box[1] <= text[1] < box[3]:
                assert text[2] <= box[2] and text[3] <= box[3]
    inside = [text for text in texts if any(box[0] <= text[0] < box[2] and box[1] <= text[1] < box[3] for box in boxes)]
    assert not [1 for at, one in enumerate(inside) for other in inside[:at] if overlap(one, other)]


def test_links_pass_columns_in_lanes_and_end_where_they_did():
    whole = arranged.columns(analyzer.graph(crossed(), view="trust"))
    picture = laned(whole)
    column = {card.key: card.column for card in picture.cards}
    assert {abs(column[link.target] - column[link.source]) for link in whole.links} >= {0, 1, 2, 3}
    assert {column[link.target] - column[link.source] for link in picture.links} == {-1, 0, 1}
    assert [card for card in picture.cards if not card.leads_to] == whole.cards
    assert [picture.rows(card) for card in whole.cards] == [whole.rows(card) for card in whole.cards]


def test_what_is_not_shown_one_by_one_is_said():
    text = analyzer.graph(fleet()).render("svg").decode()
    assert "Of 60 clients and 40 servers the most telling are shown one by one" in text
    assert re.search(r"\d+ more clients", text) and re.search(r"\d+ more servers", text)


# In a browser


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with Browser() as started:
        yield started


@pytest.fixture
def opened(browser, tmp_path):
    def open_(report, view="handshakes", **look):
        analyzer.graph(report, view=view).save(tmp_path / "graph.html")
        browser.open(tmp_path / "graph.html", **look)
        return browser

    yield open_
    assert browser.complaints == [] and browser.requests == []
    assert browser.run("typeof pwned") == "undefined"


def test_a_card_is_followed_and_let_go(opened):
    browser = opened(fleet(12, 6))
    assert len(browser.texts(".card")) == 18
    lines = browser.run("document.querySelectorAll('#lines g').length")
    assert lines == len(arranged.columns(analyzer.graph(fleet(12, 6))).links)
    browser.run("document.querySelector('section:last-of-type .title').focus()")
    browser.press("Enter")
    browser.until("document.querySelector('.chosen')")
    assert browser.text("#status").startswith("Only what is linked with host")
    assert 1 < len(browser.texts(".card")) < 18
    browser.press("Escape")
    browser.until("document.querySelectorAll('.card').length === 18")


def test_no_line_runs_behind_a_card(opened):
    browser = opened(crossed(), "trust", width=2600)
    assert browser.run("document.querySelectorAll('#lines polygon').length") == len(
        arranged.columns(analyzer.graph(crossed(), view="trust")).links
    )
    hidden = """[...document.querySelectorAll('#lines path')].filter((path) => {
        const origin = document.getElementById('graph').getBoundingClientRect();
        const boxes = [...document.querySelectorAll('.card')].map((one) => one.getBoundingClientRect());
        return [...Array(101).keys()].some((step) => {
            const point = path.getPointAtLength(path.getTotalLength() * step / 100);
            const [x, y] = [point.x + origin.left, point.y + origin.top];
            return boxes.some(({left, right, top, bottom}) => left + 1 < x && x < right - 1 && top < y && y < bottom);
        });
    }).length"""
    assert browser.run(hidden) == 0


def test_verdicts_are_chosen_and_names_searched(opened):
    browser = opened(fleet(12, 6))
    browser.run("document.querySelector('[data-tone=mutual]').click()")
    assert set(browser.run("[...document.querySelectorAll('#lines g')].map((one) => one.getAttribute('class'))")) == {
        "failed"
    }
    browser.run("document.querySelector('form [type=reset]').click()")
    browser.until("document.querySelectorAll('.card').length === 18")
    browser.run(
        "{ const f = document.getElementById('search'); f.value = 'HOST3'; f.form.dispatchEvent(new Event('input')) }"
    )
    assert browser.texts("section:last-of-type .card .title") == ["host3.example.com"]


def test_many_cards_are_shown_step_by_step(opened):
    browser = opened(fleet(100, 90))
    before = len(browser.texts("section:first-of-type .card"))
    assert browser.text("section:first-of-type .more").endswith(f"more of {100 - before}")
    browser.run("document.querySelector('section:first-of-type .more').click()")
    assert len(browser.texts("section:first-of-type .card")) == 2 * before


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_text_stays_text(opened, view):
    browser = opened(capture(*map(named, NAMES), capture=HOSTILE), view)
    assert visible(HOSTILE) in browser.run("document.querySelector('header').textContent")
    assert visible(HOSTILE) in browser.run("document.getElementById('graph').textContent")
    assert browser.run("document.querySelectorAll('#graph script, #graph img').length") == 0


# The command


def test_the_command_draws_what_python_draws(tmp_path):
    names = [str(CAPTURES / name) for name in ("mutual-tls12.pcap", "two-servers.pcap")]
    done = CliRunner().invoke(command.command, [*names, "--view", "trust", "-o", str(tmp_path / "graph.svg")])
    assert done.exit_code == 0
    drawn = analyzer.graph(analyzer.analyze_many(names), view="trust").render("svg")
    assert (tmp_path / "graph.svg").read_bytes() == drawn


def test_what_encryption_hides_from_the_view_of_trust_is_said():
    sealed = str(CAPTURES / "mutual-tls13.pcap")
    said = "1 handshake hides its certificates by encryption: a key log with its secrets (--keylog) shows them"
    for view, secrets, expected in (
        ("trust", [], f"mtlscope: {said}\n"),
        ("handshakes", [], ""),
        ("trust", ["--keylog", str(CAPTURES / "keys" / "mutual-tls13.keys")], ""),
    ):
        done = CliRunner().invoke(command.command, [sealed, "--view", view, "--format", "json", *secrets])
        assert (done.exit_code, done.stderr) == (0, expected)
        assert (said in json.loads(done.stdout)["subtitle"]) == bool(expected)


def test_the_command_redacts_and_writes_to_stdout():
    done = CliRunner().invoke(command.command, [str(CAPTURES / "mutual-tls12.pcap"), "--format", "json", "--redact"])
    assert json.loads(done.output)["subtitle"] == "capture-1.pcap: 1 handshake, 2 hosts"
    assert "service.example.com" not in done.output
