"""GTCRN: 48 thousand parameters, 26 million multiply-adds a second."""

from zoo.models.gtcrn.weights import WEIGHTS
from zoo.spec import EnhancementSpec, FrontEnd

SPECS = (
    EnhancementSpec(
        name="gtcrn",
        family="gtcrn",
        title="GTCRN",
        paper="X. Rong et al.: GTCRN: A Speech Enhancement Model Requiring Ultralow Computational "
        "Resources. ICASSP 2024",
        url="https://ieeexplore.ieee.org/document/10448310",
        licence="MIT",
        front_end=FrontEnd(sample_rate=16000, n_fft=512, hop_length=256, window="sqrt_hann"),
        network="zoo.models.gtcrn.model:GTCRN",
        options={},
        parameters=48_245,
        macs_per_second=26_400_000,
        weights=WEIGHTS,
    ),
)
