"""The released weights of UL-UNAS."""

from zoo.spec import Pinned, Weights

_RELEASE = "https://raw.githubusercontent.com/Xiaobin-Rong/ul-unas/00f7c700da43d38347f30a6ccebd86fcbc798e07"

WEIGHTS = (
    Weights(
        tag="dns3",
        url=f"{_RELEASE}/checkpoints/model_trained_on_dns3.tar",
        sha256="9a0656bf8e88d36865792d3065fed9bc33d5ab85e11ae3a1ae085b928fdb49a8",
        size=2_284_926,
        licence="MIT",
        training_data="Deep Noise Suppression challenge 3 (ICASSP 2021)",
        graph=Pinned(
            f"{_RELEASE}/ulunas_onnx/onnx_models/ulunas_stream_simple.onnx",
            "f2e804d54d6a88f4f82f44d86c9f1cf646db2509bfca935cfbfc5fcd8cbfac3b",
            788_967,
        ),
        datasets=("dns-challenge-3",),
    ),
)
