"""ERes2Net with 32 (base) or 64 (large) channels in its first stage."""

from zoo.models.eres2net.config import options
from zoo.models.eres2net.weights import WEIGHTS
from zoo.spec import Filterbank, SpeakerSpec

_SIZES = {  # name: channels, parameters, multiply-adds a second
    "base": (32, 9_887_808, 1_680_000_000),
    "large": (64, 29_016_704, 6_720_000_000),
}

SPECS = tuple(
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
        options=options(channels),
        variable=("embedding", "second_layer"),
        parameters=parameters,
        least_frames=9,
        macs_per_second=macs,
        weights=WEIGHTS if size == "base" else (),
        config_reader="zoo.models.eres2net.config:read_config",
    )
    for size, (channels, parameters, macs) in _SIZES.items()
)
