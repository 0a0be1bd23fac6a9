"""Trained weights of ERes2Net that 3D-Speaker has released, with sherpa-onnx's metadata."""

from zoo.spec import Filterbank, Weights

WEIGHTS = (  # of the base size, with embeddings of 192 values
    Weights(
        tag="voxceleb-3dspeaker",
        url="https://github.com/k2-fsa/sherpa-onnx/releases/download/speaker-recongition-models"
        "/3dspeaker_speech_eres2net_sv_en_voxceleb_16k.onnx",
        sha256="c59158379255ad66e161679cca6af8d52d51e389e3224ab7d7a7baae295c2db5",
        size=None,
        licence="Apache-2.0",
        training_data="VoxCeleb2",
        kind="graph",
        front_end=Filterbank(window="povey", full_scale=1.0),
        seen=False,
        datasets=("voxceleb",),
        metrics={"VoxCeleb1-O, EER % (published)": 0.84},
    ),
)
