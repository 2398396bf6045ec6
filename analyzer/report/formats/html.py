"""One page that explains itself: tiles, a table to filter and sort, and a section for every handshake.

The file needs no network and nothing beside it. A section is built when it is opened (`#stream-3-0` leads to
handshake 0 of stream 3, `#c2-stream-3-0` in the second capture), so that 10,000 handshakes open as fast as ten.
Sequence diagrams are drawn for the most telling handshakes, one of each kind first; the others show their messages.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import PurePath
from typing import Any, TextIO

from analyzer.diagnosis.engine import RULES
from analyzer.diagram import palette
from analyzer.diagram.renderers._theme import THEMES
from analyzer.report import serialize, webpage, words
from analyzer.results import CaptureReport, HandshakeReport

SUFFIXES = (".html", ".htm")
HOLDS_ISSUES = True
IN_PARTS = False
DRAWS = True

DIAGRAMS = 32
"""How many handshakes are drawn at most."""

CAUSES = 10
"""How many root causes are listed at once."""

_AUTHENTICATIONS = ("mutual", "one-way", "requested-not-provided", "psk", "anonymous", "undetermined")
_OUTCOMES = ("established", "failed", "incomplete")
_ALWAYS = ("mutual", "one-way", "requested-not-provided", "established", "failed")


def write(reports: Iterable[CaptureReport], out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write the page; all reports are collected first, because its head counts them."""
    captures = list(reports)
    handshakes = [(number, each) for number, report in enumerate(captures) for each in report.handshakes]
    drawn = telling([each for _, each in handshakes])
    shared = _Shared()
    template = webpage.templates().get_template("report.html")
    for chunk in template.generate(
        title=_title(captures),
        style=webpage.style(webpage.HOME, "page.css", "report.css"),
        **webpage.script(webpage.HOME, "report.js"),
        tally=_tally(captures),
        captures=captures,
        words=words,
        authentications=_tiles(_AUTHENTICATIONS, [each.authentication for _, each in handshakes]),
        outcomes=_tiles(_OUTCOMES, [each.outcome for _, each in handshakes]),
        causes=_causes([each for _, each in handshakes]),
        most=CAUSES,
        versions=sorted({each.version for _, each in handshakes if each.version}),
        total=len(handshakes),
        drawn=len(drawn),
        arguments=webpage.data([shlex.quote(report.capture) for report in captures]),
        rows=webpage.data([_row(number, each) for number, each in handshakes]),
        names=webpage.data(_names(captures)),
        details=(webpage.data(shared.detail(each)) for _, each in handshakes),
        shared=shared.lines(),
        diagrams=webpage.data({at: _svg(handshakes[at][1]) for at in drawn}, exact=True),
        dark=webpage.data(_dark()),
    ):
        out.write(chunk)


def telling(handshakes: list[HandshakeReport], most: int = DIAGRAMS) -> list[int]:
    """Positions of the handshakes to draw: of each kind the first, failures before the rest, then more of them."""
    kinds: dict[Any, list[int]] = {}
    for at, each in enumerate(handshakes):
        basis = each.authentication_basis
        kind = each.root_cause, each.authentication, each.outcome, each.version, basis, each.resumption
        kinds.setdefault(kind, []).append(at)
    ranked = sorted(
        (rank, handshakes[at].outcome != "failed", at) for found in kinds.values() for rank, at in enumerate(found)
    )
    return sorted(at for _, _, at in ranked[:most])


@dataclass(slots=True)
class Tile:
    """A number to filter by."""

    word: str
    """A value of `authentication` or `outcome`."""
    count: int
    """How many handshakes have it."""
    tone: str
    """Class that colours it."""


def _tiles(every: Iterable[str], found: list[str]) -> list[Tile]:
    counts = Counter(found)
    return [Tile(word, counts[word], _TONES[word]) for word in every if counts[word] or word in _ALWAYS]


_TONES = {
    "mutual": "mutual",
    "one-way": "one-way",
    "requested-not-provided": "requested",
    "psk": "other",
    "anonymous": "other",
    "undetermined": "undetermined",
    "established": "mutual",
    "failed": "failed",
    "incomplete": "undetermined",
}


def _names(captures: list[CaptureReport]) -> list[str]:
    """What the captures are called, without the folder that all are in."""
    names = [report.capture for report in captures]
    levels = zip(*(PurePath(name).parts[:-1] for name in names), strict=False)
    shared = sum(1 for _ in takewhile(lambda folders: len(names) > 1 and len(set(folders)) == 1, levels))
    return [str(PurePath(*PurePath(name).parts[shared:])) if shared else name for name in names]


def _dark() -> dict[str, str]:
    """Of each colour of a light diagram the one that it has in the dark."""
    return {color: THEMES["dark"][name] for name, color in THEMES["light"].items()}


def _title(captures: list[CaptureReport]) -> str:
    return captures[0].capture if len(captures) == 1 else words.count(len(captures), "capture")


def _tally(captures: list[CaptureReport]) -> str:
    tally = words.Tally()
    for report in captures:
        tally.add(report)
    return str(tally)


def _causes(handshakes: list[HandshakeReport]) -> list[tuple[str, int, str]]:
    """Root causes, how often, and what each means in general; of a rule that is not ours, what it first said."""
    counts = Counter(each.root_cause for each in handshakes if each.root_cause)
    says = {finding.code: finding.summary for each in reversed(handshakes) for finding in each.findings}
    ours = RULES.names()
    told = {
        code: RULES.documentation(code).partition("\n")[0] if code in ours else says.get(code, "") for code in counts
    }
    return [(code, count, told[code]) for code, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]


def _row(capture: int, report: HandshakeReport) -> list[Any]:
    """What the table shows of a handshake, and what else the search finds it by; the script knows the order."""
    sent = [certificate.subject for side in report.certificates.values() for certificate in side[:1]]
    codes = [finding.code for finding in report.findings]
    also = [report.cipher_suite, report.alpn, report.preamble, report.display_filter, *sent, *codes]
    return [
        anchor(capture, report),
        capture,
        words.stream(report),
        serialize.timestamp(report.start),
        str(report.client),
        str(report.server),
        report.server_name,
        report.version,
        report.authentication,
        words.authentication(report),
        report.outcome,
        words.outcome(report),
        report.root_cause,
        report.root_cause or words.ending(report),
        palette.verdict(report.authentication, report.outcome).replace("_", "-"),
        " ".join(text for text in also if text),
    ]


def anchor(capture: int, report: HandshakeReport) -> str:
    """The fragment that leads to a handshake's section, for the capture of this index."""
    of_capture = f"c{capture + 1}-" if capture else ""
    transport = "" if report.transport == "tcp" else f"{report.transport}-"
    return f"{of_capture}{transport}stream-{report.stream}-{report.handshake}"


@dataclass(slots=True)
class _Shared:
    """What several handshakes have in common, such as certificates, stands once in the page."""

    _numbers: dict[str, int] = field(default_factory=dict)

    def detail(self, report: HandshakeReport) -> dict[str, Any]:
        """All of a handshake that is known, with numbers in place of what is shared."""
        made = serialize.handshake(report)
        made["messages"] = [list(message.values()) for message in made["messages"]]
        for key in ("evidence", "findings", "proofs"):
            made[key] = [self._number(each) for each in made[key]]
        for side in ("server", "client"):
            made["certificates"][side] = [self._number(each) for each in made["certificates"][side]]
            chain = made["chain"][side]
            made["chain"][side] = None if chain is None else self._number(chain)
        return {key: value for key, value in made.items() if value not in (None, []) and key not in _UNUSED}

    def lines(self) -> Iterator[str]:
        """JSON of each, in the order of the numbers; complete once every detail was made."""
        yield from self._numbers

    def _number(self, value: Any) -> int:
        return self._numbers.setdefault(webpage.data(value), len(self._numbers))


_UNUSED = ("schema_version", "capture", "start", "client", "server", "authentication", "outcome")


def _svg(report: HandshakeReport) -> str:
    return report.diagram().render("svg").decode()
