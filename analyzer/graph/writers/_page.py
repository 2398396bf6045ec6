"""Where on the page does each card and link of a graph stand? From columns to shapes and texts with coordinates."""

from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest
from math import log2

from analyzer.diagram.renderers import _fonts
from analyzer.diagram.renderers._layout import Box, Disc, Item, Page, Shape, Stroke, Text
from analyzer.diagram.renderers._theme import Color
from analyzer.diagram.renderers._wrap import wrap
from analyzer.graph.columns import Card, Columns, Link, Row

_MARGIN, _PAD, _INDENT = 28.0, 12.0, 14.0
_TITLE, _NAME, _BODY, _SMALL = 18.0, 10.5, 9.0, 8.2
_LEADING = 1.38
_LONGEST = 120
"""Characters of a text that are shown."""
_BETWEEN, _FARTHEST = 13.0, 64.0
"""Space between two cards, at least and at most."""
_APART, _CLOSE, _MANY = 12.0, 5.0, 14
"""Space between the ends of links, and where there are many."""
_LANE, _LANES = 6.0, 5.0
"""Height of a lane, and space between two of them."""
_HEAD = 7.0
"""Length of an arrow's head."""
_COUNT = 36.0
"""Room of a number at the right of a card."""
_STEEPEST = 0.13
"""The gap between columns as a part of their height, for links that are not too steep."""
LOOP = 46.0
"""How far the bends of a loop reach out of its column."""
COLORS: dict[str, Color] = {
    "mutual": "good",
    "one_way": "encrypted",
    "requested": "open",
    "other": "decrypted",
    "undetermined": "dim",
    "failed": "bad",
}
"""The diagrams' colour for a tone."""


@dataclass(slots=True, frozen=True)
class Curve:
    """A line between two cards or lanes, most often from the right side of one to the left side of the next."""

    x1: float
    y1: float
    x2: float
    y2: float
    color: Color
    width: float
    dashed: bool
    loop: bool = False
    """It begins and ends on the right side of the same column, and reaches out by `LOOP`."""


@dataclass(slots=True)
class GraphPage:
    """Everything on the page; the curves lie below."""

    page: Page
    curves: list[Curve] = field(default_factory=list)


def arrange(picture: Columns, note: str) -> GraphPage:
    """Set everything on a page that is as large as it takes; `note` says what is not shown one by one."""
    return _Layout(picture, note).page()


class _Set:
    """A card whose texts are set: first where they stand in the card, then where that stands on the page."""

    def __init__(self, card: Card, rows: list[Row], leaving: list[Link], width: float) -> None:
        self.card = card
        self.leaving = leaving
        self.width = width
        self.x = self.y = 0.0
        self.ends: dict[tuple[str, str], float] = {}
        """At which height links of a label and tone arrive."""
        self._items: list[Text | Disc] = []
        self._bottom = _PAD - 3
        if card.leads_to:
            self.height = _LANE
            return
        self._lines(card.title, _NAME, "ink", bold=True)
        for line in card.lines:
            self._lines(line, _BODY, "dim")
        if card.tag:
            self._lines(card.tag, _BODY, "open" if card.tag == "self-signed" else "good", bold=True)
        for row in rows:
            self._row(row)
        self.height = max(self._bottom + _PAD - 2, 16 + spread(leaving))

    def _lines(self, text: str, size: float, color: Color, *, bold: bool = False, x: float = 0.0) -> None:
        for line in broken(text, self.width - 2 * _PAD - x, size, bold):
            self._bottom += size * _LEADING
            self._items.append(Text(_PAD + x, self._bottom - 3, line, size, color, bold))

    def _row(self, row: Row) -> None:
        """A label with its number; the details behind it, or below where there is no room."""
        self._bottom += 6
        middle = self._bottom + _BODY * _LEADING / 2 + 0.5
        self.ends[row.label, row.tone] = middle
        self._items.append(Disc(_PAD + 4, middle, 3.5, COLORS[row.tone]))
        self._items.append(Text(self.width - _PAD, middle + 3, times(row.count), _BODY, "ink", False, "right"))
        room = self.width - 2 * _PAD - _INDENT - _COUNT
        label = broken(row.label, room, _BODY)
        for line in label:
            self._bottom += _BODY * _LEADING
            self._items.append(Text(_PAD + _INDENT, self._bottom - 3, line, _BODY, "ink"))
        details, begun = _details(row), _fonts.width(label[-1], _BODY) + 7
        if begun + _fonts.width(_fonts.clean(details), _SMALL) <= room:
            self._items.append(Text(_PAD + _INDENT + begun, self._bottom - 3, _fonts.clean(details), _SMALL, "dim"))
        else:
            self._lines(details, _SMALL, "dim", x=_INDENT)

    def place(self, x: float, y: float) -> None:
        """Say where it stands on the page."""
        self.x, self.y = x, y
        self.ends = {key: y + end for key, end in self.ends.items()}

    def items(self) -> list[Item]:
        """The card and all on it, on the page; of a lane nothing."""
        if self.card.leads_to:
            return []
        sheet = Box(self.x, self.y, self.width, self.height, "card", "rule", 6)
        below = replace(sheet, x=self.x + 4, y=self.y + 4, fill="band")
        moved = [replace(item, x=item.x + self.x, y=item.y + self.y) for item in self._items]
        return [*([below] if self.card.members > 1 else []), sheet, *moved]


class _Layout:
    def __init__(self, picture: Columns, note: str) -> None:
        self.picture = picture
        self.note = note
        few = len(picture.heads) == 2
        self.card_width, self.gap = (290.0, 220.0) if few else (226.0, 110.0)
        self.items: list[Item] = []
        self.curves: list[Curve] = []
        self.lanes = {card.key: card.leads_to for card in picture.cards if card.leads_to}
        """Of each lane the card that it leads to."""
        self.ending: dict[tuple[str, str, str], int] = {}
        """How many links end in each row."""
        for link in picture.links:
            if link.source not in self.lanes:
                key = self._row(link)
                self.ending[key] = self.ending.get(key, 0) + 1

    def page(self) -> GraphPage:
        """Head, columns, links."""
        columns = [[self._set(card) for card in self.picture.cards if card.column == at] for at in self._all()]
        tallest = max((_stacked(column, _BETWEEN) for column in columns), default=0.0)
        self.gap = min(max(self.gap, tallest * _STEEPEST), 1.6 * self.gap)
        top = self._head()
        cards: dict[str, _Set] = {}
        for at, column in enumerate(columns):
            _stack(column, self._left(at), top, tallest)
            cards.update((each.card.key, each) for each in column)
        for each in cards.values():
            self.items += each.items()
        for each in cards.values():
            self._links(each, cards)
        looped = any(curve.loop and curve.x1 >= self._right for curve in self.curves)
        right = self._right + (LOOP * 0.75 if looped else 0)  # a curve comes that near to its bends
        return GraphPage(Page(right + _MARGIN, top + tallest + _MARGIN, self.items), self.curves)

    def _row(self, link: Link) -> tuple[str, str, str]:
        return self.lanes.get(link.target, link.target), link.label, link.tone

    def _all(self) -> range:
        return range(len(self.picture.heads))

    def _left(self, column: int) -> float:
        return _MARGIN + column * (self.card_width + self.gap)

    @property
    def _right(self) -> float:
        return self._left(len(self.picture.heads) - 1) + self.card_width

    def _set(self, card: Card) -> _Set:
        leaving = [link for link in self.picture.links if link.source == card.key]
        return _Set(card, self.picture.rows(card), leaving, self.card_width)

    def _head(self) -> float:
        y = _MARGIN
        for line in broken(self.picture.title, self._right - _MARGIN, _TITLE, True):
            y += _TITLE * _LEADING
            self._text(_MARGIN, y, line, _TITLE, "ink", True)
        y += 4
        for text in filter(None, (self.picture.subtitle, self.note)):
            for line in broken(text, self._right - _MARGIN, _BODY, longest=400):
                y += _BODY * _LEADING
                self._text(_MARGIN, y, line, _BODY, "dim")
        y, x = y + 24, _MARGIN
        for tone, line, meaning in self.picture.legend:
            needed = 25 + _fonts.width(meaning, _BODY)
            if x > _MARGIN and x + needed > self._right:
                x, y = _MARGIN, y + 17
            self.items.append(Stroke(x, y - 3, x + 18, y - 3, COLORS[tone], 2.2, line == "dashed"))
            self._text(x + 25, y, meaning, _BODY, "ink")
            x += needed + 20
        y += 30
        for column, head in enumerate(self.picture.heads):
            self._text(self._left(column), y, head, _BODY, "dim", True)
        if not self.picture.cards:
            y += 28
            self._text(_MARGIN, y, "There is nothing to show.", _NAME, "ink")
        return y + 14

    def _links(self, source: _Set, cards: dict[str, _Set]) -> None:
        """Draw what leaves a card, in the order in which it arrives."""
        arriving = [(_arrives(cards[link.target], link), link) for link in source.leaving]
        arriving.sort(key=lambda one: (one[0], one[1].label))
        room = spread(source.leaving)
        y = source.y + source.height / 2 - room / 2
        for end, link in arriving:
            self._link(source, cards[link.target], link, y, end)
            told = link.label and source.card.key not in self.lanes
            if told and self.ending[self._row(link)] > 1 and len(arriving) <= _MANY:
                self._text(source.x + source.width + 6, y - 2.5, times(link.count), _SMALL, "dim")
            y += room / max(len(arriving) - 1, 1)

    def _link(self, source: _Set, target: _Set, link: Link, y1: float, y2: float) -> None:
        width = min(1.1 + 0.45 * log2(max(link.count, 1)), 4.5)
        color, dashed = COLORS[link.tone], link.line == "dashed"
        # Issuers stand farther right, but for those that certify each other, or an anchor.
        ahead, behind = target.card.column > source.card.column, target.card.column < source.card.column
        begin, leave = source.x, source.x + source.width
        come, head = target.x, -_HEAD
        if behind:
            begin, leave = leave, begin
        if not ahead:
            come, head = target.x + target.width, _HEAD
        if source.card.leads_to:
            self.curves.append(Curve(begin, y1, leave, y1, color, width, dashed))
        if target.card.leads_to:
            self.curves.append(Curve(leave, y1, come, y2, color, width, dashed))
            return
        self.curves.append(Curve(leave, y1, come + head, y2, color, width, dashed, not ahead and not behind))
        half = max(3.0, width)
        self.items.append(Shape(((come, y2), (come + head, y2 - half), (come + head, y2 + half)), color))

    def _text(self, x: float, y: float, text: str, size: float, color: Color, bold: bool = False) -> None:
        self.items.append(Text(x, y, text, size, color, bold))


def broken(text: str, room: float, size: float, bold: bool = False, *, longest: int = _LONGEST) -> list[str]:
    """Lines of a text that fit; of a very long one the beginning, and how long it is."""
    text = _fonts.clean(text)
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text):,} characters)"
    return wrap(text, room, lambda part: _fonts.width(part, size, bold))


def times(count: int) -> str:
    """How often."""
    return f"{count:,}\N{MULTIPLICATION SIGN}"


def spread(links: list[Link]) -> float:
    """Height that the ends of links take."""
    return (len(links) - 1) * (_APART if len(links) <= _MANY else _CLOSE) if links else 0.0


def _details(row: Row) -> str:
    shown = ", ".join(f"{word} {count:,}" if count != row.count else word for word, count in row.details[:4])
    return f"{shown} and {len(row.details) - 4} more" if len(row.details) > 4 else shown


def _arrives(target: _Set, link: Link) -> float:
    if target.card.leads_to:
        return target.y + target.height / 2
    return target.ends.get((link.label, link.tone), target.y + _PAD + _NAME * _LEADING / 2)


def _stack(column: list[_Set], x: float, top: float, room: float) -> None:
    """Set cards below each other, evenly, in the middle of the page."""
    free = room - sum(each.height for each in column)
    between = min(max(free / (len(column) + 1), _BETWEEN), _FARTHEST)
    y = top + (room - _stacked(column, between)) / 2
    for each, after in zip_longest(column, column[1:]):
        each.place(x, y)
        y += each.height + _gap(each, after, between)


def _stacked(column: list[_Set], between: float) -> float:
    return sum(each.height for each in column) + sum(_gap(*two, between) for two in pairwise(column))


def _gap(one: _Set, other: _Set | None, between: float) -> float:
    """Space between two of a column: lanes lie close together."""
    return _LANES if one.card.leads_to and other is not None and other.card.leads_to else between
