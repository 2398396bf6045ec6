"""Every renderer draws every diagram: accepted by the real programs, the same each time, and nobody's text escapes."""

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import HOSTILE, drawn, everything, long_diagram, renamed, report, textbook

from analyzer.diagram import renderers
from analyzer.diagram.renderers.text import columns
from analyzer.diagram.renderers.text import render as render_text
from analyzer.errors import UsageError
from analyzer.report.escape import visible

SVG = "{http://www.w3.org/2000/svg}"
FORMATS = renderers.REGISTRY.names()
CHECK_MERMAID = """
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const [modules, ...files] = process.argv.slice(2);
const { JSDOM } = createRequire(modules + '/')('jsdom');
globalThis.window = new JSDOM('').window;
globalThis.document = window.document;
const { default: mermaid } = await import(pathToFileURL(modules + '/mermaid/dist/mermaid.core.mjs'));
for (const file of files) {
  try {
    const { diagramType } = await mermaid.parse(readFileSync(file, 'utf8'));
    if (diagramType !== 'sequence') console.log(file, diagramType);
  } catch (error) { console.log(file, error.message); }
}
"""


@pytest.fixture(scope="module")
def diagrams():
    return everything()


def texts(svg):
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_formats_are_those_of_the_contract():
    assert {renderers.load(name).SUFFIX for name in FORMATS} == {".svg", ".png", ".mmd", ".puml", ".txt"}
    assert all(renderers.REGISTRY.documentation(name) for name in FORMATS)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "png"])
def test_everything_is_drawn_and_the_same_each_time(diagrams, name):
    for diagram in diagrams.values():
        made = diagram.render(name)
        assert made and made == diagram.render(name)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", ["column", "slide"])
def test_images_are_drawn_and_the_same_each_time(theme, width):
    for diagram in (drawn("client-certificate-expired-tls12"), textbook("mutual-tls13"), renamed(HOSTILE["arabic"])):
        made = diagram.render("png", theme=theme, width=width)
        assert made.startswith(b"\x89PNG") and made == diagram.render("png", theme=theme, width=width)
        assert ET.fromstring(diagram.render("svg", theme=theme, width=width)).tag == f"{SVG}svg"


def test_themes_and_widths_differ():
    diagram = drawn("one-way-tls12")
    made = {
        diagram.render("svg", theme=theme, width=width) for theme in ("light", "dark") for width in ("column", "slide")
    }
    assert len(made) == 4


def test_settings_of_the_process_do_not_matter():
    import matplotlib as mpl

    diagram = drawn("one-way-tls12")
    before = diagram.render("svg"), diagram.render("png")
    with mpl.rc_context({"svg.fonttype": "path", "savefig.bbox": "tight", "font.size": 30, "path.sketch": (1, 100, 2)}):
        assert (diagram.render("svg"), diagram.render("png")) == before
        assert mpl.rcParams["svg.fonttype"] == "path"


def test_svg_is_xml_with_text_that_can_be_searched(diagrams):
    for name, diagram in diagrams.items():
        svg = diagram.render("svg")
        shown = texts(svg)
        assert visible(diagram.steps[0].title)[:8] in " ".join(shown), name
        assert b"<date>" not in svg and b"dc:date" not in svg
    assert "service.example.com" in texts(drawn("mutual-tls12").render("svg"))


def test_svg_has_its_size_and_a_title():
    root = ET.fromstring(drawn("mutual-tls12").render("svg"))
    assert root.attrib["width"] == "780pt"
    assert root.findtext(f"{SVG}title") == "Mutual TLS 1.2: established"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_stays_text_in_svg(name):
    svg = renamed(HOSTILE[name]).render("svg").decode()
    plain = drawn("mutual-tls12").render("svg").decode()
    kinds = {element.tag for element in ET.fromstring(svg).iter()}
    assert kinds == {element.tag for element in ET.fromstring(plain).iter()}
    assert not any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 or c == "\x1b" for c in svg)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_text_fits_a_terminal(diagrams, ascii_only):
    for name, diagram in diagrams.items():
        lines = render_text(diagram, ascii_only=ascii_only).decode().splitlines()
        assert max(map(columns, lines)) <= 80, name
        assert all(line.isprintable() for line in lines), name
        assert not ascii_only or "\n".join(lines).isascii(), name


def test_text_shows_what_the_picture_shows():
    lines = str(drawn("mutual-tls12")).splitlines()
    assert any("═" in line and line.endswith("▶│") for line in lines)
    assert any("1 ClientHello" in line and "frame 4" in line for line in lines)
    assert any(line.startswith("│ ✓ Mutual TLS") for line in lines)
    inferred = str(drawn("mutual-tls13"))
    assert "╌" in inferred and "inferred, frame 5" in inferred


@pytest.mark.parametrize("name", ["mermaid", "plantuml"])
def test_hostile_text_adds_no_lines(name):
    harmless = len(renamed("x" * 20).render(name).splitlines())
    for hostile in ("script", "override", "mermaid", "plantuml"):
        assert abs(len(renamed(HOSTILE[hostile]).render(name).splitlines()) - harmless) <= 0


def test_mermaid_stays_below_its_limit(diagrams):
    for diagram in (*diagrams.values(), long_diagram(70, "\N{EM DASH}" * 5000)):
        assert len(diagram.render("mermaid").decode()) <= 50_000


def test_mermaid_gives_up_details_before_steps():
    made = long_diagram(60, "\N{EM DASH}" * 300).render("mermaid").decode()
    assert all(f": {number}." in made for number in range(1, 61))
    assert "Details are left out here" in made
    assert "left out" not in drawn("mutual-tls12").render("mermaid").decode()


def test_mermaid_itself_parses_it(diagrams, tmp_path):
    node = shutil.which("node")
    modules = npm_modules()
    if node is None or modules is None:
        pytest.skip("no Mermaid: npm install -g mermaid jsdom")
    files = []
    for name, diagram in diagrams.items():
        files.append(tmp_path / f"{name}.mmd")
        files[-1].write_bytes(diagram.render("mermaid"))
    script = tmp_path / "check.mjs"
    script.write_text(CHECK_MERMAID)
    run = subprocess.run([node, script, modules, *files], capture_output=True, text=True, check=True)
    assert run.stdout == ""


def npm_modules():
    npm = shutil.which("npm")
    if npm is None:
        return None
    root = Path(subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=True).stdout.strip())
    return root if (root / "mermaid").is_dir() and (root / "jsdom").is_dir() else None


def test_plantuml_itself_accepts_it(diagrams, tmp_path):
    program = shutil.which("plantuml")
    if program is None:
        pytest.skip("no PlantUML: apt-get install plantuml")
    for name, diagram in diagrams.items():
        (tmp_path / f"{name}.puml").write_bytes(diagram.render("plantuml"))
    run = subprocess.run(
        [program, "-headless", "-charset", "UTF-8", "-checkonly", *tmp_path.glob("*.puml")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_arrows_say_how_they_are_known():
    def lines(capture, name):
        return drawn(capture).render(name).decode()

    assert "S-->>C: 4. EncryptedExtensions (inferred" in lines("mutual-tls13", "mermaid")
    assert "S->>C: 3. Certificate (frame" in lines("mutual-tls12", "mermaid")
    assert "C-xS: 1. Connects" in lines("connection-unanswered", "mermaid")
    assert "->x S : " in lines("connection-unanswered", "plantuml").replace("[#c2251d]", "")
    assert "S -[#c2251d]> C : <b>14. Alert" in lines("client-certificate-expired-tls12", "plantuml")


def test_save_goes_by_the_suffix(tmp_path):
    diagram = report("one-way-tls12").diagram()
    for name in FORMATS:
        path = tmp_path / f"picture{renderers.load(name).SUFFIX.upper()}"
        diagram.save(path)
        assert path.read_bytes() == diagram.render(name)
    with pytest.raises(UsageError, match="suffix"):
        diagram.save(tmp_path / "picture.gif")
    with pytest.raises(UsageError, match="no format of diagrams"):
        diagram.render("gif")


def test_notebook_shows_it():
    diagram = drawn("one-way-tls12")
    assert diagram._repr_svg_() == diagram.render("svg").decode()


def test_importing_the_package_loads_no_matplotlib():
    code = "import sys, analyzer, analyzer.api, analyzer.diagram.captured; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_text_of_a_caption_is_drawn():
    diagram = replace(drawn("one-way-tls12"), captions=("Behold the caption",))
    for name in ("svg", "text", "mermaid", "plantuml"):
        assert "Behold the caption" in diagram.render(name).decode()
