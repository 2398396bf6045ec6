"""Say what a finding means, how it looks on the wire, and how to fix it; without CODE, list all codes.

CODE is the code of a finding, such as client-certificate-missing, or the name of a certificate check, such as
name-match.
"""

import click

from analyzer.diagnosis.engine import RULES
from analyzer.errors import UsageError
from analyzer.plugins import Registry

_CHECKS = Registry("analyzer.pki.checks")


@click.command()
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Run the command."""
    if code is None:
        width = max(map(len, RULES.names()))
        for name in RULES.names():
            click.echo(f"{name:{width}}  {RULES.documentation(name).partition(chr(10))[0]}")
    elif code in RULES.names():
        rule = RULES.load(code)
        stage = rule.STAGE or "where the handshake stopped"
        click.echo(f"{code} ({rule.SEVERITY}; {stage})\n\n{RULES.documentation(code)}")
    elif code in _CHECKS.names():
        click.echo(f"{code} (certificate check)\n\n{_CHECKS.documentation(code)}\n\nReferences: {_citation(code)}.")
    else:
        raise UsageError(f"{code}: no such finding or check{_nearest(code)}; without a code all are listed")


def _citation(check: str) -> str:
    citation: str = _CHECKS.load(check).CITATION
    return citation


def _nearest(code: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(code, [*RULES.names(), *_CHECKS.names()], n=3)
    return f" (near: {', '.join(near)})" if near else ""
