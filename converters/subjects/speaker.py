"""Exports speaker networks to ONNX: from features to embeddings, and from waveforms.

The graph is the deployment form's, with the names and the free dimensions of the public exports, in one
file with its manifest and a golden recording. It only appears under its name once ONNX Runtime has computed
with it what the training form computes, for several batches and lengths.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from converters.export import Progress
from converters.targets.tracing import OPSETS, save, tensor_specs, toolchain, trace
from zoo.arrays import Array
from zoo.artifact import golden
from zoo.artifact.manifest import GoldenEmbedding, SpeakerForm, SpeakerManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.checkpoint import digest
from zoo.errors import ArtifactError
from zoo.files import atomic
from zoo.layers.filterbank import SpeakerFeatures
from zoo.networks.base import Network
from zoo.networks.speaker import SpeakerNetwork
from zoo.runtime.graph import as_array
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import SpeakerSpec
from zoo.streaming.conversion import fold
from zoo.tasks.speaker.session import padded

CHECKED = ((1, 33), (7, 33), (2, 99), (2, 137), (1, 200), (1, 598))  # batch, frames
LARGEST_FILE = 2**31  # bytes of a protocol buffer
_TRACED = (3, 137)  # batch, frames: neither is a special case


def export_speaker(
    model: Network,
    out: str | os.PathLike[str],
    form: SpeakerForm = "feats",
    *,
    mean: Array | None = None,
    language: str = "unknown",
    opset: int = OPSETS[0],
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
        opset: of ONNX, 18 to 23.
        progress: called with a line for each step.

    Returns:
        how close the file comes to the training form, in the worst case.

    Raises:
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: no speaker network in training form, or arguments that do not fit it.
    """
    if not isinstance(model, SpeakerNetwork):
        raise ValueError(f"{model.spec.name} is a model for {model.spec.task}; this exports speaker networks")
    spec, say = model.spec, progress or (lambda line: None)
    _check_arguments(model, form, mean, opset)
    offset = None if mean is None else torch.from_numpy(np.asarray(mean, np.float32))
    with atomic(Path(out)) as temporary:
        say(f"{spec.name}: exporting {form}")
        core = fold(model)
        proto = _trace(core, form, offset, opset)
        manifest = SpeakerManifest(
            model=spec.name,
            form=form,
            front_end=spec.front_end,
            embedding=spec.embedding,
            least_frames=spec.least_frames,
            mean_subtracted=mean is not None,
            inputs=tensor_specs(proto.graph.input),
            outputs=tensor_specs(proto.graph.output),
            weights={**model.provenance, "sha256": digest(model.state_dict())},
            tolerance=spec.tolerance,
            toolchain=toolchain(proto),
        )
        metadata = _for_sherpa(spec, language) if form == "feats" else {}
        save(proto, manifest, temporary, **metadata)
        _check_size(temporary)
        say(f"{spec.name}: checking it in ONNX Runtime {onnxruntime.__version__}")
        report = _check(OnnxGraph(temporary), model, form, offset)
        save(proto, replace(manifest, golden=_recording(model, form, offset)), temporary, **metadata)
    return report


class _FeatureGraph(nn.Module):
    """Features (B, T, F) to embeddings (B, E).

    It reads the last of the frames that it needs by index, so that ONNX Runtime refuses a recording without
    one, whoever runs the graph; a pooling of too few frames would be NaN.
    """

    mean: Tensor | None

    def __init__(self, core: SpeakerNetwork, mean: Tensor | None) -> None:
        super().__init__()
        self.core = core
        self.register_buffer("mean", mean)

    def forward(self, feats: Tensor) -> Tensor:
        needed = feats[:, self.core.spec.least_frames - 1, :1]  # (B, 1)
        return _less(self.core(feats), self.mean) + 0 * needed


class _WaveformGraph(nn.Module):
    """Waveforms (B, N) with the samples of each row (B,) to embeddings (B, E)."""

    mean: Tensor | None

    def __init__(self, core: SpeakerNetwork, mean: Tensor | None) -> None:
        super().__init__()
        self.core, self.features = core, SpeakerFeatures(core.spec.front_end)
        self.register_buffer("mean", mean)

    def forward(self, wav: Tensor, lengths: Tensor) -> Tensor:
        return _less(self.core.embed(*self.features(wav, lengths)), self.mean)


def _less(embeddings: Tensor, mean: Tensor | None) -> Tensor:
    return embeddings if mean is None else embeddings - mean


def _check_arguments(model: SpeakerNetwork, form: str, mean: Array | None, opset: int) -> None:
    name = model.spec.name
    if model.training:
        raise ValueError(f"this {name} is in training mode; call model.eval() before exporting")
    if model.converted_from:
        raise ValueError(f"this {name} is a deployment form; pass the training form, which judges the export")
    if form not in ("feats", "wav"):
        raise ValueError(f"form {form!r} is neither feats nor wav")
    if opset not in OPSETS:
        raise ValueError(f"opset {opset} is not one from {OPSETS[0]} to {OPSETS[-1]}")
    if mean is not None and np.shape(mean) != (model.spec.embedding,):
        raise ValueError(
            f"the mean has shape {np.shape(mean)}; {name} has embeddings of {model.spec.embedding} elements"
        )
    if mean is not None and not np.isfinite(mean).all():
        raise ValueError("the mean holds values that are not finite")


def _trace(core: SpeakerNetwork, form: SpeakerForm, mean: Tensor | None, opset: int) -> onnx.ModelProto:
    batch, frames = _TRACED
    rows = torch.export.Dim("B", min=2)  # the graph takes a single one all the same
    if form == "feats":
        time = torch.export.Dim("T", min=16)  # and as few as the network can
        example = (torch.randn(batch, frames, core.spec.front_end.bins),)
        return trace(_FeatureGraph(core, mean), example, ["feats"], ["embs"], ({0: rows, 1: time},), opset)
    samples = core.spec.front_end.samples(frames)
    time = torch.export.Dim("N", min=core.spec.front_end.samples(16))
    wave = (torch.randn(batch, samples), torch.tensor([samples, samples // 2, samples]))
    return trace(
        _WaveformGraph(core, mean), wave, ["wav", "lengths"], ["embs"], ({0: rows, 1: time}, {0: rows}), opset
    )


def _for_sherpa(spec: SpeakerSpec, language: str) -> dict[str, str]:
    """What sherpa-onnx wants to know: waveforms in the range of 16-bit integers, the mean taken out."""
    return {
        "framework": "wespeaker",
        "language": language,
        "url": spec.url,
        "comment": f"{spec.title}, exported by speechzoo",
        "sample_rate": str(spec.front_end.sample_rate),
        "output_dim": str(spec.embedding),
        "normalize_features": "0",
        "normalize_samples": "0",
        "feature_normalize_type": "global-mean",
    }


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    if size >= LARGEST_FILE:
        raise ArtifactError(f"{path}: {size:,} bytes do not fit into one file; at most {LARGEST_FILE:,} do")


@torch.inference_mode()
def _check(graph: OnnxGraph, model: SpeakerNetwork, form: SpeakerForm, mean: Tensor | None) -> ParityReport:
    """Compare graph and training form, each row of which is computed alone; the worst case is reported."""
    reports = []
    for name, rows in _cases(model.spec, form):
        expected = np.concatenate([as_array(_less(model(_features(model.spec, row)), mean)) for row in rows])
        if form == "wav":
            computed = graph(*padded(rows))[0]
        else:
            computed = graph(np.concatenate([as_array(_features(model.spec, row)) for row in rows]))[0]
        reports.append(
            compare(
                expected,
                computed,
                tensor=f"embs of {name}",
                tolerance=model.spec.tolerance,
                axis=0,
                unit="row",
            )
        )
    return max(reports, key=lambda report: report.max_error)


def _cases(spec: SpeakerSpec, form: SpeakerForm) -> Iterator[tuple[str, list[Array]]]:
    """Names and waveforms of the batches that judge a graph: stretches of the package's own speech."""
    front_end = spec.front_end
    speech = golden.parity_speech(front_end.sample_rate)
    speech = np.tile(speech, -(-2 * front_end.samples(598) // len(speech)))
    step = front_end.sample_rate // 2
    for batch, frames in CHECKED:
        length = front_end.samples(frames)
        yield f"{batch} x {frames} frames", [speech[i * step :][:length] for i in range(batch)]
    if form == "wav":
        frames_of = [max(spec.least_frames, 11), 33, 99, 100, 201, 340]
        lengths = [front_end.samples(frames) + 7 * i for i, frames in enumerate(frames_of)]
        yield "rows of 6 lengths", [speech[i * step :][:length] for i, length in enumerate(lengths)]


@torch.inference_mode()
def _features(spec: SpeakerSpec, waveform: Array) -> Tensor:
    """(N,) -> (1, T, F), less their mean."""
    feats, _ = SpeakerFeatures(spec.front_end)(
        torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])
    )
    return feats.transpose(1, 2).contiguous()


@torch.inference_mode()
def _recording(model: SpeakerNetwork, form: SpeakerForm, mean: Tensor | None) -> GoldenEmbedding:
    """A second of speech, or its features on float16's grid, with the training form's embedding."""
    rate = model.spec.front_end.sample_rate
    speech = golden.parity_speech(rate)[:rate]
    feats = _features(model.spec, speech)
    if form == "feats":
        feats = feats.half().float()
    embedding = as_array(_less(model(feats), mean))[0]
    signal = speech if form == "wav" else as_array(feats)[0]
    return golden.pack_embedding(signal, embedding, form, rate)
