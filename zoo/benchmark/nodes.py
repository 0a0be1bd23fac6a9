"""How many nodes a graph has, in its file and as it runs."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import NamedTuple

import onnxruntime

from zoo.runtime.onnx import session_options


class Nodes(NamedTuple):
    """Nodes of a graph: in the file, and after ONNX Runtime's own optimisation on this machine."""

    file: int
    run: int


def count_nodes(path: Path) -> Nodes | None:
    """The nodes of a graph that ONNX Runtime can load; None without the package onnx, which reads them."""
    if importlib.util.find_spec("onnx") is None:
        return None
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        options = session_options()
        options.optimized_model_filepath = f"{folder}/optimised.onnx"
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return Nodes(*(len(onnx.load(file).graph.node) for file in (path, options.optimized_model_filepath)))
