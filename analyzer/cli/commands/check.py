"""Hold every handshake against a policy; for continuous integration.

A policy is a TOML file; --init prints one to begin with. The suffix of --output chooses the format: .txt, .json,
.xml (JUnit) or .sarif.

\b
mtlscope check --init > policy.toml
mtlscope check captures/ --policy policy.toml -o results.xml

\b
Exit status: 0 every handshake keeps to the policy, or what breaks it is milder than --fail-on
             1 a handshake breaks it
             2 wrong use
             3 a capture could not be read (the others were; this outweighs 1)
"""

import tomllib
from pathlib import Path
from typing import Any

import click

from analyzer.cli.captures import Captures
from analyzer.cli.datasets import format_of
from analyzer.cli.options import analyzes, diagnoses, output_option
from analyzer.diagnosis import policy as policies
from analyzer.diagnosis.finding import SEVERITIES
from analyzer.errors import UsageError
from analyzer.optionfiles import read
from analyzer.report import verdicts as writers


@click.command()
@click.argument("captures", metavar="CAPTURE...", nargs=-1, type=click.Path(allow_dash=True))
@click.option("--policy", metavar="FILE", type=click.Path(dir_okay=False), help="What to hold the handshakes against.")
@click.option("--init", is_flag=True, help="Print a policy to begin with, and end.")
@analyzes
@diagnoses
@click.option(
    "--fail-on",
    type=click.Choice(["never", *reversed(SEVERITIES)]),
    default="error",
    show_default=True,
    help="End with status 1 where a violation is that bad, or worse.",
)
@click.option("--format", "format_name", type=click.Choice(list(writers.FORMATS)), help="How to write it.")
@output_option()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    captures: tuple[str, ...],
    policy: str | None,
    init: bool,
    fail_on: str,
    format_name: str | None,
    output: str,
    **analysis: Any,
) -> None:
    """Run the command."""
    if init:
        click.echo(policies.STARTER, nl=False)
        return
    if not captures:
        raise click.MissingParameter(param_type="argument", param_hint="CAPTURE...", ctx=ctx)
    if policy is None:
        raise UsageError("--policy: which one? (--init prints one to begin with)")
    wanted = _load(policy)
    reports = Captures(captures, **analysis)
    reports.protect(output)
    verdicts = [wanted.judge(handshake) for report in reports for handshake in report.handshakes]
    write = {"text": writers.text, "json": writers.to_json, "junit": writers.junit, "sarif": writers.sarif}
    made = write[format_of(output, format_name, writers.FORMATS)](verdicts)
    if output == "-":
        click.echo(made, nl=False)
    else:
        Path(output).write_text(made, encoding="utf-8", newline="\n")
    if reports.unreadable:
        ctx.exit(3)
    found = {violation.severity for verdict in verdicts for violation in verdict.violations}
    if fail_on != "never" and any(SEVERITIES.index(one) <= SEVERITIES.index(fail_on) for one in found):
        ctx.exit(1)


def _load(path: str) -> policies.Policy:
    try:
        data = tomllib.loads(read(path).decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
    return policies.read(data, path)
