"""The released weights of GTCRN: checkpoints, and graphs of another training beside the streaming code."""

from zoo.spec import Pinned, Weights

_REPOSITORY = "https://github.com/Xiaobin-Rong/gtcrn/raw/3862c44808dca492ea5a8a145d2dc2a1028d08c8"
_RELEASE = f"{_REPOSITORY}/checkpoints"
_STREAM = f"{_REPOSITORY}/stream/onnx_models"
_DNS3 = "Deep Noise Suppression challenge 3 (ICASSP 2021)"

WEIGHTS = (
    Weights(
        tag="dns3",
        url=f"{_RELEASE}/model_trained_on_dns3.tar",
        sha256="a630d992cf792daf4ce2bb5bcf9c4d389f740a8f09c6e0971184697fe6371b79",
        size=579_819,
        licence="MIT",
        training_data=_DNS3,
        datasets=("dns-challenge-3",),
        metrics={"DNS3 blind test, DNSMOS OVRL (published)": 2.70},
    ),
    Weights(
        tag="vctk",
        url=f"{_RELEASE}/model_trained_on_vctk.tar",
        sha256="a0f0e04421d9fc1efe734d44191f5dc4b973ce59d6546af8d64ad9167e2a9944",
        size=737_323,
        licence="MIT",
        training_data="VoiceBank-DEMAND",
        datasets=("voicebank-demand",),
        metrics={
            "VoiceBank-DEMAND test, SI-SDR dB (published)": 18.83,
            "VoiceBank-DEMAND test, PESQ (published)": 2.87,
            "VoiceBank-DEMAND test, STOI (published)": 0.940,
        },
    ),
    Weights(
        tag="dns3-stream",  # another training than dns3
        url=f"{_STREAM}/model_trained_on_dns3.tar",
        sha256="250fa2820ea9947704a62dda8e642ba773a067719c5e4294ad95aeab23f06442",
        size=737_323,
        licence="MIT",
        training_data=_DNS3,
        graph=Pinned(
            f"{_STREAM}/gtcrn_simple.onnx",
            "b4718df6228e7bdf1a8a435cf98f838636eb2fd331acabf86ba87c5192ebcb87",
            535_190,
        ),
        datasets=("dns-challenge-3",),
    ),
    Weights(
        tag="sherpa",
        url="https://github.com/k2-fsa/sherpa-onnx/releases/download/speech-enhancement-models"
        "/gtcrn_simple.onnx",
        sha256="e77603ac0c23dac3227dd2d7135b3a585cbee2679048aecfa886657d3ae1b534",
        size=None,
        licence="MIT",
        training_data=f"{_DNS3}, by its name",
        kind="graph",
        seen=False,
        datasets=("dns-challenge-3",),
    ),
)
