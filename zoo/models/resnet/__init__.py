"""ResNet for speakers, 18 to 293 layers."""

from zoo.models.resnet.config import options
from zoo.models.resnet.weights import WEIGHTS
from zoo.spec import Filterbank, SpeakerSpec

_SIZES = {  # depth: parameters, multiply-adds a second
    18: (4_105_440, 1_080_000_000),
    34: (6_634_336, 2_260_000_000),
    50: (11_131_360, 2_540_000_000),
    101: (15_892_448, 4_900_000_000),
    152: (19_814_880, 7_270_000_000),
    221: (23_792_224, 10_500_000_000),
    293: (28_626_016, 13_800_000_000),
}

SPECS = tuple(
    SpeakerSpec(
        name=f"resnet{depth}",
        family="resnet",
        title=f"ResNet{depth}",
        paper="H. Zeinali, S. Wang, A. Silnova, P. Matejka, O. Plchot: BUT System Description to VoxCeleb "
        "Speaker Recognition Challenge 2019",
        url="https://arxiv.org/abs/1910.12592",
        licence="Apache-2.0",
        front_end=Filterbank(),
        network="zoo.models.resnet.model:ResNet",
        options=options(depth),
        variable=("embedding", "second_layer"),
        parameters=parameters,
        least_frames=9,
        macs_per_second=macs,
        weights=WEIGHTS.get(depth, ()),
        config_reader="zoo.models.resnet.config:read_config",
        readers={"graph": "zoo.models.resnet.published:read_graph"},
    )
    for depth, (parameters, macs) in _SIZES.items()
)
