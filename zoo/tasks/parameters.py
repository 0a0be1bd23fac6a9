"""Holds trained parameters against a repository's golden recording, in PyTorch: one function a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.golden import read_golden, unpack_embedding
from zoo.artifact.manifest import Golden, GoldenEmbedding, GoldenSpeech, SynthesisManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.hub.index import KINDS
from zoo.networks.base import Network
from zoo.networks.speaker import SpeakerNetwork
from zoo.networks.streaming import StreamingModule
from zoo.networks.synthesis import SynthesisNetwork
from zoo.tasks.enhancement.torch import TorchSession
from zoo.tasks.speaker.torch import TorchSpeakerSession
from zoo.tasks.synthesis.golden import verify_synthesis
from zoo.tasks.verification import verify_session


def verify_parameters(model: Network, golden: Path, form: str, path: str, where: str) -> ParityReport:
    """Run a network on the recording of one of its graphs and compare with what that recording holds.

    Args:
        model: in training form, with the parameters.
        golden: the repository's file.
        form: of the graph whose recording it is.
        path, where: name parameters and recording in errors.

    Raises:
        ArtifactError: the recording is damaged, or there is none of the kind for such a model.
        ParityError: the network computes something else than it should.
    """
    if isinstance(model, StreamingModule):
        return verify_session(
            TorchSession(model), read_golden(golden, Golden, where), model.spec.tolerance, path
        )
    if isinstance(model, SpeakerNetwork):
        return _verify_embedding(model, read_golden(golden, GoldenEmbedding, where), where)
    if isinstance(model, SynthesisNetwork):
        return _verify_speech(model, read_golden(golden, GoldenSpeech, where), form, where)
    raise ArtifactError(f"{path}: parameters of models for {model.spec.task} cannot be verified yet")


def _verify_embedding(model: SpeakerNetwork, golden: GoldenEmbedding, where: str) -> ParityReport:
    """By the recording of the graph that takes waveforms."""
    signal, expected = unpack_embedding(golden, "wav", model.spec.front_end.bins, where)
    found = TorchSpeakerSession(model).run([signal])[0]
    return compare(expected, found, tensor="embs", tolerance=model.spec.tolerance)


@torch.inference_mode()
def _verify_speech(model: SynthesisNetwork, golden: GoldenSpeech, form: str, where: str) -> ParityReport:
    """By the text of a graph, padded to its size, since padding reaches into the last frames."""
    if not KINDS[model.spec.task].has(form):
        raise ArtifactError(f"{where}: the index does not say of which size it is; publish it again")
    tokens, frames = map(int, form.split("/"))
    manifest = SynthesisManifest(
        model=model.spec.name,
        inputs=(),
        outputs=(),
        tolerance=model.spec.tolerance,
        front_end=model.spec.front_end,
        symbols=model.spec.symbols,
        tokens=tokens,
        frames=frames,
        batch=1,
        golden=golden,
    )

    def padded(*values: NDArray[Any]) -> list[Array]:
        ids, lengths, alpha, forced = map(torch.from_numpy, values)
        result = model(ids, lengths, alpha=alpha, durations=forced, frames=frames)
        return [value.numpy() for value in (result.mel, result.mel_lengths, result.durations)]

    return verify_synthesis(padded, manifest, where)
