"""A page of a terminal: sets pieces of text on lines of a given width, in colours or without."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TextIO
from unicodedata import combining, east_asian_width

from analyzer.report.escape import visible

Color = Literal["bold", "dim", "red", "green", "yellow", "cyan"]

_NARROWEST = 40
_SGR: dict[Color, int] = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
"""Select graphic rendition (ECMA-48, section 8.3.117)."""


@dataclass(slots=True, frozen=True)
class Piece:
    """A text in a line."""

    text: str
    """Escaped when it is set."""
    color: Color | None = None
    """How it looks where the page has colours."""
    width: int = 0
    """Columns that it takes at least, where something follows."""
    prose: bool = False
    """Whether it is broken at any space; if not, only where no line has room for it."""


class Page:
    """Writes lines of at most `width` columns, but for what is `whole`; every text on it has passed `visible`."""

    def __init__(self, out: TextIO, color: bool, width: int) -> None:
        """Write to `out`; with less than 40 columns lines are longer than `width`."""
        self._out = out
        self._color = color
        self._width = max(width, _NARROWEST)
        self.arrow = "→" if (out.encoding or "utf-8").lower().startswith("utf") else "->"
        """From client to server, in characters that `out` has."""

    def flow(self, *pieces: Piece, indent: int = 0) -> None:
        """Set pieces side by side; what does not fit goes to the next line."""
        margin = " " * indent
        line, used, gap = margin, indent, 0
        for piece in pieces:
            text = visible(piece.text)
            columns = _columns(text)
            if used + gap + columns > self._width:
                if gap and not piece.prose:
                    self._out.write(line + "\n")
                    line, used, gap = margin, indent, 0
                *full, text = _wrap(text, self._width - used - gap, self._width - indent)
                for part in full:
                    self._out.write(line + (" " * gap + self._paint(part, piece.color) if part else "") + "\n")
                    line, used, gap = margin, indent, 0
                columns = _columns(text)
            line += " " * gap + self._paint(text, piece.color)
            used += gap + columns
            gap = max(piece.width - columns, 0) + 2
        self._out.write(line + "\n")

    def whole(self, text: str, color: Color | None = None, *, indent: int) -> None:
        """Set a text that is to be copied: alone on a line, however long that gets."""
        self._out.write(" " * indent + self._paint(visible(text), color) + "\n")

    def holds(self, columns: int) -> bool:
        """Whether a line has room for so many columns."""
        return columns <= self._width

    def end_block(self) -> None:
        """Leave a line free."""
        self._out.write("\n")

    def _paint(self, text: str, color: Color | None) -> str:
        return f"\x1b[{_SGR[color]}m{text}\x1b[0m" if self._color and color else text


def _wrap(text: str, first: int, room: int) -> Iterator[str]:
    """Break a text at spaces into a line of at most `first` columns and lines of at most `room`.

    A word is broken only where no line holds it.
    """
    line, left = "", first
    for word in text.split(" "):
        columns = _columns(word)
        if columns + bool(line) > left and (line or first < room):
            yield line
            line, left = "", room
        if columns > left:
            *full, rest = _chop(word, room)
            yield from full
            line, left = rest, room - _columns(rest)
            continue
        left -= columns + bool(line)
        line = f"{line} {word}" if line else word
    yield line


def _chop(word: str, room: int) -> Iterator[str]:
    start = used = 0
    for index, character in enumerate(word):
        used += _columns(character)
        if used > room:
            yield word[start:index]
            start, used = index, _columns(character)
    yield word[start:]


def _columns(text: str) -> int:
    """How wide a terminal shows it."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
