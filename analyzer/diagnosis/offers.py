"""What does a ClientHello offer less of than others do, so that a server may find nothing that it can use?

A server that finds nothing in common mostly says handshake_failure, whatever is missing. What it misses is then told
by what the client offers little of, above all where that is not even what every implementation must have (RFC 8446,
section 9.1; RFC 5246, section 9), and by what the same server chose in other handshakes.
"""

from dataclasses import dataclass, field

from analyzer.diagnosis.case import Case, Ending
from analyzer.diagnosis.finding import Confidence
from analyzer.diagnosis.surroundings import Sighting
from analyzer.tls import registry
from analyzer.tls.hello import ClientHello

TLS12, TLS13 = 0x0303, 0x0304
_MUST_SUITE = 0x1301
_MUST_GROUP = 0x0017
_MUST_SCHEMES = frozenset((0x0401, 0x0403, 0x0804))
REFUSALS = frozenset(("handshake_failure", "insufficient_security", "internal_error", "illegal_parameter", None))
"""Alerts of those who find nothing in common; None where there is none, or it is encrypted."""


@dataclass(slots=True)
class Offer:
    """What the client offers, by kind, without GREASE and signalling values."""

    versions: list[int] = field(default_factory=list)
    """As TLS versions, the best first."""
    suites: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    schemes: list[int] = field(default_factory=list)

    @property
    def best(self) -> int:
        """The best version."""
        return self.versions[0] if self.versions else 0

    @property
    def only_tls13(self) -> bool:
        """Nothing older than TLS 1.3."""
        return bool(self.versions) and min(self.versions) >= TLS13

    def scarcity(self, kind: str) -> int:
        """How suspicious the offer of `suites`, `groups` or `schemes` is, from 0 (as everybody's) to 3."""
        if kind == "suites":
            return self._scarce_suites()
        if kind == "groups":
            if not self.groups or not self._needs_groups:
                return 0
            return 3 if _MUST_GROUP not in self.groups else 1 if len(self.groups) == 1 else 0
        if not self.schemes:
            return 0
        if _MUST_SCHEMES.isdisjoint(self.schemes):
            return 3
        return 2 if len(self.schemes) == 1 else 0

    @property
    def is_usual(self) -> bool:
        """Whether it holds what nearly every server can use, version apart."""
        return not any(self.scarcity(kind) for kind in ("suites", "groups", "schemes"))

    @property
    def _needs_groups(self) -> bool:
        """Whether no suite works without a named group."""
        exchanges = {suite.key_exchange for code in self.suites if (suite := registry.suite(code)) is not None}
        return not exchanges & {"RSA", "DHE", "DH", "PSK", "DHE_PSK", "RSA_PSK"}

    def _scarce_suites(self) -> int:
        if self.only_tls13:
            return 3 if _MUST_SUITE not in self.suites else 1 if len(self.suites) == 1 else 0
        usable = [suite for code in self.suites if (suite := registry.suite(code)) is not None]
        old = [suite for suite in usable if suite.key_exchange != "TLS13"]
        if self.best >= TLS13 and _MUST_SUITE in self.suites:
            return 0
        if len(old) <= 2:
            return 3
        if len({suite.authentication for suite in old}) > 1:
            return 0
        return 2 if len(old) <= 6 else 1


def offer(hello: ClientHello) -> Offer:
    """What a hello offers."""
    versions = hello.supported_versions or (hello.legacy_version,)
    known = {registry.as_tls(version) for version in versions if not registry.is_grease(version)}
    return Offer(
        versions=sorted(known, reverse=True),
        suites=[
            code for code in hello.cipher_suites if registry.suite(code) is not None and not registry.is_grease(code)
        ],
        groups=[code for code in hello.supported_groups or () if not registry.is_grease(code)],
        schemes=[code for code in hello.signature_algorithms or () if not registry.is_grease(code)],
    )


def refused_hello(case: Case) -> Ending | None:
    """How the server turned down the hello; None where it did not, or said that it was for another reason."""
    ending = case.ending
    if case.hello is None or not case.failed or case.stage != "hello" or ending.sender != "server":
        return None
    if any(case.head.values()) or not case.reached("client_hello"):
        return None
    return ending if ending.how != "alert" or ending.alert in REFUSALS else None


def missing(case: Case, kind: str) -> Confidence | None:
    """How likely it is that the server found none of the client's suites, groups or schemes usable."""
    ending = refused_hello(case)
    if ending is None or case.hello is None:
        return None
    made = offer(case.hello)
    scarce = {each: made.scarcity(each) for each in ("suites", "groups", "schemes")}
    chosen = [other for other in case.around.established_of_server(case.report) if _lacks(made, kind, other)]
    if ending.how != "alert":
        # Not a word: anything may be the reason.
        return "possible" if chosen or scarce[kind] == 3 else None
    if chosen:
        return "certain" if scarce[kind] == 3 else "likely"
    if ending.alert == "insufficient_security":
        return "likely" if kind == "suites" else None
    most = max(scarce.values())
    if made.best < TLS12 or (most == 0 and made.only_tls13):
        return "possible" if kind == "suites" else None  # rather the version: see no-common-version
    if most == 0:
        return "likely" if kind == "suites" and ending.alert == "handshake_failure" else None
    if scarce[kind] < most:
        return "possible" if scarce[kind] else None
    order = ("schemes", "groups", "suites") if made.only_tls13 else ("suites", "groups", "schemes")
    first = next(each for each in order if scarce[each] == most)
    return "likely" if first == kind and ending.alert == "handshake_failure" else "possible"


def _lacks(made: Offer, kind: str, other: Sighting) -> bool:
    """Whether the client does not offer what the same server chose for another client."""
    if kind == "suites":
        return other.cipher_suite not in (None, *map(registry.cipher_suite, made.suites))
    if kind == "groups":
        return bool(made.groups) and other.group not in (None, *map(registry.group, made.groups))
    return False


def server_chose(case: Case, attribute: str) -> str:
    """What the same server chose in other handshakes: a sentence, empty where there are none."""
    values = {getattr(other, attribute) for other in case.around.established_of_server(case.report)} - {None}
    return f" To other clients it agreed to {', '.join(sorted(map(str, values)))}." if values else ""
