"""Mermaid: for Markdown on GitHub and GitLab, and for wikis.

Mermaid refuses texts of more than 50,000 characters: in a diagram that would be longer details are shortened, or
left out, and it says so.
"""

from collections.abc import Iterator
from itertools import groupby

from analyzer.diagram.renderers._wrap import wrap
from analyzer.diagram.sequence import MARKS, Diagram, Line, Participant, Step, Theme, Width
from analyzer.report.escape import mermaid as escape
from analyzer.report.escape import visible

SUFFIX = ".mmd"

_LONGEST = 50_000
_ROOMS = (100_000, 160, 60, _NONE := 40)
"""Characters that a text may have, from the first try to the last; at the last there are no details either."""
_LEFT_OUT = "Details are left out here: Mermaid takes no more than 50,000 characters."
_LINE = 72
"""Characters in a line; Mermaid makes a diagram as wide as its longest."""
_PARTIES = {"client": "C", "server": "S", None: "C,S"}
_BANDS = {"light": "rgba(120, 140, 170, 0.08)", "dark": "rgba(120, 140, 170, 0.16)"}


def render(diagram: Diagram, *, theme: Theme = "light", width: Width = "column") -> bytes:
    """Draw it; the same diagram gives the same bytes."""
    for room in _ROOMS:
        text = "".join(f"{line}\n" for line in _lines(diagram, theme, room))
        if len(text) <= _LONGEST:
            break
    return text.encode()


def _lines(diagram: Diagram, theme: Theme, room: int) -> Iterator[str]:
    """The document, with at most `room` characters of each text."""
    yield "sequenceDiagram"
    yield f"    title {_text(diagram.title, room)}"
    for letter, participant in (("C", diagram.client), ("S", diagram.server)):
        yield f"    participant {letter} as {_participant(participant, room)}"
    if diagram.subtitle:
        yield f"    Note over C,S: {_text(diagram.subtitle, room)}"
    for phase, steps in groupby(diagram.steps, lambda step: step.phase):
        if phase:
            yield f"    rect {_BANDS[theme]}"
            yield f"    Note over C,S: {_text(phase, room)}"
        for step in steps:
            yield f"    {_step(step, room)}"
        if phase:
            yield "    end"
    for caption in diagram.captions:
        yield f"    Note over C,S: {_text(caption, room)}"
    if room == _NONE:
        yield f"    Note over C,S: {escape(_LEFT_OUT)}"


def _participant(participant: Participant, room: int) -> str:
    parts = (participant.role, participant.name, participant.address)
    return "<br/>".join(_text(part, room) for part in parts if part)


def _step(step: Step, room: int) -> str:
    number = f"{step.number}. " if step.number is not None else ""
    about = [*step.tags, *([step.where] if step.where else [])]
    title = _text(number + step.title, room)
    if about:
        title += escape(f" ({', '.join(about)})")
    text = "<br/>".join([title, *_body(step, room)])
    if step.kind != "message":
        return f"Note over {_PARTIES[step.sender]}: {text}"
    return f"{_arrow(step)}: {text}"


def _arrow(step: Step) -> str:
    sender, receiver = ("S", "C") if step.sender == "server" else ("C", "S")
    if step.lost:
        return f"{sender}-x{receiver}"
    if step.sender is None:
        return f"{sender}<<->>{receiver}"
    return f"{sender}-->>{receiver}" if step.inferred else f"{sender}->>{receiver}"


def _body(step: Step, room: int) -> Iterator[str]:
    if room == _NONE:
        return
    if step.meaning:
        yield _text(step.meaning, room)
    for line in step.lines:
        yield _text(_detail(line), room)


def _detail(line: Line) -> str:
    label = f"{line.label}: " if line.label else ""
    mark = f"{MARKS[line.mark]} " if line.mark else ""
    return f"{label}{mark}{line.text}"


def _text(text: str, room: int) -> str:
    """Escaped, broken into lines, and no longer than there is room before that."""
    text = visible(text if len(text) <= room else f"{text[:room]}…")
    return "<br/>".join(map(escape, wrap(text, _LINE, len)))
