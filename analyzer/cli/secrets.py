"""Which secrets do --keylog and --server-key name? They are read once, for all captures."""

import os
import sys
from typing import Any

import click

from analyzer.errors import UsageError

VARIABLE = "MTLSCOPE_KEY_PASSWORD"


def read_secrets(options: dict[str, Any]) -> dict[str, Any]:
    """The options of an analysis, with the secrets instead of the files' names; raises UsageError."""
    named = {name: options[name] for name in ("keylog", "server_key") if name in options}
    if "server_key" not in named or not any(named.values()):
        return options
    from analyzer.secrets import load

    kept = {name: value for name, value in options.items() if name not in named}
    return {**kept, "keylog": load(**named, password=_password)}


def _password(file: str) -> str:
    """What opens an encrypted private key: from the environment, else from the person at the terminal."""
    if (password := os.environ.get(VARIABLE)) is not None:
        return password
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{file}: the private key is encrypted; put its password into the environment as {VARIABLE}")
    asked: str = click.prompt(f"Password of {file}", hide_input=True, err=True)
    return asked
