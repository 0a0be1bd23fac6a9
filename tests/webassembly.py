"""What tests of WebAssembly share: what makes it and what runs it, or a skip that says what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from converters.c.compiler import compile_graph
from zoo.builtin import packaged_artifact
from zoo.errors import MissingExtraError
from zoo.registry import get_spec
from zoo.runtime.webassembly_compiler import build_webassembly, find_webassembly_compiler

MODEL = "fastenhancer_t"


def need_compiler() -> None:
    try:
        find_webassembly_compiler()
    except MissingExtraError as error:
        pytest.skip(str(error))


def need_node() -> None:
    if not shutil.which("node"):
        pytest.skip("needs Node.js")


def packaged(name: str = MODEL) -> Path:
    found = packaged_artifact(get_spec(name))
    assert found is not None
    return found


def make_module(folder: Path, name: str = MODEL) -> tuple[Path, Path]:
    """The C of a packaged model, and its module."""
    pytest.importorskip("onnx")
    need_compiler()
    source, module = folder / f"{name}.c", folder / f"{name}.wasm"
    source.write_text(compile_graph(packaged(name)))
    build_webassembly(source, module)
    return source, module
