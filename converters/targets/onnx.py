"""Exports ONNX: of every task one file in standard operators, which only appears under its name once ONNX
Runtime has computed with it what the training form computes. Its manifest and golden recording are in the
file's own metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import onnx
import onnxruntime
from torch import nn

from converters.flow import Target, export_graph, exportable
from converters.subjects import speaker, synthesis
from converters.subjects.subject import Progress, Traceable
from converters.targets import tracing
from converters.targets.onnx_passes import store_in_half
from converters.targets.tracing import OPSETS
from zoo.arrays import Array
from zoo.artifact.manifest import Form, Manifest, SpeakerForm
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.layers.attention import GroupedSelfAttention
from zoo.networks.base import Network
from zoo.networks.synthesis import SynthesisNetwork
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import TensorSpec

LARGEST_FILE = 2**31  # bytes of a protocol buffer


def export_onnx(
    model: Network,
    out: str | os.PathLike[str],
    form: Form | SpeakerForm | None = None,
    *,
    opset: int | None = None,
    half_weights: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> ParityReport:
    """Export a model of any task to one ONNX file.

    Enhancers, streaming: ``spec_in`` (B, F, K, 2) or ``wav_in`` (B, K x hop) and every state in; ``spec_out``
    or ``wav_out`` and every ``<state>.next`` out. Offline: ``spec_in`` (1, F, frames, 2) or ``wav_in``
    (1, samples) and the same out, aligned. Speaker networks: see ``export_speaker``; text to speech: see
    ``export_synthesis``.

    Args:
        model: training form, or of an enhancer a streaming form made from it.
        out: the file to write; its folder is made.
        form: ``spec2spec`` or ``wav2wav`` of enhancers, ``feats`` or ``wav`` of speaker networks; by default
            the first. Text to speech has none.
        opset: of ONNX, 18 to 23, for runtimes that know no newer one; by default the lowest with every
            operator that makes the model faster: 23 where there is attention, which needs ONNX Runtime 1.23.
        half_weights: store those parameters in 16 bits that lose nothing so; the arithmetic stays in 32.
        progress: called with a line for each step.
        options: of the task's graphs. Enhancers: ``streaming``: with states (the default), or a whole
            recording at once, as a model without a streaming form takes it; ``streams``: B of a streaming
            graph, or "streams" to leave it free; ``hops``: K of a streaming graph, or "hops" to leave it
            free, which costs some time where K is 1; ``frames``: fixes the length of an offline graph.
            Speaker networks: ``mean`` and ``language``. Text to speech: ``tokens``, ``frames``, ``batch``.

    Returns:
        how close the file comes to the training form.

    Raises:
        ArtifactError: it does not fit into one file.
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: arguments that contradict each other or the model, or a model in training mode.
    """
    if opset is not None and opset not in OPSETS:
        raise ValueError(f"opset {opset} is not one from {OPSETS[0]} to {OPSETS[-1]}")
    graph = exportable(model, form=form, **options)
    return export_graph(graph, out, Onnx(opset, half_weights), progress)


def export_speaker(
    model: Network,
    out: str | os.PathLike[str],
    form: SpeakerForm = "feats",
    *,
    mean: Array | None = None,
    language: str = "unknown",
    opset: int | None = None,
    progress: Progress | None = None,
) -> ParityReport:
    """Export a speaker network to one ONNX file, batch and time free.

    Args:
        model: training form.
        out: the file to write; its folder is made.
        form: ``feats``: ``feats`` (B, T, F), less their mean over the recording, to ``embs`` (B, E), as the
            public exports have it; ``wav``: ``wav`` (B, N) in [-1, 1] and ``lengths`` (B,) int64, the samples
            of each row, to ``embs``, features inside, and every row what it is alone.
        mean: (E,) of a cohort's embeddings, to be subtracted in the graph; scoring must not do it again.
        language: of the training data, for sherpa-onnx.
        opset: of ONNX, 18 to 23; by default the lowest.
        progress: called with a line for each step.

    Returns:
        how close the file comes to the training form, in the worst case.

    Raises:
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: no speaker network in training form, or arguments that do not fit it.
    """
    speaker.SUBJECT.check_model(model)
    return export_onnx(model, out, form, mean=mean, language=language, opset=opset, progress=progress)


def export_synthesis(
    model: SynthesisNetwork,
    out: str | os.PathLike[str],
    *,
    tokens: int = 128,
    frames: int = 1024,
    batch: int | Literal["batch"] = 1,
    free: bool = False,
    opset: int | None = None,
    half_weights: bool = False,
    progress: Progress | None = None,
) -> ParityReport:
    """Export a network at one size, or for any up to one, to one ONNX file.

    Its inputs and outputs are those that ``SynthesisManifest`` tells.

    Args:
        model: training form, in eval mode.
        out: the file to write; its folder is made.
        tokens, frames: the longest text and the longest speech.
        batch: texts of a call; "batch" leaves it free.
        free: let a call be as long as its text and its speech, up to these tokens and to all frames that the
            network has positions for.
        opset: of ONNX, 18 to 23; by default the lowest.
        half_weights: store those parameters in 16 bits that lose nothing so; the arithmetic stays in 32.
        progress: called with a line for each step.

    Returns:
        how close the file comes to the training form padded to the same size.

    Raises:
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: a size that the network has no positions for, a batch below 1, another opset, a model in
            training mode, or one for another task.
    """
    synthesis.SUBJECT.check_model(model)
    size: dict[str, Any] = {"tokens": tokens, "frames": frames, "batch": batch, "free": free}
    return export_onnx(model, out, opset=opset, half_weights=half_weights, progress=progress, **size)


def export_buckets(
    model: SynthesisNetwork,
    folder: str | os.PathLike[str],
    *,
    buckets: Sequence[tuple[int, int]] | None = None,
    batch: int | Literal["batch"] = 1,
    opset: int | None = None,
    progress: Progress | None = None,
) -> dict[Path, ParityReport]:
    """Export a network at several sizes: ``fastspeech.i32.o256.onnx`` and so on.

    Args:
        folder: for the files.
        buckets: tokens and frames of each; by default ``synthesis.default_buckets``.
        model, batch, opset, progress, Raises: as ``export_synthesis``.
    """
    return {
        (path := Path(folder) / synthesis.file_name(model, tokens, frames)): export_synthesis(
            model, path, tokens=tokens, frames=frames, batch=batch, opset=opset, progress=progress
        )
        for tokens, frames in buckets or synthesis.default_buckets(model)
    }


def export_or_keep(
    model: SynthesisNetwork,
    out: str | os.PathLike[str],
    *,
    tokens: int,
    frames: int,
    batch: int | Literal["batch"] = 1,
    force: bool = False,
    progress: Progress | None = None,
) -> ParityReport | None:
    """Export a network at one size unless the file is there already.

    Args:
        force: replace a file that is there, whatever it is.
        model, out, tokens, frames, batch, progress: as ``export_synthesis``.

    Returns:
        how close the file comes, or None if it was there and is the same.

    Raises:
        ArtifactError: a file is there that is something else.
        ParityError, ValueError: as ``export_synthesis``.
    """
    path = Path(out)
    if not path.exists() or force:
        return export_synthesis(model, path, tokens=tokens, frames=frames, batch=batch, progress=progress)
    if not synthesis.is_export_of(path, model, tokens=tokens, frames=frames, batch=batch):
        raise ArtifactError(f"{path}: it is there, of other weights or another size; --force replaces it")
    return None


class Onnx(Target[onnx.ModelProto]):
    """ONNX files, checked in ONNX Runtime.

    Args:
        opset, half_weights: see ``export_onnx``.
    """

    name = f"ONNX Runtime {onnxruntime.__version__}"

    def __init__(self, opset: int | None = None, half_weights: bool = False) -> None:
        self._opset, self._half_weights = opset, half_weights

    def trace(self, given: Traceable) -> onnx.ModelProto:
        opset = _choose_operators(given.module, self._opset)
        inputs, outputs = ([spec.name for spec in specs] for specs in (given.inputs, given.outputs))
        proto = tracing.trace(given.module, given.arguments, inputs, outputs, given.shapes, opset)
        tracing.name_dimensions(proto.graph.output, given.outputs)
        if self._half_weights:
            store_in_half(proto.graph)
        return proto

    def tensors(self, program: onnx.ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        return tracing.tensor_specs(program.graph.input), tracing.tensor_specs(program.graph.output)

    def toolchain(self, program: onnx.ModelProto) -> Mapping[str, str]:
        return tracing.toolchain(program)

    def save(
        self, program: onnx.ModelProto, manifest: Manifest, path: Path, metadata: Mapping[str, str]
    ) -> None:
        tracing.save(program, manifest, path, **metadata)
        size = path.stat().st_size
        if size >= LARGEST_FILE:
            raise ArtifactError(
                f"{path}: {size:,} bytes do not fit into one file; at most {LARGEST_FILE:,} do"
            )

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
