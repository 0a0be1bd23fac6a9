"""Layers of GTCRN alone, each beside its streaming twin, which does the same in fewer and larger steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.layers.conv import CausalConvTranspose2d, UpsamplingConv2d
from zoo.layers.recurrent import TimeGRU
from zoo.layers.spectrum import complex_product
from zoo.networks.streaming import State

Params = dict[str, Tensor]


class TemporalAttention(nn.Module):
    """A gain a channel and frame, from a GRU over the channels' energies.

    Args:
        channels, bins: of a frame.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.att_gru = TimeGRU(channels, channels * 2, rows=1)
        self.att_fc = nn.Linear(channels * 2, channels)

    def energy(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C, T, 1)"""
        return (x * x).mean(-1, keepdim=True)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, T, F) -> (B, C, T, F)"""
        energy = self.energy(x).permute(2, 0, 3, 1)  # (T, B, 1, C)
        hidden, state = self.att_gru(energy, state)  # (T, B, 1, 2 C)
        gain = self.att_fc(hidden.flatten(0, 2)).sigmoid()  # (T x B, C)
        return x * gain.view(energy.shape).permute(1, 3, 0, 2), state

    def streaming_twin(self) -> SummingAttention:
        return SummingAttention(self.att_gru.input_size, self.bins)

    def streaming_parameters(self, own: Params) -> Params:
        return {**own, "att_gru.weight_ih_l0": own["att_gru.weight_ih_l0"] / self.bins}


class SummingAttention(TemporalAttention):
    """Twin of ``TemporalAttention``: sums, of which the weights of the GRU make means."""

    def energy(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C, T, 1)"""
        return (x * x).sum(-1, keepdim=True)


class MaskConv(CausalConvTranspose2d):
    """The convolution that makes the mask: its real and its imaginary part.

    Its twin makes the four numbers that ``MatrixProduct`` takes: real, -imaginary, imaginary, real. What lies
    between the two, GTCRN's tanh, must be odd.
    """

    def streaming_twin(self) -> UpsamplingConv2d:
        kernel, stride = (1, self.kernel_size[1]), self.stride[1]
        return CausalConvTranspose2d(
            self.in_channels, 4, kernel, bins=self.bins, stride=stride
        ).streaming_twin()

    def streaming_parameters(self, own: Params) -> Params:
        real, imaginary = own["weight"].chunk(2, dim=1)  # (in, 1, 1, kernel)
        weight = torch.cat([real, -imaginary, imaginary, real], dim=1)
        real, imaginary = own["bias"].chunk(2)
        bias = torch.cat([real, -imaginary, imaginary, real])
        return super().streaming_parameters({"weight": weight, "bias": bias})


class MaskProduct(nn.Module):
    """Complex product of spectrum and mask, real part before imaginary part. No parameters."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, 2, F), (N, 2, F) -> (N, 2, F)"""
        return complex_product(x, mask)

    def streaming_twin(self) -> MatrixProduct:
        return MatrixProduct()

    def streaming_parameters(self, own: Params) -> Params:
        return own


class MatrixProduct(nn.Module):
    """Twin of ``MaskProduct``: the mask is a real matrix of 2 x 2 in every bin."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, 2, F), (N, 4, F) -> (N, 2, F)"""
        return (mask.unflatten(1, (2, 2)) * x.unsqueeze(1)).sum(2)
