"""Sizes of a FastEnhancer as its files have them."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.spec import EnhancementSpec


@dataclass(frozen=True)
class Widths:
    """Sizes of a FastEnhancer.

    Attributes:
        channels: of the convolutions.
        kernels: of the convolutions behind the first, over frequency.
        first: (kernel, stride) of the first and the last convolution.
        bins: frequencies behind the first convolution.
        block_channels, block_bins, blocks, heads: as in the model's options.
    """

    channels: int
    kernels: tuple[int, ...]
    first: tuple[int, int]
    bins: int
    block_channels: int
    block_bins: int
    blocks: int
    heads: int

    @classmethod
    def of(cls, spec: EnhancementSpec) -> Widths:
        options = spec.options
        first, *others = options["kernel_sizes"]
        return cls(
            channels=options["channels"],
            kernels=tuple(others),
            first=(first, options["stride"]),
            bins=spec.front_end.n_fft // 2 // options["stride"],
            block_channels=options["block_channels"],
            block_bins=options["block_bins"],
            blocks=options["blocks"],
            heads=options["heads"],
        )
