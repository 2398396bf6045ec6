"""What is a sequence diagram made of? Two parties, numbered steps, and what is known of each."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

from analyzer.results import Protection, Sender

Mark = Literal["verified", "failed", "unchecked"]
"""What this capture shows of a proof: it holds, it does not, or that cannot be told here."""
Kind = Literal["message", "note", "gap", "end"]
Tone = Literal["plain", "good", "bad", "open"]
Width = Literal["column", "slide"]
"""column: every detail, for documents. slide: only what a room can read."""
Theme = Literal["light", "dark"]

MARKS: dict[Mark, str] = {"verified": "✓", "failed": "✗", "unchecked": "?"}
MARKS_ASCII: dict[Mark, str] = {"verified": "+", "failed": "!", "unchecked": "?"}


@dataclass(slots=True, frozen=True)
class Participant:
    """One lifeline; names are hostile text and not escaped yet."""

    role: str
    """Client or Server, or what a profile calls them."""
    name: str = ""
    """Server name or certificate's subject, where known."""
    address: str = ""
    """Such as `192.0.2.10:52344`."""


@dataclass(slots=True, frozen=True)
class Line:
    """One detail of a step; hostile text, not escaped yet."""

    label: str
    """Such as `cipher suite`; empty for a sentence."""
    text: str
    """The value or the sentence."""
    mark: Mark | None = None
    """Where the line is about something that can be checked."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Step:
    """Something that happens, in order: a message, a thing inside a party, a gap, or the end."""

    kind: Kind
    """An arrow, a note over one lifeline or both, something missing, or the conclusion."""
    key: str
    """What it is, independent of words: a message's name, or such as `verify-server`."""
    title: str
    """Its name in the standards, or in plain language where they have none."""
    meaning: str = ""
    """What it carries or proves, in one sentence."""
    sender: Sender | None = None
    """Who sends it, or inside of whom it happens; None is both."""
    lines: tuple[Line, ...] = ()
    """Details."""
    phase: str = ""
    """Consecutive steps of one phase are drawn together; empty for none."""
    number: int | None = None
    """From 1; gaps and the end have none."""
    frame: int | None = None
    """Where the capture shows its end."""
    last_frame: int | None = None
    """Where it stands for several, the last one's."""
    time: float | None = None
    """Seconds since the handshake's start."""
    protection: Protection = "cleartext"
    """How a message was read."""
    inferred: bool = False
    """Not read, but concluded from sizes."""
    lost: bool = False
    """It never arrived."""
    tone: Tone = "plain"
    """Colour of its meaning: bad where it is what the handshake failed by."""

    @property
    def proof(self) -> Mark | None:
        """The worst of its marks."""
        marks = {line.mark for line in self.lines}
        return next((mark for mark in _WORST_FIRST if mark in marks), None)

    @property
    def where(self) -> str:
        """Frame and time in a few words; empty where there are none."""
        parts = []
        if self.frame is not None:
            several = self.last_frame is not None and self.last_frame != self.frame
            parts.append(f"frames {self.frame}\N{EN DASH}{self.last_frame}" if several else f"frame {self.frame}")
        if self.time is not None:
            parts.append(seconds(self.time))
        return " · ".join(parts)

    @property
    def tags(self) -> tuple[str, ...]:
        """What must be said of how it is known: decrypted, encrypted, inferred, lost."""
        tags = []
        if self.inferred:
            tags.append("inferred")
        elif self.protection != "cleartext":
            tags.append(self.protection)
        if self.lost:
            tags.append("lost")
        return tuple(tags)


_WORST_FIRST: tuple[Mark, ...] = ("failed", "unchecked", "verified")


@dataclass(slots=True, frozen=True, kw_only=True)
class Diagram:
    """A sequence diagram; every renderer draws this."""

    title: str
    """What it shows, in one line."""
    subtitle: str = ""
    """Where that comes from."""
    client: Participant
    """The left lifeline."""
    server: Participant
    """The right lifeline."""
    steps: tuple[Step, ...]
    """From top to bottom."""
    captions: tuple[str, ...] = ()
    """Sentences below the picture."""

    def render(self, name: str, *, theme: Theme = "light", width: Width = "column") -> bytes:
        """Draw it with the renderer of this name: `svg`, `png`, `mermaid`, `plantuml`, `text`.

        Theme and width are for pictures; those formats that have neither ignore them.

        Raises:
            UsageError: there is no such renderer.
        """
        from analyzer.diagram import renderers

        return renderers.load(name).render(self, theme=theme, width=width)

    def save(self, path: str | PathLike[str], *, theme: Theme = "light", width: Width = "column") -> None:
        """Write it to a file whose suffix says the format: `.svg`, `.png`, `.mmd`, `.puml`, `.txt`.

        Raises:
            UsageError: the suffix is none of these.
            OSError: the file cannot be written.
        """
        from analyzer.diagram import renderers

        Path(path).write_bytes(self.render(renderers.of_file(path), theme=theme, width=width))

    def __str__(self) -> str:
        return self.render("text").decode()

    def _repr_svg_(self) -> str:
        return self.render("svg").decode()


def seconds(time: float) -> str:
    """A duration for people: `0.42 ms`, `31.2 ms`, `1.25 s`, `3 min 20 s`."""
    if abs(time) < 0.01:
        return f"{time * 1e3:.2f} ms"
    if abs(time) < 1:
        return f"{time * 1e3:.1f} ms"
    if abs(time) < 100:
        return f"{time:.2f} s"
    minutes, rest = divmod(round(time), 60)
    return f"{minutes} min {rest} s"
