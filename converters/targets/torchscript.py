"""Exports TorchScript: what many C++ programs load.

PyTorch has deprecated TorchScript and says so at every call; ``converters.targets.program`` is its successor.
The file is traced, its manifest is an extra file inside.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from converters.export import Layout, Progress, Traceable, export_graph, traceable
from zoo.artifact.manifest import Form, Manifest
from zoo.artifact.parity import ParityReport
from zoo.networks.base import Network
from zoo.networks.streaming import StreamingModule
from zoo.runtime.torch_files import RECORD_NAME, TorchGraph, check_suffix
from zoo.spec import TensorSpec

DEPRECATED = (
    "PyTorch has deprecated TorchScript; for new programs take export_program (.pt2) or export_onnx (.onnx)"
)


def export_torchscript(
    model: Network,
    out: str | os.PathLike[str],
    form: Form = "spec2spec",
    *,
    streaming: bool = True,
    streams: int | Literal["streams"] = 1,
    hops: int = 1,
    frames: int | None = None,
    progress: Progress | None = None,
) -> ParityReport:
    """Export a model to one TorchScript file (``.ts``), on the CPU.

    Its ``forward`` takes the signal and every state and gives the signal and every next state, float32, in
    the manifest's order: shapes as in ``export_onnx``. ``torch.jit.load`` in Python or C++ is all it takes.

    Args: as ``converters.export_onnx``; the number of hops is fixed, since a trace is of one number.

    Returns:
        how close the file comes to the training form.

    Raises:
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: arguments that contradict each other or the model, or a model in training mode.
    """
    check_suffix(out, ".ts")
    if progress:
        progress(DEPRECATED)
    return export_graph(model, out, Layout(form, streaming, streams, hops, frames), _TorchScript(), progress)


@dataclass(frozen=True)
class _Script:
    module: torch.jit.ScriptModule
    traced: Traceable


class _TorchScript:
    name = f"TorchScript of PyTorch {torch.__version__}"

    def trace(self, core: StreamingModule, layout: Layout) -> _Script:
        given = traceable(core, layout)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # deprecation, which the docstring says, and traced constants
            module = torch.jit.trace(given.module, given.arguments, check_trace=False, strict=True)
            return _Script(torch.jit.freeze(module), given)

    def tensors(self, program: _Script) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        return program.traced.inputs, program.traced.outputs

    def toolchain(self, program: _Script) -> dict[str, str]:
        return {}

    def save(self, program: _Script, manifest: Manifest, path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(program.module, str(path), _extra_files={RECORD_NAME: manifest.to_json()})

    def load(self, path: Path) -> TorchGraph:
        return TorchGraph(path)
