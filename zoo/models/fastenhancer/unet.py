"""What all forms of FastEnhancer share: convolutions over frequency around something at few frequencies."""

from __future__ import annotations

from collections.abc import Iterable

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
from zoo.networks.streaming import State, StreamingModule


class MaskUNet(StreamingModule):
    """Complex ratio mask on the compressed spectrum without its last bin.

    Subclasses have encoder and decoder, and define ``between``: what happens at few frequencies.
    """

    compression: float  # exponent of the magnitude
    enc_pre: nn.Sequential
    encoder: nn.ModuleList
    decoder: nn.ModuleList
    dec_post: nn.Sequential

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, F, T, 2)"""
        x = x.permute(0, 2, 3, 1)[..., :-1]  # (B, T, 2, F - 1)
        x = compress(x, self.compression)
        mask, state = self.mask(x.transpose(1, 2), state)
        enhanced = decompress(complex_product(x, mask.transpose(1, 2)), self.compression)
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
        raise TypeError(f"{type(self).__name__} must define between(y, state)")


def through_blocks(blocks: Iterable[nn.Module], y: Tensor, state: State) -> tuple[Tensor, State]:
    """(T, B, F'', C') -> (T, B, F'', C')"""
    for block in blocks:
        y, state = block(y, state)
    return y, state


def strided_conv(channels: int, kernel_size: int, stride: int) -> nn.Sequential:
    """The first convolution, which merges ``stride`` frequencies: (B, 2, T, F) -> (B, C, T, F / stride)"""
    return nn.Sequential(
        StridedFrequencyConv(2, channels, kernel_size, stride, (kernel_size - stride) // 2),
        nn.BatchNorm2d(channels),
        nn.SiLU(),
    )


def conv_norm_act(in_channels: int, out_channels: int, kernel_size: int) -> tuple[nn.Module, ...]:
    """Convolution that keeps the number of frequencies, batch norm, SiLU."""
    return (
        FrequencyConv(in_channels, out_channels, kernel_size, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.SiLU(),
    )


def skip_norm_act(channels: int) -> tuple[nn.Module, ...]:
    """Pointwise convolution over what came before and the encoder's output, batch norm, SiLU."""
    return SkipConv(channels, channels, bias=False), nn.BatchNorm2d(channels), nn.SiLU()


def encoder_convs(channels: int, kernel_sizes: Iterable[int]) -> nn.ModuleList:
    """Convolutions whose outputs the decoder gets as well."""
    return nn.ModuleList([nn.Sequential(*conv_norm_act(channels, channels, k)) for k in kernel_sizes])


def decoder_convs(channels: int, kernel_sizes: Iterable[int]) -> nn.ModuleList:
    """Convolutions over what came before and the encoder's output of the same depth."""
    return nn.ModuleList(
        [
            SkipSequential(*skip_norm_act(channels), *conv_norm_act(channels, channels, k))
            for k in kernel_sizes
        ]
    )


def mask_conv(channels: int, kernel_size: int, stride: int, bins: int) -> nn.Sequential:
    """The last convolutions, back to all frequencies: (B, 2 x C, T, bins) -> (B, 2, T, bins x stride)"""
    return SkipSequential(
        *skip_norm_act(channels),
        NormalizedFrequencyConvTranspose(channels, 2, kernel_size, stride, bins),
    )
