"""Which plug-ins there are: the folder is the registry, a file's name its name, its docstring its manual."""

import ast
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType


@dataclass(slots=True, frozen=True)
class Registry:
    """The modules of one package, by name; none is imported before it is loaded.

    `http_connect.py` is `http-connect`; a file whose name begins with an underscore is no entry.
    """

    package: str
    """Dotted name of the package, such as `analyzer.report.formats`."""

    def names(self) -> list[str]:
        """All entries, sorted."""
        return list(_names(self.package))

    def load(self, name: str) -> ModuleType:
        """Import an entry; KeyError where there is none of that name."""
        return import_module(self._module(name))

    def documentation(self, name: str) -> str:
        """Return an entry's docstring without importing it; KeyError where there is none of that name."""
        module = self._module(name)
        source = _spec(module).loader.get_source(module)  # type: ignore[union-attr]  # files have a SourceLoader
        return ast.get_docstring(ast.parse(source)) or ""

    def _module(self, name: str) -> str:
        if name not in _names(self.package):
            raise KeyError(name)
        return f"{self.package}.{name.replace('-', '_')}"


@cache
def _names(package: str) -> tuple[str, ...]:
    """The folder is read once: every analysis asks for what is in it."""
    names = (module.name for module in iter_modules(_spec(package).submodule_search_locations))
    return tuple(sorted(name.replace("_", "-") for name in names if not name.startswith("_")))


def _spec(module: str) -> ModuleSpec:
    spec = find_spec(module)
    assert spec is not None, module
    return spec
