"""How does a list of certificates look: for people, for programs, for spreadsheets?

JSON: `{"schema_version", "certificates": […]}`, one object a line; JSON Lines: the same objects. An object has the keys
of a certificate in a handshake's report, then `verdict`, `verdicts`, `checks`, `days_left`, `leaf`,
`first_seen`, `last_seen`, `count` and `seen`, as `analyzer.inventory.collect` explains them.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from os import PathLike, fspath
from pathlib import Path, PurePath
from typing import Any, TextIO

from analyzer.errors import UsageError
from analyzer.inventory.collect import Entry, Inventory, Sighting, decides
from analyzer.report import escape, words
from analyzer.report.page import Color, Page, Piece
from analyzer.report.serialize import timestamp
from analyzer.results import SCHEMA_VERSION, CheckReport, Status

FORMATS = {
    "table": (".txt",),
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
    "csv": (".csv",),
    "markdown": (".md", ".markdown"),
}
"""By name, the suffixes of files that choose it."""
FOR_PEOPLE = ("table", "markdown")
"""Formats that say what is not in the list."""
SHOWN = 3
"""So many sightings are named for people."""
SOON = 30
"""Days; a certificate that ends within them ends soon."""

_WIDTH = 100
_VERDICTS: tuple[Status, ...] = ("pass", "fail", "undetermined")
_COLORS: dict[str, Color] = {"pass": "green", "fail": "red", "undetermined": "yellow"}


def save(inventory: Inventory, path: str | PathLike[str]) -> None:
    """Write it to a file; see `Inventory.save`."""
    suffix = PurePath(fspath(path)).suffix.lower()
    name = next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)
    if name is None:
        raise UsageError(f"{fspath(path)}: its suffix says no format of certificates ({', '.join(FORMATS)})")
    with Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        write(inventory, name, file)


def write(inventory: Inventory, name: str, out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write it in the format of this name; `color` and `width` (columns) are for the table."""
    if name == "table":
        table(inventory, out, color=color, width=width)
    else:
        writers: dict[str, Callable[[Inventory, TextIO], None]] = {
            "json": document,
            "jsonl": lines,
            "csv": comma_separated,
            "markdown": markdown,
        }
        writers[name](inventory, out)


# For people


def table(inventory: Inventory, out: TextIO, *, color: bool = False, width: int | None = None) -> None:
    """Write a block a certificate, and the tally."""
    page = Page(out, color, width or _WIDTH)
    for entry in inventory:
        certificate = entry.certificate
        page.flow(Piece(_said("subject", certificate.subject), "bold", prose=True))
        page.flow(
            Piece(verdict(entry), _COLORS[entry.verdict]),
            Piece(expiry(entry), _expiry_color(entry)),
            Piece(certificate.key),
            Piece(certificate.algorithm),
            indent=2,
        )
        issuer = "self-signed" if certificate.self_signed else _said("issuer", certificate.issuer, "issued by ")
        page.flow(Piece(issuer, prose=True), Piece(f"serial {certificate.serial_number}"), indent=2)
        if certificate.san:
            page.flow(Piece(_names(entry), prose=True), indent=2)
        page.flow(Piece(f"sha256 {certificate.sha256}", "dim"), indent=2)
        for word, text in _reasons(entry):
            page.flow(Piece(f"{word}: {text}", _COLORS.get(word), prose=True), indent=2)
        page.flow(Piece(_seen(entry), "dim", prose=True), indent=2)
        page.end_block()
    page.flow(Piece(tally(inventory), "bold"))
    if inventory.hidden:
        page.flow(Piece(words.hidden(inventory.hidden), "yellow", prose=True))


def markdown(inventory: Inventory, out: TextIO) -> None:
    """Write a table with a row a certificate, then what its checks say, and the tally."""
    header = ("Subject", "Issuer", "Verdict", "Ends", "Key", "SHA-256", "Seen")
    rows = [header, ("---",) * len(header)]
    notes = []
    for entry in inventory:
        certificate = entry.certificate
        rows.append(
            (
                escape.markdown_code(certificate.subject),
                "self-signed" if certificate.self_signed else escape.markdown_code(certificate.issuer),
                verdict(entry),
                escape.markdown(expiry(entry)),
                escape.markdown(certificate.key),
                escape.markdown_code(certificate.sha256),
                f"{words.count(entry.count, 'time')}: {escape.markdown(_place(entry.seen[0]))}",
            )
        )
        name = escape.markdown_code(certificate.subject)
        notes += [f"- {name} {word}: {escape.markdown(text)}\n" for word, text in _reasons(entry)]
    out.write("".join("| " + " | ".join(row) + " |\n" for row in rows) + "\n")
    out.write("".join(notes) + ("\n" if notes else ""))
    out.write(f"**{tally(inventory)}**\n")
    if inventory.hidden:
        out.write(f"\n{escape.markdown(words.hidden(inventory.hidden))}\n")


def verdict(entry: Entry) -> str:
    """What it is worth, and as whose: `pass (server's leaf), undetermined (client's leaf)`."""
    role = "leaf" if entry.leaf else "issuer"
    return ", ".join(f"{word} ({side}'s {role})" for side, word in entry.verdicts.items() if word is not None)


def expiry(entry: Entry) -> str:
    """When its validity ends, and how many days are left."""
    end, days = (entry.certificate.not_after or "")[:10], entry.days_left
    if days is None:
        return "its end cannot be parsed"
    if days < 0:
        return f"expired for {words.count(-days, 'day')} ({end})"
    return f"{words.count(days, 'day')} left ({end})"


def tally(inventory: Inventory) -> str:
    """How many there are, what they are worth, and how many end soon."""
    text = f"{words.count(len(inventory), 'certificate')} in {words.count(inventory.captures, 'capture')}"
    verdicts = Counter(entry.verdict for entry in inventory)
    parts = [f"{verdicts[word]:,} {word}" for word in _VERDICTS if verdicts[word]]
    days = [entry.days_left for entry in inventory if entry.days_left is not None]
    ended, soon = sum(left < 0 for left in days), sum(0 <= left < SOON for left in days)
    ends = [f"{ended:,} expired"] if ended else []
    ends += [f"{soon:,} with less than {SOON} days left"] if soon else []
    return "; ".join([f"{text}: {', '.join(parts)}" if parts else text, *([", ".join(ends)] if ends else [])])


def _expiry_color(entry: Entry) -> Color | None:
    if entry.days_left is None or entry.days_left < 0:
        return "red"
    return "yellow" if entry.days_left < SOON else None


def _said(what: str, name: str, before: str = "") -> str:
    """A name; of one that is empty or cannot be parsed, whose it is."""
    return f"{what} {name}" if name.startswith("cannot be parsed") else before + (name or f"(no {what})")


def _names(entry: Entry, most: int = 20) -> str:
    names = entry.certificate.san
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _reasons(entry: Entry) -> list[tuple[str, str]]:
    """What failed, what of that decides nothing (`note`), and what could not be decided where that is the verdict."""
    sides = {side for side, word in entry.verdicts.items() if word is not None}
    failed = [check for check in entry.checks if check.status == "fail"]
    open_ones = [check for check in entry.checks if check.status == "undetermined"]
    reasons = [("fail" if sides & {*decides(check.check)} else "note", _check(check, entry)) for check in failed]
    reasons.sort(key=lambda reason: reason[0] != "fail")
    if entry.verdict == "undetermined":
        reasons += [("undetermined", _check(check, entry)) for check in open_ones]
    return reasons


def _check(check: CheckReport, entry: Entry) -> str:
    """A check that did not pass; where it is about another certificate of the chain, that is said."""
    other = check.certificate not in (None, entry.certificate.sha256)
    about = f" (of {check.certificate[:16]}…)" if other and check.certificate else ""
    return f"{check.check}{about}: {check.got or check.expected or 'no reason is given'}"


def _seen(entry: Entry) -> str:
    places = ", ".join(_place(sighting) for sighting in entry.seen[:SHOWN])
    rest = entry.count - len(entry.seen[:SHOWN])
    verdicts = Counter(sighting.verdict for sighting in entry.seen)
    mixed = ", ".join(f"{verdicts[word]:,} {word}" for word in _VERDICTS if verdicts[word]) if len(verdicts) > 1 else ""
    times = words.count(entry.count, "time") + (f" ({mixed})" if mixed and entry.count == len(entry.seen) else "")
    return f"seen {times}: {places}" + (f" and {rest:,} more" if rest else "")


def _place(sighting: Sighting) -> str:
    number = f" #{sighting.handshake}" if sighting.handshake else ""
    where = f"{sighting.transport} {sighting.stream}{number}"
    frame = f" (frame {sighting.frame})" if sighting.frame is not None else ""
    return f"{sighting.capture} {where}{frame}"


# For programs


def document(inventory: Inventory, out: TextIO) -> None:
    """Write one JSON document, in ASCII."""
    out.write(f'{{"schema_version": {SCHEMA_VERSION},\n"certificates": [')
    out.write("".join(",\n"[not at :] + json.dumps(plain(entry)) for at, entry in enumerate(inventory)))
    out.write("\n]}\n")


def lines(inventory: Inventory, out: TextIO) -> None:
    """Write a JSON object a line, in ASCII."""
    out.writelines(json.dumps(plain(entry)) + "\n" for entry in inventory)


def plain(entry: Entry) -> dict[str, Any]:
    """A certificate as the object of JSON."""
    return {
        **asdict(entry.certificate),
        "verdict": entry.verdict,
        "verdicts": entry.verdicts,
        "checks": [asdict(check) for check in entry.checks],
        "days_left": entry.days_left,
        "leaf": entry.leaf,
        "first_seen": timestamp(entry.first_seen),
        "last_seen": timestamp(entry.last_seen),
        "count": entry.count,
        "seen": [asdict(sighting) for sighting in entry.seen],
    }


def comma_separated(inventory: Inventory, out: TextIO) -> None:
    """Write a header and a row a certificate; lists are joined by spaces, no cell is a formula."""
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for entry in inventory:
        known = {
            **plain(entry),
            "san": " ".join(entry.certificate.san),
            "checks": " ".join(f"{check.check}:{check.status}" for check in entry.checks),
            "server_verdict": entry.verdicts["server"],
            "client_verdict": entry.verdicts["client"],
            "capture": entry.seen[0].capture,
            "stream": entry.seen[0].stream,
            "frame": entry.seen[0].frame,
        }
        rows.writerow([_cell(known[name]) for name in COLUMNS])


COLUMNS = (
    "subject",
    "issuer",
    "serial_number",
    "not_before",
    "not_after",
    "days_left",
    "san",
    "key",
    "algorithm",
    "sha256",
    "self_signed",
    "ca",
    "verdict",
    "server_verdict",
    "client_verdict",
    "checks",
    "leaf",
    "first_seen",
    "last_seen",
    "count",
    "capture",
    "stream",
    "frame",
)
"""Of the table for spreadsheets; the last three are of the first sighting."""


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape.csv(value) if isinstance(value, str) else value
