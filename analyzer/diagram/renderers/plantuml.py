"""PlantUML: for wikis and documents that draw it themselves."""

from collections.abc import Iterator
from itertools import groupby

from analyzer.diagram.renderers._theme import THEMES, Color
from analyzer.diagram.sequence import MARKS, Diagram, Line, Participant, Step, Theme, Tone, Width
from analyzer.report.escape import plantuml as escape

SUFFIX = ".puml"

_OVER = {"client": "C", "server": "S", None: "C, S"}
_NOTES: dict[Tone, Color] = {"plain": "note", "good": "good-paper", "bad": "bad-paper", "open": "open-paper"}


def render(diagram: Diagram, *, theme: Theme = "light", width: Width = "column") -> bytes:
    """Draw it; the same diagram gives the same bytes."""
    return "".join(f"{line}\n" for line in _lines(diagram, theme)).encode()


def _lines(diagram: Diagram, theme: Theme) -> Iterator[str]:
    colors = THEMES[theme]
    yield "@startuml"
    yield "hide footbox"
    yield f"skinparam backgroundColor {colors['paper']}"
    for thing in ("Title", "Participant", "Arrow", "Note", "SequenceDivider", "Caption"):
        yield f"skinparam {thing}FontColor {colors['ink']}"
    yield f"skinparam ParticipantBackgroundColor {colors['card']}"
    yield f"skinparam ParticipantBorderColor {colors['rule']}"
    yield f"skinparam SequenceDividerBackgroundColor {colors['band']}"
    yield f"skinparam SequenceLifeLineBorderColor {colors['rule']}"
    yield f"skinparam NoteBorderColor {colors['note-edge']}"
    yield "skinparam SequenceDividerBorderColor " + colors["rule"]
    yield "skinparam SequenceDividerBorderThickness 1"
    yield "skinparam shadowing false"
    yield "skinparam wrapWidth 520"
    yield f"title {_bold(diagram.title)}"
    yield f"participant {_participant(diagram.client)} as C"
    yield f"participant {_participant(diagram.server)} as S"
    if diagram.subtitle:
        yield from _note("C, S", colors["card"], [escape(diagram.subtitle)])
    for phase, steps in groupby(diagram.steps, lambda step: step.phase):
        if phase:
            yield f"== {escape(phase)} =="
        for step in steps:
            yield from _step(step, theme)
    for caption in diagram.captions:
        yield from _note("C, S", colors["card"], [escape(caption)])
    yield "@enduml"


def _participant(participant: Participant) -> str:
    parts = [_bold(participant.role), escape(participant.name), escape(participant.address)]
    return '"' + "\\n".join(part for part in parts if part) + '"'


def _step(step: Step, theme: Theme) -> Iterator[str]:
    text = list(_text(step))
    if step.kind != "message":
        yield from _note(_OVER[step.sender], THEMES[theme][_NOTES[step.tone]], text)
        return
    color = THEMES[theme]["bad" if step.tone == "bad" else "inferred" if step.inferred else step.protection]
    line = "--" if step.inferred else "-"
    begin, end = ("S", "C") if step.sender == "server" else ("C", "S")
    head, tail = (">x" if step.lost else ">"), ("<" if step.sender is None else "")
    shown = r"\n".join(text)
    yield f"{begin} {tail}{line[0]}[{color}]{line[1:]}{head} {end} : {shown}"


def _note(over: str, color: str, text: list[str]) -> Iterator[str]:
    yield f"note over {over} {color}"
    yield from text
    yield "end note"


def _text(step: Step) -> Iterator[str]:
    number = f"{step.number}. " if step.number is not None else ""
    about = [*step.tags, *([step.where] if step.where else [])]
    yield _bold(number + step.title) + (escape(f" ({', '.join(about)})") if about else "")
    if step.meaning:
        yield escape(step.meaning)
    yield from map(_detail, step.lines)


def _detail(line: Line) -> str:
    label = f"{line.label}: " if line.label else ""
    mark = f"{MARKS[line.mark]} " if line.mark else ""
    return escape(f"{label}{mark}{line.text}")


def _bold(text: str) -> str:
    return f"<b>{escape(text)}</b>" if text else ""
