"""What does a rule answer, and how is advice put into words?"""

from dataclasses import dataclass, field
from typing import Literal

from analyzer.results import FindingEvidence

Severity = Literal["error", "warning", "notice"]
Confidence = Literal["certain", "likely", "possible"]

CONFIDENCES: tuple[Confidence, ...] = ("certain", "likely", "possible")
"""From sure to unsure."""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "notice")
"""From bad to harmless."""


@dataclass(slots=True, kw_only=True)
class Judgment:
    """A rule's answer: it is so, and how sure that is."""

    confidence: Confidence
    """How sure."""
    summary: str
    """What happened, with what was expected and what was there; it may hold hostile names."""
    remedy: str
    """What a person can do, as `advise` words it."""
    evidence: list[FindingEvidence] = field(default_factory=list)
    """Where to look."""
    severity: Severity | None = None
    """Where it differs from the rule's own."""
    explains: bool = True
    """Whether it can be the root cause; if not, it stands beside another finding."""
    rests_on_holes: bool = False
    """Whether what is missing speaks for it, so that it is no reason to doubt it."""


def advise(*, client: str = "", server: str = "", network: str = "", confirm: str) -> str:
    """Say who can do what, and how to confirm that it is the cause or that it helped: a command or display filter."""
    owners = (("Client's owner", client), ("Server's owner", server), ("Network's owner", network))
    return " ".join([*(f"{owner}: {text}" for owner, text in owners if text), f"To confirm: {confirm}"])


def lowered(confidence: Confidence) -> Confidence:
    """One step less sure."""
    return CONFIDENCES[min(CONFIDENCES.index(confidence) + 1, len(CONFIDENCES) - 1)]


def listed(items: list[str], most: int = 4) -> str:
    """Join what a peer may hold thousands of; the rest is counted."""
    shown = ", ".join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown
