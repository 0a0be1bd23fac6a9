"""What all forms of FastEnhancer share: convolutions over frequency around something at few frequencies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.frequency_conv import (
    FrequencyConv,
    NormalizedFrequencyConvTranspose,
    SkipConv,
    SkipSequential,
    StridedFrequencyConv,
)
from zoo.layers.spectrum import complex_product, compress, decompress
from zoo.models.fastenhancer.filters import clipped_filters
from zoo.models.fastenhancer.rows import IntoRows, OutOfRows
from zoo.networks.streaming import State, StreamingModule
from zoo.spec import EnhancementSpec


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What all forms of FastEnhancer are made from.

    Attributes:
        channels: of the convolutions.
        kernel_sizes: over frequency; the first convolution has the stride.
        stride: of the first convolution, by which frequencies are merged.
        block_channels, block_bins: channels and frequencies of the blocks.
        blocks: their number.
        trained_filters: whether the maps between ``block_bins`` and the convolutions' frequencies are
            trained (parameters) or fixed (buffers).
        compression: exponent of the magnitude.
    """

    channels: int
    kernel_sizes: tuple[int, ...]
    stride: int
    block_channels: int
    block_bins: int
    blocks: int
    trained_filters: bool
    compression: float


class MaskUNet(StreamingModule):
    """Complex ratio mask on the compressed spectrum without its last bin.

    A subclass takes options of its own, and hands ``assemble`` what makes its blocks; what its convolutions
    have another form for, it overrides.

    Args:
        spec: the model's record.
        sizes: of ``Sizes``.
    """

    middle = "rf"  # the name of what is between encoder and decoder
    filters = staticmethod(clipped_filters)
    biases = False  # of the encoder's convolutions, and of those that take what it skipped

    def __init__(self, spec: EnhancementSpec, **sizes: Any) -> None:
        super().__init__()
        self.spec = spec
        self.sizes = Sizes(**sizes)
        self.bins = spec.front_end.n_fft // 2 // self.sizes.stride  # behind the first convolution

    def assemble(self, block: Callable[[bool], nn.Module]) -> None:
        """Make all layers, in the order of their parameters.

        Args:
            block: makes one; called with whether it is the first.
        """
        sizes = self.sizes
        first, *others = sizes.kernel_sizes
        into, out_of = self.filters(self.bins, sizes.block_bins)
        self.enc_pre = self.first_conv(first)
        self.encoder = nn.ModuleList([self.encoder_conv(kernel_size) for kernel_size in others])
        self.add_module(f"{self.middle}_pre", self.into_blocks(into))
        blocks = nn.ModuleList([block(i == 0) for i in range(sizes.blocks)])
        self.add_module(f"{self.middle}_block", blocks)
        self.add_module(f"{self.middle}_post", self.out_of_blocks(out_of))
        self.decoder = nn.ModuleList([self.decoder_conv(kernel_size) for kernel_size in reversed(others)])
        self.dec_post = self.last_conv(first)
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, F, T, 2)"""
        x = x.permute(0, 2, 3, 1)[..., :-1]  # (B, T, 2, F - 1)
        x = compress(x, self.sizes.compression)
        mask, state = self.mask(x.transpose(1, 2), state)
        enhanced = decompress(complex_product(x, mask.transpose(1, 2)), self.sizes.compression)
        return functional.pad(enhanced, (0, 1)).permute(0, 3, 1, 2), state

    def mask(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, 2, T, F) -> (B, 2, T, F)"""
        y = self.enc_pre(x)  # (B, C, T, F')
        skips = [y]
        for layer in self.encoder:
            y = layer(y)
            skips.append(y)
        y, state = self.between(y, state)
        for layer in (*self.decoder, self.dec_post):
            y = layer(y, skips.pop())
        return y, state

    def between(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, T, F') -> (B, C, T, F')"""
        y = self.get_submodule(f"{self.middle}_pre")(y)
        y, state = self.through_blocks(y, state)
        return self.get_submodule(f"{self.middle}_post")(y), state

    def through_blocks(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F'', C') -> (T, B, F'', C')"""
        for block in self.get_submodule(f"{self.middle}_block").children():
            y, state = block(y, state)
        return y, state

    def first_conv(self, kernel_size: int) -> nn.Module:
        """Merges ``stride`` frequencies: (B, 2, T, F) -> (B, C, T, F')"""
        channels, stride = self.sizes.channels, self.sizes.stride
        return nn.Sequential(
            StridedFrequencyConv(
                2, channels, kernel_size, stride, (kernel_size - stride) // 2, bias=self.biases
            ),
            self.norm(),
            nn.SiLU(),
        )

    def encoder_conv(self, kernel_size: int) -> nn.Module:
        """A convolution whose output the decoder gets as well: (B, C, T, F') -> (B, C, T, F')"""
        return nn.Sequential(*self.conv_norm_act(kernel_size, self.biases))

    def into_blocks(self, filters: Tensor) -> nn.Module:
        """(B, C, T, F') -> (T, B, F'', C')"""
        sizes = self.sizes
        return IntoRows(filters, sizes.trained_filters, sizes.channels, sizes.block_channels)

    def out_of_blocks(self, filters: Tensor) -> nn.Module:
        """(T, B, F'', C') -> (B, C, T, F')"""
        sizes = self.sizes
        return OutOfRows(filters, sizes.trained_filters, sizes.block_channels, sizes.channels)

    def decoder_conv(self, kernel_size: int) -> nn.Module:
        """Over what came before and the encoder's output: twice (B, C, T, F') -> (B, C, T, F')"""
        return SkipSequential(*self.skip_norm_act(self.biases), *self.conv_norm_act(kernel_size, False))

    def last_conv(self, kernel_size: int) -> nn.Module:
        """Back to all frequencies: twice (B, C, T, F') -> (B, 2, T, F)"""
        sizes = self.sizes
        return SkipSequential(
            *self.skip_norm_act(False),
            NormalizedFrequencyConvTranspose(sizes.channels, 2, kernel_size, sizes.stride, self.bins),
        )

    def norm(self) -> nn.Module:
        """Behind a convolution: (B, C, T, F') -> (B, C, T, F')"""
        return nn.BatchNorm2d(self.sizes.channels)

    def conv_norm_act(self, kernel_size: int, bias: bool) -> tuple[nn.Module, ...]:
        """Convolution that keeps the number of frequencies, norm, SiLU."""
        channels = self.sizes.channels
        return FrequencyConv(channels, channels, kernel_size, bias=bias), self.norm(), nn.SiLU()

    def skip_norm_act(self, bias: bool) -> tuple[nn.Module, ...]:
        """Pointwise convolution over what came before and the encoder's output, norm, SiLU."""
        channels = self.sizes.channels
        return SkipConv(channels, channels, bias=bias), self.norm(), nn.SiLU()
