"""Pages of the Python interface: what mkdocstrings is to read, found without importing anything."""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INSIDE = "_"


@cache
def pages() -> dict[str, tuple[str, str]]:
    """Headings and texts by the pages' names: the names of both packages, and a page a public module."""
    made, shown = {}, set()
    for package in ("zoo", "converters"):
        homes = _constant(ROOT / package / "__init__.py", "_HOME")
        modules = {name: home if isinstance(home, str) else home[0] for name, home in homes.items()}
        made[f"api/{package}.md"] = (package, _names(package, modules))
        shown.update(modules)
    for module in sorted(_constant(ROOT / "zoo/__init__.py", "_MODULES")):
        made[f"api/zoo.{module}.md"] = (f"zoo.{module}", _module(f"zoo.{module}", shown))
    return made


def _names(package: str, homes: dict[str, str]) -> str:
    """The page of a package whose names come from elsewhere."""
    parts = [f"# {package}\n", f"{_docstring(ROOT / package / '__init__.py')}\n"]
    for name, home in sorted(homes.items()):
        parts.append(f"::: {home}.{name}\n    options:\n      show_root_full_path: false\n")
    return "\n".join(parts)


def _module(name: str, shown: set[str]) -> str:
    """The page of a module, or of a package with all modules in it, without names that other pages show."""
    path = ROOT / name.replace(".", "/")
    if not path.is_dir():
        return f"# {name}\n\n::: {name}\n    options:\n      show_root_heading: false\n"
    inside = sorted(
        module.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for module in path.rglob("*.py")
        if not module.name.startswith(INSIDE)
    )
    hidden = ["!^_", *(f"!^{name}$" for name in sorted(shown))]
    parts = [f"# {name}\n", f"{_docstring(path / '__init__.py')}\n"]
    for module in inside:
        options = (
            f"      heading_level: 3\n      show_root_heading: false\n      filters: {json.dumps(hidden)}\n"
        )
        parts.append(f"## {module}\n\n::: {module}\n    options:\n{options}")
    return "\n".join(parts)


def _constant(path: Path, name: str) -> Any:
    """A literal that a module assigns."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return ast.literal_eval(statement.value)
    raise LookupError(f"{path}: expected a value for {name}")


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""
