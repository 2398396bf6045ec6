"""How the facts of a report read in words, alike in every format for people; nothing here is escaped."""

import re
import shlex
from collections import Counter

from analyzer.issues import Issue
from analyzer.report.serialize import timestamp
from analyzer.results import AlertReport, ApplicationReport, Basis, CaptureReport, Evidence, Finding, HandshakeReport


def stream(handshake: HandshakeReport) -> str:
    """Name the connection as Wireshark counts it: `tcp 3`, or `tcp 3 #1` for its first renegotiation."""
    number = f" #{handshake.handshake}" if handshake.handshake else ""
    return f"{handshake.transport} {handshake.stream}{number}"


def authentication(handshake: HandshakeReport) -> str:
    """Say the verdict, and its basis where that is not plain observation: `mutual (inferred)`."""
    word, basis = handshake.authentication, handshake.authentication_basis
    return word if basis in (None, "observed") else f"{word} ({basis})"


def outcome(handshake: HandshakeReport) -> str:
    """Say the outcome, and its basis where that of the authentication beside it does not hold for it too."""
    basis, beside = handshake.outcome_basis, handshake.authentication_basis
    if beside in (None, "inherited"):
        beside = "observed"
    return handshake.outcome if basis in (None, beside) else f"{handshake.outcome} ({basis})"


def ending(handshake: HandshakeReport) -> str:
    """Say what ended a handshake that was not established, in order; empty where nothing is known."""
    if handshake.outcome == "established":
        return ""
    events = [_alert(alert) for alert in handshake.alerts]
    if closed := handshake.closed_by:
        events.append(f"{closed.sender} closed with {closed.how.upper()} (frame {closed.frame})")
    return ", ".join(events)


def evidence(observation: Evidence) -> str:
    """Say one observation, a sentence, and where it is seen."""
    where = "" if observation.frame is None else f" (frame {observation.frame})"
    return f"{observation.says.removesuffix('.')}{where}."


def application(report: ApplicationReport) -> str:
    """Say what was asked for inside TLS and what the answer was, as one sentence."""
    asked, answer = report.request, report.response
    parts = []
    if asked is not None:
        where = f" at {asked.authority}" if asked.authority else ""
        what = " (a request for an OAuth token)" if asked.purpose == "oauth-token" else ""
        parts.append(f"the client asked {asked.method} {asked.path or ''}".rstrip() + f"{where}{what}")
    if answer is not None:
        parts.append(f"the server answered {answer.status} {answer.reason or ''}".rstrip())
    return f"Inside TLS ({report.protocol}) {', '.join(parts)}."


def sureness(finding: Finding) -> str:
    """Name a finding, and say how sure it is where it is not certain: `client-chain-incomplete (likely)`."""
    return finding.code if finding.confidence == "certain" else f"{finding.code} ({finding.confidence})"


def advice(remedy: str) -> list[tuple[str, bool]]:
    """What a person can do, in paragraphs, and which of these are commands or display filters, to be copied whole."""
    doing, confirm, how = remedy.rpartition(" To confirm: ")
    before, *parts = re.split(r"(?<!\S)`([a-z][^`]*)`", how)  # what a program prints begins with a capital
    if not confirm or not all(map(_is_whole, parts[::2])):
        return [(remedy, False)]
    told = [(doing, False), (f"To confirm: {before}".rstrip(), False)]
    for command, rest in zip(parts[::2], parts[1::2], strict=True):
        told += [(command, True), (rest.strip(" ").lstrip(",. "), False)]
    return [one for one in told if one[0]]


def _is_whole(command: str) -> bool:
    """Whether no backquote of a name has cut a command in two: it stands between quotes of the shell."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


def where(finding: Finding) -> tuple[str, list[str]]:
    """Say where to look: the frames that the display filters do not name, and these filters."""
    evidence = [(one.frame, one.display_filter) for one in finding.evidence]
    frames = [str(frame) for frame, shown in evidence if frame is not None and not shown.endswith(f" {frame}")]
    noun = {0: "", 1: " frame "}.get(len(frames), " frames ")
    return f"See{noun}{', '.join(frames)}:", list(dict.fromkeys(shown for _, shown in evidence))


def issue(shortcoming: Issue) -> str:
    """Say one shortcoming of a capture, how often, and where first."""
    where = [] if shortcoming.count == 1 else [f"{shortcoming.count} times"]
    if shortcoming.frame is not None:
        where.append(f"frame {shortcoming.frame}" if shortcoming.count == 1 else f"first in frame {shortcoming.frame}")
    return f"{shortcoming.message} ({', '.join(where)})" if where else shortcoming.message


def capture(report: CaptureReport) -> str:
    """Describe a capture: format, size, connections and when it began."""
    if report.format is None:
        return "could not be read"
    facts = [report.format, count(report.frames, "frame")]
    if report.connections or not report.conversations:
        facts.append(count(report.connections, "TCP connection"))
    if report.conversations:
        facts.append(count(report.conversations, "UDP conversation"))
    if report.start is not None:
        facts.append(timestamp(report.start)[:19].replace("T", " ") + " UTC")
    return ", ".join(facts)


def hides_certificates(handshake: HandshakeReport) -> bool:
    """Whether a server's certificate was sent, and only secrets would show it (RFC 8446, section 2)."""
    if handshake.certificates["server"] or handshake.resumption or handshake.authentication in ("psk", "anonymous"):
        return False
    return handshake.version in ("TLSv1.3", "DTLSv1.3") and any(
        each.sender == "server" and each.message == "encrypted_handshake" for each in handshake.messages
    )


def hidden(number: int) -> str:
    """Say of so many handshakes that they hide their certificates, and what opens them."""
    hide, whose = ("hides", "its") if number == 1 else ("hide", "their")
    them = f"{count(number, 'handshake')} {hide} {whose} certificates by encryption"
    return f"{them}: a key log with {whose} secrets (--keylog) shows them"


def count(number: int, noun: str) -> str:
    """`1 frame`, `2,000 frames`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class Tally:
    """Counts the verdicts of all handshakes; its text is the sentence that closes a report."""

    def __init__(self) -> None:
        self.captures = 0
        self._verdicts: Counter[tuple[str, Basis | None]] = Counter()
        self._outcomes: Counter[str] = Counter()

    def add(self, report: CaptureReport) -> None:
        """Count the handshakes of one capture."""
        self.captures += not report.part
        for handshake in report.handshakes:
            self._verdicts[handshake.authentication, handshake.authentication_basis] += 1
            self._outcomes[handshake.outcome] += 1

    def __str__(self) -> str:
        text = count(self._outcomes.total(), "handshake")
        if self.captures != 1:
            text += f" in {count(self.captures, 'capture')}"
        if not self._outcomes:
            return text
        return f"{text}: {self._authentications()}; {_parts(self._outcomes)}"

    def _authentications(self) -> str:
        totals: Counter[str] = Counter()
        for (word, _), number in self._verdicts.items():
            totals[word] += number
        said = []
        for word, total in _ranked(totals):
            bases = ((basis, self._verdicts[word, basis]) for basis in ("decrypted", "inferred", "inherited"))
            shares = [f"{number:,} {basis}" for basis, number in bases if number]
            said.append(f"{total:,} {word}" + (f" ({', '.join(shares)})" if shares else ""))
        return ", ".join(said)


def _alert(alert: AlertReport) -> str:
    what = alert.description or "an encrypted alert"
    level = f"{alert.level} " if alert.level and alert.description else ""
    return f"{alert.sender} sent {level}{what} (frame {alert.frame})"


def _parts(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {word}" for word, number in _ranked(counts))


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
