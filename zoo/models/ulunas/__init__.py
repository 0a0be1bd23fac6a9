"""UL-UNAS: 171 thousand parameters, 27 million multiply-adds a second."""

from zoo.models.ulunas.weights import WEIGHTS
from zoo.spec import EnhancementSpec, FrontEnd

SPECS = (
    EnhancementSpec(
        name="ulunas",
        family="ulunas",
        title="UL-UNAS",
        paper="X. Rong et al.: UL-UNAS: Ultra-Lightweight U-Nets for Real-Time Speech Enhancement via "
        "Network Architecture Search. IEEE TASLP 34, 2026",
        url="https://ieeexplore.ieee.org/document/11371714",
        licence="MIT",
        front_end=FrontEnd(sample_rate=16000, n_fft=512, hop_length=256, window="hann"),
        network="zoo.models.ulunas.model:ULUNAS",
        options={},
        parameters=171_328,
        macs_per_second=27_400_000,
        weights=WEIGHTS,
    ),
)
