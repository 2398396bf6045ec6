"""Which certificates do reports hold, each once, and what do all handshakes together say of it?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from os import PathLike
from pathlib import Path

from analyzer.chains import Trust, presented
from analyzer.pki.times import DAY, from_datetime
from analyzer.pki.verdict import Check
from analyzer.report.words import hides_certificates
from analyzer.results import (
    CaptureReport,
    CertificateReport,
    ChainReport,
    CheckReport,
    HandshakeReport,
    Sender,
    Status,
)

SIGHTINGS = 1_000
"""Of each certificate so many sightings are kept, and all are counted."""
_CHECKS = 100
_SIDES: tuple[Sender, Sender] = ("server", "client")
_WORST: tuple[Status, ...] = ("fail", "undetermined", "pass")


@dataclass(slots=True, frozen=True)
class Sighting:
    """A handshake in which a certificate was sent."""

    capture: str
    """Name of the capture as given."""
    transport: str
    """As `HandshakeReport.transport`."""
    stream: int
    """Wireshark's tcp.stream (or udp.stream)."""
    handshake: int
    """0 is the first on its connection."""
    frame: int | None
    """That of the Certificate message; None where the report does not hold the messages."""
    side: Sender
    """Who sent it."""
    position: int
    """Where in the chain; 0 is the leaf."""
    verdict: Status
    """What it was worth there: see `Entry.verdict`."""


@dataclass(slots=True)
class Entry:
    """One certificate, and what all handshakes that showed it say of it."""

    certificate: CertificateReport
    """What it says."""
    verdict: Status
    """The worst of all sightings. A leaf's is that of its chain; of another one `fail` where a check that decides fails
    for it, `pass` where its chain leads to an anchor, and `undetermined` where not."""
    checks: list[CheckReport] = field(default_factory=list)
    """Those that failed or could not be decided, each once: of a leaf all of its chain, else those about itself."""
    days_left: int | None = None
    """Whole days until its validity ends, negative behind that; None where its end cannot be parsed."""
    verdicts: dict[Sender, Status | None] = field(default_factory=lambda: {"server": None, "client": None})
    """The worst of the sightings of each side; None where that side never sent it."""
    leaf: bool = False
    """It was the first of a chain, at least once."""
    first_seen: int = 0
    """Start of the first handshake that showed it, nanoseconds since 1970-01-01 UTC."""
    last_seen: int = 0
    """Start of the last."""
    count: int = 0
    """How often it was seen."""
    seen: list[Sighting] = field(default_factory=list)
    """Where, in the order of the captures; the first thousand of `count`."""
    der: bytes | None = field(default=None, repr=False)
    """As sent; None where the report does not hold it, such as a redacted one."""


class Inventory:
    """All certificates of reports, the first to expire first."""

    def __init__(self, reports: Iterable[CaptureReport], *, at: str = "capture") -> None:
        """Take reports one after the other; raises UsageError where `at` is no time."""
        time = Trust(at=at).time()
        found: dict[str, Entry] = {}
        self.captures = 0
        """How many captures there were."""
        self.hidden = 0
        """How many handshakes hide their certificates by encryption."""
        for report in reports:
            self.captures += not report.part
            for handshake in report.handshakes:
                self.hidden += hides_certificates(handshake)
                for side in _SIDES:
                    _add(found, handshake, side)
        for entry in found.values():
            end = _nanoseconds(entry.certificate.not_after)
            if end is not None:
                entry.days_left = (end - (entry.last_seen if time is None else time)) // DAY
        self.entries = sorted(found.values(), key=_expiry)
        """Each certificate once."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the list to a file whose suffix says the format: `.txt`, `.json`, `.jsonl`, `.csv`, `.md`.

        Raises:
            UsageError: the suffix is none of these.
            OSError: the file cannot be written.
        """
        from analyzer.inventory import writers

        writers.save(self, path)

    def export(self, folder: str | PathLike[str]) -> list[Path]:
        """Write each certificate into a PEM file of this folder, which is made; returns the files.

        Raises:
            UsageError: a file of that name holds something else, or the reports were redacted.
            OSError: a file cannot be written.
        """
        from analyzer.inventory.export import export

        return export(self, folder)


def _add(found: dict[str, Entry], handshake: HandshakeReport, side: Sender) -> None:
    """Note the certificates that one side sent; a raw public key (RFC 7250) is none."""
    sent = presented(handshake.facts, side) if handshake.facts is not None else None
    if sent is not None and sent.raw_public_key:
        return
    chain = handshake.chain[side]
    for position, certificate in enumerate(handshake.certificates[side]):
        verdict, checks = _judged(certificate, chain, position, side)
        entry = found.get(certificate.sha256)
        if entry is None:
            entry = found[certificate.sha256] = Entry(certificate, verdict, first_seen=handshake.start)
            encoded = sent.chain[position] if sent is not None and position < len(sent.chain) else b""
            if sha256(encoded).hexdigest() == certificate.sha256:
                entry.der = encoded
        entry.verdict = min(entry.verdict, verdict, key=_WORST.index)
        entry.checks += [check for check in checks if check not in entry.checks][: _CHECKS - len(entry.checks)]
        entry.verdicts[side] = min(entry.verdicts[side] or verdict, verdict, key=_WORST.index)
        entry.leaf = entry.leaf or position == 0
        entry.first_seen = min(entry.first_seen, handshake.start)
        entry.last_seen = max(entry.last_seen, handshake.start)
        entry.count += 1
        if len(entry.seen) < SIGHTINGS:
            place = handshake.capture, *handshake.place
            entry.seen.append(Sighting(*place, sent.frame if sent else None, side, position, verdict))


def _judged(
    certificate: CertificateReport, chain: ChainReport | None, position: int, side: Sender
) -> tuple[Status, list[CheckReport]]:
    """What it is worth in one handshake, and the checks that say so."""
    if chain is None:
        return "undetermined", []
    if position == 0:
        return chain.status, [check for check in chain.checks if check.status in ("fail", "undetermined")]
    about = [
        check
        for check in chain.checks
        if check.certificate == certificate.sha256 and check.status in ("fail", "undetermined")
    ]
    if any(check.status == "fail" and side in decides(check.check) for check in about):
        return "fail", about
    return ("undetermined" if chain.anchor is None else "pass"), about


@cache
def decides(check: str) -> tuple[str, ...]:
    """The sides whose chain fails where this check does."""
    return Check(check).decides


def _nanoseconds(time: str | None) -> int | None:
    return None if time is None else from_datetime(datetime.fromisoformat(time))


def _expiry(entry: Entry) -> tuple[bool, str, str]:
    end = entry.certificate.not_after
    return end is None, end or "", entry.certificate.sha256
