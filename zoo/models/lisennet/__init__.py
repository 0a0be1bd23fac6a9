"""LiSenNet in its streaming configuration: 37 thousand parameters, 51 million multiply-adds a second."""

from zoo.spec import EnhancementSpec, FrontEnd

SPECS = (
    EnhancementSpec(
        name="lisennet",
        family="lisennet",
        title="LiSenNet",
        paper="H. Yan et al.: LiSenNet: Lightweight Sub-band and Dual-Path Modeling for Real-Time Speech "
        "Enhancement. ICASSP 2025",
        url="https://arxiv.org/abs/2409.13285",
        licence="MIT",
        front_end=FrontEnd(sample_rate=16000, n_fft=512, hop_length=256),
        network="zoo.models.lisennet.model:LiSenNet",
        options={"channels": 16, "blocks": 2, "compression": 0.3},
        parameters=36_783,
        macs_per_second=51_200_000,
        config_reader="zoo.models.lisennet.config:read_config",
    ),
)
