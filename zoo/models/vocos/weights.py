"""The released weights of Vocos for such frames."""

from zoo.spec import Weights

WEIGHTS = (
    Weights(
        tag="vocos-22khz-univ",
        url="https://github.com/k2-fsa/sherpa-onnx/releases/download/vocoder-models/vocos-22khz-univ.onnx",
        sha256="0574a135aa1db2de6e181050db2ec528496cacd4a4701fc5d7faf9f9804c0081",
        size=None,
        licence="Apache-2.0",
        training_data="speech of many speakers, by its name; not said where it is published",
        kind="graph",
        seen=False,
    ),
)
