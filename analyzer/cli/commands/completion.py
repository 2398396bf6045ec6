"""Print the script that makes a shell complete mtlscope's commands and options.

\b
bash:  eval "$(mtlscope completion bash)"     in ~/.bashrc
zsh:   eval "$(mtlscope completion zsh)"      in ~/.zshrc
fish:  mtlscope completion fish | source      in ~/.config/fish/config.fish
"""

import click

from analyzer.cli import COMPLETION_VARIABLE, mtlscope


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script."""
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    assert completer is not None
    click.echo(completer(mtlscope, {}, "mtlscope", COMPLETION_VARIABLE).source())
