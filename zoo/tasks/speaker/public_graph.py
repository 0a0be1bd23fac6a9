"""Sessions over the speaker graphs that wespeaker, sherpa-onnx and 3D-Speaker publish, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.hub.recognition import Recognised
from zoo.runtime.graph import Graph
from zoo.spec import Filterbank, SpeakerSpec, TensorSpec
from zoo.tasks.public import Told, from_metadata, spec_of, unknown
from zoo.tasks.speaker.features import filterbank
from zoo.tasks.speaker.session import check_lengths

# How the features of each framework differ: its window, and the largest sample. wespeaker's
# ``bin/infer_onnx.py``; 3D-Speaker's ``speakerlab/process/processor.py``, which takes torchaudio's defaults.
FEATURES = {"wespeaker": ("hamming", 32768.0), "3d-speaker": ("povey", 1.0)}
_WESPEAKER = ("feats", "embs")  # what its exports call input and output
_TRIED = (1, 2, 3, 4, 6, 9, 16, 32, 64, 128, 200)  # frames, in search of the shortest recording


class PublicSpeakerSession:
    """Recordings through a graph from features (B, T, F) to embeddings (B, E).

    Args:
        graph: without manifest.
        name: of the model, or of the file.
        front_end: the features' geometry.
        framework: one of ``FEATURES``.
        least_frames: of the shortest recording with a finite embedding; None to find it.
        public: what is known of it, in a line.

    Raises:
        ArtifactError: it gives no finite embedding of any recording.
    """

    mixed = False
    mean_subtracted = False
    weights = ""

    def __init__(
        self,
        graph: Graph,
        name: str,
        front_end: Filterbank,
        framework: str,
        least_frames: int | None,
        public: str,
    ) -> None:
        window, scale = FEATURES[framework]
        self.front_end = replace(front_end, window=window, full_scale=scale)
        self.name, self.backend, self.public, self._graph = name, graph.backend, public, graph
        self._output = _output_of(graph)
        # a graph for some recordings a call gets as many
        rows = graph.inputs[0].shape[0]
        self._rows = rows if isinstance(rows, int) else 0
        self.least_frames, self.embedding = self._try(least_frames)

    def run(self, waveforms: Sequence[Array]) -> Array:
        """See ``SpeakerSession``."""
        check_lengths(self, waveforms)
        return self._embed(np.stack([filterbank(wave, self.front_end) for wave in waveforms]))

    def _embed(self, feats: Array) -> Array:
        """(B, T, F) -> (B, E)"""
        rows = self._rows or len(feats)
        whole = np.concatenate([feats, np.repeat(feats[-1:], -len(feats) % rows, axis=0)])
        parts = [
            self._graph(whole[start : start + rows])[self._output] for start in range(0, len(whole), rows)
        ]
        return np.concatenate(parts)[: len(feats)]

    def _try(self, least: int | None) -> tuple[int, int]:
        """Frames of the shortest recording that is embedded, and elements of an embedding."""
        noise = np.random.default_rng(0).standard_normal((1, _TRIED[-1], self.front_end.bins))
        reason = "it is not finite"
        for frames in _TRIED if least is None else (least,):
            try:
                found = self._embed(noise[:, :frames].astype(np.float32))
            except ArtifactError as error:  # too short for it, or it is no such graph
                reason = str(error)
                continue
            if found.ndim == 2 and np.isfinite(found).all():
                return frames, found.shape[1]
        raise ArtifactError(
            f"{self._graph.path}: it gives no embedding of {frames} frames of features: {reason}"
        )


def open_public_session(graph: Graph, known: Recognised | None, told: Told) -> PublicSpeakerSession:
    """Open a session over a public graph, with the features that its hash, its metadata or the caller tell.

    Args:
        graph: without manifest.
        known: whose it is, by its hash.
        told: what the caller says of it.

    Raises:
        ArtifactError: it takes something else than features, or gives no embedding; its features are of
            another kind; its sample rate is not known, or is another than what was told; or it is no graph of
            the model that it is said to be of.
    """
    path, metadata = graph.path, getattr(graph, "metadata", {})
    signal, answer = _signal(graph), graph.outputs[_output_of(graph)]
    spec, said = spec_of(path, known, told, SpeakerSpec), from_metadata(path, metadata)
    framework = _framework(path, metadata, spec, (signal.name, answer.name))
    bins = int(signal.shape[2])
    if spec is not None:
        if known is None:
            _check_model(path, spec, bins, answer)
        front_end, source = spec.front_end, "known by its hash" if known else f"taken for one of {spec.name}"
    else:
        rate = said.sample_rate or told.sample_rate
        if rate is None:
            raise unknown(path, ["sample_rate"])
        front_end = Filterbank(rate, bins, round(0.025 * rate), round(0.010 * rate))
        source = "as its metadata say" if said.sample_rate else "as was given"
    for statement in (said, told):
        statement.check(str(path), front_end)
    public = f"{source}; {front_end.sample_rate} Hz, {bins} features as of {framework}"
    least = spec.least_frames if spec else None
    name = known.name if known else path.name
    return PublicSpeakerSession(graph, name, front_end, framework, least, public)


def is_public_embedder(graph: Graph) -> bool:
    """Whether a graph has no manifest, and an input of features as its only one."""
    return graph.manifest is None and [len(spec.shape) for spec in graph.inputs] == [3]


def _signal(graph: Graph) -> TensorSpec:
    """The graph's input, once it is features."""
    signal = graph.inputs[0]
    features = len(signal.shape) == 3 and isinstance(signal.shape[2], int) and signal.dtype == "float32"
    if len(graph.inputs) != 1 or not features:
        found = ", ".join(f"{i.name} {i.shape} {i.dtype}" for i in graph.inputs)
        raise ArtifactError(f"{graph.path}: its inputs are {found}; expected features (B, T, F), float32")
    if isinstance(signal.shape[1], int):
        raise ArtifactError(
            f"{graph.path}: it takes recordings of {signal.shape[1]} frames only; expected features "
            f"(B, T, F) with a free T"
        )
    return signal


def _output_of(graph: Graph) -> int:
    """The index of the embedding among the outputs: the only one of two dimensions, or the last of those."""
    found = [index for index, spec in enumerate(graph.outputs) if len(spec.shape) == 2]
    if not found:
        outputs = ", ".join(f"{o.name} {o.shape}" for o in graph.outputs)
        raise ArtifactError(f"{graph.path}: its outputs are {outputs}; expected embeddings (B, E)")
    return found[-1]


def _framework(path: Path, metadata: dict[str, str], spec: SpeakerSpec | None, names: tuple[str, str]) -> str:
    """Whose features a graph reads."""
    framework = metadata.get("framework", "")
    if framework:
        if framework not in FEATURES:
            raise ArtifactError(
                f"{path}: it is a graph of {framework[:40]}, whose features are not computed here; known are "
                f"those of {' and '.join(FEATURES)}"
            )
        return framework
    if spec is None and names != _WESPEAKER:
        raise ArtifactError(
            f"{path}: it has neither a speechzoo manifest nor metadata as of sherpa-onnx, its hash is none "
            f"that is known, and it maps {names[0]} to {names[1]} where wespeaker's exports map feats to "
            f"embs; what features it reads is not known"
        )
    return "wespeaker"


def _check_model(path: Path, spec: SpeakerSpec, bins: int, answer: TensorSpec) -> None:
    """Refuse a graph whose shapes are not those of its model."""
    size = answer.shape[1]
    if bins != spec.front_end.bins or (isinstance(size, int) and size != spec.embedding):
        raise ArtifactError(
            f"{path}: it maps {bins} features to {size} values, and {spec.name} {spec.front_end.bins} to "
            f"{spec.embedding}; it is a graph of another model"
        )
