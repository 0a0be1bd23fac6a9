"""Trained weights of CAM++ that wespeaker and 3D-Speaker have released, also with sherpa-onnx's metadata."""

from __future__ import annotations

from typing import Any

from zoo.spec import HUB_SCHEME, Filterbank, Pinned, Weights

_HUB = f"{HUB_SCHEME}Wespeaker/wespeaker-voxceleb-campplus"
_TEST = "VoxCeleb1-O, cosine minus the mean of VoxCeleb2"
_SHERPA = "https://github.com/k2-fsa/sherpa-onnx/releases/download/speaker-recongition-models"


def _weights(tag: str, url: str, sha256: str, error: float, test: str = _TEST, **others: Any) -> Weights:
    """Weights trained on VoxCeleb; ``error`` is the published equal error rate in per cent."""
    return Weights(
        tag=tag,
        url=url,
        sha256=sha256,
        training_data="VoxCeleb2",
        seen=False,
        datasets=("voxceleb",),
        metrics={f"{test}, EER % (published)": error},
        **{"size": None, "licence": "CC-BY-4.0", **others},
    )


WEIGHTS = (
    _weights(
        "voxceleb-lm",  # further trained with a large margin
        f"{_HUB}-LM@c5e01c6fcffcce160861e7e79782828320192b5c/voxceleb_CAM++_LM.onnx",
        "1068e4ac3a76bb9c769e6816ef30bf89363f6e966f1d938210cb8ed4038f8e93",
        0.707,
        kind="graph",
        size=29_292_449,
    ),
    _weights(
        "voxceleb",
        f"{_HUB}@acf623ad8ca746e50baa432255cf8fc57c669c45/avg_model.pt",
        "07abeeb5150441995b51ea65c9ccc8feed78b33040012f1d2fad29a0e4f5b8d7",
        0.803,
        graph=Pinned(
            f"{_SHERPA}/wespeaker_en_voxceleb_CAM++.onnx",
            "c46fad10b5f81e1aa4a60c162714208577093655076c5450f8c469e522ec54ef",
        ),
    ),
    _weights(
        "voxceleb-3dspeaker",
        f"{_SHERPA}/3dspeaker_speech_campplus_sv_en_voxceleb_16k.onnx",
        "357a834f702b80161e5b981182c038e18553c1f2ca752ed6cec2052365d4129b",
        0.65,
        test="VoxCeleb1-O",
        kind="graph",
        licence="Apache-2.0",
        front_end=Filterbank(window="povey", full_scale=1.0),
    ),
    _weights(
        "voxceleb-lm-sherpa",
        f"{_SHERPA}/wespeaker_en_voxceleb_CAM++_LM.onnx",
        "e197af7e9d473030cf486b3124149a19bf37014d0e4485e4c70c483b0ec10cb2",
        0.707,
        kind="graph",
    ),
)
