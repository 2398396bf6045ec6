"""How does a captured handshake become a diagram? The textbook's steps with the real values, and how it ended."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from analyzer.diagram import details, words
from analyzer.diagram.events import Event, events
from analyzer.diagram.sequence import Diagram, Line, Participant, Step, seconds
from analyzer.diagram.story import Story
from analyzer.report.serialize import timestamp
from analyzer.results import Evidence, Finding, HandshakeReport, Sender
from analyzer.tls.handshake import Handshake
from analyzer.tls.identity import identity

_ADVICE = 1500
"""Characters of a diagnosis, which is ours and worth reading whole."""


def diagram(report: HandshakeReport) -> Diagram:
    """The diagram of one handshake, or of a failed attempt at one."""
    steps = _attempt(report) if report.facts is None and not report.messages else _handshake(report)
    return Diagram(
        title=words.verdict(report),
        subtitle=_subtitle(report),
        client=Participant("Client", _common_name(report, "client"), str(report.client)),
        server=Participant("Server", report.server_name or _common_name(report, "server"), str(report.server)),
        steps=numbered(steps),
    )


def numbered(steps: list[Step]) -> tuple[Step, ...]:
    """Give messages and notes their numbers."""
    counted = [step for step in steps if step.kind in ("message", "note")]
    numbers = {id(step): number for number, step in enumerate(counted, 1)}
    return tuple(replace(step, number=numbers.get(id(step))) for step in steps)


def _subtitle(report: HandshakeReport) -> str:
    name = "stdin" if report.capture == "-" else PurePath(report.capture).name
    parts = [name, report.display_filter, f"{timestamp(report.start)[:19].replace('T', ' ')} UTC"]
    if report.handshake:
        parts.insert(2, f"handshake {report.handshake} of this connection")
    if report.duration is not None:
        parts.append(seconds(report.duration))
    return " · ".join(parts)


def _common_name(report: HandshakeReport, sender: Sender) -> str:
    """The first CN of a side's certificate, else its whole subject; empty where it showed none."""
    sent = report.certificates[sender]
    if not sent:
        return ""
    parts = sent[0].subject.replace("\\,", "\0").split(",")
    names = [part[3:] for part in parts if part.startswith("CN=")]
    return (names[0] if names else sent[0].subject).replace("\0", ",")


def _handshake(report: HandshakeReport) -> list[Step]:
    sent = events(report)
    story = Story(report, sent, report.facts.suite if report.facts else None)
    made = story.steps()
    made.append(_end(report, story.refusal))
    return made


def _attempt(report: HandshakeReport) -> list[Step]:
    """A connection that never became TLS."""
    connects = Step(
        kind="message",
        key="connect",
        title=f"Connects to port {report.server.port}",
        sender="client",
        phase=words.BEFORE,
        frame=report.first_frame,
        time=0.0,
    )
    if report.closed_by is None and not report.preamble:
        return [replace(connects, lost=True, tone="bad"), _end(report, None)]
    made = [connects]
    if report.preamble:
        said = words.preamble(report.preamble)
        made.append(Step(kind="note", key="preamble", title="In clear", meaning=said, phase=words.BEFORE))
    made += [
        Step(
            kind="message",
            key="attempt",
            title=details.clip(seen.says.removesuffix(".")),
            sender=seen.sender,
            phase=words.BEFORE,
            frame=None if report.preamble else seen.frame,
            tone="bad",
        )
        for seen in report.evidence
    ]
    answer = details.answer_in_clear(report)
    if answer is not None:
        made.append(replace(answer, phase=words.BEFORE))
    closed = report.closed_by
    if closed is not None and closed.how == "fin":
        title = words.closing(closed)
        closing = replace(connects, key="closed", title=title, sender=closed.sender, frame=closed.frame, time=None)
        made.append(closing)
    made.append(_end(report, None))
    return made


def _end(report: HandshakeReport, refusal: Event | None) -> Step:
    """The conclusion: what was reached, or who gave up and why."""
    if report.outcome == "failed":
        return Step(
            kind="end", key="end", title=_failure(report, refusal), lines=tuple(_why(report, refusal)), tone="bad"
        )
    if report.outcome == "incomplete":
        title = "The capture does not show the end"
        said = tuple(Line("", each.says) for each in _seen_last(report) if not each.says.startswith(title))
        return Step(kind="end", key="end", title=title, lines=said, tone="open")
    known = report.authentication not in ("undetermined", "anonymous")
    title = words.CONCLUSIONS[report.authentication]
    if report.authentication_basis == "inherited":
        title = f"{title.partition(':')[0]}, taken over from the session that is resumed"
    elif _later(report) is not None:
        title += " in this handshake"
    return Step(kind="end", key="end", title=title, lines=tuple(_conclusion(report)), tone="good" if known else "open")


def _seen_last(report: HandshakeReport) -> list[Evidence]:
    """What the outcome rests on: the last observation, but for those of who shows an identity by what."""
    facts: Handshake | None = report.facts
    if facts is None:
        return []
    presented, resumed = report.client_certificate_presented, report.resumption is not None
    others = identity(facts, report.proofs, presented=presented, resumed=resumed)
    return [each for each in report.evidence if each not in others][-1:]


def _conclusion(report: HandshakeReport) -> Iterator[Line]:
    if report.resumes is not None:
        original = report.resumes
        yield Line("original", f"{words.stream(report.transport, original.stream)}, handshake {original.handshake}")
    if report.authentication_basis == "inferred":
        yield Line("basis", f"inferred from the sizes of encrypted {words.unit(report.transport)}s")
    yield from _findings(report)
    later = _later(report)
    if later is not None and later.severity == "notice":
        yield Line(_doubted("later", later), details.clip(later.summary, _ADVICE))
    if closed := report.closed_by:
        yield Line("closed", f"by the {closed.sender} ({closed.how.upper()}, frame {closed.frame})")


def _later(report: HandshakeReport) -> Finding | None:
    """The finding that a client which was not asked for a certificate was asked behind this handshake."""
    if report.authentication != "one-way":
        return None
    return next((finding for finding in report.findings if finding.code == "client-authentication-deferred"), None)


def _failure(report: HandshakeReport, refusal: Event | None) -> str:
    """Why, in one line: the diagnosis, or else what was seen last."""
    cause = next((finding for finding in report.findings if finding.code == report.root_cause), None)
    closed = report.closed_by
    if cause is not None:
        said = _doubted(words.finding(cause.code), cause)
    elif refusal is not None:
        alert = words.alert(refusal.alert.description) if refusal.alert and refusal.alert.description else ""
        said = f"the {refusal.sender} refused: {alert}" if alert else f"the {refusal.sender} refused with an alert"
    elif not report.messages and report.evidence:
        said = report.evidence[0].says
    elif closed is not None:
        said = f"the {closed.sender} {'reset' if closed.how == 'rst' else 'closed'} the connection"
    else:
        said = "it is not known why"
    return f"Failed: {details.clip(said.removesuffix('.'))}"


def _why(report: HandshakeReport, refusal: Event | None) -> Iterator[Line]:
    closed = report.closed_by
    if refusal is not None:
        alert = refusal.alert.description if refusal.alert else None
        said = f"the alert {alert}" if alert else "an encrypted alert"
        yield Line("gave up", f"the {refusal.sender}, with {said} (frame {refusal.frame})")
    elif closed is not None:
        how = "reset" if closed.how == "rst" else "closed"
        yield Line("gave up", f"the {closed.sender}, who {how} the connection (frame {closed.frame})")
    yield from _findings(report)


def _findings(report: HandshakeReport) -> Iterator[Line]:
    for finding in report.findings:
        if finding.code == report.root_cause:
            yield Line("why", details.clip(finding.summary, _ADVICE))
            yield Line("remedy", details.clip(finding.remedy, _ADVICE))
        elif finding.severity != "notice":
            yield Line(_doubted(finding.severity, finding), details.clip(finding.summary))


def _doubted(said: str, finding: Finding) -> str:
    """Say how sure a finding is, where it is not certain."""
    return said if finding.confidence == "certain" else f"{said} ({finding.confidence})"
