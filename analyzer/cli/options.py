"""Arguments and options that several commands share, one decorator a group."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from analyzer.report import formats

Function = TypeVar("Function", bound=Callable[..., Any])

_READING: list[Callable[[Any], Any]] = [
    click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True, type=click.Path(allow_dash=True)),
]
"""CAPTURE…, and the options that `analyzer.analyze` takes, by its own names: they go to it as they come."""

_WRITING: list[Callable[[Any], Any]] = [
    click.option(
        "--format",
        "format_name",
        type=click.Choice(formats.REGISTRY.names()),
        help=f"How to write the report; without it the suffix of --output decides, else {formats.DEFAULT}.",
    ),
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(dir_okay=False, allow_dash=True),
        default="-",
        help="Where to write the report; - is stdout, the default.",
    ),
]


def reads_captures(function: Function) -> Function:
    """Give a command `captures` and one keyword argument for each option of the analysis."""
    return _decorate(function, _READING)


def writes_report(function: Function) -> Function:
    """Give a command `format_name` and `output`, as `output.write_report` takes them."""
    return _decorate(function, _WRITING)


def _decorate(function: Function, decorators: list[Callable[[Any], Any]]) -> Function:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function
