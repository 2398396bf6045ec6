"""Does a handshake keep to what its owner wants of it?

A policy is a list of rules (TOML). Each says of which handshakes it speaks (all that is named must fit) and what these
must keep to. What the capture does not show is neither kept nor broken: certificates of TLS 1.3 without keys, say.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from analyzer.diagnosis.finding import SEVERITIES, Severity
from analyzer.errors import UsageError
from analyzer.pki.times import DAY, iso
from analyzer.results import CertificateReport, HandshakeReport, Sender

Status = Literal["kept", "broken", "undetermined"]

VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_AS_TLS = {"DTLSv1.0": "TLSv1.1", "DTLSv1.2": "TLSv1.2", "DTLSv1.3": "TLSv1.3"}

STARTER = """\
# What mtlscope check holds handshakes against. Each [[rule]] speaks of the handshakes that fit all of its `for_…`
# lines (left out: all), and says what they must keep to. Patterns know * and ?.

[[rule]]
name = "everywhere"
minimum_version = "TLSv1.2"
forbidden_suites = ["*_RC4_*", "*_3DES_*", "*_NULL_*", "*_anon_*", "*EXPORT*", "TLS_RSA_*"]
expiry_margin_days = 14
worst_finding = "warning"           # no finding that is worse
established = true

[[rule]]
name = "partners"
for_server_name = ["*.partner.example.com"]
for_port = [8443]
authentication = ["mutual"]
client_issuers = ["*CN=Example Partner CA*"]
client_names = ["*.integration.example.com"]
severity = "error"                  # of what breaks it: error, warning or notice

# Further requirements: server_issuers, server_names (patterns for the leaf's names), root_cause_allowed (codes).
"""
"""A policy to begin with."""


@dataclass(slots=True, frozen=True)
class Violation:
    """A handshake broke a rule."""

    rule: str
    """The rule's name."""
    requirement: str
    """Which of its lines, such as `minimum_version`."""
    severity: Severity
    message: str
    """What was wanted and what was there; names are hostile text."""


@dataclass(slots=True, frozen=True)
class Verdict:
    """What one handshake is by the policy."""

    handshake: HandshakeReport
    violations: tuple[Violation, ...]
    undetermined: tuple[str, ...]
    """Requirements of which the capture does not show whether they are kept."""
    rules: tuple[str, ...]
    """Names of the rules that speak of it."""

    @property
    def status(self) -> Status:
        """broken, or undetermined, or kept."""
        return "broken" if self.violations else "undetermined" if self.undetermined else "kept"


@dataclass(slots=True, frozen=True, kw_only=True)
class Rule:
    """Requirements for some handshakes."""

    name: str
    severity: Severity = "error"
    for_server_name: tuple[str, ...] = ()
    for_port: tuple[int, ...] = ()
    for_client: tuple[str, ...] = ()
    """Patterns of the client's address."""
    authentication: tuple[str, ...] = ()
    minimum_version: str | None = None
    forbidden_suites: tuple[str, ...] = ()
    client_issuers: tuple[str, ...] = ()
    server_issuers: tuple[str, ...] = ()
    client_names: tuple[str, ...] = ()
    server_names: tuple[str, ...] = ()
    expiry_margin_days: int | None = None
    worst_finding: str | None = None
    established: bool = False
    root_cause_allowed: tuple[str, ...] = field(default=())

    def speaks_of(self, report: HandshakeReport) -> bool:
        """Whether the handshake is one of those that the rule is for."""
        if self.for_port and report.server.port not in self.for_port:
            return False
        if self.for_client and not _fits(report.client.ip, self.for_client):
            return False
        name = (report.server_name or "").lower().rstrip(".")
        return not self.for_server_name or _fits(name, tuple(one.lower() for one in self.for_server_name))

    def results(self, report: HandshakeReport) -> Iterator[tuple[str, str | None, bool]]:
        """Of every requirement its name, what breaks it (None: nothing does), and whether that can be told."""
        for requirement, check in _CHECKS.items():
            if getattr(self, requirement) not in ((), None, False):
                broken, told = check(self, report)
                yield requirement, broken, told


_Result = tuple[str | None, bool]
_KEPT: _Result = (None, True)
_UNTOLD: _Result = (None, False)


def _authentication(rule: Rule, report: HandshakeReport) -> _Result:
    if report.authentication == "undetermined":
        return _UNTOLD
    if report.authentication in rule.authentication:
        return _KEPT
    return f"{' or '.join(rule.authentication)} wanted, {report.authentication} there", True


def _minimum_version(rule: Rule, report: HandshakeReport) -> _Result:
    version = _AS_TLS.get(report.version or "", report.version)
    if version not in VERSIONS or rule.minimum_version is None:
        return _UNTOLD
    if VERSIONS.index(version) >= VERSIONS.index(rule.minimum_version):
        return _KEPT
    return f"{rule.minimum_version} or newer wanted, {report.version} there", True


def _forbidden_suites(rule: Rule, report: HandshakeReport) -> _Result:
    if report.cipher_suite is None:
        return _UNTOLD
    pattern = next((one for one in rule.forbidden_suites if fnmatchcase(report.cipher_suite, one)), None)
    return (f"{report.cipher_suite} is forbidden by {pattern}", True) if pattern else _KEPT


def _established(rule: Rule, report: HandshakeReport) -> _Result:
    if report.outcome == "incomplete":
        return _UNTOLD
    if report.outcome == "established":
        return _KEPT
    return f"not established: {report.root_cause or 'for an unknown reason'}", True


def _expiry(rule: Rule, report: HandshakeReport) -> _Result:
    limit = iso(report.start + (rule.expiry_margin_days or 0) * DAY)
    shown = [one for side in _SIDES for one in report.certificates[side]]
    if not shown:
        return _UNTOLD
    late = next((one for one in shown if one.not_after is not None and one.not_after[:19] < limit[:19]), None)
    if late is None:
        return _KEPT
    return f"{rule.expiry_margin_days} days left wanted, {late.subject} ends on {(late.not_after or '')[:10]}", True


def _worst_finding(rule: Rule, report: HandshakeReport) -> _Result:
    worst = SEVERITIES.index(rule.worst_finding)
    found = next((one for one in report.findings if SEVERITIES.index(one.severity) < worst), None)
    return (f"{found.code}: {found.summary}", True) if found else _KEPT


def _root_cause(rule: Rule, report: HandshakeReport) -> _Result:
    if report.root_cause is None or report.root_cause in rule.root_cause_allowed:
        return _KEPT
    return f"{report.root_cause} is none of {', '.join(rule.root_cause_allowed)}", True


def _issuers(side: Sender) -> Callable[[Rule, HandshakeReport], _Result]:
    def check(rule: Rule, report: HandshakeReport) -> _Result:
        allowed: tuple[str, ...] = getattr(rule, f"{side}_issuers")
        shown = report.certificates[side]
        if not shown:
            return _untold(report, side)
        if any(_fits(one.issuer, allowed) for one in shown):
            return _KEPT
        return f"issuer {' or '.join(allowed)} wanted, {shown[0].issuer} there", True

    return check


def _names(side: Sender) -> Callable[[Rule, HandshakeReport], _Result]:
    def check(rule: Rule, report: HandshakeReport) -> _Result:
        allowed: tuple[str, ...] = getattr(rule, f"{side}_names")
        shown = report.certificates[side]
        if not shown:
            return _untold(report, side)
        if any(_fits(name, allowed) for name in _names_of(shown[0])):
            return _KEPT
        return f"name {' or '.join(allowed)} wanted, {', '.join(_names_of(shown[0])[:4])} there", True

    return check


_SIDES: tuple[Sender, ...] = ("server", "client")


def _untold(report: HandshakeReport, side: Sender) -> _Result:
    """No certificate to be seen: broken where it is known that there was none."""
    if side == "client" and report.client_certificate_presented is False:
        return "a client certificate wanted, none there", True
    return _UNTOLD


def _names_of(certificate: CertificateReport) -> list[str]:
    return [name.partition(":")[2] for name in certificate.san] + [certificate.subject]


def _fits(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


_CHECKS: dict[str, Callable[[Rule, HandshakeReport], _Result]] = {
    "established": _established,
    "authentication": _authentication,
    "minimum_version": _minimum_version,
    "forbidden_suites": _forbidden_suites,
    "client_issuers": _issuers("client"),
    "client_names": _names("client"),
    "server_issuers": _issuers("server"),
    "server_names": _names("server"),
    "expiry_margin_days": _expiry,
    "worst_finding": _worst_finding,
    "root_cause_allowed": _root_cause,
}
"""Every requirement, in the order in which violations are told."""
REQUIREMENTS = tuple(_CHECKS)


@dataclass(slots=True, frozen=True)
class Policy:
    """All rules."""

    rules: tuple[Rule, ...]

    def judge(self, report: HandshakeReport) -> Verdict:
        """Hold one handshake against every rule that speaks of it."""
        violations, undetermined, names = [], [], []
        for rule in self.rules:
            if not rule.speaks_of(report):
                continue
            names.append(rule.name)
            for requirement, broken, told in rule.results(report):
                if broken is not None:
                    violations.append(Violation(rule.name, requirement, rule.severity, broken))
                elif not told:
                    undetermined.append(f"{rule.name}: {requirement}")
        return Verdict(report, tuple(violations), tuple(undetermined), tuple(names))


def read(data: Mapping[str, Any], name: str = "policy") -> Policy:
    """Make a policy of parsed TOML.

    Raises:
        UsageError: it is none, and what is wrong with it.
    """
    entries = data.get("rule")
    if not isinstance(entries, list) or not entries or set(data) != {"rule"}:
        raise UsageError(f"{name}: a policy consists of [[rule]] tables and nothing else")
    return Policy(tuple(_rule(entry, f"{name}, rule {number}") for number, entry in enumerate(entries, 1)))


_LISTS = frozenset(
    (
        "for_server_name",
        "for_client",
        "authentication",
        "forbidden_suites",
        "client_issuers",
        "server_issuers",
        "client_names",
        "server_names",
        "root_cause_allowed",
    )
)
_OTHERS: dict[str, type] = {
    "name": str,
    "severity": str,
    "minimum_version": str,
    "expiry_margin_days": int,
    "worst_finding": str,
    "established": bool,
}
_ALLOWED: dict[str, tuple[str, ...]] = {
    "severity": SEVERITIES,
    "worst_finding": SEVERITIES,
    "minimum_version": VERSIONS,
    "authentication": ("one-way", "mutual", "requested-not-provided", "psk", "anonymous"),
}


def _rule(entry: Any, where: str) -> Rule:
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: no table")
    made: dict[str, Any] = {"name": where}
    for key, value in entry.items():
        made[key] = _value(key, value, where)
    for key, allowed in _ALLOWED.items():
        values = made.get(key, ())
        for value in values if isinstance(values, tuple) else (values,):
            if value not in allowed:
                raise UsageError(f"{where}: {key} is {value!r}, and not one of {', '.join(allowed)}")
    if not any(key in _CHECKS for key in made):
        raise UsageError(f"{where}: it wants nothing ({', '.join(REQUIREMENTS)})")
    return Rule(**made)


def _value(key: str, value: Any, where: str) -> Any:
    if key in _LISTS or key == "for_port":
        kind = int if key == "for_port" else str
        items = value if isinstance(value, list) else [value]
        if all(isinstance(item, kind) and not isinstance(item, bool) for item in items):
            return tuple(items)
    elif key in _OTHERS:
        if type(value) is _OTHERS[key]:
            return value
    else:
        raise UsageError(f"{where}: {key} is no word of a policy")
    raise UsageError(f"{where}: {key} cannot be {value!r}")
