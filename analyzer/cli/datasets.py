"""Where do the answers of a dataset go, and in which format?"""

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import TextIO

from analyzer.cli.messages import STDOUT, about
from analyzer.errors import UsageError


def format_of(output: str, named: str | None, suffixes: Mapping[str, tuple[str, ...]]) -> str:
    """The format that was named, else that of the file's suffix, else (on stdout) the first; raises UsageError."""
    if named is not None:
        return named
    if output == "-":
        return next(iter(suffixes))
    suffix = PurePath(output).suffix.lower()
    for name, own in suffixes.items():
        if suffix in own:
            return name
    raise UsageError(f"{output}: its suffix says no format; --format does ({', '.join(suffixes)})")


@contextmanager
def opened(output: str) -> Iterator[TextIO]:
    """A file to write text to; `-` is stdout."""
    with about(STDOUT if output == "-" else output):
        if output != "-":
            with open(output, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:  # noqa: PTH123
                yield file
            return
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout
