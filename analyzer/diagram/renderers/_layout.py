"""Where on the page does each thing of a diagram stand? From the model to shapes and texts with coordinates.

The unit is the point, the origin the upper left corner. Nothing here knows how it is drawn.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from analyzer.diagram.renderers import _fonts
from analyzer.diagram.renderers._theme import Color
from analyzer.diagram.renderers._wrap import wrap
from analyzer.diagram.sequence import MARKS, Diagram, Line, Mark, Participant, Step, Tone, Width

Anchor = Literal["left", "center", "right"]


@dataclass(slots=True, frozen=True)
class Text:
    """One line of text; `y` is its baseline, `x` where its anchor stands."""

    x: float
    y: float
    text: str
    size: float
    color: Color
    bold: bool = False
    anchor: Anchor = "left"


@dataclass(slots=True, frozen=True)
class Box:
    """A rectangle, with round corners or without."""

    x: float
    y: float
    width: float
    height: float
    fill: Color
    edge: Color | None = None
    radius: float = 0.0
    dashed: bool = False


@dataclass(slots=True, frozen=True)
class Stroke:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    color: Color
    width: float = 1.0
    dashed: bool = False
    alpha: float = 1.0


@dataclass(slots=True, frozen=True)
class Shape:
    """A filled polygon: an arrow's head, or a cross's beam."""

    points: tuple[tuple[float, float], ...]
    color: Color


@dataclass(slots=True, frozen=True)
class Disc:
    """A filled circle."""

    x: float
    y: float
    radius: float
    color: Color


Item = Text | Box | Stroke | Shape | Disc


@dataclass(slots=True)
class Page:
    """All of a picture, from the lowest layer to the highest."""

    width: float
    height: float = 0.0
    items: list[Item] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class _Format:
    """Measures of a page."""

    width: float
    margin: float
    lifeline: float
    """Distance of a lifeline from its edge of the page."""
    scale: float
    """Of all letters."""
    air: float
    """Of the space between things."""
    brief: bool
    """Only what a room can read."""


_FORMATS: dict[Width, _Format] = {
    "column": _Format(width=780, margin=24, lifeline=118, scale=1.0, air=1.0, brief=False),
    "slide": _Format(width=1280, margin=32, lifeline=164, scale=1.15, air=0.62, brief=True),
}
_TITLE, _HEADING, _NAME, _BODY, _SMALL, _TINY = 18.0, 12.5, 11.0, 9.8, 9.0, 8.2
_LEADING = 1.38
_PAD = 16.0
_LABEL = 92.0
"""Room of a detail's label."""
_TONES: dict[Tone, tuple[Color, Color]] = {
    "plain": ("note-edge", "note"),
    "good": ("good", "good-paper"),
    "bad": ("bad", "bad-paper"),
    "open": ("open", "open-paper"),
}
_MARK_COLORS: dict[Mark, Color] = {"verified": "good", "failed": "bad", "unchecked": "open"}
_END_MARKS: dict[Tone, str] = {"good": "✓", "bad": "✗", "open": "?", "plain": ""}


def layout(diagram: Diagram, width: Width) -> Page:
    """Arrange a diagram on a page of this width; its height is what it takes."""
    return _Layout(diagram, _FORMATS[width]).page()


class _Layout:
    """Walks down the page; what lies behind is kept apart until the end."""

    def __init__(self, diagram: Diagram, format_: _Format) -> None:
        self.diagram = diagram
        self.format = format_
        self.scale = format_.scale
        self.left = format_.margin
        self.right = format_.width - format_.margin
        self.client = format_.lifeline
        self.server = format_.width - format_.lifeline
        self.pad = _PAD * format_.scale
        self.y = format_.margin
        self.bands: list[Item] = []
        self.lines: list[Item] = []
        self.front: list[Item] = []
        self.breaks: list[tuple[float, float]] = []

    def page(self) -> Page:
        """All of it."""
        self._head()
        top = self._participants()
        self._steps([step for step in self.diagram.steps if step.kind != "end"])
        self._lifelines(top, self.y)
        for step in self.diagram.steps:
            if step.kind == "end":
                self._end(step)
        for caption in self.diagram.captions:
            self._paragraph(caption, self.left, self.right, _BODY, "dim")
            self._down(4)
        height = self.y + self.format.margin
        paper = Box(0, 0, self.format.width, height, "paper")
        return Page(self.format.width, height, [paper, *self.bands, *self.lines, *self.front])

    # Head

    def _head(self) -> None:
        self._paragraph(self.diagram.title, self.left, self.right, _TITLE, "ink", bold=True)
        if self.diagram.subtitle:
            self._down(2)
            self._paragraph(self.diagram.subtitle, self.left, self.right, _BODY, "dim")
        self._down(18)

    def _participants(self) -> float:
        """Both heads, equally tall; returns where the lifelines begin."""
        begin, ends = self.y, []
        sides = ((self.client, self.diagram.client), (self.server, self.diagram.server))
        for center, participant in sides:
            self.y = begin + 9 * self.scale
            self._participant(center, participant)
            ends.append(self.y + 7 * self.scale)
        self.y = max(ends)
        half = self.format.lifeline - self.format.margin
        for center, _ in sides:
            box = Box(center - half, begin, 2 * half, self.y - begin, "card", "rule", radius=7 * self.scale)
            self.lines.append(box)
        top = self.y
        self._down(14)
        return top

    def _participant(self, center: float, participant: Participant) -> None:
        room = 2 * (self.format.lifeline - self.format.margin) - 16 * self.scale
        rows: list[tuple[str, float, Color, bool]] = [
            (participant.role, _HEADING, "ink", True),
            (participant.name, _BODY, "ink", False),
            (participant.address, _SMALL, "dim", False),
        ]
        for text, size, color, bold in rows:
            if text:
                self._lines(self._wrapped(text, room, size, bold), center, size, color, bold, "center")

    def _lifelines(self, top: float, bottom: float) -> None:
        for x in (self.client, self.server):
            begin = top
            for start, end in self.breaks:
                self.bands.append(Stroke(x, begin, x, start, "rule", 1.2 * self.scale))
                self.bands.append(Stroke(x, start, x, end, "rule", 1.2 * self.scale, dashed=True))
                begin = end
            self.bands.append(Stroke(x, begin, x, bottom, "rule", 1.2 * self.scale))

    # Steps

    def _steps(self, steps: Iterable[Step]) -> None:
        phase, begin, bands = "", self.y, []
        for step in steps:
            if step.phase != phase:
                if phase:
                    bands.append((begin, self.y - 4 * self.scale))
                    self._down(6)
                phase, begin = step.phase, self.y
                self._phase(phase)
            self._step(step)
        if phase:
            bands.append((begin, self.y - 4 * self.scale))
        inset = 10 * self.scale
        for top, bottom in bands:
            box = Box(inset, top, self.format.width - 2 * inset, bottom - top, "band", radius=8 * self.scale)
            self.bands.insert(0, box)

    def _phase(self, phase: str) -> None:
        self._down(8)
        self._paragraph(phase, self.client + self.pad, self.server - self.pad, _SMALL, "dim", bold=True)
        self._down(8)

    def _step(self, step: Step) -> None:
        if step.kind == "message":
            self._message(step)
        elif step.kind == "note":
            self._note(step)
        else:
            self._gap(step)

    def _message(self, step: Step) -> None:
        left, right = self.client + self.pad, self.server - self.pad
        color = _color(step)
        taken = self._aside(step, right, color)
        room = right - left - taken
        told = self._heading(step, left, left + room)
        self._down(6)
        self._arrow(step, color)
        self._down(7)
        if not told:
            self._paragraph(step.meaning, left, right, _BODY, "ink")
        self._details(step, left, right)
        self._down(13)

    def _heading(self, step: Step, left: float, right: float) -> bool:
        """The title; on brief pages its meaning beside it, where there is room. Says whether that is told."""
        title = self._wrapped(step.title, right - left, _NAME, bold=True)
        color: Color = "bad" if step.tone == "bad" else "ink"
        beside = left + self._width(title[0], _NAME, bold=True) + self.pad
        told = not step.meaning
        if self.format.brief and len(title) == 1 and beside + self._width(step.meaning, _BODY) <= right:
            self._text(beside, self.y + self._ascent(_NAME), step.meaning, _BODY, "ink")
            told = True
        self._lines(title, left, _NAME, color, bold=True)
        return told

    def _aside(self, step: Step, right: float, color: Color) -> float:
        """What stands at the right end of a title's line: where, and how it is known. Returns the room it takes."""
        x, baseline = right, self.y + self._ascent(_NAME)
        if step.where and not self.format.brief:
            self._text(x, baseline, step.where, _TINY, "dim", anchor="right")
            x -= self._width(step.where, _TINY) + 8 * self.scale
        for tag in reversed(step.tags):
            width = self._width(tag, _TINY) + 12 * self.scale
            height = _TINY * self.scale * 1.55
            top = baseline - _TINY * self.scale * 1.12
            self.front.append(Box(x - width, top, width, height, "card", color, radius=height / 2))
            self._text(x - width / 2, baseline, tag, _TINY, color, anchor="center")
            x -= width + 6 * self.scale
        return right - x + (6 * self.scale if x < right else 0)

    def _arrow(self, step: Step, color: Color) -> None:
        """From the sender's lifeline, where its number stands, to the other's; of both, with two heads."""
        y, radius = self.y, 9 * self.scale
        head = 9 * self.scale
        start, end = (self.server, self.client) if step.sender == "server" else (self.client, self.server)
        sign = 1.0 if end > start else -1.0
        if step.lost:
            end = (start + end) / 2
            self._cross(end + sign * head, y, color)
        if step.protection != "cleartext":
            tunnel = Stroke(start, y, end - sign * head, y, color, 7 * self.scale, alpha=0.16)
            self.lines.append(tunnel)
        stop = end - sign * head * 0.8
        self.lines.append(Stroke(start, y, stop, y, color, 1.7 * self.scale, dashed=step.inferred))
        self._head_of_arrow(end, y, sign, head, color)
        if step.sender is None:
            self._head_of_arrow(start + radius, y, -sign, head, color)
        if step.number is not None:
            self._number(start, y, step.number, color)

    def _head_of_arrow(self, x: float, y: float, sign: float, size: float, color: Color) -> None:
        half = size * 0.46
        points = ((x, y), (x - sign * size, y - half), (x - sign * size, y + half))
        self.front.append(Shape(points, color))

    def _cross(self, x: float, y: float, color: Color) -> None:
        arm = 6 * self.scale
        for slope in (1, -1):
            self.front.append(Stroke(x - arm, y - slope * arm, x + arm, y + slope * arm, color, 2 * self.scale))

    def _number(self, x: float, y: float, number: int, color: Color) -> None:
        size = _TINY if number < 100 else _TINY * 0.8
        self.front.append(Disc(x, y, 9 * self.scale, color))
        self._text(x, y + size * self.scale * 0.36, str(number), size, "on-dark", bold=True, anchor="center")

    def _note(self, step: Step) -> None:
        reach = 56 * self.scale
        left = self.client + reach if step.sender == "server" else self.left
        right = self.server - reach if step.sender == "client" else self.right
        edge, fill = _TONES[step.tone]
        begin = self.y
        self._down(9)
        radius = 9 * self.scale
        inner = left + 12 * self.scale + 2 * radius + 8 * self.scale
        if step.number is not None:
            color: Color = "bad" if step.tone == "bad" else "dim"
            self._number(left + 12 * self.scale + radius, self.y + self._ascent(_NAME) * 0.62, step.number, color)
        end = right - 12 * self.scale
        if not self._heading(step, inner, end):
            self._down(1)
            self._paragraph(step.meaning, inner, end, _BODY, "ink")
        self._details(step, inner, end)
        self._down(8)
        self.lines.append(Box(left, begin, right - left, self.y - begin, fill, edge, radius=6 * self.scale))
        self._down(14)

    def _gap(self, step: Step) -> None:
        begin = self.y
        self._down(7)
        left, right = self.client + self.pad, self.server - self.pad
        lines = self._wrapped(step.title, right - left, _BODY)
        self._lines(lines, (left + right) / 2, _BODY, "open", anchor="center")
        self._down(7)
        self.breaks.append((begin, self.y))
        self._down(8)

    def _end(self, step: Step) -> None:
        edge, fill = _TONES[step.tone]
        self._down(8)
        begin = self.y
        self._down(11)
        inner, end = self.left + 42 * self.scale, self.right - 16 * self.scale
        mark = _END_MARKS[step.tone]
        if mark:
            x, y = self.left + 22 * self.scale, self.y + self._ascent(_HEADING) * 0.62
            self.front.append(Disc(x, y, 10 * self.scale, edge))
            self._text(x, y + _NAME * self.scale * 0.36, mark, _NAME, "on-dark", bold=True, anchor="center")
        self._paragraph(step.title, inner, end, _HEADING, edge if step.tone == "bad" else "ink", bold=True)
        self._details(step, inner, end)
        self._down(10)
        self.lines.append(
            Box(self.left, begin, self.right - self.left, self.y - begin, fill, edge, radius=7 * self.scale)
        )
        self._down(12)

    def _details(self, step: Step, left: float, right: float) -> None:
        lines = step.lines
        if self.format.brief and step.kind != "end":
            lines = tuple(line for line in lines if line.mark)
        if not lines:
            return
        self._down(3)
        labels = [self._width(line.label, _SMALL) for line in lines if line.label]
        label = max((*labels, 0.0)) + 12 * self.scale if labels else 0.0
        label = min(max(label, _LABEL * self.scale if labels else 0.0), (right - left) / 3)
        for line in lines:
            self._detail(line, left, left + label, right)

    def _detail(self, line: Line, left: float, value: float, right: float) -> None:
        begin = end = self.y
        x = left
        if line.label:
            self._lines(self._wrapped(line.label, value - left - 8 * self.scale, _SMALL), left, _SMALL, "dim")
            end, self.y, x = self.y, begin, value
        if line.mark:
            color = _MARK_COLORS[line.mark]
            self._text(x, self.y + self._ascent(_SMALL), MARKS[line.mark], _SMALL, color, bold=True)
            x += 13 * self.scale
        self._paragraph(line.text, x, right, _SMALL, "bad" if line.mark == "failed" else "ink")
        self.y = max(self.y, end)

    def _down(self, space: float) -> None:
        self.y += space * self.scale * self.format.air

    # Text

    def _paragraph(self, text: str, left: float, right: float, size: float, color: Color, bold: bool = False) -> None:
        self._lines(self._wrapped(text, right - left, size, bold), left, size, color, bold)

    def _wrapped(self, text: str, room: float, size: float, bold: bool = False) -> list[str]:
        return wrap(_fonts.clean(text), room, lambda part: _fonts.width(part, size * self.scale, bold))

    def _lines(
        self, lines: list[str], x: float, size: float, color: Color, bold: bool = False, anchor: Anchor = "left"
    ) -> None:
        for line in lines:
            self._text(x, self.y + self._ascent(size), line, size, color, bold, anchor)
            self.y += size * self.scale * _LEADING

    def _text(
        self, x: float, y: float, text: str, size: float, color: Color, bold: bool = False, anchor: Anchor = "left"
    ) -> None:
        if text:
            self.front.append(Text(x, y, _fonts.clean(text), size * self.scale, color, bold, anchor))

    def _width(self, text: str, size: float, bold: bool = False) -> float:
        return _fonts.width(_fonts.clean(text), size * self.scale, bold)

    def _ascent(self, size: float) -> float:
        return size * self.scale * 1.06


def _color(step: Step) -> Color:
    if step.tone == "bad":
        return "bad"
    return "inferred" if step.inferred else step.protection
