"""What tells speech from what a vocoder makes, by spectra of several resolutions.

W. Jang et al.: UnivNet, Interspeech 2021: convolutions over time and frequency on magnitudes; few channels,
since it is to be trained on a processor.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

RESOLUTIONS = ((1024, 256), (512, 128), (256, 64))
CHANNELS = 12
MATCHING_WEIGHT = 2.0


class Discriminator(nn.Module):
    """One judge a resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.judges = nn.ModuleList(_Judge(size, hop) for size, hop in RESOLUTIONS)

    def forward(self, wave: Tensor) -> list[list[Tensor]]:
        """(B, N) -> what each layer of each judge gives, the verdict last"""
        return [judge(wave) for judge in self.judges]


class _Judge(nn.Module):
    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        norm = nn.utils.parametrizations.weight_norm
        strides = (2, 2, 2, 1)
        self.layers = nn.ModuleList(
            norm(
                nn.Conv2d(
                    CHANNELS if i else 1, CHANNELS, (3, 9 if s == 2 else 3), (1, s), (1, 4 if s == 2 else 1)
                )
            )
            for i, s in enumerate(strides)
        )
        self.verdict = norm(nn.Conv2d(CHANNELS, 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        window = torch.hann_window(self.size, device=wave.device)
        spectrum = torch.stft(wave, self.size, self.hop, window=window, center=False, return_complex=True)
        x = (torch.view_as_real(spectrum).square().sum(-1) + 1e-8).pow(0.25).transpose(1, 2).unsqueeze(1)
        found = []
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.1)
            found.append(x)
        return [*found, self.verdict(x)]


def judge_loss(real: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """What the discriminator minimises: hinges of its verdicts."""
    terms = [(1 - a[-1]).relu().mean() + (1 + b[-1]).relu().mean() for a, b in zip(real, made, strict=True)]
    return torch.stack(terms).mean()


def deceiver_loss(real: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """What the vocoder minimises: its verdicts' hinges, and how its layers differ from those of speech."""
    verdicts = torch.stack([(1 - b[-1]).relu().mean() for b in made]).mean()
    pairs = [pair for a, b in zip(real, made, strict=True) for pair in zip(a[:-1], b[:-1], strict=True)]
    matching = torch.stack([(a.detach() - b).abs().mean() for a, b in pairs]).mean()
    return verdicts + MATCHING_WEIGHT * matching
