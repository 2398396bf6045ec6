"""Where do two handshakes differ, and which difference is the first that matters?

They are set side by side in the order of the conversation. What differs in any two handshakes (randoms, key shares,
client ports, sizes of tickets) is left out; what may decide is told from what is merely different.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analyzer.diagnosis.case import name_of
from analyzer.results import CertificateReport, HandshakeReport, Sender
from analyzer.tls import messages, registry
from analyzer.tls.extensions import Extended

Topic = Literal[
    "connection",
    "client hello",
    "server's choice",
    "server certificate",
    "certificate request",
    "client certificate",
    "result",
    "timing",
]
TOPICS: tuple[Topic, ...] = (
    "connection",
    "client hello",
    "server's choice",
    "server certificate",
    "certificate request",
    "client certificate",
    "result",
    "timing",
)
"""In the order of the conversation."""
_TOPICS_OF: dict[str, tuple[Topic, ...]] = {
    "hello": ("client hello", "server's choice"),
    "server-authentication": ("server certificate", "client hello"),
    "client-authentication": ("certificate request", "client certificate"),
}
"""What may decide, by the stage of the root cause."""
_SLOWER = 0.1
"""Seconds by which a step has to be slower to be told."""


@dataclass(slots=True, frozen=True)
class Difference:
    """One thing that is not the same."""

    topic: Topic
    label: str
    """What it is, in a few words."""
    good: str
    """As it is in the first handshake; names are hostile text."""
    bad: str
    """As it is in the second one."""
    matters: bool = False
    """It may decide how a handshake ends."""


@dataclass(slots=True, frozen=True)
class Comparison:
    """Two handshakes side by side."""

    good: HandshakeReport
    bad: HandshakeReport
    differences: tuple[Difference, ...]
    """In the order of the conversation."""
    first: Difference | None
    """The first one that matters, as far as the second handshake's root cause tells."""


def compare(good: HandshakeReport, bad: HandshakeReport) -> Comparison:
    """Set two handshakes side by side; the first is the one that does as it should."""
    found = tuple(
        difference
        for differences in (_connection, _hello, _choice, _server, _request, _client, _result, _timing)
        for difference in differences(good, bad)
    )
    return Comparison(good, bad, found, _first(found, bad))


def _first(differences: Sequence[Difference], bad: HandshakeReport) -> Difference | None:
    cause = next((finding for finding in bad.findings if finding.code == bad.root_cause), None)
    wanted = _TOPICS_OF.get(cause.stage, ()) if cause else ()
    decisive = [one for one in differences if one.matters]
    return next((one for topic in wanted for one in decisive if one.topic == topic), next(iter(decisive), None))


def _values(
    topic: Topic, good: Any, bad: Any, facts: Iterable[tuple[str, Callable[[Any], Any], bool]]
) -> Iterator[Difference]:
    """Differences of plain values, by the functions that ask for them."""
    for label, ask, matters in facts:
        one, other = _words(ask(good)), _words(ask(bad))
        if one != other:
            yield Difference(topic, label, one, other, matters)


def _connection(good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    yield from _values(
        "connection",
        good,
        bad,
        (
            ("server", lambda one: str(one.server), True),
            ("client", lambda one: one.client.ip, False),
            ("before TLS", lambda one: one.preamble, True),
        ),
    )


def _hello(good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    one, other = _client_hello(good), _client_hello(bad)
    if one is None or other is None:
        if one is not other:
            yield Difference("client hello", "ClientHello", _seen(one), _seen(other), True)
        return
    yield from _values("client hello", one, other, (("server name", lambda hello: hello.server_name, True),))
    for label, ask, name in _LISTS:
        yield from _lists("client hello", label, ask(one), ask(other), name)
    yield from _values(
        "client hello",
        one,
        other,
        (
            ("application protocols", lambda hello: ", ".join(hello.alpn or ()), True),
            ("session offered", lambda hello: bool(hello.session_ticket or hello.psk_identities), False),
            ("early data", lambda hello: bool(hello.early_data), True),
        ),
    )
    yield from _extensions("client hello", one, other)


def _versions(hello: messages.ClientHello) -> Sequence[int]:
    return hello.supported_versions or (hello.legacy_version,)


_LISTS: tuple[tuple[str, Callable[[messages.ClientHello], Sequence[int]], Callable[[int], str]], ...] = (
    ("versions", _versions, registry.version),
    ("cipher suites", lambda hello: hello.cipher_suites, registry.cipher_suite),
    ("groups", lambda hello: hello.supported_groups or (), registry.group),
    ("key shares", lambda hello: hello.key_share_groups or (), registry.group),
    ("signature algorithms", lambda hello: hello.signature_algorithms or (), registry.signature_scheme),
)


def _lists(
    topic: Topic, label: str, good: Sequence[int], bad: Sequence[int], name: Callable[[int], str]
) -> Iterator[Difference]:
    """What only one of two lists has; else their order, which only decides what is preferred."""
    mine = [code for code in good if not registry.is_grease(code)]
    its = [code for code in bad if not registry.is_grease(code)]
    only = [name(code) for code in mine if code not in its], [name(code) for code in its if code not in mine]
    if any(only):
        yield Difference(topic, f"{label} that only one has", _joined(only[0]), _joined(only[1]), True)
    elif mine != its:
        first = [", ".join(name(code) for code in codes[:4]) for codes in (mine, its)]
        yield Difference(topic, f"order of {label}", first[0], first[1])


def _extensions(topic: Topic, good: Extended, bad: Extended) -> Iterator[Difference]:
    """Extensions that only one has, and those whose content no line above explains."""
    mine = {one.type: one.data for one in good.extensions if not registry.is_grease(one.type)}
    its = {one.type: one.data for one in bad.extensions if not registry.is_grease(one.type)}
    only = [registry.extension(t) for t in mine if t not in its], [registry.extension(t) for t in its if t not in mine]
    if any(only):
        yield Difference(topic, "extensions that only one has", _joined(only[0]), _joined(only[1]), True)
    for type_, content in mine.items():
        if type_ in its and type_ not in _TOLD and content != its[type_]:
            yield Difference(topic, registry.extension(type_), _bytes(content), _bytes(its[type_]))


_TOLD = frozenset((0, 10, 13, 16, 21, 35, 40, 41, 43, 51, 65037))
"""Extensions that are told above, differ anyway, or only fill up."""


def _choice(good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    yield from _values(
        "server's choice",
        good,
        bad,
        (
            ("version", lambda one: one.version, True),
            ("cipher suite", lambda one: one.cipher_suite, True),
            ("group", lambda one: one.group, True),
            ("application protocol", lambda one: one.alpn, True),
            ("HelloRetryRequest", lambda one: one.hello_retry_request, False),
            ("resumed", lambda one: one.resumption, True),
        ),
    )
    one = good.facts.server_hello if good.facts else None
    other = bad.facts.server_hello if bad.facts else None
    if one is not None and other is not None:
        yield from _extensions("server's choice", one, other)


def _server(good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    yield from _certificates("server certificate", "server", good, bad)


def _client(good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    yield from _values(
        "client certificate", good, bad, (("presented", lambda one: one.client_certificate_presented, True),)
    )
    yield from _certificates("client certificate", "client", good, bad)


def _certificates(topic: Topic, side: Sender, good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    mine, its = good.certificates[side], bad.certificates[side]
    if not mine or not its:
        if mine or its:
            yield Difference(topic, "certificates", _visible(good, side), _visible(bad, side), True)
        return
    if mine[0].sha256 != its[0].sha256:
        yield Difference(topic, "certificate", mine[0].sha256[:16], its[0].sha256[:16], False)
        yield from _values(topic, mine[0], its[0], _CERTIFICATE)
    if [one.sha256 for one in mine[1:]] != [one.sha256 for one in its[1:]]:
        label = f"sent with it ({len(mine) - 1} and {len(its) - 1} certificates)"
        chains = ["; ".join(one.subject for one in chain[1:4]) or "nothing" for chain in (mine, its)]
        yield Difference(topic, label, chains[0], chains[1], True)
    yield from _values(
        topic,
        good,
        bad,
        (("what fails", lambda one: "; ".join(_failing(one, side)), True),),
    )
    yield from _values(
        topic,
        good,
        bad,
        (("signature", lambda one: next((p.status for p in one.proofs if p.of == side), None), True),),
    )


_CERTIFICATE: tuple[tuple[str, Callable[[CertificateReport], Any], bool], ...] = (
    ("subject", lambda one: one.subject, False),
    ("issuer", lambda one: one.issuer, True),
    ("valid from", lambda one: one.not_before, False),
    ("valid until", lambda one: one.not_after, True),
    ("names", lambda one: ", ".join(one.san[:8]), True),
    ("key", lambda one: one.key, True),
    ("signed by", lambda one: one.algorithm, False),
)


def _failing(report: HandshakeReport, side: Sender) -> list[str]:
    chain = report.chain[side]
    return [f"{one.check}: {one.got}" for one in chain.checks if one.status == "fail"] if chain else []


def _request(good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    topic: Topic = "certificate request"
    yield from _values(topic, good, bad, (("asked", lambda one: one.client_certificate_requested, True),))
    one, other = _certificate_request(good), _certificate_request(bad)
    if one is None or other is None:
        return
    names = [name_of(each) for each in one.certificate_authorities]
    others = [name_of(each) for each in other.certificate_authorities]
    if set(names) != set(others):
        yield Difference(topic, "accepted authorities", _listed(names), _listed(others), True)
    schemes = one.signature_algorithms or (), other.signature_algorithms or ()
    yield from _lists(topic, "signature algorithms", *schemes, registry.signature_scheme)
    types = one.certificate_types, other.certificate_types
    yield from _lists(topic, "certificate types", *types, registry.client_certificate_type)


def _result(good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    yield from _values(
        "result",
        good,
        bad,
        (
            ("outcome", lambda one: one.outcome, False),
            ("authentication", lambda one: one.authentication, False),
            ("alerts", lambda one: ", ".join(f"{a.sender}: {a.description or 'encrypted'}" for a in one.alerts), False),
            (
                "closed by",
                lambda one: f"{one.closed_by.sender} ({one.closed_by.how})" if one.closed_by else None,
                False,
            ),
            ("root cause", lambda one: one.root_cause, False),
        ),
    )


def _timing(good: HandshakeReport, bad: HandshakeReport) -> Iterator[Difference]:
    """Steps that took much longer in one of them, by what was waited for."""
    mine, its = _steps(good), _steps(bad)
    for step in mine:
        if step in its and abs(mine[step] - its[step]) >= _SLOWER:
            sender, message = step
            yield Difference("timing", f"wait for the {sender}'s {message}", _seconds(mine[step]), _seconds(its[step]))
    if good.duration is not None and bad.duration is not None and abs(good.duration - bad.duration) >= _SLOWER:
        yield Difference("timing", "whole handshake", _seconds(good.duration), _seconds(bad.duration))


def _steps(report: HandshakeReport) -> dict[tuple[str, str], float]:
    """Seconds before the first message of each name of each side."""
    steps: dict[tuple[str, str], float] = {}
    before = 0.0
    for one in report.messages:
        steps.setdefault((one.sender, one.message), one.time - before)
        before = one.time
    return steps


def _client_hello(report: HandshakeReport) -> messages.ClientHello | None:
    return report.facts.client_hello if report.facts else None


def _certificate_request(report: HandshakeReport) -> messages.CertificateRequest | None:
    return report.facts.find(messages.CertificateRequest, "server") if report.facts else None


def _visible(report: HandshakeReport, side: Sender) -> str:
    certificates = report.certificates[side]
    if certificates:
        return f"{certificates[0].subject}, issued by {certificates[0].issuer}"
    if side == "client" and report.client_certificate_presented is False:
        return "none"
    return "not visible" if report.version == "TLSv1.3" else "none"


def _listed(names: list[str], most: int = 8) -> str:
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more if names else "any (an empty list)"


def _seen(hello: messages.ClientHello | None) -> str:
    return "not in the capture" if hello is None else "there"


def _joined(names: list[str]) -> str:
    return _words(", ".join(names))


def _bytes(data: bytes) -> str:
    return (data[:32].hex() or "empty") + (f" and {len(data) - 32} bytes more" if len(data) > 32 else "")


def _seconds(time: float) -> str:
    return f"{time:.3f} s"


def _words(value: Any) -> str:
    """A value for people; nothing and None are the same to them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "", ()) else "-"
