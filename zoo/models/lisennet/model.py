"""LiSenNet: sub-band convolutions and dual-path recurrence on magnitude and phase differences.

H. Yan, J. Zhang, C. Fan, Y. Zhou, P. Liu: LiSenNet: Lightweight Sub-band and Dual-Path Modeling for
Real-Time Speech Enhancement, ICASSP 2025, in the causal form with a complex mask that the public
FastEnhancer repository trains. Parameter names are those of its training form.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.conv import CausalConv2d
from zoo.layers.recurrent import TimeGRU, run_recurrent
from zoo.layers.spectrum import FLOOR, complex_product, decompress
from zoo.networks.streaming import State, Stateful, StreamingModule
from zoo.spec import EnhancementSpec, FrontEnd

LARGE = 3e38  # hardly below the largest float32
EDGE = 1e-6  # half turns; little, yet several steps of float32 next to 1


class LiSenNet(StreamingModule):
    """Complex ratio mask on the compressed spectrum.

    Inside, the frames of all streams are one axis, those of a time side by side: (T x B, C, F).

    Args:
        spec: the model's record.
        channels: of the blocks, a multiple of 4.
        blocks: their number.
        compression: exponent of the magnitude.
    """

    reads_phase = True

    def __init__(self, spec: EnhancementSpec, *, channels: int, blocks: int, compression: float) -> None:
        super().__init__()
        self.spec = spec
        self.compression = compression
        bins = spec.front_end.bins
        self.phase = PhaseDifferences(spec.front_end)
        self.encoder = Encoder(channels, bins)
        self.blocks = nn.ModuleList([Block(channels, bins // 8) for _ in range(blocks)])
        self.decoder = Decoder(channels, bins)
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, F, T, 2)"""
        streams, _, frames, _ = x.shape
        x = x.permute(2, 0, 3, 1).flatten(0, 1)  # (T x B, 2, F)
        magnitude = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        gain = magnitude.clamp(min=FLOOR).pow(self.compression - 1)
        differences, state = self.phase(x, state)
        skips, state = self.encoder(torch.cat([magnitude * gain, differences], dim=1), state)
        y = skips[-1]
        for block in self.blocks:
            y, state = block(y, state)
        mask, state = self.decoder(y, skips, state)  # (T x B, 2, F)
        enhanced = decompress(complex_product(x * gain, mask), self.compression)
        return enhanced.unflatten(0, (frames, streams)).permute(1, 3, 0, 2), state


class PhaseDifferences(nn.Module, Stateful):
    """How far the phase turns from bin to bin, and from frame to frame beyond what the hop explains.

    Group delay and instantaneous frequency deviation, in half turns from -1 to 1. Real numbers have
    phases 0 and 1, so many of their differences are whole half turns, for which 1 and -1 are the same
    angle but two values to a network. That choice must not be left to the rounding of a transform:

    - 0 Hz and half the sample rate are real in every spectrum of a real signal. Their imaginary parts are
      taken for zeros.
    - In digital silence (where a negative zero has phase 1, as any negative number) and for other real
      numbers, ``wrapping`` chooses as the public training form does.

    Args:
        front_end: the spectrum's geometry, frames half a window apart.
    """

    scale: Tensor
    advance: Tensor
    rounding: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.bins = front_end.bins
        scale = torch.full((self.bins,), 1 / math.pi)
        scale[[0, -1]] = 0
        advance, rounding = wrapping(front_end)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("advance", advance, persistent=False)
        self.register_buffer("rounding", rounding, persistent=False)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"past": (1, self.bins)}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Spectrum (T x B, 2, F), real part before imaginary part -> differences (T x B, 2, F)"""
        name = self.state_name("past")
        real, imag = x.split(1, dim=1)  # (T x B, 1, F)
        inverse = real.reciprocal().clamp(-LARGE, LARGE)  # zeros keep their sign, and nothing is 0 x inf
        phase = (imag * inverse).atan() * self.scale + (inverse < 0).to(x.dtype)  # modulo a turn
        frame_before, after = previous(phase, state[name])
        bin_before = functional.pad(phase[..., :-1], (1, 0))
        turned = phase - torch.cat([bin_before, frame_before], dim=1) - self.advance
        return turned - 2 * (turned * self.rounding).round(), {**state, name: after}


class FrameConv(nn.Conv2d):
    """Convolution over frequency whose input channels are those of one or two frames, the earlier first.

    Parameters as in ``nn.Conv2d`` with a kernel over time and frequency.

    Args:
        in_channels: of one frame.
        out_channels: of the output.
        kernel_size: (frames, frequency).
        stride, padding: over frequency.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, (1, stride), (0, padding))

    def forward(self, x: Tensor) -> Tensor:
        """(T x B, frames x C, F) -> (T x B, C', F')"""
        weight = self.weight.transpose(1, 2).flatten(1, 2)  # (C', frames x C, kernel)
        return functional.conv1d(x, weight, self.bias, self.stride[1], int(self.padding[1]))


class FrameNorm(nn.Module):
    """Layer norm over channels and frequencies of a frame.

    Args:
        channels, bins: of a frame.
        shared: whether all channels share the parameters.
    """

    def __init__(self, channels: int, bins: int, *, shared: bool = True) -> None:
        super().__init__()
        self.shape = (channels, bins)
        shape = (1, 1 if shared else channels, 1, bins)
        self.gamma, self.beta = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        """(T x B, C, F) -> (T x B, C, F)"""
        weight, bias = (value[0, :, 0].expand(self.shape) for value in (self.gamma, self.beta))
        return functional.layer_norm(x, self.shape, weight, bias)


class SubbandConv(nn.Module, Stateful):
    """Halves the frequencies: the lowest quarter stays, the rest is merged by threes. Reads the frame before.

    Args:
        in_channels, out_channels: of a frame.
        bins: frequencies of the input.
    """

    def __init__(self, in_channels: int, out_channels: int, bins: int) -> None:
        super().__init__()
        self.in_channels, self.bins = in_channels, bins
        self.low_conv = FrameConv(in_channels, out_channels, (2, 3), padding=1)
        self.high_conv = FrameConv(in_channels, out_channels, (2, 5), stride=3, padding=1)
        self.norm = FrameNorm(out_channels, bins // 2)
        self.act = nn.PReLU(out_channels)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"past": (self.in_channels, self.bins)}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T x B, C, F) -> (T x B, C', F // 2)"""
        name = self.state_name("past")
        before, after = previous(x, state[name])
        low, high = torch.cat([before, x], dim=1).split([self.bins // 4, self.bins - self.bins // 4], dim=2)
        y = torch.cat([self.low_conv(low), self.high_conv(high)], dim=2)
        return self.act(self.norm(y)), {**state, name: after}


class SubbandUpsampling(nn.Module):
    """Doubles the frequencies: the lower half stays, each of the upper half becomes three.

    Args:
        in_channels, out_channels: of a frame.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.low_conv = FrameConv(in_channels, out_channels, (1, 3), padding=1)
        self.high_conv = SubpixelConv(in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(T x B, C, F) -> (T x B, C', 2 F)"""
        low, high = x.chunk(2, dim=2)
        return torch.cat([self.low_conv(low), self.high_conv(high)], dim=2)


class SubpixelConv(nn.Module):
    """Convolution over frequency with several outputs a bin, which become bins.

    Args:
        in_channels, out_channels: of a frame.
        factor: outputs a bin.
    """

    def __init__(self, in_channels: int, out_channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.conv = FrameConv(in_channels, factor * out_channels, (1, 3), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(T x B, C, F) -> (T x B, C', factor x F)"""
        return self.conv(x).unflatten(1, (self.factor, -1)).permute(0, 2, 3, 1).flatten(2)


class Encoder(nn.Module):
    """A pointwise convolution, then three layers that halve the frequencies.

    Args:
        channels: after the last layer.
        bins: frequencies of the input.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        first, second, third = (channels * quarters // 4 for quarters in (1, 2, 3))
        self.conv_1 = nn.Sequential(FrameConv(3, first, (1, 1)), FrameNorm(first, bins), nn.PReLU(first))
        self.conv_2 = SubbandConv(first, second, bins)
        self.conv_3 = SubbandConv(second, third, bins // 2)
        self.conv_4 = SubbandConv(third, channels, bins // 4)

    def forward(self, x: Tensor, state: State) -> tuple[list[Tensor], State]:
        """(T x B, 3, F) -> the outputs of the last three layers, state"""
        x, skips = self.conv_1(x), []
        for layer in (self.conv_2, self.conv_3, self.conv_4):
            x, state = layer(x, state)
            skips.append(x)
        return skips, state


class Block(nn.Module):
    """Dual-path recurrence, then a gated convolution.

    Args:
        channels, bins: of a frame.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.dp_rnn_attn = DualPath(channels, bins)
        self.conv_glu = GatedConv(channels, bins)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T x B, C, F) -> (T x B, C, F)"""
        y, state = self.dp_rnn_attn(x.transpose(1, 2), state)
        return self.conv_glu(y.transpose(1, 2), state)


class DualPath(nn.Module):
    """Recurrence over frequency in both directions, then over time, each behind a norm and with a residual.

    Args:
        channels, bins: of a frame.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        hidden = channels * 3 // 2
        self.intra_norm = nn.LayerNorm((bins, channels))
        self.intra_rnn_attn = Recurrence(FrequencyGRU(channels, hidden // 2), hidden, channels)
        self.inter_norm = nn.LayerNorm((bins, channels))
        self.inter_rnn_attn = Recurrence(TimeGRU(channels, hidden, rows=bins), hidden, channels)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T x B, F, C) -> (T x B, F, C)"""
        y, state = self.intra_rnn_attn(self.intra_norm(x), state)
        x = x + y
        y, state = self.inter_rnn_attn(by_time(self.inter_norm(x), state), state)
        return x + y.flatten(0, 1), state


class Recurrence(nn.Module):
    """A recurrent and a linear layer.

    Args:
        rnn: (..., C) -> (..., H), with state.
        hidden, channels: H and C.
    """

    def __init__(self, rnn: nn.Module, hidden: int, channels: int) -> None:
        super().__init__()
        self.rnn = rnn
        self.dense = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(..., C) -> (..., C)"""
        y, state = self.rnn(x, state)
        return self.dense(y), state


class FrequencyGRU(nn.GRU):
    """GRU over the frequencies of each frame in both directions. Parameters as in ``nn.GRU``.

    Args:
        input_size: channels in.
        hidden_size: channels out of each direction.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, bidirectional=True)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(T x B, F, C) -> (T x B, F, 2 H)"""
        y, _ = run_recurrent(self, x.transpose(0, 1))
        return y.transpose(0, 1), state


class GatedConv(nn.Module):
    """Gated linear unit whose gate is a depthwise convolution over three frames and three frequencies.

    Args:
        channels, bins: of a frame.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        hidden = 2 * channels
        self.norm = FrameNorm(channels, bins, shared=False)
        self.fc1 = FrameConv(channels, 2 * hidden, (1, 1))
        self.dwconv = CausalConv2d(hidden, hidden, (3, 3), bins=bins, groups=hidden)
        self.fc2 = FrameConv(hidden, channels, (1, 1))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T x B, C, F) -> (T x B, C, F)"""
        gate, value = self.fc1(self.norm(x)).chunk(2, dim=1)
        gate, state = self.dwconv(by_time(gate, state).permute(1, 2, 0, 3), state)  # (B, 2 C, T, F)
        gate = gate.permute(2, 0, 1, 3).flatten(0, 1)
        return x + self.fc2(self.dropout(mish(gate) * value)), state


class Decoder(nn.Module, Stateful):
    """Three layers that double the frequencies, each reading its counterpart as well, then the mask.

    Args:
        channels: of the input.
        bins: frequencies of the mask.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        first, second, last = (channels * quarters // 4 for quarters in (3, 2, 1))
        self.up1 = SubbandUpsampling(2 * channels, first)
        self.up2 = SubbandUpsampling(2 * first, second)
        self.up3 = SubbandUpsampling(2 * second, last)
        self.mask_conv = nn.Sequential(
            FrameConv(last, 2, (2, 2), padding=1), FrameNorm(2, bins), nn.PReLU(2), FrameConv(2, 2, (1, 1))
        )
        self.lsigmoid = SlopedSigmoid(bins)
        self.past_shape = (last, bins - 1)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"past": self.past_shape}

    def forward(self, x: Tensor, skips: list[Tensor], state: State) -> tuple[Tensor, State]:
        """(T x B, C, F // 8) -> (T x B, 2, F)"""
        for layer, skip in zip((self.up1, self.up2, self.up3), reversed(skips), strict=True):
            x = layer(torch.cat([x, skip], dim=1))
        name = self.state_name("past")
        before, after = previous(x, state[name])
        mask = self.mask_conv(torch.cat([before, x], dim=1))
        return self.lsigmoid(mask), {**state, name: after}


class SlopedSigmoid(nn.Module):
    """Sigmoid with a trained slope a frequency."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(bins, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., F)"""
        return (x * self.slope.flatten()).sigmoid()


def by_time(x: Tensor, state: State) -> Tensor:
    """(T x B, ...) -> (T, B, ...), for the streams that the state belongs to."""
    streams = next(iter(state.values())).shape[0]
    return x.unflatten(0, (-1, streams))


def previous(x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """The frame before each, and the last one of every stream.

    (T x B, ...), (B, ...) -> (T x B, ...), (B, ...)
    """
    count, streams = x.shape[0], past.shape[0]
    if count == streams:
        return past, x
    # by lengths, not by x[:-streams]: where both numbers are free, the exporter must know that count is kept
    return torch.cat([past, x]).narrow(0, 0, count), x.narrow(0, count - streams, streams)


def mish(x: Tensor) -> Tensor:
    """x tanh(log(1 + exp x)) (Misra, 2020) as a fraction, which takes less time in a graph.

    (...) -> (...)
    """
    exponential = x.clamp(max=20).exp()  # beyond, the fraction is 1 in float32
    product = exponential * (exponential + 2)
    return x * (product / (product + 2))


def wrapping(front_end: FrontEnd) -> tuple[Tensor, Tensor]:
    """Constants that bring a difference d of phases, in half turns, to between -1 and 1.

    That is w - 2 round(w r) with w = d - a, where a is the phase advance of a hop modulo a turn and r is
    1/2. Between real numbers d is -1, 0 or 1, and may come to lie on the edge. The public training form
    computes in float32 radians, so that its rounding of pi decides the side, for each bin its own.
    ``EDGE`` on a or r chooses the same side.

    Returns:
        a and r, (2, F): for differences between bins, where a is 0, and between frames.

    Raises:
        ValueError: frames are not half a window apart, so that a hop is no whole number of half turns.
    """
    if front_end.n_fft != 2 * front_end.hop_length:
        raise ValueError(f"LiSenNet takes frames half a window apart; {front_end} has others")
    bins = torch.arange(front_end.bins, dtype=torch.float32)
    radians = torch.stack([torch.zeros_like(bins), bins * math.pi])

    def side(difference: int) -> Tensor:
        return (difference * torch.tensor(math.pi) - radians).double().sin().sign()

    odd = torch.stack([torch.zeros_like(bins), bins % 2])
    forward, backward = side(1), side(-1)
    same = torch.where(odd == 1, side(0), (forward + backward) / 2)  # 0 where the two differ:
    opposed = (1 - odd) * (backward - forward) / 2  # 1 if both go over the edge, -1 if neither does
    return (odd + EDGE * same).float(), ((1 + EDGE * opposed) / 2).float()
