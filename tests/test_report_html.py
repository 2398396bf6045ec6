"""The report's page does in a browser what it promises, asks nobody for anything, and takes no text for markup."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import CHROMIUM, MISSING, Browser
from forged_reports import START, capture, failed_handshake, handshake

import analyzer
from analyzer.report.escape import visible
from analyzer.report.formats import html
from analyzer.results import AlertReport, CertificateReport, Endpoint, Evidence, HandshakeReference, MessageReport

CAPTURES = Path(__file__).parents[1] / "captures"
HOSTILE = "</script><script>pwned=1</script><img src=x onerror=pwned=1>\"'`{{7*7}}\x1b]0;\x07\u202e\u2028\u200b&amp;"
HOSTILE_DN = CertificateReport(
    f"CN={HOSTILE}", f"O={HOSTILE}", HOSTILE, None, None, [f"DNS:{HOSTILE}"], HOSTILE, HOSTILE, "00" * 32, False, False
)


def page(*reports):
    out = io.StringIO()
    html.write(reports, out)
    return out.getvalue()


def numbered(number, make=handshake, **changes):
    return make(
        **{
            "stream": number,
            "display_filter": f"tcp.stream eq {number}",
            "client": Endpoint(f"192.0.2.{number % 250 + 1}", 50_000 + number % 1000),
            "start": START + number * 10**9,
            **changes,
        }
    )


def several():
    """Twelve handshakes: 2 and 10 failed, 5 is one-way in TLS 1.3."""
    made = [numbered(number) for number in range(12)]
    made[2], made[10] = numbered(2, failed_handshake), numbered(10, failed_handshake)
    made[5] = numbered(5, authentication="one-way", version="TLSv1.3", server_name="other.example")
    return capture(*made)


# What is in the file


def data(text, id_):
    return re.search(rf'<script type="[a-z/]+" id="{id_}">(.*?)</script>', text, re.DOTALL)[1]


def test_same_report_same_bytes():
    assert page(several()) == page(several())


def test_the_policy_allows_the_one_script_and_no_request():
    text = page(several())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;;" in policy and policy.startswith("default-src &#39;none&#39;;")
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", text.replace(script, ""))


def test_data_for_the_script_ends_where_it_should():
    text = page(capture(handshake(server_name=HOSTILE, capture=HOSTILE), capture=HOSTILE))
    for id_ in ("rows", "captures", "arguments", "diagrams", "details", "shared"):
        assert "<" not in data(text, id_) and data(text, id_).isascii()
    assert json.loads(data(text, "rows"))[0][6] == visible(HOSTILE)


def test_each_kind_is_drawn_failures_first():
    kinds = [handshake(stream=number) for number in range(60)]
    kinds[7] = failed_handshake(stream=7)
    kinds[50] = handshake(stream=50, version="TLSv1.3")
    assert html.telling(kinds, 3) == [0, 7, 50]
    assert html.telling(kinds, 1) == [7]
    assert len(html.telling(kinds)) == html.DIAGRAMS
    assert html.telling(kinds[:5]) == [0, 1, 2, 3, 4]


def test_what_was_not_drawn_is_said():
    text = page(capture(*(numbered(number) for number in range(html.DIAGRAMS + 3))))
    assert f"it drew {html.DIAGRAMS} of {html.DIAGRAMS + 3} handshakes" in text
    assert "it drew" not in page(several())


def test_captures_are_named_without_the_folder_that_all_share():
    reports = [capture(capture=name) for name in ("/a/b/x.pcap", "/a/b/c/x.pcap")]
    assert json.loads(data(page(*reports), "captures")) == ["x.pcap", "c/x.pcap"]
    assert json.loads(data(page(reports[0]), "captures")) == ["/a/b/x.pcap"]


# In a notebook


class Texts(HTMLParser):
    """Collects tags and texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, text):
        self.texts.append(text)


def test_results_show_themselves_in_a_notebook():
    report = several()
    shown = Texts(report._repr_html_())
    assert shown.tags.count("tr") == 13 and "script" not in shown.tags
    assert any("12 handshakes: 9 mutual, 2 requested-not-provided, 1 one-way" in text for text in shown.texts)
    shown = Texts(report.handshakes[2]._repr_html_())
    assert shown.tags.count("img") == 1 and "client-certificate-missing" in shown.texts


def test_a_notebook_is_told_what_it_does_not_show():
    text = capture(*(numbered(number) for number in range(130)))._repr_html_()
    assert "and 30 handshakes more" in text and text.count("<tr>") == 101


def test_hostile_text_is_text_in_a_notebook():
    hostile = failed_handshake(server_name=HOSTILE, capture=HOSTILE, evidence=[Evidence(1, None, None, HOSTILE)])
    for text in (capture(hostile, capture=HOSTILE, error=HOSTILE)._repr_html_(), hostile._repr_html_()):
        shown = Texts(text)
        assert not {"script", "iframe"} & set(shown.tags) and shown.tags.count("img") <= 1
        assert visible(HOSTILE) in "".join(shown.texts)


def test_saved_by_suffix(tmp_path):
    several().save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == page(several())
    several().save(tmp_path / "report.JSON")
    assert json.loads((tmp_path / "report.JSON").read_text())["capture"]["name"] == "a.pcap"
    with pytest.raises(analyzer.UsageError, match=r"report\.xyz: its suffix says no format"):
        several().save(tmp_path / "report.xyz")


# In a browser


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with Browser() as started:
        yield started


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page of reports; at the end nothing may have gone wrong on it."""

    def open_(*reports, fragment="", **look):
        (tmp_path / "report.html").write_text(page(*reports))
        browser.open(tmp_path / "report.html", fragment, **look)
        return browser

    yield open_
    assert browser.complaints == [] and browser.requests == []
    assert browser.run("typeof pwned") == "undefined"


def streams(browser):
    return browser.texts("#handshakes tbody th")


def choose(browser, field, value):
    browser.run(
        f"{{ const field = document.getElementById({field!r}); field.value = {value!r};"
        "field.dispatchEvent(new Event('input', {bubbles: true})) }"
    )


def test_the_table_is_filtered(opened):
    browser = opened(several())
    assert len(streams(browser)) == 12 and browser.text("#status") == "12 handshakes"
    choose(browser, "outcome", "failed")
    assert streams(browser) == ["tcp 2", "tcp 10"] and browser.text("#status") == "2 of 12 handshakes"
    choose(browser, "outcome", "")
    choose(browser, "search", "OTHER.example TLSv1.3")
    assert streams(browser) == ["tcp 5"]
    browser.run("document.querySelector('form [type=reset]').click()")
    browser.until("document.querySelectorAll('#handshakes tbody th').length === 12")


def test_tiles_and_root_causes_filter(opened):
    browser = opened(several())
    assert browser.text('[data-value="one-way"] .count') == "1"
    browser.run("document.querySelector('[data-value=\"one-way\"]').click()")
    assert streams(browser) == ["tcp 5"]
    assert browser.run("document.querySelector('[data-value=\"one-way\"]').getAttribute('aria-pressed')") == "true"
    browser.run("document.querySelector('[data-value=\"one-way\"]').click()")
    browser.run("document.querySelector('.causes button').click()")
    assert streams(browser) == ["tcp 2", "tcp 10"]


def test_the_table_is_sorted(opened):
    browser = opened(several())
    click = "[...document.querySelectorAll('thead button')].find((one) => one.textContent === {!r}).click()"
    browser.run(click.format("Stream"))
    assert streams(browser)[:3] == ["tcp 11", "tcp 10", "tcp 9"]
    browser.run(click.format("Why"))
    assert streams(browser)[:3] == ["tcp 2", "tcp 10", "tcp 0"]
    assert browser.run("document.querySelector('[aria-sort]').innerText").startswith("Why")
    browser.run(click.format("Client"))
    assert browser.texts("tbody td:nth-child(6)")[1] == "192.0.2.2:50001"  # numbers by value, not 192.0.2.10


@pytest.mark.parametrize("width", [1300, 1920])
def test_the_whole_table_is_on_the_screen_and_what_came_out_stands_first(opened, width):
    """Of several captures of several days, with long names, addresses of IPv6 and the longest verdict."""
    hard = {
        "server_name": "a-long-name.of-a-service.example.com",
        "client": Endpoint("2001:db8:1234:5678:9abc:def0:1234:5678", 65535),
        "server": Endpoint("2001:db8:8765:4321:9abc:def0:1234:5678", 65535),
        "authentication_basis": "inferred",
        "version": "DTLSv1.2",
        "root_cause": "client-certificate-filtered-by-authorities",
    }
    made = [failed_handshake(start=START + day * 86_400 * 10**9, **hard) for day in range(3)]
    browser = opened(*(capture(each, capture=f"a-capture-of-day-{day}.pcap") for day, each in enumerate(made)),
                     width=width)  # fmt: skip
    wide, room = browser.run(
        "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.querySelector('.scroll'))"
    )
    assert wide == room
    heads = browser.texts("#handshakes thead th")
    assert heads[1:5] == ["Capture", "Authentication", "Outcome", "Why"]
    assert browser.texts("#handshakes tbody td:nth-child(5)") == [hard["root_cause"]] * 3


def test_a_handshake_opens_by_keyboard_and_closes_with_escape(opened):
    browser = opened(several())
    browser.run("document.querySelectorAll('#handshakes tbody a')[2].focus()")
    browser.press("Enter")
    browser.until("document.querySelector('#handshake h2')")
    assert browser.run("location.hash") == "#stream-2-0"
    assert browser.text("#handshake h2") == "tcp 2 · 192.0.2.3:50002 → [2001:db8::7]:8443"
    assert browser.run("document.activeElement.tagName") == "H2"
    assert browser.run("document.getElementById('overview').hidden") is True
    browser.press("Escape")
    browser.until("!document.getElementById('overview').hidden")
    assert browser.run("document.activeElement.innerText") == "tcp 2"


def test_a_section_tells_the_root_cause_first_then_everything(opened):
    browser = opened(several(), fragment="#stream-2-0")
    assert browser.texts(".finding .summary") == ["The client sent none.", "It ends."]
    section = browser.text("#handshake")
    for told in ("Give it one.", "The client sent a certificate.", "CN=mydomain.example", "DNS:mydomain.example"):
        assert told in section
    assert "x25519" in section and "client's certificate_verify" in section and "ab" * 32 in section
    assert (
        browser.run("document.querySelector('.diagram div').shadowRoot.querySelector('svg').textContent.length") > 100
    )
    assert browser.texts("#handshake nav .steps a") == ["Previous", "Next"]


def test_deep_links_tell_captures_transports_and_renegotiations_apart(opened):
    first = capture(handshake(stream=3), handshake(stream=3, handshake=1))
    other = handshake(stream=3, server_name="second.example", resumes=HandshakeReference(1, 0), resumption="psk")
    second = capture(other, handshake(stream=3, transport="udp", server_name="dtls.example"), capture="b.pcap")
    assert "tcp 3 #1" in opened(first, second, fragment="#stream-3-1").text("#handshake h2")
    assert "second.example" in opened(first, second, fragment="#c2-stream-3-0").text("#handshake")
    browser = opened(first, second, fragment="#c2-udp-stream-3-0")
    assert "dtls.example" in browser.text("#handshake") and "b.pcap" in browser.text("#handshake h2")
    browser = opened(first, second, fragment="#c2-stream-3-0")
    assert browser.run("document.querySelector('#handshake dl a').getAttribute('href')") == "#c2-stream-1-0"
    assert opened(first, fragment="#stream-99-0").run("document.getElementById('overview').hidden") is False


def test_display_filters_are_copied(opened):
    browser = opened(several(), fragment="#stream-2-0")
    browser.run("navigator.clipboard.writeText = (text) => { copied = text; return Promise.resolve(); }; copied = null")
    browser.run("document.querySelector('.shown-by button').click()")
    assert browser.run("copied") == "frame.number == 9"
    assert browser.run("document.getElementById('announce').textContent") == "Copied frame.number == 9"


def test_messages_are_listed_where_no_diagram_is_drawn(opened, monkeypatch):
    monkeypatch.setattr(html, "DIAGRAMS", 0)
    monkeypatch.setattr(html, "telling", lambda _: [])
    sent = [
        MessageReport(4, 0.0, "client", "client_hello", 312, "cleartext"),
        MessageReport(9, 0.01, "server", "alert", 2, "cleartext"),
    ]
    browser = opened(several(), capture(failed_handshake(messages=sent)), fragment="#c2-stream-4-0")
    assert browser.texts(".ladder .name") == ["client_hello", "alert: handshake_failure"]
    assert browser.run("document.querySelector('.ladder .failed') !== null")
    assert "mtlscope diagram a.pcap --stream 4 -o stream-4.svg" in browser.text("#handshake")


def test_hostile_text_stays_text(opened):
    hostile = failed_handshake(
        capture=HOSTILE, server_name=HOSTILE, alpn=HOSTILE, cipher_suite=HOSTILE, group=HOSTILE, history=HOSTILE,
        evidence=[Evidence(1, "client", None, HOSTILE)], alerts=[AlertReport(4, "client", "fatal", HOSTILE)],
        messages=[MessageReport(4, 0.0, "client", "alert", 2, "cleartext")],
        certificates={"server": [HOSTILE_DN], "client": [HOSTILE_DN]}, display_filter=HOSTILE, root_cause=HOSTILE,
    )  # fmt: skip
    hostile.findings[0].code = hostile.findings[0].summary = hostile.findings[0].remedy = HOSTILE
    report = capture(hostile, capture=HOSTILE, error=HOSTILE)
    report.issues[0].message = HOSTILE
    browser = opened(report)
    assert browser.run("document.querySelector('h1').textContent") == visible(HOSTILE)
    assert browser.run("document.querySelector('tbody td:nth-child(5)').textContent") == visible(HOSTILE)
    browser = opened(report, fragment="#stream-4-0")
    section = browser.run("document.getElementById('handshake').textContent")
    assert section.count(visible(HOSTILE)) >= 12
    assert browser.run("document.querySelectorAll('#handshake img, #handshake script').length") == 0


def test_the_page_may_not_ask_for_anything(browser, tmp_path):
    (tmp_path / "report.html").write_text(page(several()))
    browser.open(tmp_path / "report.html")
    with pytest.raises(RuntimeError, match="Failed to fetch"):
        browser.run("fetch('https://example.com/')")
    browser.run("document.body.append(Object.assign(new Image(), {src: 'https://example.com/x.png'}))")
    browser.run("document.body.append(Object.assign(document.createElement('script'), {textContent: 'pwned = 1'}))")
    assert browser.run("typeof pwned") == "undefined"
    assert len([said for said in browser.complaints if "Content Security Policy" in said]) >= 3


def test_thousands_of_handshakes_are_listed_step_by_step(opened):
    browser = opened(capture(*(numbered(number) for number in range(3000))))
    assert len(streams(browser)) == 200
    assert browser.text("#more") == "Show 200 more of 2,800"
    assert browser.text("#status") == "3,000 handshakes, the first 200 listed"
    browser.run("document.getElementById('more').click()")
    assert len(streams(browser)) == 400
    choose(browser, "search", "stream.eq.2999")
    choose(browser, "search", "tcp 2999")
    assert streams(browser) == ["tcp 2999"]


def test_printed_with_sections(opened, tmp_path):
    browser = opened(capture(*(numbered(number) for number in range(40))))
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert len(browser.texts("#print article")) == 25
    assert browser.text("#print > p") == "Sections of the first 25 of 40 handshakes."
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.texts("#print article") == []
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_every_capture_of_ours_opens(opened):
    reports = [analyzer.analyze(name) for name in sorted(CAPTURES.glob("*.pcap*"))]
    browser = opened(*reports)
    total = sum(len(report.handshakes) for report in reports)
    assert browser.run("rows.length") == total
    title = "document.querySelector('#handshake h2').innerText"
    titles = browser.run(f"rows.map((row) => {{ location.hash = row.id; route(); return {title} }})")
    assert len(set(titles)) == total
