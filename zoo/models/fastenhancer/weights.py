"""Trained weights of FastEnhancer that are known, though nobody offers them as a file."""

from zoo.spec import LOCAL_SCHEME, Weights

RECOVERED = "recovered"


def _recovered(size: str, sha256: str, length: int) -> Weights:
    name = f"fastenhancer_48k_{size}"
    return Weights(
        tag=RECOVERED,
        url=f"{LOCAL_SCHEME}{name}.safetensors",
        sha256=sha256,
        size=length,
        licence="MIT",
        training_data="not known; FastEnhancer's release, by way of the merged weights in fastenhancer-web",
        obtain=(
            "it was recovered from the merged weights in the fastenhancer-web repository; ask who has it. A "
            "training folder or checkpoint of FastEnhancer (https://github.com/aask1357/fastenhancer) loads "
            f"by its path too, and `speechzoo convert PATH --model {name} -o "
            f"{name}.safetensors` makes one file of it"
        ),
    )


WEIGHTS = {  # by size, at 48 kHz
    "t": _recovered("t", "da8d926a00053764f852ac20a1551c57deacde933fee2122db07a035ba83c85f", 127_036),
    "b": _recovered("b", "3723ebfcfd5c27dd62b5b5a20ddf271605915f16da38157b008e90927db83413", 428_116),
    "s": _recovered("s", "82e539481ec18537f67e67247990cb6327bec065afddd795c6f6942d17ed6919", 860_836),
}
