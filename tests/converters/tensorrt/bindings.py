"""TensorRT's bindings with empty libraries behind them, and graphs of the package."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.builtin import packaged_artifact
from zoo.registry import get_spec


def packaged(name: str) -> Path:
    path = packaged_artifact(get_spec(name))
    assert path is not None
    return path


def other_graph(path: Path, *, recurrent: bool = False, rows: int | str = 5) -> Path:
    """A small graph of another task: two layers, or an LSTM between them."""
    random = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"a": (8, 16), "b": (16, 4)}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["r"], "r"),
    ]
    if recurrent:
        shapes |= {"w": (1, 64, 16), "u": (1, 64, 16)}
        nodes.append(helper.make_node("LSTM", ["r", "w", "u"], ["", "l"], "lstm", hidden_size=16))
    nodes.append(helper.make_node("MatMul", ["l" if recurrent else "r", "b"], ["y"], "last"))
    weights = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32) / 4, name)
        for name, shape in shapes.items()
    ]
    values: list[Any] = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", (rows, 1, 8)), ("y", (1, 1, 4) if recurrent else (rows, 1, 4)))
    ]
    graph = helper.make_graph(nodes, "other", values[:1], values[1:], weights)
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), path)
    return path


SYMBOLS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getNvOnnxParserVersion",
    "getPluginRegistry", "initLibNvInferPlugins", "getBuilderPluginRegistry",
)  # fmt: skip


def empty_libraries(folder: Path) -> Path:
    """A folder of libraries that the bindings load, and that do nothing."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++: for libraries that do nothing")
    if importlib.util.find_spec("tensorrt_bindings") is None:
        pytest.skip("needs tensorrt-cu13-bindings")
    source = folder / "stub.cpp"
    source.write_text("".join(f'extern "C" void* {name}() {{ return nullptr; }}\n' for name in SYMBOLS))
    libraries = folder / "libraries"
    libraries.mkdir()
    version = importlib.metadata.version("tensorrt-cu13-bindings").partition(".")[0]
    for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
        file = f"lib{name}.so.{version}"
        command = ["g++", "-shared", "-fPIC", f"-Wl,-soname,{file}", "-o", str(libraries / file), str(source)]
        subprocess.run(command, check=True)
    return libraries
