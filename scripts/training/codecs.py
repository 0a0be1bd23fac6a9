"""What codecs of telephones do to speech."""

from __future__ import annotations

import torch
from torch import Tensor

MU = 255.0


def mu_law(wave: Tensor, levels: int = 256) -> Tensor:
    """Samples rounded to levels that are finer where it is quiet (the curve of ITU-T G.711's mu-law).

    Args:
        wave: (..., N) float32 in [-1, 1]; what is beyond is cut off.
        levels: number of them.

    Returns:
        (..., N) float32 in [-1, 1].
    """
    bent = wave.sign() * torch.log1p(MU * wave.abs().clamp(max=1)) / torch.log1p(torch.tensor(MU))
    steps = levels / 2 - 1
    rounded = (bent * steps).round() / steps
    return rounded.sign() * ((1 + MU) ** rounded.abs() - 1) / MU
