"""DTLN: a million parameters, 123 million multiply-adds a second, a frame every 8 ms."""

from zoo.models.dtln.weights import WEIGHTS
from zoo.spec import EnhancementSpec, FrontEnd

SPECS = (
    EnhancementSpec(
        name="dtln",
        family="dtln",
        title="DTLN",
        paper="N. L. Westhausen, B. T. Meyer: Dual-Signal Transformation LSTM Network for Real-Time Noise "
        "Suppression. Interspeech 2020",
        url="https://github.com/breizhn/DTLN",
        licence="MIT",
        front_end=FrontEnd(sample_rate=16000, n_fft=512, hop_length=128, window="rectangular"),
        network="zoo.models.dtln.model:DTLN",
        options={"units": 128, "basis": 256, "dropout": 0.25, "norm_eps": 1e-7},
        parameters=988_801,
        macs_per_second=123_000_000,
        weights=WEIGHTS,
        readers={"graph": "zoo.models.dtln.published:read"},
    ),
)
