"""FastSpeech as NVIDIA's public implementation has it, with 47 million parameters, and a small one."""

from functools import partial

from zoo.spec import MelSpectrum, SynthesisSpec
from zoo.text.symbols import PHONEMES, SYMBOLS

_fastspeech = partial(
    SynthesisSpec,
    family="fastspeech",
    paper="Y. Ren et al.: FastSpeech: Fast, Robust and Controllable Text to Speech. NeurIPS 2019",
    url="https://arxiv.org/abs/1905.09263",
    licence="BSD-3-Clause",
    front_end=MelSpectrum(),
    network="zoo.models.fastspeech.model:FastSpeech",
    buckets=((32, 256), (64, 512), (96, 768), (128, 1024)),
    shapes_reader="zoo.models.fastspeech.config:read_shapes",
)
_OPTIONS = {"heads": 2, "head_channels": 64, "kernel": 3, "duration_kernel": 3, "mels": 80}

SPECS = (
    _fastspeech(
        name="fastspeech",
        title="FastSpeech",
        options={
            **_OPTIONS,
            "symbols": 149,
            "channels": 384,
            "phoneme_layers": 6,
            "mel_layers": 6,
            "filters": 1536,
            "duration_filters": 256,
            "longest": 2048,
        },
        parameters=47_032_273,
        symbols=SYMBOLS,
        macs_per_second=2_320_000_000,
    ),
    _fastspeech(
        name="fastspeech_small",
        title="FastSpeech, small",
        options={
            **_OPTIONS,
            "symbols": len(PHONEMES),
            "channels": 128,
            "phoneme_layers": 3,
            "mel_layers": 4,
            "filters": 512,
            "duration_filters": 128,
            "longest": 1024,
            "dropout": 0.05,
        },
        parameters=3_607_121,
        symbols=PHONEMES,
        vocoder="vocos_small",
        macs_per_second=266_000_000,
    ),
)
