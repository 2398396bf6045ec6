"""How do Matplotlib's backends draw a page? By its object interface, without pyplot and without its state."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, Patch, Polygon, Rectangle
from matplotlib.text import Text as TextArtist
from matplotlib.transforms import Affine2D

from analyzer.diagram.renderers import _fonts, _layout
from analyzer.diagram.renderers._theme import THEMES, Color
from analyzer.diagram.sequence import Diagram, Theme, Width

_PIXELS_PER_INCH = 144
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mtlscope",
    "font.sans-serif": [_fonts.FAMILY],
    "path.sketch": None,
}
_LOCK = threading.Lock()
"""Matplotlib's settings are the process's."""


def draw(diagram: Diagram, kind: Literal["svg", "png"], theme: Theme, width: Width) -> bytes:
    """A diagram as an SVG document, or as a PNG image of twice a screen's resolution."""
    page = _layout.layout(diagram, width)
    out = BytesIO()
    title = _fonts.clean(diagram.title)
    if kind == "svg":
        metadata: dict[str, Any] = {"Title": title, "Date": None, "Creator": None}
    else:
        metadata = {"Title": title, "Software": None}
    with settings():
        figure = paint(page, theme, installed=kind == "png")
        dpi = 72 if kind == "svg" else _PIXELS_PER_INCH
        figure.savefig(out, format=kind, dpi=dpi, metadata=metadata)
    return out.getvalue()


@contextmanager
def settings() -> Iterator[None]:
    """Have Matplotlib's settings for our pictures, whatever a matplotlibrc says; one thread at a time."""
    with _LOCK, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["svg.fonttype"] = "none"  # text stays text
        mpl.rcParams["svg.hashsalt"] = "mtlscope"
        mpl.rcParams["font.sans-serif"] = [_fonts.FAMILY]
        mpl.rcParams["text.hinting"] = "none"  # letters are as wide as they are measured
        yield


def paint(page: _layout.Page, theme: Theme, installed: bool) -> Figure:
    """A figure with everything of the page; `installed`: its letters come from fonts of this machine."""
    colors = THEMES[theme]
    figure = Figure(figsize=(page.width / 72, page.height / 72), dpi=72, facecolor=colors["paper"])
    points = Affine2D().scale(1 / 72, -1 / 72).translate(0, page.height / 72) + figure.dpi_scale_trans
    for layer, item in enumerate(page.items):
        if isinstance(item, _layout.Text):
            artist: Artist = _Label(item, colors[item.color], installed)
        else:
            artist = _shape(item, colors)
        artist.set_transform(points)
        artist.set_zorder(layer)
        figure.add_artist(artist)
    return figure


class _Label(TextArtist):
    """A line of text whose place is known: nothing is left to be measured when it is drawn."""

    def __init__(self, item: _layout.Text, color: str, installed: bool) -> None:
        text = _fonts.drawable(item.text) if installed else item.text
        families = _fonts.families(text) if installed else _fonts.FAMILIES
        font = FontProperties(family=families, weight="bold" if item.bold else "normal", size=item.size)
        super().__init__(
            item.x, item.y, text, color=color, fontproperties=font, horizontalalignment=item.anchor, parse_math=False
        )
        self._font = font
        self._ahead = {"left": 0.0, "center": 0.5, "right": 1.0}[item.anchor] if installed else 0.0

    def draw(self, renderer: RendererBase) -> None:
        """Give the renderer the text as it is; an SVG aligns it itself."""
        x, y = self.get_transform().transform(self.get_position())
        _, height = renderer.get_canvas_width_height()
        context = renderer.new_gc()
        context.set_foreground(self.get_color())
        text = self.get_text()
        if self._ahead:
            drawn, _, _ = renderer.get_text_width_height_descent(text, self._font, False)
            x -= drawn * self._ahead
        y = height - y if renderer.flipy() else y
        renderer.draw_text(context, x, y, text, self._font, 0.0, ismath=False, mtext=self)
        context.restore()
        self.stale = False


def _shape(
    item: _layout.Box | _layout.Stroke | _layout.Shape | _layout.Disc, colors: Mapping[Color, str]
) -> Line2D | Patch:
    match item:
        case _layout.Stroke():
            line = Line2D([item.x1, item.x2], [item.y1, item.y2], color=colors[item.color], linewidth=item.width)
            line.set_solid_capstyle("butt")
            line.set_alpha(item.alpha)
            if item.dashed:
                line.set_linestyle((0, (3.2, 2.4)))
                line.set_dash_capstyle("butt")
            return line
        case _layout.Shape():
            return Polygon(item.points, closed=True, facecolor=colors[item.color], linewidth=0)
        case _layout.Disc():
            return Circle((item.x, item.y), item.radius, facecolor=colors[item.color], linewidth=0)
        case _layout.Box():
            edge = colors[item.edge] if item.edge else "none"
            look: dict[str, Any] = {
                "facecolor": colors[item.fill],
                "edgecolor": edge,
                "linewidth": 1.0 if item.edge else 0.0,
            }
            if not item.radius:
                return Rectangle((item.x, item.y), item.width, item.height, **look)
            style = f"round,pad=0,rounding_size={item.radius}"
            return FancyBboxPatch((item.x, item.y), item.width, item.height, boxstyle=style, **look)
