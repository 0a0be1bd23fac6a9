"""No function is longer than what is seen at once."""

from __future__ import annotations

import ast

import pytest

from tests.data import ROOT

MOST = 60  # lines, its docstring among them
WHOLE: dict[str, str] = {}  # ``module.function`` that reads better whole, and why


@pytest.mark.parametrize("package", ["zoo", "converters", "scripts", "tests"])
def test_functions_are_short(package: str) -> None:
    long = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                name = f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}.{node.name}"
                if lines > MOST and name not in WHOLE:
                    long[name] = lines
    assert not long
