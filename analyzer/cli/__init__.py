"""The command line: finds a command in `cli/commands/`, runs it, turns any error into one line and a status.

Status: 0 done; 1 a finding at or above `--fail-on`; 2 wrong use; 3 a capture could not be read;
130 interrupted; 141 the reader of our output has gone.
"""

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from analyzer.cli.messages import STDOUT, complain, fault, is_of_the_process
from analyzer.errors import AnalyzerError, CaptureError
from analyzer.plugins import Registry

COMMANDS = Registry("analyzer.cli.commands")
COMPLETION_VARIABLE = "_MTLSCOPE_COMPLETE"


class _Commands(click.Group):
    """Imports a command's module only when that command is called; its docstring is its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return COMMANDS.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS.names():
            return None
        module = COMMANDS.load(cmd_name)
        command: click.Command = module.command
        command.name, command.help = cmd_name, module.__doc__
        for parameter in command.params:
            parameter.callback = parameter.callback or _not_empty
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_line(COMMANDS.documentation(name))) for name in COMMANDS.names()])


def _not_empty(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuse what a variable of the shell that is not set leaves behind: it would be taken for the current folder."""
    if "" in (value if isinstance(value, tuple) else (value,)):
        raise click.BadParameter("it is empty", ctx, parameter)
    return value


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mtlscope", prog_name="mtlscope", message="%(prog)s %(version)s")
@click.pass_context
def mtlscope(ctx: click.Context) -> None:
    """Say of every TLS handshake in a capture whether it was one-way or mutual, and on what evidence."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        ctx.exit(2)


def _be_a_program() -> None:
    """Change what concerns the whole process: nobody else uses it."""
    # What an analysis makes dies by reference count; looking for cycles in it would take a third of the time.
    gc.set_threshold(1_000_000, 20, 100)
    # Nor need the interpreter look for any when it ends, which would take as long again as a small capture's analysis.
    atexit.register(gc.freeze)
    # NumPy's linear algebra, which nothing here uses, starts a thread a core that wait busily while all else starts.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # No file may be opened in the place of a closed stdin, stdout or stderr. What is written to that stdout fails.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR if descriptor == 2 else os.O_RDONLY)  # takes the first that is free
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (`sys.argv` where none is given) and return its exit status."""
    if arguments is None:
        _be_a_program()
    try:
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except click.ClickException as error:
        complain(_usage(error))
        return 2
    except CaptureError as error:
        complain(str(error))
        return 3
    except AnalyzerError as error:
        complain(str(error))
        return 2
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        _abandon_output()
        return 141
    except OSError as error:
        says = os.strerror(error.errno) if error.errno else str(error)
        if is_of_the_process(error):
            complain(says)
            return 2
        if error.filename in (None, STDOUT):
            _abandon_output()
        complain(f"{error.filename or STDOUT}: {says}")
        return 2
    except Exception as error:
        complain(fault(error))
        return 3


def _abandon_output() -> None:
    """Let what is still buffered go nowhere; the interpreter would complain of it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(arguments: list[str]) -> int:
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(mtlscope, {}, "mtlscope", COMPLETION_VARIABLE, instruction)
    try:
        with mtlscope.make_context("mtlscope", arguments) as context:
            mtlscope.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return 0


def _usage(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    message = message[:1].lower() + message[1:].rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message} (see {context.command_path} --help)" if context else message


def _first_line(documentation: str) -> str:
    return documentation.partition("\n")[0]
