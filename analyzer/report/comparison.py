"""How does a comparison of two handshakes look: as text, as JSON, as a web page?"""

import json
from html import escape
from typing import Any

from analyzer.diagnosis.comparison import TOPICS, Comparison, Difference
from analyzer.report import words
from analyzer.report.escape import visible
from analyzer.results import HandshakeReport

FORMATS = {"text": (".txt",), "json": (".json",), "html": (".html", ".htm")}
"""By name, the suffixes of files that choose it."""


def text(comparison: Comparison) -> str:
    """Lines for a terminal."""
    lines = [f"good  {_title(comparison.good)}", f"bad   {_title(comparison.bad)}", ""]
    if comparison.first is not None:
        lines += ["The first difference that matters", *_rows(comparison.first, _named(comparison.first)), ""]
    elif comparison.differences:
        lines += ["Nothing that usually matters differs.", ""]
    else:
        lines += ["The two do not differ in anything that is compared.", ""]
    for finding in comparison.bad.findings:
        if finding.code == comparison.bad.root_cause:
            told = [f"    {line}" if copied else f"  {line}" for line, copied in words.advice(finding.remedy)]
            lines += [f"Root cause of the bad one: {finding.code}", f"  {finding.summary}", *told, ""]
    for topic in TOPICS:
        found = [one for one in comparison.differences if one.topic == topic]
        if found:
            lines += [topic.capitalize(), *(line for one in found for line in _rows(one, one.label)), ""]
    return "\n".join(map(visible, lines)).rstrip() + "\n"


def to_json(comparison: Comparison) -> str:
    """One object: `good`, `bad`, `first` and `differences`."""
    made = {
        "good": _place(comparison.good),
        "bad": _place(comparison.bad),
        "first": _record(comparison.first) if comparison.first else None,
        "differences": [_record(one) for one in comparison.differences],
    }
    return json.dumps(made, indent=2) + "\n"


def html(comparison: Comparison) -> str:
    """One page without scripts or requests."""
    rows = []
    for topic in TOPICS:
        found = [one for one in comparison.differences if one.topic == topic]
        if found:
            rows.append(f'<tr><th colspan="3" scope="rowgroup">{_html(topic.capitalize())}</th></tr>')
            rows += [_html_row(one, one is comparison.first) for one in found]
    first = comparison.first
    told = _named(first) if first else "nothing that usually matters"
    return _PAGE.format(
        good=_html(_title(comparison.good)),
        bad=_html(_title(comparison.bad)),
        first=_html(told),
        rows="\n".join(rows) or '<tr><td colspan="3">no difference</td></tr>',
    )


def _title(report: HandshakeReport) -> str:
    name = f" ({report.server_name})" if report.server_name else ""
    return (
        f"{report.capture}, {report.display_filter}: {report.client.ip} to {report.server}{name}, "
        f"{report.version or 'no TLS'}, {report.authentication}, {report.outcome}"
    )


def _named(one: Difference) -> str:
    """What differs, and of what, for where its topic is no heading: `client certificate: presented`."""
    return f"{one.topic}: {one.label}"


def _rows(one: Difference, name: str) -> list[str]:
    mark = "*" if one.matters else " "
    return [f"  {mark} {name}", f"      good  {one.good}", f"      bad   {one.bad}"]


def _place(report: HandshakeReport) -> dict[str, Any]:
    return {
        "capture": report.capture,
        "transport": report.transport,
        "stream": report.stream,
        "handshake": report.handshake,
        "outcome": report.outcome,
        "authentication": report.authentication,
        "root_cause": report.root_cause,
    }


def _record(one: Difference) -> dict[str, Any]:
    return {"topic": one.topic, "label": one.label, "good": one.good, "bad": one.bad, "matters": one.matters}


def _html(value: str) -> str:
    return escape(visible(value))


def _html_row(one: Difference, is_first: bool) -> str:
    classes = " ".join(name for name, on in (("matters", one.matters), ("first", is_first)) if on)
    return (
        f'<tr class="{classes}"><th scope="row">{_html(one.label)}</th>'
        f"<td>{_html(one.good)}</td><td>{_html(one.bad)}</td></tr>"
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Two handshakes compared</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100%; table-layout: fixed }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #8884;
  overflow-wrap: anywhere }}
th[scope=row] {{ font-weight: normal }}
.matters th {{ font-weight: bold }}
.first {{ background: #f5c51833 }}
</style>
</head>
<body>
<h1>Two handshakes compared</h1>
<p><b>Good:</b> {good}<br><b>Bad:</b> {bad}</p>
<p><b>The first difference that matters:</b> {first}</p>
<table>
<thead><tr><th scope="col">What</th><th scope="col">Good</th><th scope="col">Bad</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""
