"""Where do profiles come from: those that are built in, and the files that `--profile` names."""

import os
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

from analyzer.diagnosis.profile import Profile, Role, read
from analyzer.errors import UsageError
from analyzer.optionfiles import read as read_file

_BUILT_IN = files("analyzer.diagnosis.profiles")


def built_in() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in _BUILT_IN.iterdir() if entry.name.endswith(".toml"))


def load_profile(name: str | Path, role: Role | None = None) -> Profile:
    """Load a built-in profile by its name, or a TOML file; `role` is what the platform is in every handshake.

    Raises:
        UsageError: there is none, or it cannot be understood.
    """
    if str(name) in built_in():
        return _built_in(str(name), role)
    if not os.path.exists(name):  # noqa: PTH110  (which raises where it may not look)
        raise UsageError(f"{name}: no such profile or file (built in: {', '.join(built_in())})")
    try:
        data = tomllib.loads(read_file(name).decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: {error}") from error
    return read(Path(name).stem, data, role)


@cache
def _built_in(name: str, role: Role | None) -> Profile:
    return read(name, tomllib.loads(_BUILT_IN.joinpath(f"{name}.toml").read_text(encoding="utf-8")), role)
