"""Vocos: a waveform from log-mel frames by the magnitudes and phases of a short-time spectrum.

H. Siuzdak: Vocos: Closing the Gap between Time-Domain and Fourier-Based Neural Vocoders for High-Quality
Audio Synthesis, ICLR 2024. Blocks are those of Z. Liu et al.: A ConvNet for the 2020s, CVPR 2022.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.conv import CausalConv2d, with_past
from zoo.layers.stft import ISTFT
from zoo.networks.streaming import State, Stateful
from zoo.networks.vocoder import VocoderNetwork
from zoo.signal.mel import spread
from zoo.spec import MelSpectrum, VocoderSpec

Params = dict[str, Tensor]
LOUDEST = 100.0  # magnitude of a bin at most, as in the public implementation


class Vocos(VocoderNetwork):
    """The network of the paper, every convolution looking ``future`` frames ahead.

    Inside, frames are the second axis and channels the last. Where the paper's convolutions have zeros beside
    them, these have what the frames before the beginning and behind the end, silence, make.

    Args:
        spec: its record; its ``look_ahead`` is ``future`` times one more than the blocks.
        channels: of the frames between the blocks.
        hidden: of a block.
        blocks: ConvNeXt blocks.
        kernel: frames of a convolution.
        future: those behind the present one among them.
        envelope: multiply magnitudes by what the frames alone tell of them, so that the network gives the
            difference. The paper has no such thing; a small network is better and learns faster with it.
    """

    def __init__(
        self,
        spec: VocoderSpec,
        *,
        channels: int,
        hidden: int,
        blocks: int,
        kernel: int,
        future: int,
        envelope: bool = False,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.silence = math.log(spec.front_end.floor)
        self.embed = AheadConv2d(spec.front_end.mels, channels, kernel, future)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.blocks = nn.ModuleList(Block(channels, hidden, blocks, kernel, future) for _ in range(blocks))
        self.final_norm = nn.LayerNorm(channels, eps=1e-6)
        self.head = nn.Linear(channels, 2 * spec.inverse.bins)
        self.envelope = Envelope(spec.front_end, spec.look_ahead) if envelope else None
        self.istft = ISTFT(spec.inverse)
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, mels) -> (B, T x hop), ``spec.latency`` samples late"""
        spectrum, state = self.spectrum(x, state)
        return self.istft(spectrum, state)

    def spectrum(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, mels) -> (B, F, T, 2), ``spec.look_ahead`` frames late"""
        mel = x - self.silence
        x, _, state = self.embed(mel.transpose(1, 2).unsqueeze(3), state)  # of (B, mels, T, 1)
        x = self.norm(x)
        for block in self.blocks:
            x, state = block(x, state)
        magnitude, phase = self.head(self.final_norm(x)).transpose(1, 2).chunk(2, dim=1)  # (B, F, T)
        magnitude = magnitude.exp().clamp_max(LOUDEST)
        if self.envelope is not None:
            expected, state = self.envelope(mel, state)
            magnitude = magnitude * expected
        return torch.stack([magnitude * phase.cos(), magnitude * phase.sin()], dim=3), state


class Envelope(nn.Module, Stateful):
    """Magnitudes of bins as far as log-mel frames tell them: each filter's share of them, frames late.

    Bins beyond the filters are as the nearest within. No parameters.

    Args:
        front_end: of the frames.
        late: frames.
    """

    shares: Tensor

    def __init__(self, front_end: MelSpectrum, late: int) -> None:
        super().__init__()
        self.late, self.silence = late, math.log(front_end.floor)
        self.mels = front_end.mels
        self.register_buffer("shares", torch.from_numpy(spread(front_end)), persistent=False)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"past": (self.late, self.mels)}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, mels), 0 in silence -> (B, F, T)"""
        name = self.state_name("past")
        joined = torch.cat([state[name], x], dim=1)
        present, past = joined.narrow(1, 0, x.shape[1]), joined.narrow(1, x.shape[1], self.late)
        magnitude = (present + self.silence).exp() @ self.shares
        return magnitude.transpose(1, 2), {**state, name: past}


class Block(nn.Module):
    """A convolution over the frames of each channel, then two linear layers, added to the present frame.

    Args:
        channels, hidden, kernel, future: as of ``Vocos``.
        of: blocks in all, which the last layer's scale begins with.
    """

    def __init__(self, channels: int, hidden: int, of: int, kernel: int, future: int) -> None:
        super().__init__()
        self.dwconv = AheadConv2d(channels, channels, kernel, future, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, hidden)
        self.pwconv2 = ScaledLinear(hidden, channels, 1 / of)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) -> (B, T, C), ``future`` frames late"""
        y, present, state = self.dwconv(x.transpose(1, 2).unsqueeze(3), state)
        y = self.pwconv2(functional.gelu(self.pwconv1(self.norm(y))))
        return present + y, state


class AheadConv2d(CausalConv2d):
    """Convolution over frames that is ``future`` frames late, and so sees as many ahead.

    Args:
        in_channels, out_channels, groups: as in ``nn.Conv2d``.
        kernel: frames.
        future: those behind the present one among them.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, future: int, groups: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, (kernel, 1), bins=1, groups=groups)
        self.future = future

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, State]:  # type: ignore[override]
        """(B, C, T, 1) -> (B, T, C'), and the frames that it is of, (B, T, C)"""
        joined, state = with_past(self, x, state)
        y = nn.Conv2d.forward(self, joined)
        present = joined.narrow(2, self.context - self.future, x.shape[2])
        return y.squeeze(3).transpose(1, 2), present.squeeze(3).transpose(1, 2), state

    def streaming_twin(self) -> AheadConv2d:
        kernel, _ = self.kernel_size
        return AheadConv2d(self.in_channels, self.out_channels, kernel, self.future, self.groups)

    def streaming_parameters(self, own: Params) -> Params:
        return own


class ScaledLinear(nn.Linear):
    """A linear layer whose outputs are scaled, each by a number of its own; its twin has them in its
    matrix."""

    def __init__(self, in_features: int, out_features: int, scale: float) -> None:
        super().__init__(in_features, out_features)
        self.gamma = nn.Parameter(torch.full((out_features,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C')"""
        return super().forward(x) * self.gamma

    def streaming_twin(self) -> nn.Linear:
        return nn.Linear(self.in_features, self.out_features)

    def streaming_parameters(self, own: Params) -> Params:
        gamma = own["gamma"]
        return {"weight": own["weight"] * gamma.unsqueeze(1), "bias": own["bias"] * gamma}
