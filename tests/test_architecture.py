"""The laws of the house: imports point down, the lower floors are pure, and what is heavy comes late."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "analyzer"

FLOORS = (
    # The words that all floors speak, and how files are named and read.
    ("errors", "filenames", "issues", "optionfiles", "plugins", "results", "settings", "shares"),
    ("capture",),
    ("net",),
    ("tls",),
    ("pki",),
    ("diagnosis",),
    ("assembly", "associations", "chains", "crew", "profiles", "secrets", "truststores"),  # what the wiring needs
    ("analysis",),
    ("api",),
    ("diagram", "graph", "inventory", "report"),
    ("archive",),
    ("__init__", "__main__", "cli"),
)
"""From the ground up: a part may import what is below it."""
BESIDE = {
    ("results", "issues"),
    ("optionfiles", "errors"),
    ("chains", "truststores"),
    ("secrets", "truststores"),
    ("diagram", "report"),
    ("graph", "diagram"),
    ("graph", "report"),
    ("inventory", "graph"),
    ("inventory", "report"),
    ("report", "diagram"),
    ("__main__", "cli"),
}
"""Who may import whom on the same floor."""
DOORS = {("results", "diagram"), ("results", "report"), ("results", "graph")}
"""Upward, but only within a function: a report draws and saves itself."""
PURE = ("net", "tls", "pki", "diagnosis")
IMPURE_MODULES = {
    "io",
    "locale",
    "logging",
    "os",
    "pathlib",
    "random",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "time",
}
IMPURE_CALLS = {"breakpoint", "exec", "eval", "input", "open", "print"}
CLOCKS = {"now", "today", "utcnow"}
TOLERATED = {("net/dissect.py", "logging")}
"""Scapy's own warnings are silenced."""
HEAVY = {"cryptography", "dask", "duckdb", "jinja2", "matplotlib", "networkx", "pyarrow", "rich", "scapy"}

LATE_ROOMS = {
    "diagram/renderers/_fonts.py",
    "diagram/renderers/_matplotlib.py",
    "graph/build.py",
    "graph/writers/_matplotlib.py",
}
"""Entered by functions only, so that what is heavy may stand on top of them."""

FILES = sorted(ROOT.rglob("*.py"))
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}


def part_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imports(file: Path) -> tuple[tuple[str, bool, int], ...]:
    """Every imported module, whether the import stands within a function, and its line; not those for type checking."""

    def walk(node: ast.AST, late: bool) -> Iterator[tuple[str, bool, int]]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            yield from ((name.name, late, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from ((f"{node.module}.{name.name}", late, node.lineno) for name in node.names)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    return tuple(walk(parsed(file), False))


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def test_every_part_has_its_floor() -> None:
    assert {part_of(file) for file in FILES} == set(FLOOR)


@pytest.mark.parametrize("part", FLOOR)
def test_imports_point_down(part: str) -> None:
    wrong = []
    for file in (file for file in FILES if part_of(file) == part):
        for module, late, line in imports(file):
            names = module.split(".")
            if names[0] != "analyzer" or len(names) < 2 or names[1] == part:
                continue
            other = names[1]
            allowed = FLOOR.get(other, -1) < FLOOR[part] or (part, other) in BESIDE or (late and (part, other) in DOORS)
            if not allowed:
                wrong.append(f"{name_of(file)}:{line} imports {module}")
    assert not wrong


@pytest.mark.parametrize("part", PURE)
def test_the_lower_floors_are_pure(part: str) -> None:
    """No files, no clock, no printing, no state of a module that changes."""
    wrong = []
    for file in (file for file in FILES if part_of(file) == part):
        tree = parsed(file)
        modules = {module.split(".")[0] for module, _, _ in imports(file)} & IMPURE_MODULES
        found = [f"imports {module}" for module in modules if (name_of(file), module) not in TOLERATED]
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                found.append(f"line {node.lineno}: global")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                found.append(f"line {node.lineno}: {node.func.id}()")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                found.append(f"line {node.lineno}: .{node.func.attr}()")
        wrong += [f"{name_of(file)}: {one}" for one in found]
    assert not wrong


def test_heavy_imports_come_late() -> None:
    """Within the functions that need them."""
    early = [
        f"{name_of(file)}:{line} imports {module}"
        for file in FILES
        for module, late, line in imports(file)
        if not late and module.split(".")[0] in HEAVY and name_of(file) not in LATE_ROOMS
    ]
    assert not early


def test_scapy_is_never_imported_as_a_whole() -> None:
    assert not [file for file in FILES for module, _, _ in imports(file) if module.startswith("scapy.all")]


def loaded(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after a statement."""
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_costs_next_to_nothing() -> None:
    assert not loaded("import analyzer") & {*HEAVY, "numpy", "click"}


def test_analyzing_needs_no_more_than_numpy_until_something_does() -> None:
    found = loaded("import analyzer; analyzer.analyze")
    assert "numpy" in found
    assert not found & HEAVY


def test_the_doors_open_before_the_pictures_are_there() -> None:
    assert not loaded("import analyzer.cli, analyzer.archive, analyzer.diagram, analyzer.report") & HEAVY


@pytest.mark.parametrize("room", sorted(LATE_ROOMS))
def test_late_rooms_are_entered_late(room: str) -> None:
    module = "analyzer." + room.removesuffix(".py").replace("/", ".")
    entered = {
        name_of(file)
        for file in FILES
        for imported, late, _ in imports(file)
        if not late and (imported == module or imported.startswith(f"{module}."))
    }
    assert entered <= {*LATE_ROOMS, "diagram/renderers/_layout.py", "graph/writers/_page.py"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_module_says_what_it_is_for(file: Path) -> None:
    documentation = ast.get_docstring(parsed(file))
    assert documentation, file
    assert documentation.split("\n\n")[0].rstrip(") ")[-1] in ".?…", documentation
