"""Trained weights of ResNets that wespeaker has released, and the same with sherpa-onnx's metadata.

Of the tags, ``lm`` is further training with a large margin, which is better for recordings of more than 3 s.
"""

from __future__ import annotations

from collections.abc import Mapping

from zoo.spec import HUB_SCHEME, Weights

_HUB = f"{HUB_SCHEME}Wespeaker/wespeaker-"
_SHERPA = "https://github.com/k2-fsa/sherpa-onnx/releases/download/speaker-recongition-models/wespeaker_"


def _graph(tag: str, url: str, sha256: str, error: float | None = None, size: int | None = None) -> Weights:
    """A graph; ``error`` is the published equal error rate in per cent."""
    chinese = tag.startswith("cnceleb")
    test = "CN-Celeb evaluation" if chinese else "VoxCeleb1-O, cosine minus the mean of VoxCeleb2"
    return Weights(
        tag=tag,
        url=url,
        sha256=sha256,
        size=size,
        licence="CC-BY-SA-4.0" if chinese else "CC-BY-4.0",
        training_data="CN-Celeb" if chinese else "VoxCeleb2",
        kind="graph",
        seen=False,
        datasets=("cn-celeb",) if chinese else ("voxceleb",),
        metrics={} if error is None else {f"{test}, EER % (published)": error},
    )


WEIGHTS: Mapping[int, tuple[Weights, ...]] = {  # by depth
    34: (
        _graph(
            "voxceleb-lm",
            f"{_HUB}voxceleb-resnet34-LM@f0c48c298fd835726c27956a5d617bad7115627e/voxceleb_resnet34_LM.onnx",
            "7bb2f06e9df17cdf1ef14ee8a15ab08ed28e8d0ef5054ee135741560df2ec068",
            0.797,
            26_530_309,
        ),
        _graph(
            "voxceleb",
            f"{_HUB}voxceleb-resnet34@ff1ac5bca8ef11e90662b879aa923979e0bd277b/voxceleb_resnet34.onnx",
            "9fea6516d7ad6bf0a76c7689f5a49b65d330fad6dde96c91bb4435ffbfe056a1",
            0.867,
            26_534_127,
        ),
        _graph(
            "cnceleb-lm",
            f"{_SHERPA}zh_cnceleb_resnet34_LM.onnx",
            "87d1d5068397f3792c730570b53d66cd8be1da7ea22dd04f5b6706d96a3cd168",
            6.652,
        ),
        _graph(
            "cnceleb",
            f"{_SHERPA}zh_cnceleb_resnet34.onnx",
            "f86cd6c509f331f0e20b07bd48d1b2eb7de54202643401c4e84695ac861a0e5a",
            7.134,
        ),
        _graph(
            "voxceleb-lm-sherpa",
            f"{_SHERPA}en_voxceleb_resnet34_LM.onnx",
            "e9848563da86f263117134dfd7ad63c92355b37de492b55e325400c9d9c39012",
            0.797,
            26_530_550,
        ),
        _graph(
            "voxceleb-sherpa",
            f"{_SHERPA}en_voxceleb_resnet34.onnx",
            "5ef208a9da1453335308a6b6f4e6dfbd7e183a38b604de0a57664f45d257fe94",
            0.867,
        ),
    ),
    152: (
        _graph(
            "voxceleb-lm",
            f"{_HUB}voxceleb-resnet152-LM@4adba1525a6c9d5fff74b6df43a6ec97a86c4112"
            "/voxceleb_resnet152_LM.onnx",
            "5b734353b4b410e222bbd124dd095537642237ad895727d18a3b9fee330262a8",
        ),
        _graph(
            "voxceleb-lm-sherpa",
            f"{_SHERPA}en_voxceleb_resnet152_LM.onnx",
            "3e1c2c7a02097bdddc27c1cf7382237399abdc3b5b682e59455830673c6686e7",
        ),
    ),
    221: (
        _graph(
            "voxceleb-lm",
            f"{_SHERPA}en_voxceleb_resnet221_LM.onnx",
            "182f4ae144d70dfeb78064f6d507f8aada35c732a782631152a2626a4f20a60a",
            0.580,
        ),
    ),
    293: (
        _graph(
            "voxceleb-lm",
            f"{_SHERPA}en_voxceleb_resnet293_LM.onnx",
            "f65dbc820e534eef64ae12d1e289e20244d60e60f7f00d7b092092b1c458be2e",
            0.532,
        ),
    ),
}
