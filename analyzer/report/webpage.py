"""How does a self-contained page come about? One file that asks nobody for anything, and whose values stay text.

Templates are Jinja2's, with autoescape. Data for a page's script stands in elements that no browser runs, as JSON
in ASCII without a single `<`; the content security policy names the page's own script by its hash and forbids
every other, and every request.
"""

import json
from base64 import b64encode
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from analyzer.diagram.palette import Palette, palette
from analyzer.report.escape import visible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

HOME = "analyzer.report"
_UNSAFE_IN_SCRIPT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


@cache
def templates(package: str = HOME) -> "Environment":
    """The templates of a package, and those that all pages share."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys([package, HOME])]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.globals["colors"] = Markup(_colors())
    return environment


def script(package: str, name: str) -> dict[str, "Markup | str"]:
    """A page's script, and the policy under which it alone may run."""
    from markupsafe import Markup

    text, _, _ = _source(package, name)
    digest = b64encode(sha256(text.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    return {"script": Markup(text), "policy": f"{policy}; base-uri 'none'; form-action 'none'"}


def style(package: str, *names: str) -> "Markup":
    """Style sheets, one after the other."""
    from markupsafe import Markup

    return Markup("".join(_source(package, name)[0] for name in names))


def data(value: Any, *, exact: bool = False) -> "Markup":
    """JSON for an element that no browser runs; text in it is made visible, or left exactly as it is."""
    from markupsafe import Markup

    text = json.dumps(value if exact else _shown(value), separators=(",", ":"))
    return Markup(text.translate(_UNSAFE_IN_SCRIPT))


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return value


def _source(package: str, name: str) -> tuple[str, str | None, Any]:
    environment = templates(package)
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)


def _colors() -> str:
    """The palette as CSS variables, in the theme that the reader prefers; paper is light."""
    light, dark = _variables(palette("light")), _variables(palette("dark"))
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _variables(colors: Palette) -> str:
    return "".join(f"--{name.replace('_', '-')}:{color};" for name, color in asdict(colors).items())
