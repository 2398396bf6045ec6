"""The ways to write a graph, one file each: the file's name is the writer's.

A writer is a module with a docstring (its documentation), `SUFFIX` and `write`.
"""

from os import PathLike
from pathlib import PurePath
from typing import Protocol, cast

from analyzer.diagram.sequence import Theme
from analyzer.errors import UsageError
from analyzer.graph.model import Graph
from analyzer.plugins import Registry

REGISTRY = Registry(__name__)


class Writer(Protocol):
    """What a module of this folder offers."""

    SUFFIX: str
    """Ending of file names, with the dot."""

    def write(self, graph: Graph, *, theme: Theme = "light") -> bytes:
        """Write it; the same graph gives the same bytes."""


def load(name: str) -> Writer:
    """Import a writer.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in REGISTRY.names():
        raise UsageError(f"{name}: no format of graphs; there are {', '.join(REGISTRY.names())}")
    return cast(Writer, REGISTRY.load(name))


def of_file(path: str | PathLike[str]) -> str:
    """Which writer a file's suffix asks for.

    Raises:
        UsageError: none has that suffix.
    """
    suffixes = {load(name).SUFFIX: name for name in REGISTRY.names()}
    name = suffixes.get(PurePath(path).suffix.lower())
    if name is None:
        raise UsageError(f"{path}: its suffix says no format of graphs ({', '.join(sorted(suffixes))})")
    return name
