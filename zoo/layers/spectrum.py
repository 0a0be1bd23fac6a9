"""Arithmetic on complex spectra: power-law compression and products."""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-5
"""Magnitude below which the compression is linear; that of the public implementations."""


def compress(spectrum: Tensor, exponent: float) -> Tensor:
    """Raise the magnitude to a power and keep the phase: X max(|X|, FLOOR)^(exponent - 1).

    (..., 2, F) -> (..., 2, F), real part before imaginary part.
    """
    power = (spectrum * spectrum).sum(-2, keepdim=True).clamp(min=FLOOR**2)
    return spectrum * _raised(power, (exponent - 1) / 2)


def decompress(spectrum: Tensor, exponent: float) -> Tensor:
    """Undo ``compress`` on magnitudes above its floor: Y |Y|^(1 / exponent - 1).

    (..., 2, F) -> (..., 2, F), real part before imaginary part.
    """
    power = (spectrum * spectrum).sum(-2, keepdim=True)
    return spectrum * _raised(power, (1 / exponent - 1) / 2)


def complex_product(a: Tensor, b: Tensor) -> Tensor:
    """Product of two complex tensors, real part before imaginary part.

    (..., 2, F), (..., 2, F) -> (..., 2, F)
    """
    a_real, a_imag = a.chunk(2, dim=-2)
    b_real, b_imag = b.chunk(2, dim=-2)
    return torch.cat([a_real * b_real - a_imag * b_imag, a_real * b_imag + a_imag * b_real], dim=-2)


def _raised(power: Tensor, exponent: float) -> Tensor:
    """A power of what is not negative; in an ONNX file by logarithms, in half the time."""
    return (power.log() * exponent).exp() if torch.onnx.is_in_onnx_export() else power.pow(exponent)
