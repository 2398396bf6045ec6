"""No text of a picture overlaps another or leaves the canvas, measured with the fonts that draw it."""

import itertools
import warnings
from functools import cache

import pytest
from drawn import HOSTILE, drawn, everything, long_diagram, renamed, textbook
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analyzer.diagram.renderers import _fonts, _layout
from analyzer.diagram.renderers._layout import Box, Disc, Stroke, Text
from analyzer.diagram.renderers._matplotlib import _Label, settings
from analyzer.diagram.renderers._wrap import wrap


@cache
def drawn_size(text, size, bold):
    """Width, height and descent of a text, as Matplotlib's own renderer measures what it draws."""
    label = _Label(Text(0, 0, text, size, "ink", bold), "#000000", installed=True)
    renderer = FigureCanvasAgg(Figure(dpi=144)).get_renderer()
    with settings():
        measures = renderer.get_text_width_height_descent(label.get_text(), label.get_fontproperties(), False)
    return tuple(pixels / 2 for pixels in measures)


def measured(page):
    """Boxes of all texts: left, top, right, bottom, text."""
    boxes = []
    for item in page.items:
        if isinstance(item, Text):
            width, height, descent = drawn_size(item.text, item.size, item.bold)
            left = item.x - width * {"left": 0, "center": 0.5, "right": 1}[item.anchor]
            boxes.append((left, item.y - (height - descent), left + width, item.y + descent, item))
    return boxes


def overlaps(boxes):
    """Pairs that share more than a hair; sorted by height, so that far ones are not compared."""
    boxes = sorted(boxes, key=lambda box: box[1])
    for at, (left, _top, right, bottom, text) in enumerate(boxes):
        for other in itertools.takewhile(lambda box, end=bottom: box[1] < end - 0.3, boxes[at + 1 :]):
            if other[0] < right - 0.3 and left < other[2] - 0.3:
                yield text, other[4]


@pytest.fixture(scope="module")
def diagrams():
    return everything()


@pytest.fixture(scope="module", params=["column", "slide"])
def pages(request, diagrams):
    """Every diagram's page, with the boxes of its texts."""
    made = {name: _layout.layout(diagram, request.param) for name, diagram in diagrams.items()}
    return {name: (page, measured(page)) for name, page in made.items()}


def test_no_texts_overlap_and_none_leaves_the_canvas(pages):
    for name, (page, boxes) in pages.items():
        assert not list(overlaps(boxes)), name
        for left, top, right, bottom, text in boxes:
            assert left >= 0 and top >= 0 and right <= page.width and bottom <= page.height, (name, text)


def test_texts_stay_inside_the_boxes_that_they_begin_in(pages):
    for name, (page, texts) in pages.items():
        boxes = [item for item in page.items if isinstance(item, Box)]
        for left, top, right, bottom, text in texts:
            for box in boxes:
                if box.x <= left < box.x + box.width and box.y <= (top + bottom) / 2 <= box.y + box.height:
                    assert right <= box.x + box.width + 0.3, (name, text)
                    assert bottom <= box.y + box.height + 0.3, (name, text)


def test_numbers_and_lifelines_cover_no_text(pages):
    for name, (page, texts) in pages.items():
        discs = [item for item in page.items if isinstance(item, Disc)]
        lifelines = {item.x1 for item in page.items if isinstance(item, Stroke) and item.x1 == item.x2}
        notes = [item for item in page.items if isinstance(item, Box) and item.fill not in ("paper", "band")]
        for left, top, right, bottom, text in texts:
            for disc in discs:
                across = max(left - disc.x, 0, disc.x - right)
                along = max(top - disc.y, 0, disc.y - bottom)
                covered = across**2 + along**2 < (disc.radius - 0.5) ** 2
                assert not covered or text.color == "on-dark", (name, text)
            on_note = any(box.y <= top and bottom <= box.y + box.height for box in notes)
            if not on_note and text.color != "on-dark" and name[:4] != "text":
                assert not any(left < x < right for x in lifelines if _reaches(page, x, top)), (name, text)


def _reaches(page, x, y):
    return any(isinstance(item, Stroke) and item.x1 == item.x2 == x and item.y1 <= y <= item.y2 for item in page.items)


def test_measure_is_an_upper_bound(diagrams):
    for name in ("mutual-tls12.pcap-0", "textbook-salesforce-server-mutual", "long-60"):
        for left, _top, right, _bottom, text in measured(_layout.layout(diagrams[name], "column")):
            assert right - left <= _fonts.width(text.text, text.size, text.bold) + 0.3, text
            assert right - left > 0.85 * _fonts.width(text.text, text.size, text.bold) - 1, text


def test_nothing_is_left_out():
    page = _layout.layout(drawn("mutual-tls12"), "column")
    text = "".join(item.text for item in page.items if isinstance(item, Text)).replace(" ", "")
    for step in drawn("mutual-tls12").steps:
        for part in (step.title, step.meaning, *(line.text for line in step.lines)):
            assert part.replace(" ", "") in text


def test_slide_is_brief_and_wide():
    column, slide = (_layout.layout(textbook("mutual-rsa"), width) for width in ("column", "slide"))
    assert slide.width / slide.height > 1 > column.width / column.height
    shown = {item.text for item in slide.items if isinstance(item, Text)}
    assert "ClientHello" in shown and "client random" not in shown


def test_height_grows_with_the_steps():
    heights = [_layout.layout(long_diagram(count), "column").height for count in (4, 8, 60)]
    assert heights == sorted(heights) and heights[2] > 6 * heights[0]


def test_missing_letters_become_squares(monkeypatch):
    monkeypatch.setattr(_fonts, "_installed", tuple)
    _fonts._fallback.cache_clear()
    try:
        assert _fonts.drawable("a\u4f8bb") == "a\N{WHITE SQUARE}b"
        assert _fonts.families("a\N{WHITE SQUARE}") == ["DejaVu Sans"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            renamed(HOSTILE["chinese"]).render("png")
    finally:
        _fonts._fallback.cache_clear()


def test_right_to_left_names_stay_in_their_line():
    assert _fonts.drawable(HOSTILE["hebrew"]).startswith("\u200e")
    assert not _fonts.drawable("caf\u00e9").startswith("\u200e")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one two three", ["one two", "three"]),
        ("abcdefghijkl", ["abcdefgh", "ijkl"]),
        ("aaaa.bbbbbbb", ["aaaa.", "bbbbbbb"]),
        ("x abcdefghijkl", ["x", "abcdefgh", "ijkl"]),
        ("abcdefge\u0301f", ["abcdefg", "e\u0301f"]),
    ],
)
def test_lines_break_where_they_must(text, lines):
    assert wrap(text, 8, len) == lines


def test_a_family_whose_bold_lacks_a_letter_does_not_draw_it():
    """STIXGeneral, which comes with Matplotlib, has this letter in its regular font only."""
    assert "STIXGeneral" not in _fonts.families("\N{HIRAGANA LETTER NO}")
