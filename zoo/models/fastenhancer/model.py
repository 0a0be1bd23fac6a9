"""FastEnhancer: convolutions over frequency around blocks of recurrence over time and attention.

S. Ahn, J. Han, B. J. Woo, N. S. Kim: FastEnhancer: Speed-Optimized Streaming Neural Speech Enhancement,
2025. Parameter names are those of the public implementation's training form.
"""

from __future__ import annotations

from typing import Any

from zoo.models.fastenhancer.blocks import Block
from zoo.models.fastenhancer.filters import linear_filters
from zoo.models.fastenhancer.unet import MaskUNet
from zoo.spec import EnhancementSpec


class FastEnhancer(MaskUNet):
    """The network of the paper.

    Args:
        spec, sizes: as in ``MaskUNet``.
        heads: of the attention.
    """

    block = Block
    filters = staticmethod(linear_filters)

    def __init__(self, spec: EnhancementSpec, *, heads: int, **sizes: Any) -> None:
        super().__init__(spec, **sizes)
        channels, bins = self.sizes.block_channels, self.sizes.block_bins
        self.assemble(lambda first: self.block(channels, bins, heads, positional=first))
