"""Which package may import which, told from the source: no circle, nothing upwards, no family by name.

Imports for types alone do not count; those inside a function do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.data import ROOT

PACKAGES = ("zoo", "converters", "scripts", "tests")
FAMILIES = "zoo.models."
# What runs a finished artifact knows no network, and nothing of what one task alone has.
ABOVE_RUNTIME = ("models", "layers", "registry", "text", "tasks", "builtin")


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by name."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    return {name.removesuffix(".__init__"): path for name, path in named.items()}


@cache
def imports(importer: str) -> frozenset[str]:
    """The project's modules that a module imports when it is loaded or later, itself not among them."""
    tree = ast.parse(modules()[importer].read_text())
    for_types = {id(node) for block in ast.walk(tree) if _is_for_types(block) for node in ast.walk(block)}
    found = {_module(name) for node in ast.walk(tree) if id(node) not in for_types for name in _names(node)}
    return frozenset(found - {"", importer})


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _names(node: ast.AST) -> Iterator[str]:
    """Dotted names that a node imports, perhaps with one of what is in the module at their end."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
        yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def _module(name: str) -> str:
    """The longest beginning of a dotted name that is a module of the project."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name


def arrows() -> list[tuple[str, str]]:
    return [(a, b) for a in modules() for b in sorted(imports(a))]


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def package_of(name: str) -> str:
    """The folder or file right below ``zoo`` or ``converters``; of the others, all in one."""
    top, *rest = name.split(".")
    return ".".join([top, *rest[:1]]) if top in ("zoo", "converters") else top


def told(found: list[tuple[str, str]]) -> list[str]:
    return [f"{a} imports {b}" for a, b in found]


def test_the_source_is_read() -> None:
    assert "zoo.spec" in imports("zoo.registry") and "zoo.hub.client" in imports("zoo.hub.weights")
    assert imports("tests.test_layering") == {"tests.data"}


def test_no_circle_of_packages() -> None:
    edges: dict[str, dict[str, str]] = {}
    for a, b in arrows():
        if package_of(a) != package_of(b) and "tests" not in (package_of(a), package_of(b)):
            edges.setdefault(package_of(a), {}).setdefault(package_of(b), f"{a} imports {b}")

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        front = [start]
        while front:
            for other in edges.get(front.pop(), {}):
                if other not in seen:
                    seen.add(other)
                    front.append(other)
        return seen

    beyond = {package: reached(package) for package in edges}
    circles = {frozenset(p for p in beyond[a] if a in beyond.get(p, ())) for a in beyond if a in beyond[a]}
    assert not [
        [why for a in sorted(circle) for b, why in edges[a].items() if b in circle] for circle in circles
    ]


def test_only_commands_import_converters() -> None:
    found = [(a, b) for a, b in arrows() if inside(a, "zoo") and inside(b, "converters")]
    assert not told([(a, b) for a, b in found if not inside(a, "zoo.cli")])


def test_what_runs_artifacts_knows_no_network_and_no_task() -> None:
    above = [f"zoo.{name}" for name in ABOVE_RUNTIME]
    assert not told(
        [(a, b) for a, b in arrows() if inside(a, "zoo.runtime") and any(inside(b, name) for name in above)]
    )


def test_families_are_strangers() -> None:
    """No family imports another, and who is in none knows no module inside one."""
    found = [(a, b) for a, b in arrows() if b.startswith(FAMILIES) and not inside(a, "tests")]
    family = {name: ".".join(name.split(".")[:3]) for arrow in found for name in arrow}
    assert not told([(a, b) for a, b in found if a.startswith(FAMILIES) and family[a] != family[b]])
    assert not told([(a, b) for a, b in found if not a.startswith(FAMILIES) and b != family[b]])


@pytest.mark.parametrize("package", ["scripts", "tests"])
def test_what_is_not_installed_is_not_imported(package: str) -> None:
    allowed = {"scripts": ("scripts", "tests"), "tests": ("tests",)}[package]
    found = [(a, b) for a, b in arrows() if inside(b, package)]
    assert not told([(a, b) for a, b in found if a.partition(".")[0] not in allowed])


def test_tests_import_helpers() -> None:
    """What several test modules need is in a module of its own, not in one of them or in a conftest."""
    last = {b: b.rpartition(".")[2] for _, b in arrows() if inside(b, "tests")}
    assert not told([(a, b) for a, b in arrows() if last.get(b, "").startswith(("test_", "conftest"))])
