"""How does Matplotlib draw a graph? As it draws a diagram, with curves below the cards."""

from collections import Counter
from io import BytesIO
from typing import Any, Literal

from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from analyzer.diagram.renderers import _fonts, _matplotlib
from analyzer.diagram.renderers._theme import THEMES
from analyzer.diagram.sequence import Theme
from analyzer.graph.columns import Columns, columns
from analyzer.graph.lanes import laned
from analyzer.graph.legible import MOST, limited, ordered
from analyzer.graph.model import Graph
from analyzer.graph.writers._page import LOOP, Curve, arrange
from analyzer.report import words

_BEHIND = -1


def draw(graph: Graph, kind: Literal["svg", "png"], theme: Theme) -> bytes:
    """A graph as an SVG document, or as a PNG image of twice a screen's resolution."""
    whole = columns(graph)
    made = arrange(ordered(laned(limited(whole))), _note(whole))
    out = BytesIO()
    metadata: dict[str, Any] = {"Title": _fonts.clean(graph.title), "Date": None, "Creator": None}
    if kind == "png":
        metadata = {"Title": metadata["Title"], "Software": None}
    with _matplotlib.settings():
        figure = _matplotlib.paint(made.page, theme, installed=kind == "png")
        points = Affine2D().scale(1 / 72, -1 / 72).translate(0, made.page.height / 72) + figure.dpi_scale_trans
        for curve in made.curves:
            patch = _patch(curve, THEMES[theme][curve.color])
            patch.set_transform(points)
            figure.add_artist(patch)
        figure.savefig(out, format=kind, dpi=72 if kind == "svg" else 144, metadata=metadata)
    return out.getvalue()


def _patch(curve: Curve, color: str) -> PathPatch:
    reach = LOOP if curve.loop else (curve.x2 - curve.x1) / 2
    bends = (curve.x1 + reach, curve.y1), (curve.x2 + reach if curve.loop else curve.x2 - reach, curve.y2)
    path = Path([(curve.x1, curve.y1), *bends, (curve.x2, curve.y2)], [Path.MOVETO, *[Path.CURVE4] * 3])
    patch = PathPatch(path, facecolor="none", edgecolor=color, linewidth=curve.width, alpha=0.8, zorder=_BEHIND)
    if curve.dashed:
        patch.set_linestyle((0, (4 / curve.width**0.5, 2.5 / curve.width**0.5)))
    return patch


def _note(whole: Columns) -> str:
    """What is not shown one by one."""
    many: Counter[str] = Counter()
    for column in range(len(whole.heads)):
        here = [card.noun for card in whole.cards if card.column == column]
        many.update(here if len(here) > MOST else [])
    said = [words.count(number, noun) for noun, number in many.items()]
    return f"Of {' and '.join(said)} the most telling are shown one by one, the others in groups." if said else ""
