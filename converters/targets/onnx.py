"""Exports ONNX: streaming and offline graphs, from spectrum to spectrum and from waveform to waveform.

One exporter for all models. The graph is the streaming form's, in standard operators, with its manifest
and a golden recording in the file's own metadata; it only appears under its name once ONNX Runtime has
computed with it what the training form computes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import onnx
import onnxruntime
from torch import nn

from converters.export import Layout, Progress, export_graph, traceable
from converters.targets import tracing
from converters.targets.tracing import OPSETS
from zoo.artifact.manifest import Form, Manifest
from zoo.artifact.parity import ParityReport
from zoo.layers.attention import GroupedSelfAttention
from zoo.networks.base import Network
from zoo.networks.streaming import StreamingModule
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import TensorSpec


def export_onnx(
    model: Network,
    out: str | os.PathLike[str],
    form: Form = "spec2spec",
    *,
    streaming: bool = True,
    streams: int | Literal["streams"] = 1,
    hops: int | Literal["hops"] = 1,
    frames: int | None = None,
    opset: int | None = None,
    progress: Progress | None = None,
) -> ParityReport:
    """Export a model to one ONNX file.

    Streaming: ``spec_in`` (B, F, K, 2) or ``wav_in`` (B, K x hop) and every state in; ``spec_out`` or
    ``wav_out`` and every ``<state>.next`` out. Offline: ``spec_in`` (1, F, frames, 2) or ``wav_in``
    (1, samples) and the same out, aligned.

    Args:
        model: training form, or a streaming form made from it.
        out: the file to write; its folder is made.
        form: ``spec2spec`` or ``wav2wav``.
        streaming: with states, or a whole recording at once, as a model without a streaming form takes it.
        streams: B of a streaming graph; "streams" leaves it free.
        hops: K of a streaming graph; "hops" leaves it free, which costs some time where K is 1.
        frames: fixes the length of an offline graph; None leaves it free.
        opset: of ONNX, 18 to 23, for runtimes that know no newer one; by default the lowest with every
            operator that makes the model faster: 23 where there is attention, which needs ONNX Runtime 1.23.
        progress: called with a line for each step.

    Returns:
        how close the file comes to the training form.

    Raises:
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: arguments that contradict each other or the model, or a model in training mode.
    """
    if opset is not None and opset not in OPSETS:
        raise ValueError(f"opset {opset} is not one from {OPSETS[0]} to {OPSETS[-1]}")
    layout = Layout(form, streaming, streams, hops, frames)
    return export_graph(model, out, layout, _Onnx(opset), progress)


class _Onnx:
    """ONNX files, checked in ONNX Runtime."""

    name = f"ONNX Runtime {onnxruntime.__version__}"

    def __init__(self, opset: int | None) -> None:
        self._opset = opset

    def trace(self, core: StreamingModule, layout: Layout) -> onnx.ModelProto:
        opset = _choose_operators(core, self._opset)
        given = traceable(core, layout)
        inputs, outputs = ([spec.name for spec in specs] for specs in (given.inputs, given.outputs))
        return tracing.trace(given.module, given.arguments, inputs, outputs, given.shapes, opset)

    def tensors(self, program: onnx.ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        return tracing.tensor_specs(program.graph.input), tracing.tensor_specs(program.graph.output)

    def toolchain(self, program: onnx.ModelProto) -> Mapping[str, str]:
        return tracing.toolchain(program)

    def save(self, program: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
        tracing.save(program, manifest, path)

    def load(self, path: Path) -> OnnxGraph:
        return OnnxGraph(path)


def _choose_operators(core: nn.Module, opset: int | None) -> int:
    """Let every layer use its fastest operator that the opset has; without one, the lowest that has all."""
    wanting = [module for module in core.modules() if isinstance(module, GroupedSelfAttention)]
    if opset is None:
        opset = max([OPSETS[0], *(module.onnx_opset for module in wanting)])
    for module in wanting:
        module.fused = module.onnx_opset <= opset
    return opset
