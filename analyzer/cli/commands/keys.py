"""Say which connections the secrets open, and which not, and why.

CAPTURE is a file, a folder or - for stdin. Secrets come from key logs, from servers' private keys, and from what a
pcapng file brings along; they are never shown.

\b
Exit status: 0 done
             2 wrong use
             3 a capture could not be read
"""

from collections import Counter
from typing import Any

import click

from analyzer.cli.captures import Captures
from analyzer.cli.options import reads_secrets
from analyzer.cli.secrets import read_secrets
from analyzer.report import words
from analyzer.report.escape import visible
from analyzer.results import CaptureReport, HandshakeReport


@click.command()
@reads_secrets
@click.pass_context
def command(ctx: click.Context, /, captures: tuple[str, ...], **files: Any) -> None:
    """Run the command."""
    options = read_secrets(files)
    reports = Captures(captures, trust="none", **options)
    randoms: set[bytes] = set()
    tally: Counter[str] = Counter()
    for report in reports:
        _write(report, tally, randoms)
    opened, closed = tally["opened"], tally["closed"]
    click.echo(f"{words.count(tally.total(), 'handshake')}: {opened:,} opened, {closed:,} closed")
    if options["keylog"]:
        log = options["keylog"].log
        unused = len(log) - sum(bool(log.find(random)) for random in randoms)
        click.echo(f"{words.count(len(log), 'connection')} in the key logs, {unused:,} of them not in the captures")
    if reports.unreadable:
        ctx.exit(3)


def _write(report: CaptureReport, tally: Counter[str], randoms: set[bytes]) -> None:
    """Write a line for each handshake, and note its client random."""
    click.echo(visible(report.capture))
    for handshake in report.handshakes:
        if handshake.facts is None:
            continue
        if handshake.facts.client_hello is not None:
            randoms.add(handshake.facts.client_hello.random)
        state, why = _state(handshake)
        tally[state] += 1
        ends = f"{handshake.client} -> {handshake.server}  {handshake.version or '-'}"
        click.echo(f"  {words.stream(handshake)}  {ends}  {state}: {why}")
    for issue in report.issues:
        click.echo(f"  note: {visible(words.issue(issue))}")


def _state(handshake: HandshakeReport) -> tuple[str, str]:
    """Whether anything was opened, and how much, or why not."""
    decryption = handshake.facts.decryption if handshake.facts else None
    if decryption is None:
        return "closed", "no secrets are given"
    if decryption.opened or decryption.closed or decryption.reason:
        return "opened" if decryption.opened else "closed", decryption.says
    return "in clear", decryption.says
