"""Gemini DF-ResNet with 60 to 237 layers."""

from zoo.models.gemini.config import options
from zoo.spec import Filterbank, SpeakerSpec

_SIZES = {  # depth: parameters, multiply-adds a second
    60: (4_047_840, 1_400_000_000),
    114: (6_531_552, 2_620_000_000),
    183: (9_196_384, 4_010_000_000),
    237: (11_680_096, 5_240_000_000),
}

SPECS = tuple(
    SpeakerSpec(
        name=f"gemini_dfresnet{depth}",
        family="gemini",
        title=f"Gemini DF-ResNet{depth}",
        paper="T. Liu, K. A. Lee, Q. Wang, H. Li: Golden Gemini is All You Need: Finding the Sweet Spots for "
        "Speaker Verification. IEEE/ACM Transactions on Audio, Speech, and Language Processing 32, 2024",
        url="https://arxiv.org/abs/2312.03620",
        licence="Apache-2.0",
        front_end=Filterbank(),
        network="zoo.models.gemini.model:GeminiResNet",
        options=options(depth),
        variable=("embedding", "second_layer"),
        parameters=parameters,
        least_frames=3,
        macs_per_second=macs,
        config_reader="zoo.models.gemini.config:read_config",
    )
    for depth, (parameters, macs) in _SIZES.items()
)
