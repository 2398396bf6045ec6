"""How do the answers of a summary read: as text, as JSON, as one HTML page with plots?"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TextIO

from analyzer.archive.summary import Answer
from analyzer.report.escape import visible

_PACKAGE = "analyzer.archive"
_BARS = (
    ("mutual", "mutual", "mutual"),
    ("one_way", "one-way", "one-way"),
    ("requested_not_provided", "requested-not-provided", "requested"),
    ("other", "other", "other"),
)
"""Column, word and CSS class of the verdicts by which bars are divided."""
_PLOTTED = ("days", "servers", "protocols", "broken")


def text(answers: Iterable[Answer], out: TextIO) -> None:
    """Write a block a section; those without rows are left out."""
    for answer in answers:
        if not answer.rows:
            continue
        out.write(f"{answer.section.title}\n")
        if answer.section.name == "overview":
            (row,) = answer.rows
            width = max(map(len, row))
            out.writelines(f"  {name:{width}}  {_amount(value)}\n" for name, value in row.items())
        else:
            table(answer.columns, [list(row.values()) for row in answer.rows], out, indent=2)
        if answer.rest:
            out.write(f"  and {answer.rest:,} more\n")
        if answer.section.explains:
            out.write(f"  {answer.section.explains}\n")
        out.write("\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], out: TextIO, *, indent: int = 0) -> None:
    """Write columns of equal width, numbers to the right; no value is cut."""
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max(len(column), *(len(row[i]) for row in cells), 0) for i, column in enumerate(columns)]
    right = [bool(rows) and all(isinstance(row[i], int | float | Decimal | None) for row in rows)
             for i in range(len(columns))]  # fmt: skip
    for row in [list(map(visible, columns)), *cells]:
        line = "  ".join(
            value.rjust(width) if to_right else value.ljust(width)
            for value, width, to_right in zip(row, widths, right, strict=True)
        )
        out.write(" " * indent + line.rstrip() + "\n")


def document(answers: Iterable[Answer], out: TextIO) -> None:
    """Write JSON: for each section `rows`, and `total`, which is more where rows were left out."""
    made = {answer.section.name: {"total": answer.total, "rows": plain(answer.rows)} for answer in answers}
    json.dump(made, out, indent=1)
    out.write("\n")


def page(answers: Iterable[Answer], name: str, out: TextIO) -> None:
    """Write one HTML file that needs nothing else."""
    from analyzer.report import webpage

    found = {answer.section.name: answer for answer in answers}
    template = webpage.templates(_PACKAGE).get_template("summary.html")
    for chunk in template.generate(
        title=name,
        style=webpage.style(_PACKAGE, "page.css", "summary.css"),
        **webpage.script(_PACKAGE, "summary.js"),
        overview=found["overview"].rows[0],
        answers=[answer for answer in found.values() if answer.section.name != "overview" and answer.rows],
        bars={name: _bars(found[name].rows) for name in ("days", "servers")},
        legend=[(word, tone) for _, word, tone in _BARS],
        cell=cell,
        amount=_amount,
        is_number=lambda value: isinstance(value, int | float | Decimal),
    ):
        out.write(chunk)


def _bars(rows: list[dict[str, Any]]) -> list[list[tuple[str, str, float]]]:
    """For each row the parts of its bar: word, CSS class and width in percent of the longest bar."""
    longest = max((row["handshakes"] for row in rows), default=0)
    return [
        [(f"{row[name]:,} {word}", tone, 100 * row[name] / longest) for name, word, tone in _BARS if row[name]]
        for row in rows
    ]


def _amount(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else cell(value)


def cell(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _moment(value).replace("T", " ").removesuffix("Z").removesuffix(".000000")
    if isinstance(value, str | date | int | float | Decimal):
        return visible(str(value))
    return visible(json.dumps(plain(value), ensure_ascii=False))


def plain(value: Any) -> Any:
    """A value of SQL as one of JSON: times are ISO 8601 in UTC, blobs hexadecimal."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _moment(value: datetime) -> str:
    """ISO 8601; one without a time zone is UTC already."""
    value = value.astimezone(UTC) if value.tzinfo else value
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
