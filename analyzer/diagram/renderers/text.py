"""Plain text of 80 columns: for terminals, tickets and mail."""

from collections.abc import Iterator
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from analyzer.diagram.renderers._wrap import wrap
from analyzer.diagram.sequence import MARKS, MARKS_ASCII, Diagram, Line, Participant, Step, Theme, Width
from analyzer.report.escape import visible

SUFFIX = ".txt"

_WIDTH = 80
_CLIENT, _SERVER = 5, 74
"""Columns of the lifelines."""
_LABEL = 16


class _Drawing(NamedTuple):
    """The characters of a picture."""

    down: str
    """Lifeline."""
    break_: str
    """Lifeline where something is missing."""
    line: str
    """Arrow in clear."""
    encrypted: str
    """Arrow that is encrypted."""
    inferred: str
    """Arrow that was inferred."""
    left: str
    right: str
    cross: str
    corners: str
    """Of a box: top left, top right, bottom left, bottom right."""
    edge: str
    """Of a box, horizontal."""
    rule: str
    """Of a phase."""


_UNICODE = _Drawing("│", "┊", "─", "═", "╌", "◀", "▶", "\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}", "┌┐└┘", "─", "━")
_ASCII = _Drawing("|", ":", "-", "=", "~", "<", ">", "x", "++++", "-", "=")
_PLAIN = str.maketrans({"·": ",", "…": "...", "\N{EN DASH}": "-", "\N{MULTIPLICATION SIGN}": "x"})


def render(diagram: Diagram, *, theme: Theme = "light", width: Width = "column", ascii_only: bool = False) -> bytes:
    """Draw it, with line-drawing characters or with those of ASCII; the same diagram gives the same bytes."""
    text = "".join(f"{line.rstrip()}\n" for line in _Page(diagram, ascii_only).lines())
    if ascii_only:
        return text.translate(_PLAIN).encode("ascii", "backslashreplace")
    return text.encode()


class _Page:
    """Sets line after line."""

    def __init__(self, diagram: Diagram, ascii_only: bool) -> None:
        self.diagram = diagram
        self.ascii = ascii_only
        self.signs = _ASCII if ascii_only else _UNICODE
        self.marks = MARKS_ASCII if ascii_only else MARKS

    def lines(self) -> Iterator[str]:
        """All of it."""
        yield from self._wrapped(self.diagram.title, _WIDTH)
        if self.diagram.subtitle:
            yield from self._wrapped(self.diagram.subtitle, _WIDTH)
        yield ""
        yield from self._participants()
        phase = ""
        for step in self.diagram.steps:
            if step.kind == "end":
                yield from self._end(step)
                continue
            if step.phase != phase:
                phase = step.phase
                yield self._between()
                yield self._phase(phase)
            yield self._between()
            yield from self._step(step)
        for caption in self.diagram.captions:
            yield ""
            yield from self._wrapped(caption, _WIDTH)

    def _participants(self) -> Iterator[str]:
        half = _WIDTH // 2 - 1
        client, server = (self._names(who, half) for who in (self.diagram.client, self.diagram.server))
        for at in range(max(len(client), len(server))):
            left = client[at] if at < len(client) else ""
            right = server[at] if at < len(server) else ""
            yield f"{left}{' ' * (_WIDTH - columns(left) - columns(right))}{right}"

    def _names(self, participant: Participant, room: int) -> list[str]:
        parts = (participant.role, participant.name, participant.address)
        return [line for part in parts if part for line in self._wrapped(part, room)]

    def _between(self, text: str = "", sign: str = "") -> str:
        """A text between the lifelines."""
        sign = sign or self.signs.down
        room = _SERVER - _CLIENT - 1
        return f"{' ' * _CLIENT}{sign}{_padded(f' {text}' if text else '', room)}{sign}"

    def _phase(self, phase: str) -> str:
        title = f" {phase} "
        return f"{self.signs.rule * 3}{title}{self.signs.rule * (_WIDTH - 3 - len(title))}"

    def _step(self, step: Step) -> Iterator[str]:
        if step.kind == "message":
            yield from self._message(step)
        elif step.kind == "note":
            yield from self._note(step)
        else:
            for line in self._wrapped(step.title, _SERVER - _CLIENT - 5):
                yield self._between(line, self.signs.break_)

    def _message(self, step: Step) -> Iterator[str]:
        room = _SERVER - _CLIENT - 3
        about = ", ".join([*step.tags, *([step.where] if step.where else [])])
        number = f"{step.number} " if step.number is not None else ""
        *rest, last = self._wrapped(number + step.title, room)
        for line in rest:
            yield self._between(line)
        if about and columns(last) + columns(about) + 2 <= room:
            yield self._between(_padded(last, room - columns(about)) + about)
        else:
            yield self._between(last)
            if about:
                yield self._between(about)
        yield self._arrow(step)
        for line in self._body(step, room):
            yield self._between(line)

    def _arrow(self, step: Step) -> str:
        signs, room = self.signs, _SERVER - _CLIENT - 1
        line = signs.line if step.protection == "cleartext" else signs.encrypted
        line = signs.inferred if step.inferred else line
        if step.lost:
            shaft = _padded(f"{line * (room // 2)}{signs.cross}", room)
        elif step.sender == "client":
            shaft = f"{line * (room - 1)}{signs.right}"
        elif step.sender == "server":
            shaft = f"{signs.left}{line * (room - 1)}"
        else:
            shaft = f"{signs.left}{line * (room - 2)}{signs.right}"
        return f"{' ' * _CLIENT}{signs.down}{shaft}{signs.down}"

    def _note(self, step: Step) -> Iterator[str]:
        left = 0 if step.sender != "server" else 10
        right = _WIDTH if step.sender != "client" else _WIDTH - 10
        number = f"{step.number} " if step.number is not None else ""
        content = [*self._wrapped(number + step.title, right - left - 4), *self._body(step, right - left - 4)]
        for line in self._box(content, right - left):
            yield self._beside(line, left, right)

    def _beside(self, box: str, left: int, right: int) -> str:
        """A note's line, and the lifeline that it does not cover."""
        if left > _CLIENT:
            return f"{' ' * _CLIENT}{self.signs.down}{' ' * (left - _CLIENT - 1)}{box}"
        if right <= _SERVER:
            return f"{box}{' ' * (_SERVER - right)}{self.signs.down}"
        return box

    def _box(self, content: list[str], width: int) -> Iterator[str]:
        signs = self.signs
        side = signs.down
        yield f"{signs.corners[0]}{signs.edge * (width - 2)}{signs.corners[1]}"
        for line in content:
            yield f"{side} {_padded(line, width - 4)} {side}"
        yield f"{signs.corners[2]}{signs.edge * (width - 2)}{signs.corners[3]}"

    def _end(self, step: Step) -> Iterator[str]:
        mark = {"good": self.marks["verified"], "bad": self.marks["failed"], "open": self.marks["unchecked"]}
        yield self._between()
        title = f"{mark.get(step.tone, '')} {step.title}".strip()
        yield from self._box([*self._wrapped(title, _WIDTH - 4), *self._body(step, _WIDTH - 4)], _WIDTH)

    def _body(self, step: Step, room: int) -> Iterator[str]:
        if step.meaning:
            yield from self._wrapped(step.meaning, room)
        for line in step.lines:
            yield from self._detail(line, room)

    def _detail(self, line: Line, room: int) -> Iterator[str]:
        mark = f"{self.marks[line.mark]} " if line.mark else ""
        if not line.label:
            yield from self._wrapped(mark + line.text, room)
            return
        first, indent = f"  {line.label}", max(_LABEL, columns(line.label) + 2)
        if indent > room // 2:  # a label that leaves no room beside it
            yield from (f"  {part}" for part in self._wrapped(line.label, room - 2))
            first, indent = "", _LABEL
        for part in self._wrapped(mark + line.text, room - indent - 2):
            yield f"{_padded(first, indent + 2)}{part}"
            first = ""

    def _wrapped(self, text: str, room: int) -> list[str]:
        text = visible(text)
        if self.ascii:
            text = text.translate(_PLAIN).encode("ascii", "backslashreplace").decode()
        return wrap(text, room, columns)


def columns(text: str) -> int:
    """How wide a terminal shows it."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, room: int) -> str:
    return text + " " * max(room - columns(text), 0)
