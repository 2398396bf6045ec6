"""Draw the sequence diagram of a handshake, or the textbook's.

CAPTURE is a file, a folder or - for stdin. Without --stream the first handshake is drawn; the suffix of --output
chooses the format: .svg, .png, .mmd (Mermaid), .puml (PlantUML), .txt.

\b
mtlscope diagram failed-callout.pcapng
mtlscope diagram failed-callout.pcapng --stream 3 -o callout.svg
mtlscope diagram archive/ --all pictures/ --format png
mtlscope diagram --reference mutual --tls 1.2 -o mutual.svg

\b
Exit status: 0 done
             2 wrong use, or there is no such handshake
             3 a capture could not be read
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from analyzer.cli.captures import Captures
from analyzer.cli.messages import complain
from analyzer.cli.options import analyzes, output_option
from analyzer.diagram import renderers, words
from analyzer.diagram.sequence import Diagram
from analyzer.errors import UsageError
from analyzer.results import HandshakeReport

_TERMINAL = "text"
_TEXTBOOKS = frozenset(("tls", "key_exchange", "profile", "party"))
"""Options that say what the textbook's handshake is like."""
_LOOKS = frozenset(("theme", "width", "format_name", "output"))
"""Options that say how and where to draw, whatever it is."""
_MOST_NAMED = 10


@click.command()
@click.argument("capture", required=False, type=click.Path(allow_dash=True))
@click.option("--stream", type=click.IntRange(min=0), help="Which connection: Wireshark's tcp.stream or udp.stream.")
@click.option(
    "--handshake",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which handshake of that connection; 1 is its first renegotiation.",
)
@click.option("--all", "folder", metavar="DIR", type=click.Path(file_okay=False), help="Draw each handshake, into DIR.")
@click.option("--reference", type=click.Choice(["one-way", "mutual"]), help="Draw the textbook handshake instead.")
@click.option("--tls", type=click.Choice(["1.2", "1.3"]), default="1.2", show_default=True, help="The textbook's TLS.")
@click.option(
    "--key-exchange",
    type=click.Choice(["rsa", "ecdhe"]),
    default="rsa",
    show_default=True,
    help="The textbook's key exchange in TLS 1.2.",
)
@click.option("--profile", metavar="NAME", help="Put a product's names and rules into the textbook: salesforce.")
@click.option(
    "--party",
    type=click.Choice(["client", "server"]),
    default="server",
    show_default=True,
    help="The side on which the profile's product stands.",
)
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True, help="Its colours.")
@click.option(
    "--width",
    type=click.Choice(["column", "slide"]),
    default="column",
    show_default=True,
    help="Every detail for a document's column, or what a room can read for a slide.",
)
@click.option("--format", "format_name", type=click.Choice(renderers.REGISTRY.names()), help="How to draw it.")
@output_option()
@analyzes
@click.pass_context
def command(
    ctx: click.Context,
    /,
    capture: str | None,
    stream: int | None,
    handshake: int,
    folder: str | None,
    reference: str | None,
    tls: str,
    key_exchange: str,
    profile: str | None,
    party: str,
    format_name: str | None,
    output: str,
    theme: str,
    width: str,
    **analysis: Any,
) -> None:
    """Run the command; the options that it does not name are the analysis's."""
    look = {"theme": theme, "width": width}
    _check(_given(ctx), capture, reference, tls)
    if reference is not None:
        _write(_reference(reference, tls, key_exchange, profile, party), output, format_name, look)
        return
    assert capture is not None
    captures = Captures([capture], **analysis)
    captures.protect(output)
    handshakes = (each for report in captures for each in report.handshakes)
    if folder is not None:
        _write_all(handshakes, Path(folder), format_name or "svg", look)
    else:
        every = list(handshakes)
        chosen = _choose(every, stream, handshake, capture)
        if chosen is not None:
            _write(chosen.diagram(), output, format_name, look)
        elif not captures.unreadable:
            raise UsageError(f"{capture}: there is no such handshake to draw; there is {_streams(every)}")
    if captures.unreadable:
        ctx.exit(3)


def _given(ctx: click.Context) -> dict[str, str]:
    """The options that stand on the command line, by their parameters."""
    return {
        param.name: param.opts[-1]
        for param in ctx.command.params
        if isinstance(param, click.Option)
        and param.name is not None
        and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    }


def _check(given: dict[str, str], capture: str | None, reference: str | None, tls: str) -> None:
    """Refuse what would be ignored.

    Raises:
        UsageError: options are there that say nothing about what is to be drawn, or both things or neither are.
    """
    if capture is None and reference is None:
        raise UsageError("diagram needs a capture, or --reference")
    if capture is not None and reference is not None:
        raise UsageError("--reference draws the textbook's handshake, and takes no capture")
    others = _TEXTBOOKS if reference is None else given.keys() - _TEXTBOOKS - _LOOKS - {"reference"}
    wrong = next((option for name, option in given.items() if name in others), None)
    if wrong is not None:
        about = "the textbook's handshake: it needs --reference" if reference is None else "a capture's handshakes"
        raise UsageError(f"{wrong} is about {about}")
    if tls == "1.3" and "key_exchange" in given:
        raise UsageError("--key-exchange is about TLS 1.2: TLS 1.3 leaves no such choice")
    if "party" in given and "profile" not in given:
        raise UsageError("--party is the side of a product: it needs its --profile")
    single = next((given[name] for name in ("stream", "handshake", "output") if name in given), None)
    if "folder" in given and single is not None:
        raise UsageError(f"--all draws each handshake into its folder: {single} is about one")


def _streams(handshakes: list[HandshakeReport]) -> str:
    """What there is to draw, the first ones by their names."""
    most: dict[str, int] = {}
    for one in handshakes:
        name = words.stream(one.transport, one.stream)
        most[name] = max(most.get(name, 0), one.handshake)
    names = [f"{name} (handshakes 0 to {last})" if last else name for name, last in most.items()]
    left = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED] + ([f"{left:,} more"] if left > 0 else [])) or "none"


def _reference(authentication: Any, tls: Any, key_exchange: Any, profile: str | None, party: Any) -> Diagram:
    from analyzer.diagram.reference import reference

    return reference(authentication, tls, key_exchange, profile=profile, party=party)


def _choose(
    handshakes: list[HandshakeReport], stream: int | None, handshake: int, capture: str
) -> HandshakeReport | None:
    """The handshake that was asked for, or the first; says so where there are others."""
    fitting = [one for one in handshakes if stream in (None, one.stream) and one.handshake == handshake]
    if fitting and stream is None and len(fitting) > 1:
        shown = fitting[0]
        complain(
            f"{capture}: {len(fitting)} handshakes, this is {words.stream(shown.transport, shown.stream)} "
            "(--stream draws another, --all each)"
        )
    return fitting[0] if fitting else None


def _write(diagram: Diagram, output: str, format_name: str | None, look: dict[str, Any]) -> None:
    name = format_name or (_TERMINAL if output == "-" else renderers.of_file(output))
    if output != "-":
        Path(output).write_bytes(diagram.render(name, **look))
        return
    if name == _TERMINAL and not (sys.stdout.encoding or "utf-8").lower().startswith("utf"):
        look = {**look, "ascii_only": True}
    sys.stdout.flush()
    sys.stdout.buffer.write(renderers.load(name).render(diagram, **look))
    sys.stdout.buffer.flush()


def _write_all(handshakes: Iterable[HandshakeReport], folder: Path, name: str, look: dict[str, Any]) -> None:
    """Draw each into a file that is named for its capture and connection."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = renderers.load(name).SUFFIX
    taken: dict[str, int] = {}
    for one in handshakes:
        capture = "stdin" if one.capture == "-" else Path(one.capture).name
        stem = f"{capture}-{one.transport}-{one.stream}" + (f"-{one.handshake}" if one.handshake else "")
        taken[stem] = taken.get(stem, 0) + 1
        if taken[stem] > 1:
            stem += f"-{taken[stem]}"
        (folder / f"{stem}{suffix}").write_bytes(one.diagram().render(name, **look))
