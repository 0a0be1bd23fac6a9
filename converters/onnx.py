"""Exports ONNX: streaming and offline graphs, from spectrum to spectrum and from waveform to waveform.

One exporter for all models. The graph is the streaming form's, in standard operators, with its manifest
and a golden recording in the file's own metadata; it only appears under its name once ONNX Runtime has
computed with it what the training form computes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional

from converters.base import Progress, Reference, as_array, gate
from converters.tracing import OPSETS, save, tensor_specs, toolchain, trace
from zoo.artifact.manifest import EnhancementManifest, Form
from zoo.artifact.parity import ParityReport, compare
from zoo.checkpoint import digest
from zoo.layers.attention import GroupedSelfAttention
from zoo.network import Network
from zoo.runtime.graph import Graph
from zoo.runtime.onnx import open_session
from zoo.runtime.spectrum import Transforms
from zoo.spec import EnhancementSpec, FrontEnd
from zoo.streaming.conversion import to_deployment
from zoo.streaming.state import StreamingModule

GRAPH_CHECK_CALLS = 64


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
    if not isinstance(model, StreamingModule):
        raise ValueError(f"{model.spec.name} is a model for {model.spec.task}; this exports enhancers")
    training = model.converted_from[0] if model.converted_from else model
    _check_arguments(training.spec, streaming, streams, hops, frames)
    if opset is not None and opset not in OPSETS:
        raise ValueError(f"opset {opset} is not one from {OPSETS[0]} to {OPSETS[-1]}")
    say = progress or (lambda line: None)
    if training.training:
        raise ValueError(f"this {training.spec.name} is in training mode; call model.eval() before exporting")
    if model.form not in ("training", form):
        raise ValueError(f"the streaming form given is {model.form}, not {form}; pass the training form")
    say(f"{training.spec.name}: computing the reference")
    reference = Reference(training, None if frames is None else _samples(frames, training.spec.front_end))
    core = to_deployment(model, form) if model.form == "training" else model
    reference.check_converted(core)
    with gate(Path(out)) as temporary:
        say(f"{training.spec.name}: exporting {form}, {'streaming' if streaming else 'offline'}")
        opset = _choose_operators(core, opset)
        proto = _trace(core, form, streaming, streams, hops, frames, opset)
        manifest = _manifest(core, form, streaming, streams, hops, proto)
        known = {**training.provenance, "sha256": digest(training.state_dict())}
        manifest = replace(manifest, weights=known)
        save(proto, manifest, temporary)
        say(f"{training.spec.name}: checking it in ONNX Runtime {onnxruntime.__version__}")
        if streaming:
            _check_graph(Graph(temporary), core, reference, streams, hops)
        report = reference.check(open_session(temporary), f"waveform of the {form} graph")
        save(proto, replace(manifest, golden=reference.recording()), temporary)
    return report


class _StreamingGraph(nn.Module):
    """A streaming form whose state is a list of tensors, as a graph has them."""

    def __init__(self, core: StreamingModule) -> None:
        super().__init__()
        self.core = core
        self.names = list(core.state_shapes())

    def forward(self, signal: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        signal, after = self.core(signal, dict(zip(self.names, states, strict=True)))
        return signal, *(after[name] for name in self.names)


class _OfflineGraph(nn.Module):
    """A converted model over a whole recording from zeros, its delay compensated."""

    def __init__(self, core: StreamingModule) -> None:
        super().__init__()
        self.core = core

    def forward(self, signal: Tensor) -> Tensor:
        """(1, F, T, 2) -> the same, or (1, N) -> (1, N)"""
        if self.core.form == "spec2spec":
            return self.core(signal)[0]
        front_end, samples = self.core.spec.front_end, signal.shape[1]
        padded = functional.pad(signal, (0, front_end.n_fft))
        whole_hops = (samples + front_end.n_fft) // front_end.hop_length * front_end.hop_length
        wave = self.core(padded[:, :whole_hops])[0]
        return wave[:, front_end.delay : front_end.delay + samples]


def _check_arguments(
    spec: EnhancementSpec, streaming: bool, streams: int | str, hops: int | str, frames: int | None
) -> None:
    front_end = spec.front_end
    if streaming and not spec.streaming:
        raise ValueError(
            f"{spec.name} reads the whole recording and has no streaming graph; export it offline "
            f"(streaming=False, --offline)"
        )
    if streaming and frames is not None:
        raise ValueError("frames fixes the length of an offline graph; a streaming graph takes hops")
    if not streaming and (streams != 1 or hops != 1):
        raise ValueError("streams and hops are for streaming graphs; an offline graph takes frames")
    if any(isinstance(number, int) and number < 1 for number in (streams, hops, frames)):
        raise ValueError("streams, hops and frames must be at least 1")
    for name, value in (("streams", streams), ("hops", hops)):
        if isinstance(value, str) and value != name:
            raise ValueError(f'{name} is a number, or "{name}" to leave it free, not {value!r}')
    if frames is not None and _samples(frames, front_end) < front_end.hop_length:
        least = -(-front_end.n_fft // front_end.hop_length) + 1
        raise ValueError(f"{frames} frames hold no hop of audio besides the window; at least {least} do")


def _samples(frames: int, front_end: FrontEnd) -> int:
    """Samples of a recording that takes so many frames, the window's delay included."""
    return frames * front_end.hop_length - front_end.n_fft


def _trace(
    core: StreamingModule,
    form: Form,
    streaming: bool,
    streams: int | str,
    hops: int | str,
    frames: int | None,
    opset: int,
) -> onnx.ModelProto:
    """The graph in standard operators, its constants folded."""
    signal = "spec" if form == "spec2spec" else "wav"
    graph: nn.Module
    shapes: tuple[Any, ...]
    if streaming:
        batch = 3 if isinstance(streams, str) else streams  # a free dimension is traced with more than one
        count = 5 if isinstance(hops, str) else hops
        states = core.initial_state(batch)
        graph, names = _StreamingGraph(core), list(states)
        arguments = (_example(core, form, batch, count), *states.values())
        stream_axis = {0: torch.export.Dim("streams")} if isinstance(streams, str) else {}
        time_axis: dict[int, Any] = {}
        if isinstance(hops, str):
            dim = torch.export.Dim("hops", min=2)  # the graph takes a single one all the same
            time_axis = {2: dim} if form == "spec2spec" else {1: core.spec.front_end.hop_length * dim}
        shapes = ({**stream_axis, **time_axis}, (stream_axis,) * len(states))
    else:
        graph, names = _OfflineGraph(core), []
        arguments = (_example(core, form, 1, frames or 100, streaming=False),)
        name, axis = ("frames", 2) if form == "spec2spec" else ("samples", 1)
        shapes = ({axis: torch.export.Dim(name, min=2)} if frames is None else None,)
    return trace(
        graph,
        arguments,
        [f"{signal}_in", *names],
        [f"{signal}_out", *(f"{name}.next" for name in names)],
        shapes,
        opset,
    )


def _choose_operators(core: nn.Module, opset: int | None) -> int:
    """Let every layer use its fastest operator that the opset has; without one, the lowest that has all."""
    wanting = [module for module in core.modules() if isinstance(module, GroupedSelfAttention)]
    if opset is None:
        opset = max([OPSETS[0], *(module.onnx_opset for module in wanting)])
    for module in wanting:
        module.fused = module.onnx_opset <= opset
    return opset


def _example(core: StreamingModule, form: Form, batch: int, frames: int, *, streaming: bool = True) -> Tensor:
    """A signal of the graph's shape."""
    front_end = core.spec.front_end
    if form == "spec2spec":
        return torch.randn(batch, front_end.bins, frames, 2)
    return torch.randn(batch, frames * front_end.hop_length if streaming else _samples(frames, front_end))


def _manifest(
    core: StreamingModule,
    form: Form,
    streaming: bool,
    streams: int | str,
    hops: int | str,
    proto: onnx.ModelProto,
) -> EnhancementManifest:
    """The file's record, still without its recording."""
    inputs, outputs = tensor_specs(proto.graph.input), tensor_specs(proto.graph.output)
    return EnhancementManifest(
        model=core.spec.name,
        form=form,
        streaming=streaming,
        front_end=core.spec.front_end,
        latency=core.spec.latency,
        inputs=inputs[:1],
        outputs=outputs[:1],
        states=inputs[1:],
        hops=hops if streaming else "frames",
        streams=streams,
        tolerance=core.spec.tolerance,
        toolchain=toolchain(proto),
    )


@torch.inference_mode()
def _check_graph(
    graph: Graph, core: StreamingModule, reference: Reference, streams: int | str, hops: int | str
) -> None:
    """Run graph and streaming form side by side, every stream on another stretch of the speech."""
    front_end = core.spec.front_end
    batch = 2 if isinstance(streams, str) else streams
    stretch = np.concatenate(
        [np.roll(reference.noisy, -i * front_end.sample_rate // 2) for i in range(batch)]
    )
    sizes = [1, 7, 2, 16]  # hops of a call, where they are free
    if isinstance(hops, int):
        most = stretch.shape[1] // (hops * front_end.hop_length)
        sizes = [hops] * max(2, min(GRAPH_CHECK_CALLS, most))  # two show whether states come back
    length = sum(sizes) * front_end.hop_length
    signal = np.tile(stretch, -(-length // stretch.shape[1]))[:, :length]
    if core.form == "spec2spec":
        transforms = Transforms(front_end)
        past = transforms.initial_state()["stft.past"]
        signal = np.concatenate([transforms.analyse(row[None], past)[0] for row in signal])
    axis, unit = (2, 1) if core.form == "spec2spec" else (1, front_end.hop_length)
    state = core.initial_state(batch)
    memory = [as_array(value) for value in state.values()]
    expected, computed = [], []
    for call in np.split(signal, np.cumsum(sizes[:-1]) * unit, axis=axis):
        call = np.ascontiguousarray(call)
        y, state = core(torch.from_numpy(call), state)
        got, *memory = graph(call, *memory)
        expected.append(as_array(y))
        computed.append(got)
    compare(
        np.concatenate(expected, axis),
        np.concatenate(computed, axis),
        tensor=graph.outputs[0].name,
        tolerance=core.spec.tolerance,
        frame_length=unit,
        axis=axis,
    )
