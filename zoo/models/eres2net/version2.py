"""ERes2NetV2: ERes2Net with wider stages and a single fusion across them.

Y. Chen, S. Zheng, H. Wang et al.: ERes2NetV2: Boosting Short-Duration Speaker Verification Performance with
Computational Efficiency, Interspeech 2024.
Parameter names are those of the public 3D-Speaker, whose pooling adds less to the variance than wespeaker's.
"""

from __future__ import annotations

from torch import Tensor, nn

from zoo.layers.pooling import StatisticsPooling, keep
from zoo.models.eres2net.model import Fusion, Shape, stages
from zoo.networks.speaker import SpeakerNetwork
from zoo.spec import SpeakerSpec

VARIANCE_FLOOR = 1e-8


class ERes2NetV2(SpeakerNetwork):
    """Four stages, each but the first of half the resolution, of which the last is fused with the third.

    Args:
        spec: the model's record.
        channels: of the first stage.
        embedding: E.
        second_layer: whether a second linear layer makes the embedding from the first's.
        base_width, splits, expansion: of the blocks.
    """

    layer1: nn.ModuleList
    layer2: nn.ModuleList
    layer3: nn.ModuleList
    layer4: nn.ModuleList

    def __init__(
        self,
        spec: SpeakerSpec,
        *,
        channels: int,
        embedding: int,
        second_layer: bool,
        base_width: int,
        splits: int,
        expansion: int,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        for name, layers in stages(channels, Shape(base_width, splits, expansion), apart=False).items():
            self.add_module(name, layers)
        wide = 8 * expansion * channels
        self.layer3_ds = nn.Conv2d(wide // 2, wide, 3, 2, padding=1, bias=False)
        self.fuse34 = Fusion(wide)
        self.pool = StatisticsPooling(VARIANCE_FLOOR)
        self.add_embedding_layers(
            2 * wide * -(-spec.front_end.bins // 8), embedding, second_layer=second_layer
        )
        self.folded_norms = (("bn1", "conv1"),)

    def embed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) -> (B, E)"""
        mask = None if mask is None else mask.unsqueeze(2)  # (B, 1, 1, T)
        x = self.bn1(self.conv1(x.unsqueeze(1))).relu()  # (B, C, F, T)
        for stage in (self.layer1, self.layer2, self.layer3):
            for block in stage:
                x, mask = block(x, mask)
        third = self.layer3_ds(keep(x, mask))
        for block in self.layer4:
            x, mask = block(x, mask)
        return self.embedding_of(self.pool(self.fuse34(x, third), mask))
