"""Trained weights of ECAPA-TDNN that wespeaker has released."""

from zoo.spec import HUB_SCHEME, Weights

WEIGHTS = (  # 512 channels, global context; further trained with a large margin
    Weights(
        tag="voxceleb-lm",
        url=f"{HUB_SCHEME}Wespeaker/wespeaker-ecapa-tdnn512-LM@a2f3dcb1c8702caccc7a55ceb57f5e8d1842112b"
        "/voxceleb_ECAPA512_LM.onnx",
        sha256="d71b85d9b48058ef68004f04f1b78acebefb9dfcf542e19b976a12a5ad1f10b0",
        size=24_861_931,
        licence="CC-BY-4.0",
        training_data="VoxCeleb2",
        kind="graph",
        seen=False,
        datasets=("voxceleb",),
        metrics={"VoxCeleb1-O, cosine minus the mean of VoxCeleb2, EER % (published)": 0.878},
    ),
)
