"""Show every message of a connection's handshakes, field by field.

CAPTURE is a file, a folder or - for stdin. Without --stream the first connection with TLS is shown. What is
encrypted can be read with --keylog or --server-key; of what cannot, and of application data, only that it was sent.

\b
mtlscope show failed-callout.pcapng --stream 3
mtlscope show failed-callout.pcapng --stream 3 --scapy

\b
Exit status: 0 done
             2 wrong use, or there is no such handshake
             3 a capture could not be read
"""

from typing import Any

import click

from analyzer.cli.captures import Captures
from analyzer.cli.messages import complain
from analyzer.cli.options import analyzes
from analyzer.errors import UsageError
from analyzer.report.escape import visible
from analyzer.results import HandshakeReport


@click.command()
@click.argument("capture", type=click.Path(allow_dash=True))
@click.option("--stream", type=click.IntRange(min=0), help="Which connection: Wireshark's tcp.stream.")
@click.option("--scapy", is_flag=True, help="Show what Scapy makes of each message, too.")
@analyzes
@click.pass_context
def command(ctx: click.Context, /, capture: str, stream: int | None, scapy: bool, **analysis: Any) -> None:
    """Run the command; the options that it does not name are the analysis's."""
    captures = Captures([capture], **analysis)
    handshakes = [each for report in captures for each in report.handshakes if each.facts is not None]
    streams = sorted({each.stream for each in handshakes})
    chosen = stream if stream is not None or not streams else streams[0]
    shown = [each for each in handshakes if each.stream == chosen]
    if not shown and not captures.unreadable:
        wanted = "no TLS handshake" if stream is None else f"no TLS handshake in stream {stream}"
        raise UsageError(f"{capture}: {wanted}" + (f" (there is in {_some(streams)})" if streams else ""))
    if stream is None and len(streams) > 1:
        complain(f"{capture}: {len(streams)} connections with TLS, this is {chosen} (--stream shows another)")
    for each in shown:
        _show(each, scapy)
    if captures.unreadable:
        ctx.exit(3)


def _show(report: HandshakeReport, scapy: bool) -> None:
    from analyzer.report import dissection

    assert report.facts is not None
    click.echo(f"{report.display_filter}, handshake {report.handshake}: {report.client} > {report.server}\n")
    packets = report.facts.to_scapy() if scapy else [None] * len(report.facts.sent)
    for sent, packet in zip(report.facts.sent, packets, strict=True):
        click.echo(dissection.head(sent, report))
        for line in dissection.body(sent, report):
            click.echo(line)
        if packet is not None:
            click.echo()
            for line in packet.show(dump=True).splitlines():
                click.echo(f"    {visible(line)}")
        click.echo()


def _some(streams: list[int]) -> str:
    shown = ", ".join(map(str, streams[:10]))
    return f"{shown}, and {len(streams) - 10} more" if len(streams) > 10 else shown
