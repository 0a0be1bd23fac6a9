"""Short-time Fourier transform and its inverse on the stream's frame grid, with their twins.

Frame i ends with sample (i + 1) x hop, zeros standing before the first; the inverse gives the samples
that no later frame touches, n_fft - hop samples late. The twins use matrix products only: the
transform of N = N1 x N2 points as N1-point ones, then N2-point ones (Cooley and Tukey, 1965), with
window, twiddle factors and normalisation inside the matrices.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.streaming import State, Stateful
from zoo.signal.windows import analysis_window, synthesis_window, two_factors
from zoo.spec import FrontEnd

Params = dict[str, Tensor]


class STFT(nn.Module, Stateful):
    """Waveform to spectrum. No parameters."""

    window: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = front_end
        self.register_buffer("window", _tensor(analysis_window(front_end)), persistent=False)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"past": (self.front_end.delay,)}

    def forward(self, wave: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T x hop) -> (B, F, T, 2)"""
        name = self.state_name("past")
        wave = torch.cat([state[name], wave], dim=1)
        spectrum = self.transform(frames(wave, self.front_end))
        return spectrum, {**state, name: wave[:, wave.shape[1] - self.front_end.delay :]}

    def transform(self, cut: Tensor) -> Tensor:
        """Frames (B, T, n_fft) -> (B, F, T, 2)"""
        return torch.view_as_real(torch.fft.rfft(cut * self.window)).transpose(1, 2)

    def streaming_twin(self) -> MatrixSTFT:
        return MatrixSTFT(self.front_end)

    def streaming_parameters(self, own: Params) -> Params:
        return dft_matrices(self.front_end)


class MatrixSTFT(STFT):
    """Twin of ``STFT``: two matrix products."""

    inner: Tensor
    outer: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__(front_end)
        for name, matrix in dft_matrices(front_end).items():
            self.register_buffer(name, torch.empty_like(matrix))
        self.first, self.second = two_factors(front_end.n_fft)

    def transform(self, cut: Tensor) -> Tensor:
        """Frames (B, T, n_fft) -> (B, F, T, 2)"""
        batch, count, _ = cut.shape
        x = cut.reshape(-1, self.first, self.second).permute(2, 0, 1)  # (N2, B x T, N1)
        x = x @ self.inner  # (N2, B x T, N1 x 2)
        x = x.view(self.second, -1, self.first, 2).permute(1, 2, 0, 3)  # (B x T, N1, N2, 2)
        x = x.reshape(-1, self.first, self.second * 2) @ self.outer  # (B x T, N1, 2 x K2)
        x = x.view(-1, self.first, 2, self.second // 2 + 1).permute(0, 2, 3, 1)  # (B x T, 2, K2, N1)
        x = x.reshape(batch, count, 2, -1)[..., : self.front_end.bins]
        return x.permute(0, 3, 1, 2)


class DoubleSTFT(STFT):
    """``STFT`` computed in float64 and rounded once; it never gives a negative zero. No parameters.

    For networks that read phases: what rounding in float32 adds to a quiet bin beside loud ones is as good
    as nothing in a waveform, but turns that bin's phase.
    """

    def transform(self, cut: Tensor) -> Tensor:
        """Frames (B, T, n_fft) -> (B, F, T, 2)"""
        window = torch.from_numpy(analysis_window(self.front_end)).to(cut.device)
        spectrum = torch.view_as_real(torch.fft.rfft(cut.double() * window)).transpose(1, 2)
        return spectrum.to(cut.dtype) + 0.0  # -0 + 0 is 0

    def streaming_twin(self) -> DoubleMatrixSTFT:
        return DoubleMatrixSTFT(self.front_end)

    def streaming_parameters(self, own: Params) -> Params:
        return {}


class DoubleMatrixSTFT(MatrixSTFT):
    """Twin of ``DoubleSTFT``: the same two products. The matrices are no buffers, which become float32."""

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__(front_end)
        del self.inner, self.outer
        self.inner, self.outer = dft_matrices(front_end, torch.float64).values()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        """To another device the matrices follow, to another type they do not."""
        device = fn(self.window).device
        self.inner, self.outer = self.inner.to(device), self.outer.to(device)
        return super()._apply(fn, recurse)

    def transform(self, cut: Tensor) -> Tensor:
        """Frames (B, T, n_fft) -> (B, F, T, 2)"""
        return super().transform(cut.double()).to(cut.dtype)


class OverlapAdd(nn.Module, Stateful):
    """Windowed frames to waveform. No parameters."""

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = front_end

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"overlap": (self.front_end.delay,)}

    def forward(self, cut: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, n_fft) -> (B, T x hop)"""
        name = self.state_name("overlap")
        ready, overlap = overlap_add(cut, state[name], self.front_end)
        return ready, {**state, name: overlap}


class ISTFT(OverlapAdd):
    """Spectrum to waveform by windowed overlap-add. No parameters."""

    window: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__(front_end)
        self.register_buffer("window", _tensor(synthesis_window(front_end)), persistent=False)

    def forward(self, spectrum: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, T x hop)"""
        return super().forward(self.transform(spectrum), state)

    def transform(self, spectrum: Tensor) -> Tensor:
        """(B, F, T, 2) -> windowed frames (B, T, n_fft)"""
        spectrum = torch.view_as_complex(spectrum.transpose(1, 2).contiguous())
        return torch.fft.irfft(spectrum, n=self.front_end.n_fft) * self.window

    def streaming_twin(self) -> MatrixISTFT:
        return MatrixISTFT(self.front_end)

    def streaming_parameters(self, own: Params) -> Params:
        return inverse_dft_matrices(self.front_end)


class MatrixISTFT(ISTFT):
    """Twin of ``ISTFT``: two matrix products."""

    symmetry: Tensor
    outer: Tensor
    inner: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__(front_end)
        for name, matrix in inverse_dft_matrices(front_end).items():
            self.register_buffer(name, torch.empty_like(matrix))
        self.first, self.second = two_factors(front_end.n_fft)

    def transform(self, spectrum: Tensor) -> Tensor:
        """(B, F, T, 2) -> windowed frames (B, T, n_fft)"""
        batch, bins, count, _ = spectrum.shape
        blocks = self.second // 2 + 1
        x = spectrum.permute(0, 2, 3, 1) * self.symmetry  # (B, T, 2, F)
        x = functional.pad(x, (0, blocks * self.first - bins))
        x = x.reshape(-1, 2, blocks, self.first).permute(0, 3, 1, 2)  # (B x T, N1, 2, K2)
        x = x.reshape(-1, self.first, 2 * blocks) @ self.outer  # (B x T, N1, N2 x 2)
        x = x.view(-1, self.first, self.second, 2).permute(2, 0, 1, 3)  # (N2, B x T, N1, 2)
        x = x.reshape(self.second, -1, self.first * 2) @ self.inner  # (N2, B x T, N1)
        return x.permute(1, 2, 0).reshape(batch, count, self.front_end.n_fft)


def frames(wave: Tensor, front_end: FrontEnd) -> Tensor:
    """Overlapping frames of a waveform: (B, delay + T x hop) -> (B, T, n_fft)."""
    n_fft, hop = front_end.n_fft, front_end.hop_length
    if wave.shape[1] == n_fft:
        return wave.unsqueeze(1)
    parts = -(-n_fft // hop)
    blocks = functional.pad(wave, (0, parts * hop - n_fft)).unflatten(1, (-1, hop))  # (B, T + parts - 1, hop)
    count = blocks.shape[1] - parts + 1
    return torch.cat([blocks[:, i : i + count] for i in range(parts)], dim=2)[..., :n_fft]


def overlap_add(cut: Tensor, overlap: Tensor, front_end: FrontEnd) -> tuple[Tensor, Tensor]:
    """Sum of frames laid ``hop`` apart, and of what the frames before them left.

    Args:
        cut: (B, T, n_fft)
        overlap: (B, n_fft - hop), added to the front.

    Returns:
        (B, T x hop), which no later frame touches, and (B, n_fft - hop), which is left for them.
    """
    batch, count, n_fft = cut.shape
    hop, delay = front_end.hop_length, front_end.delay
    if count == 1:
        head, tail = cut.flatten(0, 1).split((delay, hop), dim=1) if delay else (overlap, cut.flatten(0, 1))
        head = head + overlap
        if hop == delay:
            return head, tail
        wave = torch.cat([head, tail], dim=1)
        return wave[:, :hop], wave[:, hop:]
    parts = -(-n_fft // hop)
    blocks = functional.pad(cut, (0, parts * hop - n_fft)).view(batch, count, parts, hop)
    shifted = [functional.pad(blocks[:, :, i], (0, 0, i, parts - 1 - i)) for i in range(parts)]
    wave = torch.stack(shifted).sum(0).view(batch, -1)[:, : count * hop + delay]
    wave = torch.cat([wave[:, :delay] + overlap, wave[:, delay:]], dim=1)
    return wave[:, : count * hop], wave[:, count * hop :]


def dft_matrices(front_end: FrontEnd, dtype: torch.dtype = torch.float32) -> Params:
    """Matrices of ``MatrixSTFT``.

    With n = N2 n1 + n2 and k = k1 + N1 k2, exp(-2 pi i n k / N) is the product of
    exp(-2 pi i n1 k1 / N1), exp(-2 pi i n2 k1 / N) and exp(-2 pi i n2 k2 / N2): the first two, with the
    window, make ``inner`` (N2, N1, N1 x 2), the third makes ``outer`` (N2 x 2, 2 x K2).
    """
    first, second = two_factors(front_end.n_fft)
    n1, k1 = np.arange(first), np.arange(first)
    n2, k2 = np.arange(second), np.arange(second // 2 + 1)
    inner = np.exp(-2j * np.pi * (n1[:, None] * k1 / first + n2[:, None, None] * k1 / front_end.n_fft))
    inner *= analysis_window(front_end).reshape(first, second).T[:, :, None]
    outer = np.exp(-2j * np.pi * n2[:, None] * k2 / second)
    return {
        "inner": _tensor(_real_to_complex(inner), dtype),
        "outer": _tensor(_parts_first(_complex_to_complex(outer), axis=1), dtype),
    }


def inverse_dft_matrices(front_end: FrontEnd) -> Params:
    """Matrices of ``MatrixISTFT``: the same factors with the sign turned.

    ``symmetry`` (F,) counts each bin as often as the full transform holds it, over N; ``outer`` is
    (2 x K2, N2 x 2); ``inner`` (N2, N1 x 2, N1) takes the real part and holds the synthesis window.
    """
    first, second = two_factors(front_end.n_fft)
    n1, k1 = np.arange(first), np.arange(first)
    n2, k2 = np.arange(second), np.arange(second // 2 + 1)
    symmetry = np.full(front_end.bins, 2 / front_end.n_fft)
    symmetry[[0, -1] if front_end.n_fft % 2 == 0 else [0]] /= 2
    outer = np.exp(2j * np.pi * k2[:, None] * n2 / second)
    inner = np.exp(
        2j * np.pi * (k1[:, None] * n1 / first + n2[:, None, None] * k1[:, None] / front_end.n_fft)
    )
    inner *= synthesis_window(front_end).reshape(first, second).T[:, None, :]
    return {
        "symmetry": _tensor(symmetry),
        "outer": _tensor(_parts_first(_complex_to_complex(outer), axis=0)),
        "inner": _tensor(np.stack([inner.real, -inner.imag], axis=2).reshape(second, first * 2, first)),
    }


def centred_stft(wave: Tensor, front_end: FrontEnd) -> Tensor:
    """Spectrum of frames centred on multiples of the hop, the signal reflected at its ends.

    (B, N) -> (B, F, 1 + N // hop, 2). Only to reproduce public offline results: the stream's frames
    lie elsewhere unless the hop is half the window.
    """
    window = _tensor(analysis_window(front_end)).to(wave)
    spectrum = torch.stft(wave, front_end.n_fft, front_end.hop_length, window=window, return_complex=True)
    return torch.view_as_real(spectrum)


def centred_istft(spectrum: Tensor, front_end: FrontEnd) -> Tensor:
    """Undo ``centred_stft``: (B, F, T, 2) -> (B, (T - 1) x hop)."""
    window = _tensor(analysis_window(front_end)).to(spectrum)
    spectrum = torch.view_as_complex(spectrum.contiguous())
    return torch.istft(spectrum, front_end.n_fft, front_end.hop_length, window=window)


def _tensor(values: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(dtype)


def _real_to_complex(matrix: np.ndarray) -> np.ndarray:
    """(..., n, k) complex -> (..., n, k x 2) real, for real inputs."""
    return np.stack([matrix.real, matrix.imag], axis=-1).reshape(*matrix.shape[:-1], -1)


def _complex_to_complex(matrix: np.ndarray) -> np.ndarray:
    """(n, k) complex -> (n x 2, k x 2) real, for inputs with real and imaginary part last."""
    rows = np.stack([matrix, 1j * matrix], axis=1)  # (n, 2, k)
    return np.stack([rows.real, rows.imag], axis=-1).reshape(2 * matrix.shape[0], -1)


def _parts_first(matrix: np.ndarray, axis: int) -> np.ndarray:
    """An axis n x 2, real and imaginary part side by side, as 2 x n."""
    halves = np.moveaxis(matrix, axis, -1)
    halves = halves.reshape(*halves.shape[:-1], -1, 2).swapaxes(-1, -2).reshape(halves.shape)
    return np.moveaxis(halves, -1, axis)
