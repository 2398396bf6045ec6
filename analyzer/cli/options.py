"""Arguments and options that several commands share, one decorator a group."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from analyzer.cli.messages import STDOUT, about
from analyzer.filenames import named
from analyzer.report import formats

Function = TypeVar("Function", bound=Callable[..., Any])

_CAPTURES: list[Callable[[Any], Any]] = [
    click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True, type=click.Path(allow_dash=True)),
]

_SECRETS: list[Callable[[Any], Any]] = [
    click.option(
        "--keylog", metavar="FILE", multiple=True, help="Secrets of the connections (SSLKEYLOGFILE); repeatable."
    ),
    click.option(
        "--server-key",
        metavar="FILE",
        multiple=True,
        help="A server's private key, PEM, DER or PKCS#12: it opens RSA key exchange; repeatable.",
    ),
    click.option("--redact", is_flag=True, help="Put placeholders for addresses, names, serials and fingerprints."),
]

_ANALYSIS: list[Callable[[Any], Any]] = [
    click.option(
        "--trust",
        metavar="STORE",
        multiple=True,
        default=("mozilla",),
        show_default=True,
        help="What the client trusts: system, mozilla, none, or a file or folder of certificates; repeatable.",
    ),
    click.option(
        "--client-trust",
        metavar="STORE",
        multiple=True,
        help="What the server trusts: its truststore for client certificates; repeatable.",
    ),
    click.option("--crl", metavar="FILE", multiple=True, help="A revocation list, PEM or DER; repeatable."),
    click.option(
        "--ct-logs",
        metavar="FILE",
        multiple=True,
        help="Logs of Certificate Transparency (log_list.json), by which SCTs are checked; repeatable.",
    ),
    click.option(
        "--server-name", metavar="NAME", type=named, help="Whom the client meant to reach, whatever its hello says."
    ),
    click.option(
        "--at",
        metavar="TIME",
        default="capture",
        show_default=True,
        help="When certificates are judged: capture (the time of each handshake), now, or an ISO 8601 time.",
    ),
    *_SECRETS,
]
"""The options that `analyzer.analyze` takes, by its own names: they go to it as they come."""

_DIAGNOSIS: list[Callable[[Any], Any]] = [
    click.option("--profile", metavar="NAME", help="Check a platform's promises too: salesforce, or a TOML file."),
    click.option(
        "--salesforce-is",
        "--profile-is",
        "profile_role",
        type=click.Choice(["client", "server"]),
        help="What the profile's platform is; without it, the server where the host name is its own.",
    ),
    click.option(
        "--tls-port", metavar="PORT", type=click.IntRange(1, 65535), multiple=True, help="TLS is expected there, too."
    ),
]
"""Those of them that only the diagnosis asks for."""


def output_option(help_text: str = "Where to write it; - is stdout, the default.") -> Callable[[Function], Function]:
    """Give a command `output`: a file, or `-`. What goes wrong when it writes is said of that, or of its `folder`."""
    option = click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(dir_okay=False, allow_dash=True),
        default="-",
        help=help_text,
    )

    def decorate(function: Function) -> Function:
        @wraps(function)
        def telling_where(*arguments: Any, **parameters: Any) -> Any:
            place = parameters.get("folder") or parameters["output"]
            with about(STDOUT if place == "-" else place):
                return function(*arguments, **parameters)

        return option(cast(Function, telling_where))

    return decorate


_WRITING: list[Callable[[Any], Any]] = [
    click.option(
        "--format",
        "format_name",
        type=click.Choice(formats.REGISTRY.names()),
        help=f"How to write the report; without it the suffix of --output decides, else {formats.DEFAULT}.",
    ),
    output_option("Where to write the report; - is stdout, the default."),
]


def reads_captures(function: Function) -> Function:
    """Give a command `captures` and one keyword argument for each option of the analysis."""
    return _decorate(function, [*_CAPTURES, *_ANALYSIS])


def analyzes(function: Function) -> Function:
    """Give a command one keyword argument for each option of the analysis; it takes captures its own way."""
    return _decorate(function, _ANALYSIS)


def diagnoses(function: Function) -> Function:
    """Give a command one keyword argument for each option of the diagnosis; they go to the analysis as they come."""
    return _decorate(function, _DIAGNOSIS)


def reads_secrets(function: Function) -> Function:
    """Give a command `captures`, `keylog` and `server_key`."""
    return _decorate(function, [*_CAPTURES, *_SECRETS])


def writes_report(function: Function) -> Function:
    """Give a command `format_name` and `output`, as `output.write_report` takes them."""
    return _decorate(function, _WRITING)


def _decorate(function: Function, decorators: list[Callable[[Any], Any]]) -> Function:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function
