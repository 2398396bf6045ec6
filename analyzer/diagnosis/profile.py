"""What does a platform promise beyond the standards, and does a handshake with it keep to that?

A profile is data (TOML). `[server] names` are the host names that are the platform's own; there the platform is the
server. Elsewhere it is the client if the user says so. An `[[expect]]` entry is a fact of a platform that shows in a
handshake: where all of `when` holds, its finding is reported; where a rule has the same one, it speaks of it with what
the platform is known to do. A `[[hint]]` adds the platform's own words to the remedy of findings. `[diagram]` is read
by the textbook pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.finding import CONFIDENCES, SEVERITIES, Confidence, Judgment, Severity
from analyzer.errors import UsageError
from analyzer.results import FindingEvidence

Role = Literal["client", "server"]
ROLES: tuple[Role, ...] = ("client", "server")

Value = str | int | bool


@dataclass(slots=True, frozen=True)
class Expectation:
    """A finding that is due where all of `when` holds."""

    role: Role
    when: Mapping[str, tuple[Value, ...]]
    """By name of a fact, the values that it may have."""
    code: str
    severity: Severity
    confidence: Confidence
    summary: str
    remedy: str

    def judgment(self, case: Case, *, at_home: bool) -> Judgment:
        """What it says where no rule has found it; `at_home`: the handshake stopped where it is a cause."""
        return Judgment(
            confidence=self.confidence,
            severity=self.severity,
            explains=case.failed and at_home and self.severity == "error",
            summary=self.summary,
            remedy=self.remedy,
            evidence=[FindingEvidence(case.report.first_frame, case.report.display_filter)],
        )

    def sharpen(self, judgment: Judgment, severity: Severity) -> None:
        """Add it to what a rule of this severity saw: who knows the platform knows better what helps."""
        judgment.confidence = min(judgment.confidence, self.confidence, key=CONFIDENCES.index)
        judgment.severity = min(judgment.severity or severity, self.severity, key=SEVERITIES.index)
        judgment.summary += f" {self.summary}"
        judgment.remedy = self.remedy


@dataclass(slots=True, frozen=True)
class Hint:
    """What the platform's people call it, and where to click."""

    role: Role
    codes: frozenset[str]
    text: str


@dataclass(slots=True, frozen=True)
class Profile:
    """One platform."""

    name: str
    server_names: tuple[str, ...] = ()
    """Host names of the platform's own servers, with `*` for any part."""
    expectations: tuple[Expectation, ...] = ()
    hints: tuple[Hint, ...] = ()
    role: Role | None = field(default=None)
    """What the user says that the platform is, in every handshake."""

    def role_in(self, case: Case) -> Role | None:
        """Which side of a handshake the platform is; None where it is neither."""
        if self.role is not None:
            return self.role
        name = (case.report.server_name or "").lower().rstrip(".")
        return "server" if any(fnmatchcase(name, pattern) for pattern in self.server_names) else None

    def due(self, case: Case) -> list[Expectation]:
        """What the platform's promises show in a handshake."""
        role = self.role_in(case)
        if role is None:
            return []
        known = facts(case)
        return [
            one
            for one in self.expectations
            if one.role == role and all(known.get(fact) in values for fact, values in one.when.items())
        ]

    def hint(self, case: Case, code: str, judgment: Judgment) -> None:
        """Add the platform's own words to what a rule says helps."""
        role = self.role_in(case)
        for hint in self.hints:
            if hint.role == role and code in hint.codes:
                judgment.remedy += f" {self.name}: {hint.text}"


def facts(case: Case) -> dict[str, Value | None]:
    """What `when` of an expectation can ask for."""
    report = case.report
    client, server = report.certificates["client"], report.certificates["server"]
    return {
        "port": report.server.port,
        "version": report.version,
        "outcome": report.outcome,
        "authentication": report.authentication,
        "requested": report.client_certificate_requested,
        "presented": report.client_certificate_presented,
        "names_authorities": bool(case.authorities) if case.request else None,
        "client_certificates": len(client) if client else None,
        "client_self_signed": client[0].self_signed if client else None,
        "client_chain_ends_at_root": client[-1].self_signed if client else None,
        "server_self_signed": server[0].self_signed if server else None,
    }


FACTS = frozenset(
    (
        "port",
        "version",
        "outcome",
        "authentication",
        "requested",
        "presented",
        "names_authorities",
        "client_certificates",
        "client_self_signed",
        "client_chain_ends_at_root",
        "server_self_signed",
    )
)
"""The facts that an expectation may ask for."""


def read(name: str, data: Mapping[str, Any], role: Role | None = None) -> Profile:
    """Make a profile of parsed TOML; UsageError where it is none."""
    try:
        return Profile(
            name=str(data.get("title", name)),
            server_names=tuple(str(one).lower() for one in data.get("server", {}).get("names", ())),
            expectations=tuple(_expectation(one) for one in data.get("expect", ())),
            hints=tuple(_hint(one) for one in data.get("hint", ())),
            role=role,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"profile {name}: {_words(error)}") from error


def _expectation(entry: Mapping[str, Any]) -> Expectation:
    when = {
        str(fact): tuple(value) if isinstance(value, list) else (value,) for fact, value in dict(entry["when"]).items()
    }
    unknown = sorted(set(when) - FACTS)
    if unknown:
        raise ValueError(f"`when` asks for {unknown[0]}, which is no fact of a handshake")
    return Expectation(
        role=_one_of(entry["role"], ROLES),
        when=when,
        code=str(entry["code"]),
        severity=_one_of(entry.get("severity", "warning"), SEVERITIES),
        confidence=_one_of(entry.get("confidence", "likely"), CONFIDENCES),
        summary=str(entry["summary"]),
        remedy=str(entry["remedy"]),
    )


def _hint(entry: Mapping[str, Any]) -> Hint:
    return Hint(_one_of(entry["role"], ROLES), frozenset(map(str, entry["codes"])), str(entry["text"]))


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return value


def _words(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
