"""How wide is a text, and which installed fonts can draw it?

Everything is measured with DejaVu Sans, which comes with Matplotlib, so that a diagram has the same layout on
every machine; the fonts that a browser prefers for an SVG are all narrower.
"""

from functools import cache
from pathlib import Path
from unicodedata import bidirectional, category, combining

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.ft2font import FT2Font

from analyzer.report.escape import visible

FAMILY = "DejaVu Sans"
FAMILIES = ["Inter", "Segoe UI", "Helvetica Neue", "Arial", FAMILY, "sans-serif"]
"""What an SVG asks for."""
_FILES = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}
_ALLOWANCE = 1.02
"""Hinting and other shapers may set a text a little wider than the sum of its advances."""
_REPLACEMENT = "\N{WHITE SQUARE}"
_LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"
"""Has no width; keeps a line that begins with a name in Hebrew or Arabic from turning round as a whole."""
_CANDIDATES = 400
"""Fonts that are asked at most for a character."""


def width(text: str, size: float, bold: bool = False) -> float:
    """Width of a text that `clean` has returned, in the unit of its size."""
    return sum(_advance(character, bold) for character in text) * size * _ALLOWANCE


def clean(text: str) -> str:
    """One line of text without anything invisible; what remains can be measured."""
    return visible(text)


def drawable(text: str) -> str:
    """The text with a square for each character that no installed font has; it runs from left to right."""
    if text.isascii():
        return text
    shown = "".join(c if _has(c) or _fallback(c) else _square(c) for c in text)
    return _LEFT_TO_RIGHT + shown if any(bidirectional(c) in ("R", "AL") for c in shown) else shown


def families(text: str) -> list[str]:
    """The installed fonts that a text needs, in the order in which they are asked."""
    wanted = dict.fromkeys([FAMILY])
    for character in text:
        if not _has(character):
            name = _fallback(character)
            if name is not None:
                wanted[name] = None
    return list(wanted)


@cache
def _font(bold: bool) -> FT2Font:
    font = FT2Font(str(Path(mpl.get_data_path(), "fonts", "ttf", _FILES[bold])))
    font.set_size(100, 72)
    return font


@cache
def _advance(character: str, bold: bool) -> float:
    """Of one character, in em; what DejaVu Sans lacks is taken to be square."""
    font = _font(bold)
    if not font.get_char_index(ord(character)):
        return 0.0 if combining(character) else 1.0
    return float(font.load_char(ord(character)).linearHoriAdvance) / 65536 / 100


def _has(character: str) -> bool:
    return bool(_font(False).get_char_index(ord(character))) and bool(_font(True).get_char_index(ord(character)))


def _square(character: str) -> str:
    return "" if combining(character) or category(character) == "Cf" else _REPLACEMENT


@cache
def _fallback(character: str) -> str | None:
    """The first family, by name, whose regular and bold fonts have a character, not wider than a square."""
    for name, path in _installed():
        if _fits(path, character) and _fits(_bold(name), character):
            return name
    return None


def _fits(path: str, character: str) -> bool:
    font = _open(path)
    if font is None or not font.get_char_index(ord(character)):
        return False
    return bool(font.load_char(ord(character)).linearHoriAdvance / 65536 / 100 <= 1.0)


@cache
def _bold(family: str) -> str:
    """The file that Matplotlib draws bold text of a family with; the regular one where there is no other."""
    return str(fontManager.findfont(FontProperties(family=[family], weight="bold")))


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    """Families and files of upright fonts of normal weight; those made for many scripts come first."""
    fonts = {(f.name, f.fname) for f in fontManager.ttflist if f.style == "normal" and f.weight in (400, "normal")}
    first = ("Noto Sans", "Arial Unicode", "WenQuanYi", "Droid Sans")
    return tuple(sorted(fonts, key=lambda font: (not font[0].startswith(first), font)))[:_CANDIDATES]


@cache
def _open(path: str) -> FT2Font | None:
    try:
        font = FT2Font(path)
        font.set_size(100, 72)
    except (RuntimeError, OSError):  # a bitmap font, or one that is gone
        return None
    return font
