"""A session over the network in torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.artifact.golden import read_golden
from zoo.artifact.manifest import FREE, GoldenSpeech, SynthesisManifest
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.networks.base import Network
from zoo.networks.synthesis import SynthesisNetwork
from zoo.tasks.synthesis.golden import verify_synthesis
from zoo.tasks.synthesis.session import Frames, Utterance, inputs


class TorchSynthesis:
    """Utterances through the network, one by one and without padding; see ``SynthesisSession``.

    Args:
        model: in eval mode.
    """

    backend = "torch"
    at_once = 1

    def __init__(self, model: SynthesisNetwork) -> None:
        if model.training:
            raise ValueError(f"this {model.spec.name} is in training mode; call model.eval() first")
        self._model, self.name, self.model = model, model.spec.name, model.spec.name
        self.front_end, self.symbols = model.spec.front_end, model.spec.symbols
        self.buckets: tuple[tuple[int, int], ...] = ((model.longest, model.longest),)

    @torch.inference_mode()
    def run(self, utterances: Sequence[Utterance], bucket: int) -> list[Frames]:
        """See ``SynthesisSession``."""
        found = []
        for utterance in utterances:
            values = inputs([utterance], len(utterance.ids))
            ids, lengths, alpha, forced = map(torch.from_numpy, values)
            result = self._model(ids, lengths, alpha=alpha, durations=forced)
            wanted = int(result.mel_lengths[0])
            found.append(Frames(result.mel[0, :wanted].numpy(), result.durations[0].numpy(), wanted))
        return found


def open_network(model: Network) -> TorchSynthesis | None:
    """Open a session; see ``Task.open_network``."""
    return TorchSynthesis(model) if isinstance(model, SynthesisNetwork) else None


@torch.inference_mode()
def verify_parameters(model: SynthesisNetwork, golden: Path, form: str, where: str) -> ParityReport:
    """Run a network on the text of a graph, padded to its size if it has one, since padding reaches into the
    last frames.

    See ``Task.verify_parameters``.
    """
    if not SynthesisManifest.has_form(form):
        raise ArtifactError(f"{where}: the index does not say of which size it is; publish it again")
    free = form == FREE
    tokens, frames = (model.longest, model.longest) if free else map(int, form.split("/"))
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
        free=free,
        golden=read_golden(golden, GoldenSpeech, where),
    )

    def sized(*values: NDArray[Any]) -> list[NDArray[np.float32]]:
        ids, lengths, alpha, forced = map(torch.from_numpy, values)
        result = model(ids, lengths, alpha=alpha, durations=forced, frames=None if free else frames)
        return [value.numpy() for value in (result.mel, result.mel_lengths, result.durations)]

    return verify_synthesis(sized, manifest, where)
