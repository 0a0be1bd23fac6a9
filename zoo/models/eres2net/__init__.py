"""ERes2Net with 32 or 64 channels in its first stage, with wider blocks, and its version 2."""

from zoo.models.eres2net.config import options
from zoo.models.eres2net.weights import WEIGHTS
from zoo.spec import Filterbank, SpeakerSpec

_SIZES = {  # name: options, parameters, multiply-adds a second
    "base": (options(32), 9_887_808, 1_680_000_000),
    "large": (options(64), 29_016_704, 6_720_000_000),
    "aug": (options(64, 24, 3, 4), 68_272_544, 15_600_000_000),
}
_SIZES_V2 = {
    "": (options(64, 26, 2, 2, 192), 17_859_632, 4_150_000_000),
    "_w24s4ep4": (options(64, 24, 4, 4, 192), 53_513_632, 12_300_000_000),
}

SPECS = (
    *(
        SpeakerSpec(
            name=f"eres2net_{size}",
            family="eres2net",
            title=f"ERes2Net, {size}",
            paper="Y. Chen, S. Zheng, H. Wang, L. Cheng, Q. Chen, J. Qi: An Enhanced Res2Net with Local and "
            "Global Feature Fusion for Speaker Verification. Interspeech 2023",
            url="https://arxiv.org/abs/2305.12838",
            licence="Apache-2.0",
            front_end=Filterbank(),
            network="zoo.models.eres2net.model:ERes2Net",
            options=given,
            variable=("embedding", "second_layer"),
            parameters=parameters,
            least_frames=9,
            macs_per_second=macs,
            weights=WEIGHTS if size == "base" else (),
            config_reader="zoo.models.eres2net.config:read_config",
        )
        for size, (given, parameters, macs) in _SIZES.items()
    ),
    *(
        SpeakerSpec(
            name=f"eres2netv2{size}",
            family="eres2net",
            title=f"ERes2NetV2{size and ', wider'}",
            paper="Y. Chen, S. Zheng, H. Wang et al.: ERes2NetV2: Boosting Short-Duration Speaker "
            "Verification Performance with Computational Efficiency. Interspeech 2024",
            url="https://arxiv.org/abs/2406.02167",
            licence="Apache-2.0",
            front_end=Filterbank(window="povey", full_scale=1.0),
            network="zoo.models.eres2net.version2:ERes2NetV2",
            options=given,
            variable=("embedding", "second_layer", "channels"),
            parameters=parameters,
            least_frames=9,
            macs_per_second=macs,
            config_reader="zoo.models.eres2net.config:read_version2",
        )
        for size, (given, parameters, macs) in _SIZES_V2.items()
    ),
)
