"""What is a graph of handshakes? A networkx graph whose attributes are words and numbers, and ways to write it."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from analyzer.diagram.sequence import Theme

if TYPE_CHECKING:
    from networkx import MultiDiGraph

View = Literal["handshakes", "trust"]
VIEWS: tuple[View, ...] = ("handshakes", "trust")


@dataclass(slots=True, frozen=True)
class Graph:
    """Hosts, certificates and authorities, and what connects them; every text may be hostile."""

    view: View
    """What it shows."""
    title: str
    """The question that it answers."""
    subtitle: str
    """Of which captures, and how many of what."""
    network: "MultiDiGraph[str]"
    """The graph itself, for whoever wants to compute; `analyzer.graph.build` says what its attributes mean."""
    hidden: int = 0
    """How many handshakes hide certificates that it would show, by encryption."""

    def render(self, name: str, *, theme: Theme = "light") -> bytes:
        """Write it with the writer of this name: `svg`, `png`, `html`, `graphml`, `dot`, `json`.

        The theme is for pictures; those formats that have none ignore it.

        Raises:
            UsageError: there is no such writer.
        """
        from analyzer.graph import writers

        return writers.load(name).write(self, theme=theme)

    def save(self, path: str | PathLike[str], *, theme: Theme = "light") -> None:
        """Write it to a file whose suffix says the format: `.svg`, `.png`, `.html`, `.graphml`, `.dot`, `.json`.

        Raises:
            UsageError: the suffix is none of these.
            OSError: the file cannot be written.
        """
        from analyzer.graph import writers

        Path(path).write_bytes(self.render(writers.of_file(path), theme=theme))

    def _repr_svg_(self) -> str:
        return self.render("svg").decode()
