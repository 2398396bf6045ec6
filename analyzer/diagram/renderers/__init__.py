"""The ways to draw a diagram, one file each: the file's name is the renderer's.

A renderer is a module with a docstring (its documentation), `SUFFIX` and `render`; both need nothing but the model.
"""

from os import PathLike
from pathlib import PurePath
from typing import Protocol, cast

from analyzer.diagram.sequence import Diagram, Theme, Width
from analyzer.errors import UsageError
from analyzer.plugins import Registry

REGISTRY = Registry(__name__)


class Renderer(Protocol):
    """What a module of this folder offers."""

    SUFFIX: str
    """Ending of file names, with the dot."""

    def render(self, diagram: Diagram, *, theme: Theme = "light", width: Width = "column") -> bytes:
        """Draw it; the same diagram gives the same bytes."""


def load(name: str) -> Renderer:
    """Import a renderer.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in REGISTRY.names():
        raise UsageError(f"{name}: no format of diagrams; there are {', '.join(REGISTRY.names())}")
    return cast(Renderer, REGISTRY.load(name))


def of_file(path: str | PathLike[str]) -> str:
    """Which renderer a file's suffix asks for.

    Raises:
        UsageError: none has that suffix.
    """
    suffixes = {load(name).SUFFIX: name for name in REGISTRY.names()}
    name = suffixes.get(PurePath(path).suffix.lower())
    if name is None:
        raise UsageError(f"{path}: its suffix says no format of diagrams ({', '.join(sorted(suffixes))})")
    return name
