"""Diagrams for the tests of what is drawn: of all sample captures, of the textbook, and of names at their worst."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from analyzer.api import analyze
from analyzer.diagram.reference import reference
from analyzer.diagram.sequence import Diagram, Line, Participant, Step
from analyzer.results import HandshakeReport

CAPTURES = Path(__file__).parents[1] / "captures"
TRUST = {"trust": [str(CAPTURES / "ca.pem")], "client_trust": [str(CAPTURES / "ca.pem")]}
NAMES = sorted(path.name for path in CAPTURES.glob("*.pcap*"))

REFERENCES: dict[str, dict[str, Any]] = {
    "one-way-rsa": {"authentication": "one-way"},
    "one-way-ecdhe": {"authentication": "one-way", "key_exchange": "ecdhe"},
    "one-way-tls13": {"authentication": "one-way", "version": "1.3"},
    "mutual-rsa": {"authentication": "mutual"},
    "mutual-ecdhe": {"authentication": "mutual", "key_exchange": "ecdhe"},
    "mutual-tls13": {"authentication": "mutual", "version": "1.3"},
    **{
        f"salesforce-{party}-{kind}": {"authentication": kind, "profile": "salesforce", "party": party}
        for party in ("client", "server")
        for kind in ("one-way", "mutual")
    },
}

HOSTILE = {
    "long": "x" * 200,
    "long-with-dots": "a-rather-long-label." * 10,
    "chinese": "\u4f8b\u3048\u306e\u4f1a\u793e" * 40,
    "hebrew": "\u05d3\u05d5\u05d2\u05de\u05d4.\u05e9\u05e8\u05ea.com",
    "arabic": "\u062e\u0627\u062f\u0645 \u0627\u0644\u0627\u062e\u062a\u0628\u0627\u0631 " * 8,
    "emoji": "\U0001f600\u200d\U0001f468\U0001f3fd e\u0301\u0323",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'`",
    "override": "safe\u202eevil\u2066\u200b\x1b[31m\x07\x00\r\nend",
    "mermaid": "end\nC->>S: forged;%%{init: {}}%% #35; Note over C: x\n}",
    "plantuml": "!include /etc/passwd\n@enduml\n@startuml\nend note\n<b>x</b> <U+0041> %n \\n ~~ __ //",
    "unassigned": "\U000e0001\ud7ff\u0378\ufffe",
}
"""Names that a peer may send."""


@cache
def reports(capture: str) -> list[HandshakeReport]:
    """The handshakes of a sample capture."""
    return analyze(str(CAPTURES / capture), **TRUST).handshakes


def report(capture: str, handshake: int = 0) -> HandshakeReport:
    """One of them."""
    return reports(f"{capture}.pcap")[handshake]


def drawn(capture: str, handshake: int = 0) -> Diagram:
    """Its diagram."""
    return report(capture, handshake).diagram()


def textbook(name: str) -> Diagram:
    """One of the reference diagrams."""
    return reference(**REFERENCES[name])


def renamed(name: str, base: str = "mutual-tls12") -> Diagram:
    """The diagram of a handshake in which everybody has this name."""
    original = report(base)
    certificate = replace(
        original.certificates["server"][0], subject=f"CN={name},O={name}", issuer=f"CN={name}", san=[f"DNS:{name}"] * 6
    )
    return replace(
        original, server_name=name, certificates={"server": [certificate] * 9, "client": [certificate]}
    ).diagram()


def long_diagram(count: int, text: str = "Something that takes about one line of a page to tell") -> Diagram:
    """A diagram with so many steps of every kind."""
    steps = []
    for number in range(count):
        kind = ("message", "note", "message", "gap", "message")[number % 5]
        sender = ("client", "server", None)[number % 3]
        steps.append(
            Step(
                kind=kind,
                key=str(number),
                title=text,
                meaning=text,
                sender=sender,
                lines=(Line("label", text, "failed"), Line(text, text), Line("", text, "verified")),
                phase=f"Part {number // 7}",
                number=number + 1,
                frame=number * 1_000_000,
                last_frame=number * 1_000_000 + 999,
                time=number * 1e4,
                protection=("cleartext", "encrypted", "decrypted")[number % 3],
                inferred=number % 4 == 0,
                lost=number % 9 == 0 and sender is not None,
                tone=("plain", "bad")[number % 2],
            )
        )
    end = Step(kind="end", key="end", title=text, lines=(Line("remedy", text),), tone="bad")
    party = Participant(text, text, text)
    return Diagram(title=text, subtitle=text, client=party, server=party, steps=(*steps, end), captions=(text, text))


def everything() -> dict[str, Diagram]:
    """All of the above, by name."""
    made = {f"{capture}-{at}": one.diagram() for capture in NAMES for at, one in enumerate(reports(capture))}
    made |= {f"textbook-{name}": textbook(name) for name in REFERENCES}
    made |= {f"named-{name}": renamed(text) for name, text in HOSTILE.items()}
    made |= {f"long-{count}": long_diagram(count) for count in (4, 60)}
    made["long-words"] = long_diagram(60, "W" * 200)
    made["long-wide"] = long_diagram(9, HOSTILE["chinese"])
    return made
