"""Trained weights that FastEnhancer's authors have released, and the same in another port's files.

A model's first tag is the one that it recommends: weights that this project has tried before others, and
those trained on the DNS challenge's data, which are wider, before VoiceBank-DEMAND's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.spec import Weights

_RELEASES = "https://github.com/aask1357/fastenhancer/releases/download"
_PORT = (
    "https://raw.githubusercontent.com/ryyr-ry/fastenhancer-web/1bfc497df7a5aae8e1f22835e8b97c71baf4a83b"
    "/demo/public/assets/weights"
)
_GRAPH = "zoo.models.fastenhancer.published:read_graph"
_BINARY = "zoo.models.fastenhancer.published:read_binary"

_DNS, _VD = "Deep Noise Suppression challenge 1 (Interspeech 2020)", "VoiceBank-DEMAND"
_WIDE: Mapping[str, Any] = {  # at 48 kHz
    "licence": "MIT",
    "training_data": "1,285 hours of speech in Korean, English (VCTK), Spanish, Japanese and Arabic; noise "
    "from DEMAND, TUT urban scenes, WHAM!, the DNS challenge and others",
    "datasets": ("vctk", "demand", "wham"),
    "restriction": "not for commercial use: the training data forbid it, as another catalogue says",
}
_RESULTS = {  # published: SI-SDR in dB, PESQ and STOI on the synthetic set without reverberation, and on VD's
    "t": ((15.4, 2.43, 0.940), (18.6, 2.99, 0.940)),
    "b": ((16.7, 2.69, 0.953), (19.0, 3.13, 0.945)),
    "s": ((17.5, 2.79, 0.960), (19.2, 3.19, 0.947)),
    "m": ((18.4, 2.78, 0.965), (19.4, 3.24, 0.950)),
    "l": ((19.5, 2.94, 0.971), (19.6, 3.26, 0.952)),
}


def _metrics(size: str, *, dns: bool) -> dict[str, float]:
    """What the authors measured, of networks of this size: a mean over five trainings on VoiceBank-DEMAND."""
    test = "DNS challenge 1 test without reverberation" if dns else "VoiceBank-DEMAND test"
    names = (f"{test}, {what} (published)" for what in ("SI-SDR dB", "PESQ", "STOI"))
    return dict(zip(names, _RESULTS[size][0 if dns else 1], strict=True))


def _dns(size: str, sha256: str) -> Weights:
    return Weights(
        tag="dns",
        url=f"{_RELEASES}/onnx-dns-v1.0.0/fastenhancer_{size}.onnx",
        sha256=sha256,
        size=None,
        licence="MIT",
        training_data=_DNS,
        kind="graph",
        reader=_GRAPH,
        seen=False,
        datasets=("dns-challenge-1",),
        metrics=_metrics(size, dns=True),
    )


def _vd(size: str, sha256: str, length: int | None = None, **others: Any) -> Weights:
    known: dict[str, Any] = {
        "tag": "vd",
        "url": f"{_RELEASES}/onnx-vd-v1.0.0/fastenhancer_{size}.onnx",
        "kind": "graph",
        "reader": _GRAPH,
    }
    return Weights(
        sha256=sha256,
        size=length,
        licence="MIT",
        training_data=_VD,
        datasets=("voicebank-demand",),
        metrics=_metrics(size, dns=False),
        **{**known, **others},
    )


def _48k(size: str, sha256: str, length: int | None = None, **others: Any) -> Weights:
    known: dict[str, Any] = {
        "tag": "48k",
        "url": f"{_RELEASES}/onnx-48khz-v1/fastenhancer_{size}.onnx",
        "kind": "graph",
        "reader": _GRAPH,
        "seen": length is not None,
    }
    return Weights(sha256=sha256, size=length, **{**_WIDE, **known, **others})


def _web(size: str, sha256: str, length: int, checkpoint: str) -> Weights:
    """The file of fastenhancer-web, and the sha256 of a checkpoint that was made of it."""
    return Weights(
        tag="web",
        url=f"{_PORT}/fe_{size}_48k.bin",
        sha256=sha256,
        size=length,
        kind="binary",
        reader=_BINARY,
        same=(checkpoint,),
        **_WIDE,
    )


_ZIP: Mapping[str, Any] = {"kind": "folder", "reader": "", "seen": False}
WEIGHTS: Mapping[str, tuple[Weights, ...]] = {  # by model
    "fastenhancer_t": (_dns("t", "a64663672b31bd1445502ee23328d291af13fb312e11bb574c010e7261a5ee7d"),),
    "fastenhancer_b": (
        _vd(
            "b",
            "21bc7b29b432db8b47db8216460b42dc2156f8955ec98ae5318dd007322ffcc3",
            20_596_405,
            url=f"{_RELEASES}/ckpt-vd-v1.0.0/fastenhancer_b.zip",
            **_ZIP,
        ),
    ),
    "fastenhancer_s": (
        _vd("s", "e2d0e91bbfab4af1316bb2c41126a38c8b3cd015b93bb630d651af8fdbf7f2e8", 832_775),
        _dns("s", "d7c937d6b475dbe89a6e6a69853b685fe62d629f4c96077559c556ac6f8aaa2d"),
    ),
    "fastenhancer_m": (
        _vd("m", "367059e724dd367c056dc906e9698ec5864c80c9a88e0597f7a2b0f81c506aaa", seen=False),
    ),
    "fastenhancer_l": (
        _dns("l", "a211423e348707fba4952f2b868084a8d8880c6e8bd17333f4b1c0e87bd35b12"),
        _vd("l", "915d4ae3871c3271e75c194e72a3ff031d5593be4f6f56ccb78df82071ef0750", seen=False),
    ),
    "fastenhancer_48k_t": (
        _48k("t", "1993a3f58ae95d959123b3d28779c2800e0f016d6f4e1177f1213144f301b89c", 151_147),
        _web(
            "tiny",
            "7ce1a9f6f3abb774899edf45e54e50e6e886374c680a9163c5af9c1a9223e4d1",
            113_436,
            "da8d926a00053764f852ac20a1551c57deacde933fee2122db07a035ba83c85f",
        ),
    ),
    "fastenhancer_48k_b": (
        _48k("b", "70e23bba3d41e80d30ebc5eba39d9df64f0e0315f31c772022bb17576c4d96bf"),
        _web(
            "base",
            "a3f475e6ae0cfbe337a411f4f2d01b0cdc49a3fbf1eed02ad46dd355074d0071",
            406_636,
            "3723ebfcfd5c27dd62b5b5a20ddf271605915f16da38157b008e90927db83413",
        ),
    ),
    "fastenhancer_48k_s": (
        _48k("s", "f04ece2beed330da367264c54cedded62f65a117fbde5c005d3a88fc796d0ba3", 875_885),
        _48k(
            "s",
            "20a6269d60304cc55e11fa48192a39d4c716679548226554c38b6228a6fef28d",
            tag="48k-checkpoint",
            url=f"{_RELEASES}/ckpt-v1.0.0-48khz/fastenhancer_s.zip",
            **_ZIP,
        ),
        _web(
            "small",
            "96b83832b5b0b9d70df9f1acf8f75055da07c620b95d69f872216d584faf0c2f",
            832_988,
            "82e539481ec18537f67e67247990cb6327bec065afddd795c6f6942d17ed6919",
        ),
    ),
    "fastenhancer_48k_m": (_48k("m", "c7da800810b583f4734d757c6e14d235f3eec81476121b595743e5866b66efa2"),),
    "fastenhancer_48k_l": (_48k("l", "d7138309ec98266c668b2f86658fcc8f4e82ded67cd7fc8d6598534104b4bf89"),),
}
