"""Which colours do graphs and pages have? Those of the diagrams, and one for each verdict."""

from dataclasses import dataclass

from analyzer.diagram.renderers._theme import THEMES
from analyzer.diagram.sequence import Theme
from analyzer.results import Authentication, Outcome


@dataclass(slots=True, frozen=True)
class Palette:
    """The colours of one theme; told apart by lightness too, for those who do not see the hues."""

    paper: str
    """Behind everything."""
    surface: str
    """Of what stands on the paper without an edge."""
    line: str
    """Of borders and rules."""
    muted: str
    """Of text that comes second."""
    ink: str
    """Of text."""
    one_way: str
    """Blue: the server alone showed who it is."""
    mutual: str
    """Green: both did; also what is good."""
    requested: str
    """Amber: asked for, not provided; also what is open."""
    failed: str
    """Red: the handshake failed; also what is bad."""
    other: str
    """Teal: neither has a certificate, as with pre-shared keys."""
    undetermined: str
    """Grey: it cannot be told."""


def palette(theme: Theme) -> Palette:
    """The colours of a theme."""
    colors = THEMES[theme]
    return Palette(
        paper=colors["paper"],
        surface=colors["band"],
        line=colors["rule"],
        muted=colors["dim"],
        ink=colors["ink"],
        one_way=colors["encrypted"],
        mutual=colors["good"],
        requested=colors["open"],
        failed=colors["bad"],
        other=colors["decrypted"],
        undetermined=colors["dim"],
    )


def verdict(authentication: Authentication, outcome: Outcome) -> str:
    """Name the colour, a field of `Palette`, of a handshake: that it failed comes before what it was."""
    return "failed" if outcome == "failed" else _VERDICTS.get(authentication, "other")


_VERDICTS: dict[Authentication, str] = {
    "one-way": "one_way",
    "mutual": "mutual",
    "requested-not-provided": "requested",
    "undetermined": "undetermined",
}
