"""ResNet for speakers, 18 to 293 layers; for recordings at 16 kHz, and for telephone speech at 8 kHz."""

from zoo.models.resnet.config import options
from zoo.models.resnet.weights import WEIGHTS
from zoo.spec import Filterbank, SpeakerSpec

_SIZES = {  # depth: parameters and multiply-adds a second at 16 kHz, and at 8 kHz
    18: ((4_105_440, 1_080_000_000), (3_843_296, 867_000_000)),
    34: ((6_634_336, 2_260_000_000), (6_372_192, 1_810_000_000)),
    50: ((11_131_360, 2_540_000_000), (10_082_784, 2_030_000_000)),
    101: ((15_892_448, 4_900_000_000), (14_843_872, 3_920_000_000)),
    152: ((19_814_880, 7_270_000_000), (18_766_304, 5_820_000_000)),
    221: ((23_792_224, 10_500_000_000), (22_743_648, 8_380_000_000)),
    293: ((28_626_016, 13_800_000_000), (27_577_440, 11_100_000_000)),
}

_RATES = {  # ending of the name: features, those at 8 kHz as in the public recipe for telephone speech
    "": Filterbank(),
    "_8k": Filterbank(sample_rate=8000, bins=64, win_length=200, hop_length=80),
}

SPECS = tuple(
    SpeakerSpec(
        name=f"resnet{depth}{ending}",
        family="resnet",
        title=f"ResNet{depth}{ending and ', 8 kHz'}",
        paper="H. Zeinali, S. Wang, A. Silnova, P. Matejka, O. Plchot: BUT System Description to VoxCeleb "
        "Speaker Recognition Challenge 2019",
        url="https://arxiv.org/abs/1910.12592",
        licence="Apache-2.0",
        front_end=front_end,
        network="zoo.models.resnet.model:ResNet",
        options=options(depth),
        variable=("embedding", "second_layer"),
        parameters=parameters,
        least_frames=9,
        macs_per_second=macs,
        weights=() if ending else WEIGHTS.get(depth, ()),
        config_reader="zoo.models.resnet.config:read_config",
        readers={"graph": "zoo.models.resnet.published:read_graph"},
    )
    for place, (ending, front_end) in enumerate(_RATES.items())
    for depth, sizes in _SIZES.items()
    for parameters, macs in [sizes[place]]
)
