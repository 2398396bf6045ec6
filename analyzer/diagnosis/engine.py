"""Which findings does each handshake of a capture have, and which of them is the root cause?

Every rule that knows the situation is asked. Findings are ranked by how sure they are, by how much they explain (that a
connection was reset explains little), and by whether they are at home where the handshake stopped. The best is the root
cause; those that only say how it ended stand back where another says why. What the capture lacks lowers confidence, if
whoever ended it did not lack it as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal, cast

from analyzer.diagnosis.case import Case, Stage
from analyzer.diagnosis.finding import SEVERITIES, Confidence, Judgment, Severity, lowered
from analyzer.diagnosis.surroundings import Sighting, Surroundings, sighting
from analyzer.plugins import Registry
from analyzer.results import Finding, HandshakeReport
from analyzer.tls.attempt import TLS_PORTS

if TYPE_CHECKING:
    from analyzer.diagnosis.profile import Profile

RULES = Registry("analyzer.diagnosis.rules")
"""All rules, by code."""

Situation = Literal["attempt", "failed", "incomplete", "established"]

_SURE: dict[Confidence, int] = {"certain": 5, "likely": 4, "possible": 0}
_SPECIFIC = (0, 2, 2, 3)
"""What specificity is worth beside confidence: a likely cause explains more than the certain way in which it ended."""


@dataclass(slots=True, frozen=True)
class Rule:
    """A module of `analyzer.diagnosis.rules`, as that package describes it."""

    code: str
    severity: Severity
    stage: Stage | None
    specificity: int
    applies: Callable[[HandshakeReport, Surroundings], bool]
    """Cheap; asked of established handshakes."""
    judge: Callable[[Case], Judgment | None]


@cache
def rules(situation: Situation) -> tuple[Rule, ...]:
    """The rules for a situation; their modules are imported when the first one is asked for."""
    found = []
    for code, module in _modules():
        if situation in module.WHEN:
            applies = module.applies if situation == "established" else _always
            found.append(Rule(code, module.SEVERITY, module.STAGE, module.SPECIFICITY, applies, module.judge))
    return tuple(found)


@cache
def _modules() -> tuple[tuple[str, ModuleType], ...]:
    # Not by `RULES.load`, which looks into the folder for each.
    return tuple((code, import_module(f"{RULES.package}.{code.replace('-', '_')}")) for code in RULES.names())


def _always(report: HandshakeReport, around: Surroundings) -> bool:
    return True


def situation(report: HandshakeReport) -> Situation:
    """What kind of handshake it is to a diagnosis."""
    return "attempt" if report.facts is None else cast(Situation, report.outcome)


def diagnose(
    reports: Sequence[HandshakeReport],
    *,
    sightings: Sequence[Sighting] | None = None,
    assumed_trust: bool = True,
    profile: "Profile | None" = None,
    tls_ports: frozenset[int] = TLS_PORTS,
) -> None:
    """Set `findings` and `root_cause` of the handshakes of one capture.

    Args:
        reports: with their certificates and chains.
        sightings: of all handshakes that a cause may be found in, in order, where those are more than the reports.
        assumed_trust: nobody said whom the clients trust, a public trust store stands in for theirs.
        profile: what is expected of a platform.
        tls_ports: where TLS is expected to begin at once.
    """
    if sightings is None:
        sightings = [sighting(report) for report in reports]
    around = Surroundings(sightings, assumed_trust=assumed_trust, tls_ports=tls_ports)
    for report in reports:
        asked = [rule for rule in rules(situation(report)) if rule.applies(report, around)]
        if asked or profile is not None:
            _diagnose(Case(report, around), asked, profile)


def _diagnose(case: Case, asked: Sequence[Rule], profile: "Profile | None") -> None:
    """Ask the rules about one handshake, and rank what they answer."""
    judged = [(rule, judgment) for rule in asked if (judgment := rule.judge(case)) is not None]
    if profile is not None:
        _expect(case, judged, profile)
    if case.failed and case.lacks_some():
        for _, judgment in judged:
            _doubt(case, judgment)
    judged.sort(key=lambda one: _rank(case, *one), reverse=True)
    causes = [one for one in judged if one[1].explains]
    root = causes[0] if causes else None
    if root is not None and root[0].specificity:
        # Why it ended is known: merely how it ended, or whose fault it is, need not be said as well.
        least = min(root[0].specificity, 2)
        judged = [one for one in judged if one[0].specificity >= least or not one[1].explains]
    ordered = [one for one in judged if one is root] + sorted(
        (one for one in judged if one is not root), key=lambda one: SEVERITIES.index(one[1].severity or one[0].severity)
    )
    findings = [_finding(case, *one) for one in ordered]
    case.report.findings = findings
    case.report.root_cause = root[0].code if root is not None else None
    if root is None and case.failed:
        # A profile may know what no rule does.
        case.report.root_cause = next((one.code for one in findings if one.severity == "error"), None)


def _expect(case: Case, judged: list[tuple[Rule, Judgment]], profile: "Profile") -> None:
    """Judge by what the platform promises: it is the more specific knowledge, whether or not a rule saw the same."""
    by_code = {rule.code: (rule, judgment) for rule, judgment in judged}
    for code, (_, judgment) in by_code.items():
        profile.hint(case, code, judgment)
    for one in profile.due(case):
        if one.code in by_code:
            rule, judgment = by_code[one.code]
            one.sharpen(judgment, rule.severity)
        else:
            rule = _unasked(one.code, one.severity)
            judged.append((rule, one.judgment(case, at_home=rule.stage == case.stage)))


def _unasked(code: str, severity: Severity) -> Rule:
    """A rule that finds nothing itself, of the kind of the one with this code."""
    module = dict(_modules()).get(code)
    stage, specificity = (module.STAGE, module.SPECIFICITY) if module is not None else (None, 2)
    return Rule(code, severity, stage, specificity, _always, lambda _: None)


def _doubt(case: Case, judgment: Judgment) -> None:
    """What the capture lacks may tell another story."""
    if judgment.explains and not judgment.rests_on_holes and case.answer is not None:
        judgment.confidence = lowered(judgment.confidence)
        judgment.summary += " (The capture lacks a part of this connection.)"


def _rank(case: Case, rule: Rule, judgment: Judgment) -> tuple[int, int]:
    at_home = rule.stage == case.stage
    score = _SURE[judgment.confidence] + _SPECIFIC[rule.specificity] + at_home
    return score, rule.specificity


def _finding(case: Case, rule: Rule, judgment: Judgment) -> Finding:
    return Finding(
        code=rule.code,
        severity=judgment.severity or rule.severity,
        confidence=judgment.confidence,
        stage=rule.stage or case.stage,
        summary=judgment.summary,
        remedy=judgment.remedy,
        evidence=judgment.evidence,
    )
