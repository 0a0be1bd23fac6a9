"""Repositories of a speaker model and of text to speech."""

from __future__ import annotations

SPEAKER, VOICE = "resnet18", "fastspeech"
FORMS = {SPEAKER: ("wav", "feats"), VOICE: ("free", "32/256", "64/512")}
GRAPHS = {
    SPEAKER: ("onnx/resnet18.wav.onnx", "onnx/resnet18.feats.onnx"),
    VOICE: ("onnx/fastspeech.free.onnx", "onnx/fastspeech.i32.o256.onnx", "onnx/fastspeech.i64.o512.onnx"),
}
USUAL = {SPEAKER: GRAPHS[SPEAKER][0], VOICE: GRAPHS[VOICE][0]}  # where no form is named
OPTIONS = {  # of a voice that exports in seconds; its positions end with the second of the sizes
    SPEAKER: {},
    VOICE: {
        "channels": 32, "phoneme_layers": 1, "mel_layers": 1, "head_channels": 16, "filters": 48,
        "duration_filters": 32, "longest": 512,
    },
}  # fmt: skip
TERMS = ["--licence", "MIT", "--training-data", "nothing"]
