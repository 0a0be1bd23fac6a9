"""A session over the network in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zoo.networks.synthesis import SynthesisNetwork
from zoo.tasks.synthesis.session import Frames, Utterance, inputs


class TorchSynthesis:
    """Utterances through the network, one by one and without padding; see ``SynthesisSession``.

    Args:
        model: in eval mode.
    """

    backend = "torch"

    def __init__(self, model: SynthesisNetwork) -> None:
        if model.training:
            raise ValueError(f"this {model.spec.name} is in training mode; call model.eval() first")
        self._model, self.name = model, model.spec.name
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
