"""SimAM-ResNet with 34 or 100 layers."""

from zoo.models.samresnet.config import options
from zoo.spec import Filterbank, SpeakerSpec

_SIZES = {
    34: (25_213_760, 9_070_000_000),
    100: (50_232_896, 28_500_000_000),
}  # depth: parameters, multiply-adds a second

SPECS = tuple(
    SpeakerSpec(
        name=f"simam_resnet{depth}",
        family="samresnet",
        title=f"SimAM-ResNet{depth}",
        paper="X. Qin, N. Li, C. Weng, D. Su, M. Li: Simple Attention Module Based Speaker Verification with "
        "Iterative Noisy Label Detection. ICASSP 2022",
        url="https://arxiv.org/abs/2110.06534",
        licence="Apache-2.0",
        front_end=Filterbank(),
        network="zoo.models.samresnet.model:SimAMResNet",
        options=options(depth),
        variable=("embedding", "channels"),
        parameters=parameters,
        least_frames=1,
        macs_per_second=macs,
        config_reader="zoo.models.samresnet.config:read_config",
    )
    for depth, (parameters, macs) in _SIZES.items()
)
