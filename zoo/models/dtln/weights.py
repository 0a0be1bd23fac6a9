"""The released weights of DTLN, which are two graphs."""

from zoo.spec import Pinned, Weights

_RELEASE = "https://raw.githubusercontent.com/breizhn/DTLN/1de1f15a8b5b7e1c44905618ff2ef70ca8277fbc"

WEIGHTS = (
    Weights(
        tag="dns1",
        url=f"{_RELEASE}/pretrained_model/model_1.onnx",
        sha256="22b91cae3855e5a0620e66a917ca6c82c58db0e842c770f58d86751c5e8d4ae3",
        size=1_458_237,
        licence="MIT",
        training_data="500 hours of the Deep Noise Suppression challenge 1 (Interspeech 2020)",
        datasets=("dns-challenge-1",),
        kind="graph",
        more=(
            Pinned(
                url=f"{_RELEASE}/pretrained_model/model_2.onnx",
                sha256="e20c92f9233fccf29cddf86970d0d0161a03aebccc26d6f4d5639c4d5ec2e639",
                size=2_510_010,
            ),
        ),
    ),
)
