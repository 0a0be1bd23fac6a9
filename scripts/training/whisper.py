"""Speech made whisper-like: the vocal tract's resonances, excited by noise instead of the vocal cords."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ORDER_PER_KILOHERTZ = 1  # coefficients, and two more
FRAME_SECONDS = 0.032
TILT = 0.7  # coefficient of the pre-emphasis that takes out the fall of voiced sounds


def whispered(speech: Tensor, noise: Tensor, sample_rate: int) -> Tensor:
    """Speech whose linear prediction residual is replaced by noise of the same power, frame by frame.

    Args:
        speech: (B, N) float32, of any level.
        noise: (B, N) float32, white, of unit power.
        sample_rate: in Hz.

    Returns:
        (B, N) float32 of the power that ``speech`` has, row by row.
    """
    size = 2 * round(FRAME_SECONDS * sample_rate / 2)
    order, hop, length = 2 + round(ORDER_PER_KILOHERTZ * sample_rate / 1000), size // 2, speech.shape[1]
    window = torch.hann_window(size, device=speech.device).sqrt()
    emphasised = functional.pad(speech[:, 1:] - TILT * speech[:, :-1], (1, 0))
    around = (hop, hop + -length % hop)
    frames, sources = (
        functional.pad(wave, around).unfold(1, size, hop) * window for wave in (emphasised, noise)
    )  # (B, T, size)
    power = torch.fft.rfft(frames, 2 * size).abs().square()
    correlation = torch.fft.irfft(power)[..., : order + 1] / size  # (B, T, order + 1)
    coefficients, residual = prediction(correlation)
    inverse = torch.fft.rfft(torch.cat([torch.ones_like(residual)[..., None], -coefficients], 2), size)
    shaped = torch.fft.rfft(sources) / inverse.abs().clamp(min=1e-3) * residual.clamp(min=0).sqrt()[..., None]
    made = (torch.fft.irfft(shaped, size) * window).transpose(1, 2)  # (B, size, T)
    wave = functional.fold(made, (1, (frames.shape[1] + 1) * hop), (1, size), stride=(1, hop))[:, 0, 0]
    wave = wave[:, hop : hop + length]
    levels = (x.square().mean(1, keepdim=True) for x in (speech, wave))
    wanted, got = levels
    return wave * (wanted / got.clamp(min=1e-12)).sqrt()


def prediction(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """The linear predictors of signals (Levinson and Durbin's recursion).

    Args:
        correlation: (..., P + 1) float32, autocorrelations at lags 0 to P; of silence, zeros.

    Returns:
        coefficients (..., P) of the last P samples, the latest first, and the power (...) that they leave
        unexplained. A white floor 50 dB down keeps it positive.
    """
    floor = correlation[..., 0] * 1e-5 + 1e-12
    error = correlation[..., 0] + floor
    coefficients = correlation.new_zeros(*correlation.shape[:-1], 0)
    for lag in range(1, correlation.shape[-1]):
        known = (coefficients * correlation[..., 1:lag].flip(-1)).sum(-1)
        reflection = (correlation[..., lag] - known) / error
        coefficients = torch.cat(
            [coefficients - reflection[..., None] * coefficients.flip(-1), reflection[..., None]], -1
        )
        error = error * (1 - reflection.square()).clamp(min=1e-6)
    return coefficients, error
