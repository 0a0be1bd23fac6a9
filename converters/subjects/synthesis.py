"""Exports networks from text to frames as ONNX graphs of fixed sizes, one file for each.

Shapes are fixed, since engines are fastest so; a text goes into the smallest size that holds it. Padding
reaches into the last frames through the convolutions, so what a file must reproduce is the training form
padded to the same size.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from converters.export import Progress
from converters.targets.onnx_passes import store_in_half
from converters.targets.tracing import OPSETS, save, tensor_specs, toolchain, trace
from zoo.arrays import Array
from zoo.artifact.manifest import GoldenSpeech, SynthesisManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.checkpoint import digest
from zoo.errors import ArtifactError, ParityError
from zoo.files import atomic
from zoo.networks.synthesis import Prediction, SynthesisNetwork
from zoo.runtime.graph import as_array
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.synthesis.golden import check_durations, pack, parity_ids, parity_texts
from zoo.tasks.synthesis.graph import synthesis_manifest
from zoo.tasks.synthesis.session import Frames, Utterance, inputs
from zoo.version import __version__


def export_synthesis(
    model: SynthesisNetwork,
    out: str | os.PathLike[str],
    *,
    tokens: int = 128,
    frames: int = 1024,
    batch: int | Literal["batch"] = 1,
    opset: int = OPSETS[0],
    half_weights: bool = False,
    progress: Progress | None = None,
) -> ParityReport:
    """Export a network at one size to one ONNX file.

    Its inputs and outputs are those that ``SynthesisManifest`` tells.

    Args:
        model: training form, in eval mode.
        out: the file to write; its folder is made.
        tokens, frames: the longest text and the longest speech.
        batch: texts of a call; "batch" leaves it free.
        opset: of ONNX, 18 to 23.
        half_weights: store those parameters in 16 bits that lose nothing so; the arithmetic stays in 32.
        progress: called with a line for each step.

    Returns:
        how close the file comes to the training form padded to the same size.

    Raises:
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: a size that the network has no positions for, a batch below 1, another opset, or a model
            in training mode.
    """
    _check(model, tokens, frames, batch, opset)
    say = progress or (lambda line: None)
    name = f"{model.spec.name} {tokens}/{frames}"
    with atomic(Path(out)) as temporary:
        say(f"{name}: exporting")
        graph, rows = SynthesisGraph(model, frames), 2 if isinstance(batch, str) else batch
        symbols = model.spec.symbols
        free = {0: torch.export.Dim("batch")} if isinstance(batch, str) else None
        proto = trace(
            graph,
            tuple(map(torch.from_numpy, inputs(parity_texts(symbols, rows, tokens, frames), tokens))),
            ["ids", "lengths", "alpha", "forced"],
            ["mel", "mel_lengths", "durations"],
            (free,) * 4,
            opset,
        )
        if half_weights:
            store_in_half(proto.graph)
        manifest = SynthesisManifest(
            model=model.spec.name,
            inputs=tensor_specs(proto.graph.input),
            outputs=tensor_specs(proto.graph.output),
            weights={**model.provenance, "sha256": digest(model.state_dict())},
            tolerance=model.spec.tolerance,
            toolchain=toolchain(proto),
            front_end=model.spec.front_end,
            symbols=symbols,
            tokens=tokens,
            frames=frames,
            batch=batch,
        )
        save(proto, manifest, temporary)
        say(f"{name}: checking it in ONNX Runtime {onnxruntime.__version__}")
        report = _compare(graph, OnnxGraph(temporary), manifest)
        save(proto, replace(manifest, golden=_golden(graph, tokens, frames)), temporary)
    return report


def export_buckets(
    model: SynthesisNetwork,
    folder: str | os.PathLike[str],
    *,
    buckets: Sequence[tuple[int, int]] | None = None,
    batch: int | Literal["batch"] = 1,
    opset: int = OPSETS[0],
    progress: Progress | None = None,
) -> dict[Path, ParityReport]:
    """Export a network at several sizes: ``fastspeech.i32.o256.onnx`` and so on.

    Args:
        folder: for the files.
        buckets: tokens and frames of each; by default ``default_buckets``.
        model, batch, opset, progress, Raises: as ``export_synthesis``.
    """
    return {
        (path := Path(folder) / file_name(model, tokens, frames)): export_synthesis(
            model, path, tokens=tokens, frames=frames, batch=batch, opset=opset, progress=progress
        )
        for tokens, frames in buckets or default_buckets(model)
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
    if not is_export_of(path, model, tokens=tokens, frames=frames, batch=batch):
        raise ArtifactError(f"{path}: it is there, of other weights or another size; --force replaces it")
    return None


def default_buckets(model: SynthesisNetwork) -> list[tuple[int, int]]:
    """Tokens and frames of the sizes in a model's record that it has positions for.

    Raises:
        ValueError: there are none.
    """
    sizes = [size for size in model.spec.buckets if max(size) <= model.longest]
    if not sizes:
        raise ValueError(
            f"none of the sizes {model.spec.buckets} is one for this {model.spec.name}, which has positions "
            f"for {model.longest}; name others"
        )
    return sizes


def file_name(model: SynthesisNetwork, tokens: int, frames: int) -> str:
    """The name of a graph's file, as the public implementation names its engines."""
    return f"{model.spec.name}.i{tokens}.o{frames}.onnx"


def is_export_of(
    path: Path, model: SynthesisNetwork, *, tokens: int, frames: int, batch: int | Literal["batch"]
) -> bool:
    """Whether a file is what ``export_synthesis`` would make, of these weights and in this version.

    Raises:
        ArtifactError: it is no artifact of ours for synthesis.
    """
    manifest = synthesis_manifest(OnnxGraph(path))
    asked = (tokens, frames, batch, digest(model.state_dict()), __version__)
    found = (manifest.tokens, manifest.frames, manifest.batch)
    return asked == (*found, manifest.weights.get("sha256"), manifest.toolchain.get("speechzoo"))


class SynthesisGraph(nn.Module):
    """A network at a fixed number of frames, its options as inputs."""

    def __init__(self, model: SynthesisNetwork, frames: int) -> None:
        super().__init__()
        self.model, self.frames = model, frames

    def forward(
        self, ids: Tensor, lengths: Tensor, alpha: Tensor, forced: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        result: Prediction = self.model(ids, lengths, alpha=alpha, durations=forced, frames=self.frames)
        return result.mel, result.mel_lengths, result.durations


def _check(model: SynthesisNetwork, tokens: int, frames: int, batch: int | str, opset: int) -> None:
    if model.training:
        raise ValueError(f"this {model.spec.name} is in training mode; call model.eval() before exporting")
    if min(tokens, frames) < 1 or max(tokens, frames) > model.longest:
        raise ValueError(f"{tokens} tokens and {frames} frames: each must be from 1 to {model.longest}")
    if batch != "batch" and (isinstance(batch, str) or batch < 1):
        raise ValueError(f'batch is a number from 1, or "batch" to leave it free, not {batch!r}')
    if opset not in OPSETS:
        raise ValueError(f"opset {opset} is not one from {OPSETS[0]} to {OPSETS[-1]}")


@torch.inference_mode()
def _compare(graph: SynthesisGraph, file: OnnxGraph, manifest: SynthesisManifest) -> ParityReport:
    """Hold a file against the training form padded to the same size; every frame counts, those of padding
    too.

    A predicted duration in the middle between two numbers of frames may fall to either side of it by another
    order of additions, so frames are compared where both gave each token as many, which with forced durations
    they must.
    """
    batch = manifest.batch
    rows = 3 if isinstance(batch, str) else max(3, batch)
    texts = parity_texts(manifest.symbols, rows, manifest.tokens, manifest.frames)
    calls = [texts] if isinstance(batch, str) else [(texts * batch)[i:][:batch] for i in range(3)]
    reports = []
    for call in (*calls, *([replace(text, forced=()) for text in call] for call in calls)):
        values = inputs(call, manifest.tokens)
        mel, lengths, durations = file(*values)
        expected = [as_array(value) for value in graph(*map(torch.from_numpy, values))]
        check_durations(expected[2], durations, manifest.tolerance)
        counts, others = (_counts(values, predicted) for predicted in (durations, expected[2]))
        if lengths.tolist() != counts.sum(1).tolist():
            raise ParityError(
                f"mel_lengths: {lengths.tolist()}, and the durations make {counts.sum(1).tolist()}"
            )
        if np.array_equal(counts, others):
            reports.append(compare(expected[0], mel, tensor="mel", tolerance=manifest.tolerance, axis=1))
    return max(reports, key=lambda report: report.max_error)


def _counts(values: tuple[NDArray[Any], ...], predicted: Array) -> NDArray[np.int64]:
    """Frames of each token, (B, tokens)."""
    _, lengths, alpha, forced = values
    own = np.arange(forced.shape[1]) < lengths[:, None]
    durations = np.where(forced < 0, predicted, forced) * own
    return np.rint(durations * alpha[:, None]).astype(np.int64)


@torch.inference_mode()
def _golden(graph: SynthesisGraph, tokens: int, frames: int) -> GoldenSpeech:
    """The text that an artifact carries, less than a second of speech."""
    ids = parity_ids(graph.model.spec.symbols)[: min(tokens, frames, 20)]
    text = Utterance(ids, forced=(float(min(4, frames // len(ids))),) * len(ids))
    mel, lengths, durations = graph(*map(torch.from_numpy, inputs([text], tokens)))
    wanted = int(lengths[0])
    return pack(text, Frames(as_array(mel[0, :wanted]), as_array(durations[0, : len(ids)]), wanted))
