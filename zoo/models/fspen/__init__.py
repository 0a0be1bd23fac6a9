"""FSPEN: 82 thousand parameters, 70 million multiply-adds a second."""

from zoo.spec import EnhancementSpec, FrontEnd, Tolerance

SPECS = (
    EnhancementSpec(
        name="fspen",
        family="fspen",
        title="FSPEN",
        paper="L. Yang et al.: FSPEN: An Ultra-Lightweight Network for Real Time Speech Enhancement. "
        "ICASSP 2024",
        url="https://ieeexplore.ieee.org/document/10446016",
        licence="MIT",
        front_end=FrontEnd(sample_rate=16000, n_fft=512, hop_length=256),
        network="zoo.models.fspen.model:FSPEN",
        options={
            "channels": (4, 16, 32),
            "kernel_sizes": (6, 8, 6),
            "block_channels": 16,
            "block_bins": 32,
            "blocks": 3,
            "groups": 8,
            "norm": "frame",
            "compression": 0.3,
        },
        parameters=81_722,
        macs_per_second=70_400_000,
        config_reader="zoo.models.fspen.config:read_config",
        tolerance=Tolerance(snr_db=100.0),  # see "Precision" in the model card
    ),
)
