"""Graphs of many handshakes: who shook hands with whom, and who trusts whom."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.graph.model import Graph, View
    from analyzer.results import CaptureReport


def graph(reports: "CaptureReport | Iterable[CaptureReport]", *, view: "View" = "handshakes") -> "Graph":
    """Make a graph of one report or of several: it can be saved, and shows itself in a notebook.

    Args:
        reports: what `analyzer.analyze` or `analyzer.analyze_many` returned.
        view: `handshakes` (hosts, and the handshakes between them by port, verdict and outcome) or `trust` (who
            presented which certificate, who issued it, and what authority that leads to).

    Raises:
        UsageError: there is no such view.
    """
    from analyzer.graph.build import build
    from analyzer.results import CaptureReport

    return build([reports] if isinstance(reports, CaptureReport) else reports, view)
