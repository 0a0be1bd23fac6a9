"""DPCRN: 787 thousand parameters, 1.6 billion multiply-adds a second."""

from zoo.spec import EnhancementSpec, FrontEnd

SPECS = (
    EnhancementSpec(
        name="dpcrn",
        family="dpcrn",
        title="DPCRN",
        paper="X. Le et al.: DPCRN: Dual-Path Convolution Recurrent Network for Single Channel Speech "
        "Enhancement. Interspeech 2021",
        url="https://github.com/Xiaobin-Rong/TRT-SE",
        licence="MIT",
        # the public implementation states no window; this is the one of the paper's own code
        front_end=FrontEnd(sample_rate=16000, n_fft=512, hop_length=256, window="sine"),
        network="zoo.models.dpcrn.model:DPCRN",
        options={},
        parameters=787_151,
        macs_per_second=1_590_000_000,
    ),
)
