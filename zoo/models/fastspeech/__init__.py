"""FastSpeech as NVIDIA's public implementation has it, with 47 million parameters, and a small one."""

from zoo.spec import MelSpectrum, SynthesisSpec
from zoo.text.symbols import PHONEMES, SYMBOLS

_PAPER = "Y. Ren et al.: FastSpeech: Fast, Robust and Controllable Text to Speech. NeurIPS 2019"
_URL = "https://arxiv.org/abs/1905.09263"
_BUCKETS = ((32, 256), (64, 512), (96, 768), (128, 1024))

SPECS = (
    SynthesisSpec(
        name="fastspeech",
        family="fastspeech",
        title="FastSpeech",
        paper=_PAPER,
        url=_URL,
        licence="BSD-3-Clause",
        front_end=MelSpectrum(),
        network="zoo.models.fastspeech.model:FastSpeech",
        options={
            "symbols": 149,
            "channels": 384,
            "phoneme_layers": 6,
            "mel_layers": 6,
            "heads": 2,
            "head_channels": 64,
            "filters": 1536,
            "kernel": 3,
            "duration_filters": 256,
            "duration_kernel": 3,
            "mels": 80,
            "longest": 2048,
        },
        parameters=47_032_273,
        symbols=SYMBOLS,
        macs_per_second=2_320_000_000,
        buckets=_BUCKETS,
        shapes_reader="zoo.models.fastspeech.config:read_shapes",
    ),
    SynthesisSpec(
        name="fastspeech_small",
        family="fastspeech",
        title="FastSpeech, small",
        paper=_PAPER,
        url=_URL,
        licence="BSD-3-Clause",
        front_end=MelSpectrum(),
        network="zoo.models.fastspeech.model:FastSpeech",
        options={
            "symbols": len(PHONEMES),
            "channels": 128,
            "phoneme_layers": 3,
            "mel_layers": 4,
            "heads": 2,
            "head_channels": 64,
            "filters": 512,
            "kernel": 3,
            "duration_filters": 128,
            "duration_kernel": 3,
            "mels": 80,
            "longest": 1024,
            "dropout": 0.05,
        },
        parameters=3_607_121,
        symbols=PHONEMES,
        macs_per_second=266_000_000,
        buckets=_BUCKETS,
        shapes_reader="zoo.models.fastspeech.config:read_shapes",
    ),
)
