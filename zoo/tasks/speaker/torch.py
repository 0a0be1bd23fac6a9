"""A session over a speaker network in torch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from zoo.arrays import Array
from zoo.artifact.golden import parity_speech, read_golden, unpack_embedding
from zoo.artifact.manifest import GoldenEmbedding
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.layers.filterbank import SpeakerFeatures
from zoo.networks.base import Network
from zoo.networks.speaker import SpeakerNetwork
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import TensorSpec, Tolerance
from zoo.streaming.conversion import fold
from zoo.tasks.speaker.session import check_lengths, padded


class TorchSpeakerSession:
    """Waveforms of any lengths to embeddings.

    Args:
        model: a network in training or deployment form.
    """

    backend = "torch"
    mixed = True
    mean_subtracted = False

    def __init__(self, model: SpeakerNetwork) -> None:
        self._model = model if model.converted_from else fold(model)
        self.name, self.front_end = model.spec.name, model.spec.front_end
        training = model.converted_from[0] if model.converted_from else model
        self.weights = training.provenance.get("sha256", "")
        self.embedding, self.least_frames = model.spec.embedding, model.spec.least_frames
        self._features = SpeakerFeatures(model.spec.front_end)

    @torch.inference_mode()
    def run(self, waveforms: Sequence[Array]) -> Array:
        """See ``SpeakerSession``."""
        check_lengths(self, waveforms)
        batch, lengths = padded(waveforms)
        feats, mask = self._features(torch.from_numpy(batch), torch.from_numpy(lengths))
        embeddings = self._model.embed(feats, mask if len(set(lengths.tolist())) > 1 else None)
        return np.asarray(embeddings.numpy())


def open_network(model: Network) -> TorchSpeakerSession | None:
    """Open a session; see ``Task.open_network``."""
    return TorchSpeakerSession(model) if isinstance(model, SpeakerNetwork) else None


def verify_parameters(model: SpeakerNetwork, golden: Path, form: str, where: str) -> ParityReport:
    """Run a network on the recording of the graph that takes waveforms; see ``Task.verify_parameters``."""
    recording = read_golden(golden, GoldenEmbedding, where)
    signal, expected = unpack_embedding(recording, "wav", model.spec.front_end, where)
    found = TorchSpeakerSession(model).run([signal])[0]
    return compare(expected, found, tensor="embs", tolerance=model.spec.tolerance)


@torch.inference_mode()
def compare_published(model: SpeakerNetwork, paths: Sequence[Path], tolerance: Tolerance) -> ParityReport:
    """Hold a training form against the public graph that its parameters were read from, on pieces of speech.

    The training form computes in 64 bits, so that all rounding is the graph's: deep networks have much of it.

    Args:
        model: in training form, with the parameters.
        paths: of the graph alone, from features (B, T, F) to embeddings (B, E).
        tolerance: what is allowed.

    Raises:
        ArtifactError: ONNX Runtime cannot run the graph, or it takes something else.
        ParityError: they differ by more than the tolerance.
    """
    graph, front_end = OnnxGraph(paths[0]), model.spec.front_end
    wanted = TensorSpec("feats", ("B", "T", front_end.bins))
    if len(graph.inputs) != 1 or not wanted.fits(graph.inputs[0].shape):
        raise ArtifactError(
            f"{paths[0]}: features {wanted.shape} are expected as its input, and it takes "
            f"{', '.join(f'{spec.name} {spec.shape}' for spec in graph.inputs)}"
        )
    speech = parity_speech(front_end.sample_rate)
    length = 2 * front_end.sample_rate
    pieces = torch.from_numpy(np.stack([speech[:length], speech[-length:]]))
    feats = SpeakerFeatures(front_end)(pieces, torch.full((2,), length))[0].transpose(1, 2)  # (B, T, F)
    expected = [graph(row[None].numpy())[0][0] for row in feats.contiguous()]
    return compare(
        np.stack(expected),
        copy.deepcopy(model).double()(feats.double()).numpy(),
        tensor="the embeddings of the training form",
        tolerance=tolerance,
        axis=0,
        unit="piece",
    )
