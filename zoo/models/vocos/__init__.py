"""Vocos in the size of its paper, and a small one."""

from functools import partial

from zoo.models.vocos.weights import WEIGHTS
from zoo.spec import MelSpectrum, Tolerance, VocoderSpec

_vocos = partial(
    VocoderSpec,
    family="vocos",
    paper="H. Siuzdak: Vocos: Closing the Gap between Time-Domain and Fourier-Based Neural Vocoders for "
    "High-Quality Audio Synthesis. ICLR 2024",
    url="https://arxiv.org/abs/2306.00814",
    licence="MIT",
    front_end=MelSpectrum(),
    network="zoo.models.vocos.model:Vocos",
    tolerance=Tolerance(snr_db=90.0, max_error=1e-4),  # see "Precision" in README.md
)

SPECS = (
    _vocos(
        name="vocos",
        title="Vocos",
        options={"channels": 512, "hidden": 1536, "blocks": 8, "kernel": 7, "future": 3},
        look_ahead=27,
        parameters=13_459_970,
        macs_per_second=1_160_000_000,
        weights=WEIGHTS,
    ),
    _vocos(
        name="vocos_small",
        title="Vocos, small",
        options={
            "channels": 128,
            "hidden": 384,
            "blocks": 6,
            "kernel": 7,
            "future": 3,
            "envelope": True,
        },
        look_ahead=21,
        parameters=806_018,
        macs_per_second=72_300_000,
    ),
)
