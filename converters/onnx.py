"""Exports ONNX: streaming and offline graphs, from spectrum to spectrum and from waveform to waveform.

One exporter for all models. The graph is the streaming form's, in standard operators, with its manifest
and a golden recording in the file's own metadata; it only appears under its name once ONNX Runtime has
computed with it what the training form computes.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import onnx
import onnxruntime
import onnxslim
import torch
from torch import nn

from converters.base import Progress
from converters.graph import Layout, export_graph, traceable
from converters.passes import simplify
from zoo.artifact.manifest import METADATA_KEY, Form, Manifest
from zoo.artifact.parity import ParityReport
from zoo.layers.attention import GroupedSelfAttention
from zoo.network import Network
from zoo.runtime.graph import Graph
from zoo.spec import TensorSpec
from zoo.streaming.state import StreamingModule

OPSETS = range(18, 24)
FORBIDDEN = frozenset(
    {"STFT", "DFT", "ScatterND", "ScatterElements", "Scatter", "Loop", "If", "Scan", "NonZero"}
)


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
        return _trace(core, layout, _choose_operators(core, self._opset))

    def tensors(self, program: onnx.ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        return _tensor_specs(program.graph.input), _tensor_specs(program.graph.output)

    def toolchain(self, program: onnx.ModelProto) -> dict[str, str]:
        opset = max(entry.version for entry in program.opset_import if not entry.domain)
        return {
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
            "opset": str(opset),
        }

    def save(self, program: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
        onnx.helper.set_model_props(program, {METADATA_KEY: manifest.to_json()})
        onnx.save(program, path)

    def load(self, path: Path) -> Graph:
        return Graph(path)


def _trace(core: StreamingModule, layout: Layout, opset: int) -> onnx.ModelProto:
    """The graph in standard operators, its constants folded."""
    given = traceable(core, layout)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            given.module,
            given.arguments,
            dynamo=True,
            opset_version=opset,
            input_names=[spec.name for spec in given.inputs],
            output_names=[spec.name for spec in given.outputs],
            dynamic_shapes=given.shapes,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    proto = onnxslim.slim(program.model_proto)
    simplify(proto)
    del proto.graph.value_info[:]  # shapes in between, which every reader infers
    _check_operators(proto)
    return proto


def _choose_operators(core: nn.Module, opset: int | None) -> int:
    """Let every layer use its fastest operator that the opset has; without one, the lowest that has all."""
    wanting = [module for module in core.modules() if isinstance(module, GroupedSelfAttention)]
    if opset is None:
        opset = max([OPSETS[0], *(module.onnx_opset for module in wanting)])
    for module in wanting:
        module.fused = module.onnx_opset <= opset
    return opset


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says of operators and packages that are not in use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _check_operators(proto: onnx.ModelProto) -> None:
    foreign = sorted({node.domain for node in proto.graph.node} - {"", "ai.onnx"})
    forbidden = sorted({node.op_type for node in proto.graph.node} & FORBIDDEN)
    if foreign or forbidden:
        raise ValueError(
            f"the graph holds operators that other compilers cannot read: {', '.join(foreign + forbidden)}"
        )


def _tensor_specs(values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(v.name, tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim))
        for v in values
    )
