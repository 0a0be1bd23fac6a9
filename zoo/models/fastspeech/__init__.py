"""FastSpeech as NVIDIA's public implementation has it, with 47 million parameters."""

from zoo.spec import MelSpectrum, SynthesisSpec
from zoo.text.symbols import SYMBOLS

SPECS = (
    SynthesisSpec(
        name="fastspeech",
        family="fastspeech",
        title="FastSpeech",
        paper="Y. Ren et al.: FastSpeech: Fast, Robust and Controllable Text to Speech. NeurIPS 2019",
        url="https://arxiv.org/abs/1905.09263",
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
        buckets=((32, 256), (64, 512), (96, 768), (128, 1024)),
        shapes_reader="zoo.models.fastspeech.config:read_shapes",
    ),
)
